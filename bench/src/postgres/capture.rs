//! A connector of one of the two contestants, and the slot and publication of its own that it has.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::stage::{DATABASE, Stage};
use crate::contestants::{Whose, Worker};
use crate::flow::{Flow, Flowed};

/// The connector of lab 6.
const LAB: &str = include_str!("../../../docs/labs/banking/connector.json");

/// Its name in reports.
pub fn contestant(whose: Whose) -> &'static str {
    match whose {
        Whose::Raccord => "raccord",
        Whose::Apache => "debezium",
    }
}

/// A connector. Its name is also that of its slot and publication and the prefix of its topics.
pub struct Capture<'a> {
    stage: &'a Stage,
    /// Whose it is.
    pub whose: Whose,
    name: String,
}

/// What came of a flow.
pub struct Drained {
    /// Records a second, from the first to the last.
    pub rate: f64,
    /// CPU time of the worker for each record, in microseconds.
    pub cpu_us: f64,
    /// Resident memory of the worker at its highest, in megabytes.
    pub peak_mb: f64,
}

impl<'a> Capture<'a> {
    /// A connector that does not exist yet.
    pub fn new(stage: &'a Stage, whose: Whose, what: &str) -> Self {
        Self { stage, whose, name: format!("{}_{what}", contestant(whose)) }
    }

    /// The topic of a table of the schema.
    pub fn topic(&self, table: &str) -> String {
        format!("{}.banking.{table}", self.name)
    }

    /// How many records the topic of bookings has.
    pub fn count(&self) -> u64 {
        self.stage.count(&self.topic("bookings"))
    }

    /// Its worker.
    pub fn worker(&self) -> &'a Worker {
        self.stage.worker(self.whose)
    }

    /// Creates the connector: the lab's config, with these keys besides.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn create(&self, keys: &[(&str, &str)]) -> Result<()> {
        let mut config: Value = serde_json::from_str(LAB)?;
        let port = self.stage.postgres.port.to_string();
        let own = [
            ("database.hostname", "127.0.0.1"),
            ("database.port", &port),
            ("database.dbname", DATABASE),
            ("topic.prefix", &self.name),
            ("slot.name", &self.name),
            ("publication.name", &self.name),
        ];
        for (key, value) in own.iter().chain(keys) {
            config[*key] = Value::from(*value);
        }
        self.worker().put_connector(&self.name, &config)
    }

    /// Waits until the connector streams, and proves it by a row of its own.
    ///
    /// # Errors
    /// When it does not.
    pub fn streams(&self) -> Result<()> {
        self.wait(|| Ok(self.slot("active")? == "t"))?;
        // The last records of a snapshot may still be on their way.
        std::thread::sleep(Duration::from_millis(500));
        let before = self.count();
        self.stage.sql(&super::stage::insert_bookings(
            "(SELECT coalesce(min(booking_id), 0) - 1 FROM banking.bookings)",
            "(SELECT coalesce(min(booking_id), 0) - 1 FROM banking.bookings)",
        ))?;
        self.wait(|| Ok(self.count() > before))
    }

    fn slot(&self, column: &str) -> Result<String> {
        let name = &self.name;
        let query = format!("SELECT {column} FROM pg_replication_slots WHERE slot_name = '{name}'");
        Ok(self.stage.sql(&query)?.trim().to_owned())
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn wait(&self, done: impl FnMut() -> Result<bool>) -> Result<()> {
        Flow::watch(self.worker(), &self.name)?.wait(self.worker(), done)
    }

    /// Stops the connector and waits until nobody uses its slot.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self) -> Result<()> {
        self.worker().tell("PUT", &format!("connectors/{}/stop", self.name))?;
        self.wait(|| Ok(self.slot("active")? != "t"))
    }

    /// Lets the connector go on and measures until that many records more are in the topic of bookings.
    ///
    /// # Errors
    /// When they do not come.
    pub fn resume(&self, records: u64) -> Result<Drained> {
        let path = format!("connectors/{}/resume", self.name);
        self.measure(records, || self.worker().tell("PUT", &path))
    }

    /// Begins something and measures until that many records more are in the topic of bookings.
    ///
    /// # Errors
    /// When they do not come.
    pub fn measure(&self, records: u64, begin: impl FnOnce() -> Result<()>) -> Result<Drained> {
        let (base, mut first) = (self.count(), 0);
        let flow = Flow::watch(self.worker(), &self.name)?;
        begin()?;
        let flow = flow.first(self.worker(), || {
            first = self.count() - base;
            Ok(first > 0)
        })?;
        let Flowed { wall, cpu, peak_mb } =
            flow.until(self.worker(), || Ok(self.count() >= base + records))?;
        Ok(Drained {
            rate: (records - first) as f64 / wall.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / records as f64,
            peak_mb,
        })
    }

    /// Deletes the connector, its slot and its publication.
    ///
    /// # Errors
    /// When the slot stays in use.
    pub fn delete(self) -> Result<()> {
        self.worker().tell("DELETE", &format!("connectors/{}", self.name))?;
        self.wait(|| Ok(self.slot("active")? != "t"))?;
        let name = &self.name;
        self.stage.sql(&format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"
        ))?;
        self.stage
            .sql(&format!("DROP PUBLICATION IF EXISTS {name}"))
            .map(drop)
            .context("the publication stays")
    }
}
