//! Producer ids: never given twice, over restarts too. Ids are taken from a block whose end is on disk first.

use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::log::write_atomically;

const BLOCK: i64 = 1000;
const FILE: &str = "producer_ids";

/// The allocator of one broker.
pub struct ProducerIds {
    path: PathBuf,
    state: Mutex<Block>,
}

struct Block {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// Goes on behind the last block that was ever begun in `dir`.
    pub(crate) fn open(dir: &Path) -> io::Result<ProducerIds> {
        let path = dir.join(FILE);
        let end = match std::fs::read_to_string(&path) {
            Ok(text) => {
                text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a number"))?
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(e),
        };
        Ok(ProducerIds { path, state: Mutex::new(Block { next: end, end }) })
    }

    /// A producer id that was never given before.
    ///
    /// # Errors
    /// When the next block cannot be written down.
    pub fn allocate(&self) -> io::Result<i64> {
        let mut block = self.state.lock();
        if block.next == block.end {
            let end = block.end + BLOCK;
            write_atomically(&self.path, format!("{end}\n").as_bytes())?;
            block.end = end;
        }
        block.next += 1;
        Ok(block.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_never_repeat_over_restarts() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut last = -1;
        for _ in 0..3 {
            let ids = ProducerIds::open(dir.path()).expect("opens");
            for _ in 0..BLOCK + 5 {
                let id = ids.allocate().expect("allocates");
                assert!(id > last);
                last = id;
            }
        }
    }
}
