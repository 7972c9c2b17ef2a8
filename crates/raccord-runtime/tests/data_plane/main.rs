//! The source and sink loops against a Kafka, an offset store and plugins that fail at random, by seed and in virtual time.
//!
//! `SEEDS=n` sets how many seeds are tried, `SEED=n` runs a single one, as a failure names it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod dead_letters;
mod fakes;
mod outcomes;
mod sink;
mod source;
mod stage;
