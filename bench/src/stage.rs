//! A broker and a worker that are killed and started again where they were.

use std::path::Path;

use anyhow::Result;
use raccord_parity::process::free_port;

use crate::contestants::{Broker, Whose, Worker};

/// Broker and worker of one soak, in one folder and at the same ports all the time.
pub struct Stage<'a> {
    binary: &'a Path,
    folder: &'a Path,
    whose_broker: Whose,
    /// Further properties of the worker.
    own: &'a str,
    /// Where the broker listens.
    pub bootstrap: String,
    broker_port: u16,
    rest_port: u16,
    broker: Option<Broker>,
    worker: Option<Worker>,
}

impl<'a> Stage<'a> {
    /// Starts both.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(binary: &'a Path, folder: &'a Path, whose_broker: Whose, own: &'a str) -> Result<Self> {
        let (broker_port, rest_port) = (free_port()?, free_port()?);
        let bootstrap = format!("127.0.0.1:{broker_port}");
        let mut stage = Self {
            binary,
            folder,
            whose_broker,
            own,
            bootstrap,
            broker_port,
            rest_port,
            broker: None,
            worker: None,
        };
        stage.start_what_is_missing()?;
        Ok(stage)
    }

    /// The worker.
    pub fn worker(&self) -> &Worker {
        self.worker.as_ref().expect("it is started again with each kill")
    }

    /// Kills what is named and starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn kill(&mut self, broker: bool, worker: bool) -> Result<()> {
        let broker = self.broker.take_if(|_| broker);
        let worker = self.worker.take_if(|_| worker);
        for process in
            [broker.map(|broker| broker.process), worker.map(|worker| worker.process)].into_iter().flatten()
        {
            process.kill_hard()?;
        }
        self.start_what_is_missing()
    }

    fn start_what_is_missing(&mut self) -> Result<()> {
        if self.broker.is_none() {
            let home = self.folder.join("broker");
            self.broker = Some(Broker::start(self.whose_broker, self.binary, &home, self.broker_port)?);
        }
        if self.worker.is_none() {
            let home = self.folder.join("worker");
            self.worker = Some(Worker::start(
                Whose::Raccord,
                self.binary,
                &home,
                &self.bootstrap,
                "soak",
                self.rest_port,
                self.own,
            )?);
        }
        Ok(())
    }

    /// What connectors and worker say, for a run that fails.
    pub fn trouble(&self, connectors: &[&str]) -> String {
        let Some(worker) = &self.worker else { return String::new() };
        let statuses = connectors.iter().map(|connector| worker.status(connector));
        statuses.chain([worker.process.log_tail()]).collect::<Vec<_>>().join("\n")
    }
}
