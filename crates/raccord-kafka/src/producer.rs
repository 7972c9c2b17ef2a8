//! The producer of a source task.
//!
//! # Why nothing is lost or reordered
//! librdkafka repeats what may succeed when repeated, as long as `delivery.timeout.ms` says (Connect's default: for ever),
//! and keeps order within a partition by having one request on its way (`max.in.flight.requests.per.connection=1`, Connect's
//! default) or by idempotence. Each record comes back once, as delivered or as given up, with the ticket it was sent with.
//! What is outstanding is bounded in bytes and in records; at the bound a send says so and nothing is dropped. Records that
//! wait to be handed over with others are outstanding like any: they go with the next drain or wait at the latest.

use async_trait::async_trait;
use raccord_plugin::{RawConfig, Result};
use raccord_runtime::ports::{Acks, Outgoing, Producer, SendError};
use rdkafka::types::RDKafkaErrorCode;

use crate::classify;
use crate::oauth::Login;
use crate::producer_native::NativeProducer;
use crate::properties::{ClientKind, client_config};
use crate::refusal::Refusal;

/// What a producer does, in errors.
pub(crate) const SENDING: &str = "send a record";

/// A producer over librdkafka.
pub struct RdProducer {
    native: NativeProducer,
    outstanding: usize,
    /// Set once a broker has refused the client: nothing will be delivered.
    refused: Option<Refusal>,
}

impl RdProducer {
    /// Makes the producer from Java properties; it connects by itself.
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(properties: &RawConfig) -> Result<Self> {
        let config = client_config(properties, ClientKind::Producer)?;
        let hurries = !properties.contains_key("linger.ms");
        let native = NativeProducer::new(&config, Login::of(properties)?.as_ref(), hurries)?;
        Ok(Self { native, outstanding: 0, refused: None })
    }

    /// Gives everything up when a broker has refused the client.
    fn notice_refusal(&mut self) {
        if self.refused.is_none()
            && let Some(refusal) = self.native.refused()
        {
            self.refused = Some(refusal);
            while self.native.waiting() > 0 {
                self.native.refuse_first(RDKafkaErrorCode::PurgeQueue);
            }
            self.native.purge();
        }
    }

    #[cold]
    fn refused(&self, code: RDKafkaErrorCode) -> SendError {
        match code {
            // A record that does not fit when nothing else is there never will.
            RDKafkaErrorCode::QueueFull if self.outstanding == 0 => SendError::Rejected(classify::error(
                SENDING,
                RDKafkaErrorCode::MessageSizeTooLarge,
                "the record is larger than buffer.memory",
            )),
            RDKafkaErrorCode::QueueFull => SendError::Full,
            code => SendError::Rejected(classify::error(SENDING, code, &code.to_string())),
        }
    }
}

#[async_trait]
impl Producer for RdProducer {
    #[inline]
    fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), SendError> {
        if let Some(refusal) = &self.refused {
            return Err(SendError::Rejected(refusal.error(SENDING)));
        }
        match self.native.send(record) {
            Ok(()) => {
                self.outstanding += 1;
                Ok(())
            }
            Err(code) => Err(self.refused(code)),
        }
    }

    /// Hands over what waits. A record that does not fit when nothing else is there is refused, as in `send`.
    fn hand_over(&mut self) {
        while self.native.hand_over().is_err() && self.native.waiting() == self.outstanding {
            self.native.refuse_first(RDKafkaErrorCode::MessageSizeTooLarge);
        }
        self.native.hurry();
    }

    fn drain_acks(&mut self, acks: &mut Acks) {
        self.notice_refusal();
        self.hand_over();
        let (outstanding, refused) = (&mut self.outstanding, &self.refused);
        self.native.drain(|ticket, code| {
            *outstanding -= 1;
            match code {
                None => acks.delivered.push(ticket),
                Some(code) => {
                    let error = match refused {
                        Some(refusal) => refusal.error(SENDING),
                        None => classify::error(SENDING, code, &code.to_string()),
                    };
                    acks.failed.push((ticket, error));
                }
            }
        });
    }

    async fn progress(&mut self) {
        self.hand_over();
        if self.native.has_refused() {
            return;
        }
        self.native.queue.wait().await;
        while self.outstanding == 0 {
            // Errors of connections come through the queue as well and must not pile up in it.
            self.native.drain(|_, _| {});
            self.native.queue.wait().await;
        }
    }

    fn outstanding(&self) -> usize {
        self.outstanding
    }
}

impl Drop for RdProducer {
    fn drop(&mut self) {
        if self.outstanding > 0 {
            self.native.purge();
        }
    }
}
