//! Connect's REST interface: routes, bodies, listeners, HTTPS, passwords, and its description as OpenAPI.
//!
//! A thin face on the [`Herder`](raccord_runtime::Herder): nothing is decided here that is not about HTTP. What is about
//! HTTP is done as Connect's own server does it, down to the texts of errors, because tools and people know those.
//!
//! 1. [`RestSettings::read`] reads the worker's keys and the files they name.
//! 2. [`RestServer::bind`] opens the sockets, early in a worker's start.
//! 3. [`RestServer::serve`] answers requests until shutdown. A worker that is still starting answers as its herder does:
//!    `GET /` and `/health` at once, the rest when it is up or when patience is over.
//!
//! A request passes, in this order: the check of its path ([`request_path`](crate)), the syntax of `Content-Type`, the
//! table of [routes](ROUTES), media types, the password, and then its handler.
//!
//! # Passwords
//! With `rest.extension.classes=org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension` every
//! request needs a name and a password. A JAAS file says where they are:
//!
//! ```text
//! KafkaConnect {
//!   org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required
//!   file="/etc/connect/users.properties";
//! };
//! ```
//!
//! The JAAS file is named by the JVM option that people have in `KAFKA_OPTS` already
//! (`-Djava.security.auth.login.config=/etc/connect/jaas.conf`), or by the property `java.security.auth.login.config` in
//! the worker's file. The users' file has lines `name=password`; it is read once.

mod access_log;
mod answer;
mod auth;
mod cors;
mod handlers;
mod json;
mod listener;
mod media;
mod openapi;
mod page;
mod query;
mod request_path;
mod response_headers;
mod routes;
mod server;
mod service;
mod settings;
mod tls;
mod wire;

pub use auth::jaas_file;
pub use openapi::document as openapi_document;
pub use routes::{Call, Documented, Face, Handler, Parameter, ROUTES, Reply, Route, Takes};
pub use server::RestServer;
pub use service::Limits;
pub use settings::{Admin, Advertised, RestSettings, TopicTracking};
