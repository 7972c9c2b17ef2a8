//! The sink loop.

use raccord_plugin::{Error, Result, SinkTask};

use crate::task::{Lifecycle, TaskSpec};

/// Runs a sink task until it is told to stop or fails.
pub(crate) async fn run(
    spec: TaskSpec,
    _make: fn() -> Box<dyn SinkTask>,
    _lifecycle: &mut Lifecycle,
) -> Result<()> {
    Err(Error::fatal(format!("{} cannot run: the sink loop is being written", spec.id)))
}
