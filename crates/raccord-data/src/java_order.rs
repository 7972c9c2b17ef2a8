//! The iteration order of `java.util.HashMap`.
//!
//! Connect keeps configs, offset partitions and schemaless maps in `HashMap`s and writes them out in the map's
//! order, so a byte-equal topic needs that order. It follows from `String.hashCode`, the spreading of the upper
//! half into the lower, and a table that doubles when it is three quarters full (all in the documentation of the
//! two classes). Within a bucket entries keep the order of insertion; buckets of more than eight entries, which
//! Java turns into trees, keep it as well for iteration.

/// `String.hashCode`: over UTF-16 code units.
pub fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Sorts entries as a `HashMap` that was filled in this order (default capacity) iterates over them. Keys are unique.
pub fn sort_by_key<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    sort_with_capacity(entries, key, 16);
}

/// As [`sort_by_key`], for a map that was created with room for that many table slots (a power of two).
pub fn sort_with_capacity<T>(entries: &mut [T], key: impl Fn(&T) -> &str, slots: usize) {
    let mut slots = slots.max(1).next_power_of_two();
    while entries.len() > slots * 3 / 4 {
        slots *= 2;
    }
    let mask = slots as u32 - 1;
    entries.sort_by_key(|entry| {
        let hash = string_hash(key(entry)) as u32;
        (hash ^ (hash >> 16)) & mask
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("name"), 3_373_707);
        assert_eq!(
            string_hash("connector.class"),
            "connector.class".chars().fold(0i32, |h, c| h.wrapping_mul(31).wrapping_add(c as i32))
        );
        assert_eq!(
            string_hash("é😀"),
            (0xe9_i32.wrapping_mul(31).wrapping_add(0xd83d)).wrapping_mul(31).wrapping_add(0xde00)
        );
    }

    #[test]
    fn orders_as_a_hash_map_iterates() {
        // As printed by `HashMap.keySet()` after puts in the order of the second argument.
        let check = |expect: &[&str], mut keys: Vec<&str>| {
            sort_by_key(&mut keys, |key| key);
            assert_eq!(keys, expect);
        };
        check(
            &["connector.class", "file", "tasks.max", "name", "topic"],
            vec!["name", "connector.class", "tasks.max", "file", "topic"],
        );
        let names: Vec<String> = (0..14).map(|n| format!("key{n}")).collect();
        check(
            &[
                "key1", "key2", "key0", "key5", "key6", "key3", "key4", "key9", "key7", "key8", "key11",
                "key10", "key13", "key12",
            ],
            names.iter().map(String::as_str).collect(),
        );
    }
}
