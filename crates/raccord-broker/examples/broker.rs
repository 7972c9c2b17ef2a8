//! A broker on its own: `cargo run --release -p raccord-broker --example broker -- PORT DATA_DIR`.

use raccord_broker::{Broker, BrokerConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut args = std::env::args().skip(1);
    let port = args.next().ok_or("which port?")?.parse()?;
    let data_dir = args.next().ok_or("which data folder?")?.into();
    let started = std::time::Instant::now();
    let broker = Broker::start(BrokerConfig { port, data_dir, ..BrokerConfig::default() })?;
    tracing::info!(ms = started.elapsed().as_millis() as u64, "started");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done?,
            _ = terminate.recv() => {}
        }
        broker.shutdown().await;
        Ok(())
    })
}
