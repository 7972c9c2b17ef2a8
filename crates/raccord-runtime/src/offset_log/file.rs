//! Offsets in a file: what `connect-standalone` keeps, a Java-serialised `HashMap<byte[], byte[]>`.
//!
//! The file is replaced as a whole: written beside the old one and renamed, so that a crash leaves one or the other.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use indexmap::IndexMap;
use raccord_plugin::{Error, OffsetMap, Result, SourceOffset};
use tokio::sync::Mutex;

use super::{OffsetKeeper, OffsetTable, java_map};

/// An offsets file.
pub struct FileOffsets {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: OffsetTable,
    /// The file's content: deleted offsets stay as nulls, as Kafka's file keeps them.
    entries: IndexMap<Bytes, Option<Bytes>>,
}

impl FileOffsets {
    /// Reads the file; one that is missing or empty holds no offsets.
    ///
    /// # Errors
    /// `Error::config` when it cannot be read or is not such a map.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(Error::config(format!(
                    "cannot read the offsets file {}: {error}",
                    path.display()
                ))
                .hint("check offset.storage.file.filename and its permissions"));
            }
        };
        let mut state = State::default();
        if !bytes.is_empty() {
            let entries = java_map::read(&bytes).map_err(|why| {
                Error::config(format!("the offsets file {} cannot be understood: {why}", path.display()))
                    .hint("move it away to begin without offsets")
            })?;
            for (key, value) in entries {
                state.table.apply(&key, value.as_deref());
                state.entries.insert(key, value);
            }
        }
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    async fn save(&self, entries: &IndexMap<Bytes, Option<Bytes>>) -> Result<()> {
        let bytes = java_map::write(entries);
        let path = self.path.clone();
        let saved = tokio::task::spawn_blocking(move || replace(&path, &bytes)).await;
        match saved {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::retriable(format!(
                "cannot write the offsets file {}: {error}",
                self.path.display()
            ))),
            Err(_) => Err(Error::retriable("writing the offsets file was interrupted")),
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[async_trait]
impl OffsetKeeper for FileOffsets {
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let state = self.state.lock().await;
        Ok(partitions.iter().map(|partition| state.table.get(connector, partition).cloned()).collect())
    }

    async fn all(&self, connector: &str) -> Result<Vec<SourceOffset>> {
        Ok(self.state.lock().await.table.all(connector))
    }

    async fn set(&self, connector: &str, offsets: &[SourceOffset]) -> Result<()> {
        let mut state = self.state.lock().await;
        let records = state.table.records(connector, offsets);
        let mut entries = state.entries.clone();
        entries.extend(records.iter().cloned());
        self.save(&entries).await?;
        state.entries = entries;
        for (key, value) in records {
            state.table.apply(&key, value.as_deref());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> OffsetMap {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn offsets_survive_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connect.offsets");
        let offsets = FileOffsets::open(&path).unwrap();
        let partition = map(r#"{"filename":"/a"}"#);
        let at = |position: i64| SourceOffset {
            partition: partition.clone(),
            offset: Some(map(&format!(r#"{{"position":{position}}}"#))),
        };
        offsets.set("c", &[at(1)]).await.unwrap();
        offsets.set("c", &[at(2)]).await.unwrap();
        let again = FileOffsets::open(&path).unwrap();
        assert_eq!(again.all("c").await.unwrap(), [at(2)]);
        again.set("c", &[SourceOffset { partition: partition.clone(), offset: None }]).await.unwrap();
        let again = FileOffsets::open(&path).unwrap();
        assert_eq!(again.get("c", &[partition]).await.unwrap(), [None]);
    }

    #[test]
    fn a_file_that_is_something_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, "hello").unwrap();
        let error = FileOffsets::open(&path).err().unwrap();
        assert!(error.message().contains("cannot be understood"), "{}", error.message());
    }
}
