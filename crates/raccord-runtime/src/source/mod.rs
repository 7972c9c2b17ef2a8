//! The source loop.

use raccord_plugin::{Error, Result, SourceTask};

use crate::task::{Lifecycle, TaskSpec};

/// Runs a source task until it is told to stop or fails.
pub(crate) async fn run(
    spec: TaskSpec,
    _make: fn() -> Box<dyn SourceTask>,
    _lifecycle: &mut Lifecycle,
) -> Result<()> {
    Err(Error::fatal(format!("{} cannot run: the source loop is being written", spec.id)))
}
