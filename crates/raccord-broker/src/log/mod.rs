//! One partition's log: what the coordinators and handlers may do with it.
//!
//! Signatures that the coordinators build on (all blocking, all short: a write into the page cache):
//!
//! ```text
//! PartitionLog::append_records(&self, records: &[NewRecord]) -> Result<i64, LogError>      offset of the first
//! PartitionLog::append_control_batch(&self, &ControlMarker) -> Result<i64, LogError>       commit or abort marker
//! PartitionLog::replay(&self, from: i64, f: &mut dyn FnMut(LogRecord)) -> Result<i64, LogError>  next offset
//! PartitionLog::{log_start_offset, high_watermark, last_stable_offset}(&self) -> i64
//! Topics::get(&self, name) -> Option<Arc<Topic>>;  Topics::ensure_internal(&self, name, partitions, overrides) -> Result<Arc<Topic>, TopicError>
//! Topic::{name, id}, Topic::partition(&self, index) -> Option<Arc<PartitionLog>>
//! ProducerIds::allocate(&self) -> std::io::Result<i64>
//! struct NewRecord { key: Option<Bytes>, value: Option<Bytes>, timestamp_ms: i64 }
//! struct LogRecord { offset: i64, timestamp_ms: i64, key: Option<Bytes>, value: Option<Bytes>, producer: Option<ProducerTag> }   control records are not shown
//! struct ControlMarker { producer_id: i64, producer_epoch: i16, committed: bool, coordinator_epoch: i32 }
//! append_records_as(&self, records: &[NewRecord], transactional: ProducerTag)  records inside a transaction (TxnOffsetCommit)
//! ```
