//! Readers: each reads tables one after the other on a session of its own, beside the thread that makes records of the rows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use raccord_plugin::{Error, Result};
use tokio::sync::mpsc;

use super::table_read::{Fields, Pages, Row, TableRead, Way};
use crate::classify::cause;
use crate::wire::session::silent;
use crate::wire::{Session, WireError};

/// A part of a table: the table's place, the table, and which of its parts it is.
pub(super) type Part = (usize, Arc<TableRead>, usize);

/// What a reader tells of a table.
pub(super) struct Told {
    /// The table's place.
    pub(super) table: usize,
    pub(super) what: Read,
}

/// What was read.
pub(super) enum Read {
    /// Rows, in order.
    Rows(Vec<Row>),
    /// A page, up to the row with that key, which was told before.
    PageEnd(Vec<String>),
    /// A part, to its end.
    End,
}

/// A table that could not be read, if it was one.
pub(super) struct ReadFailure {
    pub(super) table: Option<usize>,
    pub(super) error: Error,
}

/// Reads what there is in the queue.
pub(super) struct Reader {
    pub(super) session: Session,
    pub(super) queue: Arc<Mutex<VecDeque<Part>>>,
    pub(super) sender: mpsc::Sender<Result<Told, ReadFailure>>,
    /// `database.query.timeout.ms`.
    pub(super) timeout: Option<Duration>,
}

impl Reader {
    pub(super) async fn run(mut self) {
        while let Some((table, read, part)) = self.next() {
            let heard = match &read.way {
                Way::Parts(copies) => self.part(table, &read, &copies[part]).await,
                Way::Pages(pages) => self.pages(table, &read, pages).await,
            };
            match heard {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.fail(Some(table), error).await,
            }
        }
        if let Err(error) = self.session.query("ROLLBACK").await {
            self.fail(None, cause(error)).await;
        }
    }

    async fn fail(&self, table: Option<usize>, error: Error) {
        // Nobody listens any more when the task is stopping.
        let _ = self.sender.send(Err(ReadFailure { table, error })).await;
    }

    fn next(&self) -> Option<Part> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Tells something; says whether somebody still listens.
    async fn tell(&self, table: usize, what: Read) -> bool {
        self.sender.send(Ok(Told { table, what })).await.is_ok()
    }

    /// Reads a part of a table; says whether somebody still listens.
    async fn part(&mut self, table: usize, read: &TableRead, statement: &str) -> Result<bool> {
        let Some(_) = self.copy(table, read, statement, &mut Page::default()).await? else {
            return Ok(false);
        };
        Ok(self.tell(table, Read::End).await)
    }

    /// Reads a table page by page; says whether somebody still listens.
    async fn pages(&mut self, table: usize, read: &TableRead, pages: &Pages) -> Result<bool> {
        let mut behind = pages.behind.clone();
        loop {
            let mut page = Page::default();
            let statement = pages.statement(&behind);
            let Some(rows) = self.copy(table, read, &statement, &mut page).await? else { return Ok(false) };
            if rows < pages.rows {
                return Ok(self.tell(table, Read::End).await);
            }
            behind = page.last.map(|row| pages.key_of(&row, &page.fields)).unwrap_or_default();
            if !self.tell(table, Read::PageEnd(behind.clone())).await {
                return Ok(false);
            }
        }
    }

    /// Reads what a statement gives and tells the rows; says how many there were, if somebody still listens.
    async fn copy(
        &mut self,
        table: usize,
        read: &TableRead,
        statement: &str,
        page: &mut Page,
    ) -> Result<Option<u64>> {
        let lost = |error| read.failed(Error::retriable, cause(error));
        let (mut count, mut expected) = (0, 0);
        // The server tells of the beginning together with the first rows.
        within(self.timeout, self.session.copy_out(statement)).await.map_err(lost)?;
        while let Some(frames) = within(self.timeout, self.session.copied()).await.map_err(lost)? {
            let mut rows = Vec::with_capacity(expected);
            let decoded = read.decode(frames, &mut page.fields, &mut rows);
            count += rows.len() as u64;
            // The next frames will hold about as many.
            expected = rows.len();
            if !self.tell(table, Read::Rows(rows)).await {
                return Ok(None);
            }
            page.last = decoded?.or(page.last.take());
        }
        Ok(Some(count))
    }
}

/// What is known of a page behind its rows.
#[derive(Default)]
struct Page {
    /// The last row, as it came.
    last: Option<Bytes>,
    /// Where its fields are.
    fields: Fields,
}

/// Waits for an answer of the server, `database.query.timeout.ms` at most.
async fn within<T>(
    limit: Option<Duration>,
    answer: impl Future<Output = std::result::Result<T, WireError>>,
) -> std::result::Result<T, WireError> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| silent(limit))?,
        None => answer.await,
    }
}
