//! The broker over a socket, request by request.

mod apis;
mod client;
mod durable;
mod limits;
