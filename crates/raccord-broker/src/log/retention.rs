//! Deleting from the front: by age, by size, and by DeleteRecords.

use std::sync::Arc;

use super::segment::Segment;
use super::{LogError, PartitionLog};

/// `producer.id.expiration.ms`.
const PRODUCER_EXPIRATION_MS: i64 = 86_400_000;

impl PartitionLog {
    /// Applies `retention.ms` and `retention.bytes`, rolls an old active segment, forgets idle producers.
    /// Returns the number of segments deleted.
    pub(crate) fn apply_retention(&self, now: i64) -> Result<usize, LogError> {
        let maintenance = self.maintenance.lock();
        self.writer.lock().producers.expire(now - PRODUCER_EXPIRATION_MS);
        let settings = self.settings();
        self.roll_old_active(&settings, now)?;
        if !settings.cleanup.delete {
            return Ok(0);
        }
        let segments = self.view.read().segments.clone();
        let mut excess = match settings.retention_bytes {
            limit if limit >= 0 => segments.iter().map(|s| s.len()).sum::<u64>().saturating_sub(limit as u64),
            _ => 0,
        };
        let mut delete = 0;
        for segment in &segments {
            let aged =
                settings.retention_ms >= 0 && now.saturating_sub(latest(segment)?) > settings.retention_ms;
            let oversize = excess > 0 && segment.len() <= excess;
            if segment.len() == 0 || !aged && !oversize {
                break;
            }
            excess = excess.saturating_sub(segment.len());
            delete += 1;
        }
        if delete == segments.len() {
            self.roll(&mut self.writer.lock())?;
        }
        if delete > 0 {
            let start = self.view.read().segments[delete].base_offset;
            self.move_start(start)?;
            self.checkpoint_locked(maintenance.clean_to)?;
        }
        Ok(delete)
    }

    fn roll_old_active(&self, settings: &super::LogSettings, now: i64) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        let limit = if settings.cleanup.compact {
            settings.segment_ms.min(settings.max_compaction_lag_ms)
        } else {
            settings.segment_ms
        };
        if writer.segment_since_ms.is_some_and(|since| now.saturating_sub(since) > limit) {
            self.roll(&mut writer)?;
        }
        Ok(())
    }

    /// DeleteRecords: nothing before `offset` is readable any more; -1 means everything. Returns the new start.
    pub(crate) fn delete_records(&self, offset: i64) -> Result<i64, LogError> {
        let maintenance = self.maintenance.lock();
        let (start, end) = {
            let view = self.view.read();
            (view.log_start, view.end)
        };
        let offset = if offset == -1 { end } else { offset };
        if offset < 0 || offset > end {
            return Err(LogError::OffsetOutOfRange { offset, start, end });
        }
        if offset > start {
            self.move_start(offset)?;
            self.checkpoint_locked(maintenance.clean_to)?;
        }
        Ok(offset.max(start))
    }

    /// Raises the log start offset and deletes the segments before it. The active segment stays.
    fn move_start(&self, offset: i64) -> Result<(), LogError> {
        let gone: Vec<Arc<Segment>> = {
            let mut view = self.view.write();
            view.log_start = view.log_start.max(offset);
            let keep = view.segment_index(offset).min(view.segments.len() - 1);
            view.aborted.retain(|a| a.last_offset >= offset);
            view.segments.drain(..keep).collect()
        };
        for segment in gone {
            segment.remove()?;
        }
        Ok(())
    }
}

/// Time of the latest record; a segment without times counts from its last write.
fn latest(segment: &Segment) -> Result<i64, LogError> {
    let max = segment.max_timestamp();
    if max >= 0 { Ok(max) } else { Ok(segment.modified_ms()?) }
}
