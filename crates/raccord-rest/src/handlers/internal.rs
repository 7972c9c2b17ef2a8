//! Requests between workers.
//!
//! Their paths and methods are taken, so that `OPTIONS`, 405 and the checks before a handler are Connect's. They are not
//! served: every request is refused as Connect refuses one without a signature.

use crate::answer::Failure;
use crate::routes::{Call, Reply};

/// `POST /connectors/{connector}/tasks`.
pub fn tasks<'a>(call: &'a Call<'a>) -> Reply<'a> {
    refuse(call)
}

/// `PUT /connectors/{connector}/fence`.
pub fn fence<'a>(call: &'a Call<'a>) -> Reply<'a> {
    refuse(call)
}

fn refuse<'a>(_call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Err(Failure::new(400, "Internal request missing required signature")) })
}
