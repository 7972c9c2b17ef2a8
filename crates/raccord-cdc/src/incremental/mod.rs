//! Incremental snapshots: tables read in chunks while the log is streamed, by the algorithm of DBLog with watermarks.
//!
//! # Why nothing is lost or reordered
//! A chunk is read between two watermarks that the log shows as well: the low one is taken before the chunk is read, the
//! high one after. The rows wait in the [`Window`]. A change of the log between the watermarks may be newer than what was
//! read of its row, so the row leaves the window and the change tells of it. When the high watermark comes by, what is
//! left is written: each row is as it was at the low watermark or newer, no change that lies between is older, and every
//! later change follows. So a reader of the topic never sees a row go back in time.
//!
//! Changes before the low watermark are written before the window. Changes of rows whose key lies behind the chunk need
//! not be looked at: their rows are read later.
//!
//! # Why a restart loses nothing
//! A record's offset has the key of the last row that was written when the record was made ([`Progress`]). A restart reads
//! the chunk behind that key anew, with new watermarks; watermarks of earlier runs are known by their ids and passed over.
//! Rows that left a window did so because the log told of them, in records that come before.

mod context;
mod keys;
mod sql;
mod window;

pub use context::{Collection, Context, OffsetKeyError, Progress};
pub use keys::{expand, parse_table};
pub use sql::{Bounds, KeyColumn, condition};
pub use window::Window;
