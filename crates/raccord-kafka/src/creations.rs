//! Topics that are wanted at about the same time, created with one request.
//!
//! A worker opens its three internal topics at once. Topics of one request become known together. Those of a second
//! request become known after the partitions of the first have been set up, which takes a broker a tenth of a second for
//! the 25 partitions of an offsets topic, and that while the start of the worker waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use raccord_plugin::{Error, Result};
use raccord_runtime::ports::NewTopic;
use tokio::sync::oneshot;

use crate::admin::RdAdmin;

/// How long the first waits for others: as far as the answers to three requests over one connection are apart.
const GATHER: Duration = Duration::from_millis(10);

type Wanted = (NewTopic, oneshot::Sender<Result<bool>>);

/// The topics that wait for the next request. Clones share them.
#[derive(Clone, Default)]
pub struct Creations {
    waiting: Arc<Mutex<Vec<Wanted>>>,
}

impl Creations {
    /// Creates a topic, and says whether it did not exist before.
    ///
    /// # Errors
    /// The broker's reason.
    pub async fn create(&self, admin: &RdAdmin, topic: NewTopic) -> Result<bool> {
        let (done, outcome) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock();
            waiting.push((topic, done));
            waiting.len() == 1
        };
        if first {
            let (waiting, admin) = (self.waiting.clone(), admin.clone());
            // Beside the caller: when that gives up, the others still wait.
            tokio::spawn(async move {
                tokio::time::sleep(GATHER).await;
                let wanted = std::mem::take(&mut *waiting.lock());
                create_all(&admin, wanted).await;
            });
        }
        outcome.await.unwrap_or_else(|_| Err(Error::retriable("interrupted while creating a topic")))
    }
}

async fn create_all(admin: &RdAdmin, wanted: Vec<Wanted>) {
    let (topics, waiting): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    let mut outcomes = admin.create(&topics).await.map(HashMap::<_, _>::from_iter);
    for (topic, done) in topics.iter().zip(waiting) {
        let outcome = match &mut outcomes {
            Ok(outcomes) => outcomes.remove(&topic.name).unwrap_or_else(|| {
                Err(Error::fatal(format!("the broker did not answer about topic {}", topic.name)))
            }),
            Err(error) => {
                let copy = Error::new(error.kind(), error.message()).class(error.java_class());
                Err(match error.hint_text() {
                    Some(hint) => copy.hint(hint),
                    None => copy,
                })
            }
        };
        // Who has given up needs no answer.
        let _ = done.send(outcome);
    }
}
