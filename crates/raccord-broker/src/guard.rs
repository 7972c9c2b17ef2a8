//! Checks of a request's body before the protocol crate decodes it.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

/// Placeholder until the field tables are in.
pub(crate) fn check(_key: ApiKey, _version: i16, _body: &Bytes) -> Result<(), &'static str> {
    Ok(())
}
