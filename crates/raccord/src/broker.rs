//! `raccord broker`, and the broker of the quick start.

use anyhow::{Context, Result, bail};
use raccord_broker::{Broker, BrokerConfig};
use tracing::info;

use crate::args;
use crate::logging;
use crate::worker::until_stopped;

/// Runs the broker until it is told to stop.
pub fn run(arguments: args::Broker) -> Result<()> {
    logging::start();
    let (host, port) = host_and_port(&arguments.listen)?;
    let advertised = arguments.advertised.as_deref().map(host_and_port).transpose()?;
    let broker = Broker::start(BrokerConfig {
        host,
        port,
        advertised_host: advertised.as_ref().map(|(host, _)| host.clone()),
        advertised_port: advertised.map(|(_, port)| port),
        data_dir: arguments.data_dir,
        ..BrokerConfig::default()
    })?;
    info!("broker on {}", broker.local_addr());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        until_stopped().await?;
        info!("stopping");
        broker.shutdown().await;
        Ok(())
    })
}

fn host_and_port(address: &str) -> Result<(String, u16)> {
    let Some((host, port)) = address.rsplit_once(':') else {
        bail!("{address} is not of the form HOST:PORT");
    };
    let port = port.parse().with_context(|| format!("{port} in {address} is not a port number"))?;
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}
