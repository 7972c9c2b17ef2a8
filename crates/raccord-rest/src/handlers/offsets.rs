//! Offsets of connectors.

use crate::answer::{Answer, Failure};
use crate::json::read_offsets;
use crate::routes::{Call, Reply};
use crate::wire::{Message, Wire, offset_entries};

/// `GET /connectors/{connector}/offsets`.
pub fn list<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.offsets(call.name()).await?))) })
}

/// `PATCH /connectors/{connector}/offsets`.
pub fn alter<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let request = read_offsets(&call.body)?.ok_or_else(|| {
            Failure::new(
                500,
                "Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets.offsets()\" because \
                 \"offsets\" is null",
            )
        })?;
        let Some(entries) = request.offsets.filter(|entries| !entries.is_empty()) else {
            let text = "Partitions / offsets need to be provided for an alter offsets request";
            return Err(Failure::new(400, text));
        };
        let offsets = offset_entries(entries).map_err(|text| Failure::new(500, text))?;
        let message = call.herder.alter_offsets(call.name(), offsets).await?;
        Ok(Answer::ok(&Message { message: &message }))
    })
}

/// `DELETE /connectors/{connector}/offsets`.
pub fn reset<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let message = call.herder.reset_offsets(call.name()).await?;
        Ok(Answer::ok(&Message { message: &message }))
    })
}
