//! Whatever stands in a replication stream: the decoder answers, and a tuple has as many cells as it says.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use raccord_connector_postgres::pgoutput::{Message, Tuple, decode};

fn check(tuple: &Tuple) {
    assert_eq!(tuple.cells().count(), tuple.len());
}

fuzz_target!(|data: &[u8]| {
    match decode(Bytes::copy_from_slice(data)) {
        Ok(Message::Insert { new, .. }) => check(&new),
        Ok(Message::Update { old, new, .. }) => {
            old.iter().for_each(check);
            check(&new);
        }
        Ok(Message::Delete { old, .. }) => check(&old),
        _ => {}
    }
});
