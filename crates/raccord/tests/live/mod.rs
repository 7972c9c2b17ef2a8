//! This program's own broker and worker as processes, for tests that talk to them as users do.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program.
pub fn raccord() -> Command {
    Command::new(env!("CARGO_BIN_EXE_raccord"))
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Looks again until there is something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        if start.elapsed() >= PATIENCE {
            let log = what.split(": ").last().and_then(|path| fs::read_to_string(path).ok());
            panic!("waited for {what}\n{}", log.unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The embedded broker; killed when dropped.
pub struct Broker {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Broker {
    pub fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = raccord()
            .args(["broker", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let broker = Self { child, port, folder };
        wait_for("the broker", || TcpStream::connect(("127.0.0.1", port)).ok());
        broker
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it keeps its logs.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a distributed worker's properties with config providers named `file`, `dir` and `env`. Port 0 takes any.
pub fn worker_file(folder: &Path, brokers: &str, port: u16, more: &[(&str, &str)]) -> PathBuf {
    const PROVIDERS: &str = "org.apache.kafka.common.config.provider";
    let mut text = format!(
        "bootstrap.servers={brokers}\ngroup.id=g\nlisteners=http://127.0.0.1:{port}\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n\
         config.storage.topic=configs\noffset.storage.topic=offsets\nstatus.storage.topic=statuses\n\
         config.storage.replication.factor=1\noffset.storage.replication.factor=1\n\
         status.storage.replication.factor=1\noffset.storage.partitions=1\nstatus.storage.partitions=1\n\
         offset.flush.interval.ms=500\nconfig.providers=file,dir,env\n\
         config.providers.file.class={PROVIDERS}.FileConfigProvider\n\
         config.providers.dir.class={PROVIDERS}.DirectoryConfigProvider\n\
         config.providers.env.class={PROVIDERS}.EnvVarConfigProvider\n"
    );
    for (key, value) in more {
        // Lines of a value go on with a backslash, as in all properties files.
        text.push_str(&format!("{key}={}\n", value.replace('\\', "\\\\").replace('\n', "\\n\\\n")));
    }
    let path = folder.join("worker.properties");
    fs::write(&path, text).unwrap();
    path
}

/// A distributed worker; killed when dropped.
pub struct Worker {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Worker {
    /// Starts a worker and waits until REST answers.
    pub fn start(folder: &Path, brokers: &str, more: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let file = worker_file(folder, brokers, port, more);
        let log = folder.join("worker.log");
        let child = raccord()
            .arg("distributed")
            .arg(file)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut worker = Self { child, port, log };
        // One that cannot run has ended by then.
        wait_for("REST", || {
            let up = TcpStream::connect(("127.0.0.1", port)).is_ok();
            (up || worker.child.try_wait().unwrap().is_some()).then_some(())
        });
        worker
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks and gives status and body.
    pub fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Asks until the answer is good, and gives it.
    pub fn until(&self, path: &str, good: impl Fn(&Value) -> bool) -> Value {
        wait_for(path, || {
            let (status, body) = self.ask("GET", path, None);
            let answer: Value = serde_json::from_str(&body).unwrap_or_default();
            (status == 200 && good(&answer)).then_some(answer)
        })
    }

    /// Waits until the only task of a connector is in the state, and gives the connector's status.
    pub fn task_state(&self, connector: &str, state: &str) -> Value {
        self.until(&format!("/connectors/{connector}/status"), |status| status["tasks"][0]["state"] == state)
    }

    /// Waits for the end of the process, and gives its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let what = format!("the end of the worker: {}", self.log.display());
        let child = &mut self.child;
        wait_for(&what, || child.try_wait().unwrap()).code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
