//! What was found out about a schema, kept by the schema's pointer.
//!
//! The cache holds each schema's `Arc`, so an address cannot come to mean another schema while it is a key here.

use std::collections::HashMap;
use std::sync::Arc;

use raccord_data::Schema;
use raccord_plugin::Result;

/// Topics of one task rarely have more schemas at a time; a task that has forgets them all and begins again.
const SCHEMAS_MAX: usize = 1000;

/// Results by schema. The schema of the record before is found by one comparison.
#[derive(Debug)]
pub(crate) struct SchemaCache<T> {
    last: Option<(Arc<Schema>, Arc<T>)>,
    known: HashMap<usize, (Arc<Schema>, Arc<T>)>,
}

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self { last: None, known: HashMap::new() }
    }
}

impl<T> SchemaCache<T> {
    /// What is known of the schema, or what `make` finds out. A failure is not kept.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get(&mut self, schema: &Arc<Schema>, make: impl FnOnce(&Arc<Schema>) -> Result<T>) -> Result<&T> {
        if !self.last.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, schema)) {
            let found = self.find(schema, make)?;
            self.last = Some((Arc::clone(schema), found));
        }
        Ok(&self.last.as_ref().expect("it was set above").1)
    }

    #[cold]
    fn find(&mut self, schema: &Arc<Schema>, make: impl FnOnce(&Arc<Schema>) -> Result<T>) -> Result<Arc<T>> {
        if let Some((_, found)) = self.known.get(&address(schema)) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(make(schema)?);
        if self.known.len() >= SCHEMAS_MAX {
            self.known.clear();
        }
        self.known.insert(address(schema), (Arc::clone(schema), Arc::clone(&made)));
        Ok(made)
    }
}

fn address(schema: &Arc<Schema>) -> usize {
    Arc::as_ptr(schema) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use raccord_data::Type;
    use raccord_plugin::Error;

    fn schema(version: i32) -> Arc<Schema> {
        Schema::of(Type::Int32).version(version).build()
    }

    #[test]
    fn asks_once_for_each_schema_and_forgets_failures() {
        let mut cache = SchemaCache::default();
        let schemas: Vec<_> = (0..3).map(schema).collect();
        let mut asked = 0;
        for _ in 0..3 {
            for (index, schema) in schemas.iter().enumerate() {
                let make = |_: &Arc<Schema>| {
                    asked += 1;
                    Ok(index)
                };
                assert_eq!(*cache.get(schema, make).unwrap(), index);
            }
        }
        assert_eq!(asked, 3);
        let other = schema(3);
        assert!(cache.get(&other, |_| Err(Error::record("no"))).is_err());
        assert_eq!(*cache.get(&other, |_| Ok(9)).unwrap(), 9);
    }

    #[test]
    fn stays_bounded() {
        let mut cache = SchemaCache::default();
        for number in 0..SCHEMAS_MAX + 10 {
            let schema = schema(0);
            assert_eq!(*cache.get(&schema, |_| Ok(number)).unwrap(), number);
        }
        assert!(cache.known.len() <= SCHEMAS_MAX);
    }
}
