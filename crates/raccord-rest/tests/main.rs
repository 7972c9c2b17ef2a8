//! The REST server from outside: over sockets, with a scripted worker behind it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "suite/client.rs"]
mod client;
#[path = "suite/herder.rs"]
mod herder;
#[path = "suite/https.rs"]
mod https;
#[path = "suite/lifecycle.rs"]
mod lifecycle;
#[path = "suite/listeners.rs"]
mod listeners;
#[path = "suite/replay.rs"]
mod replay;
#[path = "suite/routes.rs"]
mod routes;
