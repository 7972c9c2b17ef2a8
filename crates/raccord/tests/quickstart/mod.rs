//! A running quick start for tests of the binary.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A quick start on ports and in a folder of its own; killed when dropped.
pub struct Quickstart {
    child: Child,
    /// The broker's port.
    pub broker: u16,
    /// The REST interface's port.
    pub rest: u16,
    folder: tempfile::TempDir,
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Quickstart {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (broker, rest, console) = (free_port(), free_port(), free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_raccord"))
            .arg("quickstart")
            .args(["--broker-port", &broker.to_string(), "--rest-port", &rest.to_string()])
            .args(["--console-port", &console.to_string(), "--data-dir"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let quickstart = Self { child, broker, rest, folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", rest)).is_err() {
            assert!(Instant::now() < deadline, "the quick start does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        quickstart
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
