//! Whatever a client sends: the broker answers or closes the connection, keeps its bounds, and goes on for the others.
//!
//! The bytes are sent as one frame after another to a real broker in this process, so that a panic of any of its threads
//! ends the run. The first two bytes of the input choose an API key and a version, which makes most frames get past the
//! header.
#![no_main]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use raccord_broker::{Broker, BrokerConfig, BrokerHandle};

static BROKER: OnceLock<(BrokerHandle, tempfile::TempDir)> = OnceLock::new();

fn address() -> SocketAddr {
    let (broker, _) = BROKER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let config = BrokerConfig {
            port: 0,
            data_dir: folder.path().to_owned(),
            // Noise must not fill the disk of who fuzzes.
            max_partitions: 200,
            log_retention_bytes: 1 << 20,
            log_segment_bytes: 1 << 18,
            ..BrokerConfig::default()
        };
        (Broker::start(config).expect("the broker starts"), folder)
    });
    broker.local_addr()
}

fuzz_target!(|data: &[u8]| {
    let [key, version, body @ ..] = data else { return };
    let mut stream = TcpStream::connect(address()).expect("the broker takes connections");
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a time limit can be set");
    let mut frame = Vec::with_capacity(body.len() + 8);
    frame.extend_from_slice(&i16::from(*key % 80).to_be_bytes());
    frame.extend_from_slice(&i16::from(*version % 20).to_be_bytes());
    frame.extend_from_slice(body);
    let length = u32::try_from(frame.len()).expect("inputs are small");
    if stream.write_all(&length.to_be_bytes()).and_then(|()| stream.write_all(&frame)).is_err() {
        return;
    }
    // An answer, an end, or a long poll that is not waited for: all are fine.
    let _ = stream.read(&mut [0; 1024]);
});
