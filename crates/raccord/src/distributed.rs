//! `raccord distributed`: connect-distributed.

use anyhow::Result;

use crate::args::Distributed;
use crate::worker::{Mode, Worker, block_on, read_properties};
use crate::{daemon, logging};

/// Runs a worker until it is told to stop.
pub fn run(arguments: Distributed) -> Result<()> {
    if arguments.daemon {
        return daemon::start("connectDistributed");
    }
    logging::start();
    let properties = read_properties(&arguments.worker)?;
    block_on(async { Worker::start(Mode::Distributed, &properties)?.run().await })
}
