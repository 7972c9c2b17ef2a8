//! What tests of the runtime and of connectors stand on: Kafka in memory with faults at will, a clock that tests set, and
//! small plugins whose behaviour is part of their config.

pub mod clock;
pub mod conformance;
pub mod described;
pub mod memory;
pub mod plugins;

pub use clock::TestClock;
pub use memory::MemoryKafka;
