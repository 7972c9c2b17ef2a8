//! The rows of a chunk, until the second watermark comes by.

use std::collections::HashMap;

use raccord_data::{Struct, Value, java_order};

/// Rows by key, in the order in which they were read.
#[derive(Debug)]
pub struct Window<T> {
    rows: Vec<Option<(Option<Struct>, T)>>,
    /// Places of rows by the hash of their key.
    places: HashMap<i32, Vec<usize>>,
    left: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), places: HashMap::new(), left: 0 }
    }
}

fn hash(key: &Struct) -> i32 {
    let cell = |hash: i32, cell: &Value| hash.wrapping_mul(31).wrapping_add(java_order::value_hash(cell));
    key.cells().iter().fold(0, cell)
}

impl<T> Window<T> {
    /// Puts a row. A second row with the same key takes the place of the first.
    pub fn put(&mut self, key: Option<Struct>, row: T) {
        if let Some(key) = &key {
            let hash = hash(key);
            if let Some(place) = self.find(hash, key) {
                self.rows[place] = Some((Some(key.clone()), row));
                return;
            }
            self.places.entry(hash).or_default().push(self.rows.len());
        }
        self.rows.push(Some((key, row)));
        self.left += 1;
    }

    fn find(&self, hash: i32, key: &Struct) -> Option<usize> {
        let same = |place: &usize| {
            let there = self.rows[*place].as_ref().and_then(|(key, _)| key.as_ref());
            there.is_some_and(|there| there.cells() == key.cells())
        };
        self.places.get(&hash)?.iter().copied().find(|place| same(place))
    }

    /// Takes the row with that key out, because a change tells of it; says whether there was one.
    pub fn remove(&mut self, key: &Struct) -> bool {
        let Some(place) = self.find(hash(key), key) else { return false };
        self.rows[place] = None;
        self.left -= 1;
        true
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Takes all rows out.
    pub fn drain(&mut self) -> impl Iterator<Item = (Option<Struct>, T)> + use<T> {
        self.places.clear();
        self.left = 0;
        std::mem::take(&mut self.rows).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use raccord_data::{Schema, Type};

    use super::*;

    fn key(schema: &Arc<Schema>, number: i32) -> Struct {
        Struct::new(Arc::clone(schema), [Value::Int32(number)])
    }

    proptest! {
        /// As the model, a list of pairs: what was removed is gone, the rest comes in order.
        #[test]
        fn is_a_map_in_order(steps in prop::collection::vec((any::<bool>(), 0i32..12), 0..60)) {
            let schema = Schema::structure([("id", Schema::of(Type::Int32).build())]).build();
            let mut window = Window::default();
            let mut model: Vec<(i32, usize)> = Vec::new();
            for (place, (puts, number)) in steps.into_iter().enumerate() {
                if puts {
                    window.put(Some(key(&schema, number)), place);
                    match model.iter_mut().find(|(there, _)| *there == number) {
                        Some(row) => row.1 = place,
                        None => model.push((number, place)),
                    }
                } else {
                    let before = model.len();
                    model.retain(|(there, _)| *there != number);
                    prop_assert_eq!(window.remove(&key(&schema, number)), model.len() < before);
                }
                prop_assert_eq!(window.len(), model.len());
            }
            let rows: Vec<usize> = window.drain().map(|(_, row)| row).collect();
            prop_assert_eq!(rows, model.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_without_key_stay() {
        let mut window = Window::default();
        window.put(None, 1);
        window.put(None, 2);
        assert_eq!(window.drain().map(|(_, row)| row).collect::<Vec<_>>(), [1, 2]);
        assert!(window.is_empty());
    }
}
