//! `connect-standalone`: the same worker with its state in memory and its offsets in a file.

use std::sync::Arc;

use raccord_plugin::{Error, RawConfig, Result};

use super::open::Storage;
use super::{Deps, DistributedHerder};
use crate::herder::{Herder, TargetState};

/// A connector from the command line.
#[derive(Clone, Debug)]
pub struct StandaloneConnector {
    /// Its name.
    pub name: String,
    /// Its config.
    pub config: RawConfig,
    /// What it should do at first.
    pub initial_state: Option<TargetState>,
}

/// A worker without a cluster.
pub struct StandaloneHerder;

impl StandaloneHerder {
    /// Starts a worker whose offsets are in `offset.storage.file.filename`. Connectors are added with
    /// [`Self::add`], or through REST.
    pub fn start(deps: Deps) -> Arc<DistributedHerder> {
        let path = deps.config.offset_storage_file_filename.clone().into();
        DistributedHerder::launch(deps, Storage::File(path))
    }

    /// Adds a connector from the command line, replacing one of the same name.
    ///
    /// # Errors
    /// When its config is not valid.
    pub async fn add(herder: &DistributedHerder, connector: StandaloneConnector) -> Result<()> {
        let StandaloneConnector { name, config, initial_state } = connector;
        herder
            .put_connector(&name, config, initial_state, true)
            .await
            .map(drop)
            .map_err(|error| Error::config(format!("cannot create connector {name}: {}", error.message)))
    }
}
