//! Validation compared with what the real Connect 4.3.1 answered (parity/recorded) and with the definitions it has
//! (tests/data, dumped from Kafka's classes). Documentation is in our own words and not compared.

mod definitions;
mod plugins;
mod recorded;
