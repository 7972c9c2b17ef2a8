//! The server, the broker and the two workers that all of these benchmarks use.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use raccord_parity::cdc::postgres::{Postgres, newest};
use raccord_parity::peers::Peers;
use raccord_parity::process::{Scratch, free_port};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::contestants::{Broker, Whose, Worker, scratch};

/// The database.
pub const DATABASE: &str = "bank";

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Settings of the server: no checkpoint in the middle of a measurement.
const SERVER: &[&str] = &["shared_buffers=512MB", "max_wal_size=32GB", "checkpoint_timeout=1h"];

/// A table of ten columns, as banks have it.
const SCHEMA: &str =
    "DROP SCHEMA IF EXISTS banking CASCADE; CREATE SCHEMA banking; CREATE TABLE banking.bookings (
    booking_id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    iban varchar(34) NOT NULL,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    kind varchar(10) NOT NULL,
    note text,
    booked_at timestamp(3) NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    settled boolean NOT NULL)";

/// Everything that runs.
pub struct Stage {
    /// The database server.
    pub postgres: Postgres,
    /// The broker.
    pub broker: Broker,
    /// Looks at topics.
    pub client: BaseConsumer,
    raccord: Worker,
    debezium: Option<Worker>,
    _scratch: Scratch,
}

impl Stage {
    /// Starts all of it; Debezium only when it is not `alone`.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start(binary: &Path, alone: bool) -> Result<Self> {
        let (scratch, folder) = scratch()?;
        let postgres = Postgres::start_with(&newest()?, &folder, SERVER)?;
        postgres.fresh_database(DATABASE)?;
        let broker = Broker::start(Whose::Apache, binary, &folder.join("kafka"), free_port()?)?;
        let plugins = folder.join("plugins");
        std::fs::create_dir(&plugins)?;
        std::os::unix::fs::symlink(&Peers::find()?.debezium()?[0], plugins.join("debezium-postgres"))?;
        let plugins = format!("plugin.path={}\n", plugins.display());
        let worker = |whose: Whose, own: &str| {
            let group = format!("postgres-{}", whose.name());
            Worker::start(
                whose,
                binary,
                &folder.join("workers"),
                &broker.bootstrap,
                &group,
                free_port()?,
                own,
            )
        };
        Ok(Self {
            raccord: worker(Whose::Raccord, "")?,
            debezium: (!alone).then(|| worker(Whose::Apache, &plugins)).transpose()?,
            client: broker.client()?,
            postgres,
            broker,
            _scratch: scratch,
        })
    }

    /// Who takes part.
    pub fn contestants(&self) -> &'static [Whose] {
        match self.debezium {
            Some(_) => &[Whose::Raccord, Whose::Apache],
            None => &[Whose::Raccord],
        }
    }

    /// Whose worker; ours where Debezium does not take part.
    pub fn worker(&self, whose: Whose) -> &Worker {
        match (whose, &self.debezium) {
            (Whose::Apache, Some(debezium)) => debezium,
            _ => &self.raccord,
        }
    }

    /// Runs statements and gives what they print.
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, statements: &str) -> Result<String> {
        self.postgres.run(DATABASE, statements)
    }

    /// Makes the schema with its table anew.
    ///
    /// # Errors
    /// What the server says.
    pub fn fresh_schema(&self) -> Result<()> {
        self.sql(SCHEMA).map(drop)
    }

    /// How many records a topic holds; none when there is no such topic.
    pub fn count(&self, topic: &str) -> u64 {
        self.broker.count(&self.client, topic).unwrap_or_else(|_| {
            // A client that once heard there is no such topic does not ask again by itself.
            let _ = self.client.fetch_metadata(Some(topic), PATIENCE);
            0
        })
    }
}

/// A statement that inserts bookings with the numbers of a series.
pub fn insert_bookings(first: &str, last: &str) -> String {
    format!(
        "INSERT INTO banking.bookings (booking_id, account_id, iban, amount, currency, kind, note, booked_at, settled)
         SELECT i, 1000 + i % 5000, 'DE' || lpad((i % 100000)::text, 20, '0'), (i % 100000) / 100.0, 'EUR', 'transfer',
             'booking number ' || i, timestamp '2024-01-01' + (i % 1000000) * interval '1.5 seconds', i % 2 = 0
         FROM generate_series({first}, {last}) i"
    )
}
