//! The same conversations with the real Kafka Connect and with raccord, compared answer by answer.
//!
//! The real system is right by definition, so what it says is recorded once (`recorded/`) and replayed against ours
//! without a JVM, and both are run side by side where one is at hand. Scenarios are data (`scenarios/`); every
//! tolerance of the comparison is a row of [`normalise::RULES`].

pub mod allowances;
pub mod broker;
pub mod cdc;
pub mod compare;
pub mod exchange;
pub mod files;
pub mod http;
pub mod kafka;
pub mod normalise;
pub mod peers;
pub mod process;
pub mod results;
pub mod run;
pub mod scenario;
pub mod transforms;
pub mod worker;
