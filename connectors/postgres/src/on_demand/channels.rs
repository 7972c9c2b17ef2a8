//! Signals that do not come through the log: records of a topic, and lines of a file, looked at every
//! `signal.poll.interval.ms`.
//!
//! The file is emptied as soon as it is read, before its signals take effect, as Debezium does: a crash between the two
//! loses them, and repeats none.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use raccord_cdc::SignalRecord;
use raccord_plugin::{Result, TopicReaders};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use super::topic;
use crate::settings::Settings;

/// Signals that wait to be taken; who reads them waits as well.
const WAITING_MAX: usize = 16;

/// Signals of the channels besides `source`.
pub struct Channels {
    signals: mpsc::Receiver<SignalRecord>,
    _readers: Vec<AbortOnDropHandle<()>>,
}

/// Whether a channel is enabled.
pub fn is_enabled(settings: &Settings, channel: &str) -> bool {
    settings.config.keys.events.signal_enabled_channels.iter().any(|enabled| enabled.trim() == channel)
}

impl Channels {
    /// Begins to look for signals where the config says.
    ///
    /// # Errors
    /// When a channel's config is not complete.
    pub fn open(settings: &Settings, topics: &Arc<dyn TopicReaders>) -> Result<Option<Self>> {
        let (sender, signals) = mpsc::channel(WAITING_MAX);
        let mut readers = Vec::new();
        if is_enabled(settings, "file") {
            let path = PathBuf::from(&settings.config.unlisted.signal_file);
            info!("Reading '{}' file for signals", path.display());
            let interval = settings.config.keys.events.signal_poll_interval_ms.max(1).unsigned_abs();
            readers.push(tokio::spawn(read_file(path, Duration::from_millis(interval), sender.clone())));
        }
        if is_enabled(settings, "kafka") {
            let reader = topic::open(settings, topics)?;
            let prefix = settings.config.topic_prefix().to_owned();
            readers.push(tokio::spawn(topic::read(reader, prefix, sender)));
        }
        let readers: Vec<_> = readers.into_iter().map(AbortOnDropHandle::new).collect();
        Ok((!readers.is_empty()).then_some(Self { signals, _readers: readers }))
    }

    /// The next signal that is there already.
    pub fn try_next(&mut self) -> Option<SignalRecord> {
        self.signals.try_recv().ok()
    }

    /// Waits for the next signal. Cancel-safe.
    pub async fn next(&mut self) -> SignalRecord {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

async fn read_file(path: PathBuf, interval: Duration, sender: mpsc::Sender<SignalRecord>) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for signal in take_lines(&path).await.iter().filter_map(|line| read_line(line)) {
            info!(id = signal.id, kind = signal.kind, "Processing signal");
            if sender.send(signal).await.is_err() {
                return;
            }
        }
    }
}

/// Takes all lines out of the file.
async fn take_lines(path: &Path) -> Vec<String> {
    let taken = async {
        let text = match tokio::fs::read_to_string(path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
            text => text?,
        };
        if !text.is_empty() {
            tokio::fs::write(path, b"").await?;
        }
        Ok::<_, std::io::Error>(text)
    };
    match taken.await {
        Ok(text) => text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        Err(error) => {
            error!(%error, "Failed to read signal file {}", path.display());
            Vec::new()
        }
    }
}

/// Reads `{"id":…,"type":…,"data":{…}}`.
fn read_line(line: &str) -> Option<SignalRecord> {
    let read = |line: &str| {
        let signal: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |field: &str| match signal.get(field)? {
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        Some(SignalRecord {
            id: Some(text("id")?),
            kind: Some(text("type")?),
            data: Some(signal.get("data")?.to_string()),
        })
    };
    let signal = read(line);
    if signal.is_none() {
        warn!("Skipped signal due to an error: a line is no JSON object with id, type and data");
    }
    signal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json() {
        let check = |line: &str, expect: Option<(&str, &str, &str)>| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let found =
                read_line(line).map(|signal| (text(&signal.id), text(&signal.kind), text(&signal.data)));
            let expect = expect.map(|(id, kind, data)| (id.to_owned(), kind.to_owned(), data.to_owned()));
            assert_eq!(found, expect, "{line}");
        };
        check(r#"{"id":"1","type":"log","data":{"message":"x"}}"#, Some(("1", "log", r#"{"message":"x"}"#)));
        check(r#"{"id":1,"type":"log","data":"x"}"#, Some(("1", "log", "\"x\"")));
        check(r#"{"id":"1","type":"log"}"#, None);
        check("no json", None);
    }

    #[tokio::test]
    async fn a_file_is_emptied_when_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals");
        assert!(take_lines(&path).await.is_empty());
        std::fs::write(&path, "a\n\n b \n").unwrap();
        assert_eq!(take_lines(&path).await, ["a", " b "]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert!(take_lines(&path).await.is_empty());
    }
}
