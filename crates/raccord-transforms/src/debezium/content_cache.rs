//! What was found out about a schema, where Debezium's answer for the first of several equal schemas counts for all.

use std::sync::Arc;

use raccord_data::Schema;
use raccord_plugin::Result;

use crate::schema_cache::SchemaCache;

/// How many different schemas are remembered.
const SCHEMAS_MAX: usize = 1000;

/// Results by schema: by its pointer, else by its content.
pub(crate) struct ContentCache<T> {
    by_pointer: SchemaCache<Arc<T>>,
    known: Vec<(Arc<Schema>, Arc<T>)>,
}

impl<T> Default for ContentCache<T> {
    fn default() -> Self {
        Self { by_pointer: SchemaCache::default(), known: Vec::new() }
    }
}

impl<T> ContentCache<T> {
    /// What is known of the schema or of one equal to it, or what `make` finds out.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get(&mut self, schema: &Arc<Schema>, make: impl FnOnce(&Arc<Schema>) -> Result<T>) -> Result<&T> {
        let known = &mut self.known;
        let found = self.by_pointer.get(schema, |schema| {
            if let Some((_, found)) = known.iter().find(|(equal, _)| equal == schema) {
                return Ok(Arc::clone(found));
            }
            let made = Arc::new(make(schema)?);
            if known.len() >= SCHEMAS_MAX {
                known.clear();
            }
            known.push((Arc::clone(schema), Arc::clone(&made)));
            Ok(made)
        })?;
        Ok(found)
    }
}
