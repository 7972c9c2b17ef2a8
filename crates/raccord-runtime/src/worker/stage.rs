//! What the worker is doing, for the texts of timeouts and `/health`.

use parking_lot::Mutex;

use crate::clock::instant;

/// The current stage.
pub struct StageCell(Mutex<Stage>);

struct Stage {
    description: String,
    began_ms: u64,
    completed_ms: Option<u64>,
}

impl StageCell {
    /// A worker in its first stage.
    pub fn new(description: &str, now_ms: u64) -> Self {
        Self(Mutex::new(Stage { description: description.to_owned(), began_ms: now_ms, completed_ms: None }))
    }

    /// A new stage begins, unless it is the one that it was.
    pub fn set(&self, description: &str, now_ms: u64) {
        let mut stage = self.0.lock();
        if stage.description != description || stage.completed_ms.is_some() {
            *stage = Stage { description: description.to_owned(), began_ms: now_ms, completed_ms: None };
        }
    }

    /// The stage is over.
    pub fn complete(&self, now_ms: u64) {
        self.0.lock().completed_ms.get_or_insert(now_ms);
    }

    /// One sentence about it, as Connect words it.
    pub fn summary(&self) -> String {
        let stage = self.0.lock();
        let began = instant(stage.began_ms);
        match stage.completed_ms {
            Some(completed) => format!(
                "The last operation the worker completed was {}, which began at {began} and completed at {}.",
                stage.description,
                instant(completed)
            ),
            None => format!("The worker is currently {}, which began at {began}.", stage.description),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_worker_does() {
        let stage = StageCell::new("waking up", 0);
        assert_eq!(
            stage.summary(),
            "The worker is currently waking up, which began at 1970-01-01T00:00:00Z."
        );
        stage.set("waking up", 5);
        stage.complete(1500);
        assert_eq!(
            stage.summary(),
            "The last operation the worker completed was waking up, which began at 1970-01-01T00:00:00Z and \
             completed at 1970-01-01T00:00:01.500Z."
        );
    }
}
