//! A broker in a process of its own, which can be killed, and the real clients that talk to it.
#![allow(dead_code, clippy::unwrap_used)]

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request};
use raccord_broker::{Broker, BrokerConfig};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const PORT_VARIABLE: &str = "RACCORD_TEST_BROKER_PORT";
const DIR_VARIABLE: &str = "RACCORD_TEST_BROKER_DIR";
/// Partitions of auto-created topics.
pub const PARTITIONS: i32 = 4;

/// Body of the ignored test `broker_process`, which [`BrokerProcess`] starts: a broker that runs until killed.
pub fn serve_until_killed() {
    let port = std::env::var(PORT_VARIABLE).expect("started by BrokerProcess only");
    let config = BrokerConfig {
        port: port.parse().expect("a port"),
        data_dir: std::env::var(DIR_VARIABLE).expect("a folder").into(),
        num_partitions: PARTITIONS,
        ..BrokerConfig::default()
    };
    let _broker = Broker::start(config).expect("the broker starts");
    loop {
        std::thread::park();
    }
}

/// The broker's process.
pub struct BrokerProcess {
    pub dir: tempfile::TempDir,
    pub port: u16,
    child: Child,
}

impl BrokerProcess {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let child = spawn_broker(dir.path(), port);
        BrokerProcess { dir, port, child }
    }

    pub fn boot(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// kill -9 and start again on the same data and port.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.restart();
    }

    pub fn restart(&mut self) {
        self.child = spawn_broker(self.dir.path(), self.port);
    }

    pub fn crash(&mut self) {
        self.child.kill().expect("the broker can be killed");
        self.child.wait().expect("the broker ends");
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn_broker(dir: &Path, port: u16) -> Child {
    let this = std::env::current_exe().expect("the test knows itself");
    let child = Command::new(this)
        .args(["--exact", "broker_process", "--ignored", "--nocapture"])
        .env(PORT_VARIABLE, port.to_string())
        .env(DIR_VARIABLE, dir.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the broker's process starts");
    wait_for("the broker to listen", 10, || TcpStream::connect(("127.0.0.1", port)).ok());
    child
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// Tries again until there is something, or fails.
pub fn wait_for<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(seconds), "waited {seconds} s for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Folder of the jars of Kafka 4.3.1.
pub fn kafka_jars() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/peers");
    let peers = std::env::var_os("RACCORD_PEERS_DIR").map_or_else(default, PathBuf::from);
    let jars = peers.join("kafka-4.3.1");
    assert!(
        jars.is_dir(),
        "{} is missing: fetch the real Kafka first, or name its folder in RACCORD_PEERS_DIR",
        jars.display()
    );
    jars
}

pub fn java() -> Command {
    let mut java = Command::new("java");
    java.arg("-Xmx256m").arg("-cp").arg(format!("{}/*", kafka_jars().display()));
    java
}

/// Apache Kafka itself, for comparison.
pub struct ApacheKafka {
    pub port: u16,
    _server: Client,
    _dir: tempfile::TempDir,
}

impl ApacheKafka {
    /// One node, set up like ours.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (port, controller) = (free_port(), free_port());
        let properties = dir.path().join("server.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\nnum.partitions={PARTITIONS}\n",
            dir.path().join("data").display()
        );
        std::fs::write(&properties, text).expect("writable");
        let properties = properties.to_str().expect("UTF-8");
        let format = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", properties];
        let (ok, lines) = tool("kafka.tools.StorageTool", &format);
        assert!(ok, "{lines:#?}");
        let mut command = java();
        command.args(["kafka.Kafka", properties]);
        let server = Client::start(command);
        let listens = || TcpStream::connect(("127.0.0.1", port)).ok();
        server.lines.wait("Apache Kafka", 120, |_| listens());
        ApacheKafka { port, _server: server, _dir: dir }
    }
}

/// A client under way: its output by line, and its end.
pub struct Client {
    child: Child,
    pub lines: Lines,
}

/// Lines a client has printed so far, on both of its outputs.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Lines {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                lines.0.0.lock().unwrap().push(line);
                lines.0.1.notify_all();
            }
        });
    }

    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().clone()
    }

    /// Waits until the lines show what is looked for.
    pub fn wait<T>(&self, what: &str, seconds: u64, look: impl Fn(&[String]) -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut lines = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = look(&lines) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {seconds} s for {what}; the client said:\n{}", lines.join("\n"));
            // Not only lines may change what is looked at.
            lines = self.0.1.wait_timeout(lines, left.min(Duration::from_millis(200))).unwrap().0;
        }
    }
}

impl Client {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
        let lines = Lines::default();
        lines.follow(child.stdout.take().expect("piped"));
        lines.follow(child.stderr.take().expect("piped"));
        Client { child, lines }
    }

    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the client reads");
    }

    pub fn close_input(&mut self) {
        self.child.stdin.take();
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end and gives what it printed.
    pub fn finish(mut self, seconds: u64) -> (ExitStatus, Vec<String>) {
        self.close_input();
        let look = || self.child.try_wait().expect("a child");
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut look = look;
        let status = loop {
            match look() {
                Some(status) => break status,
                None if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                None => {
                    panic!("the client did not end in {seconds} s; it said:\n{}", self.lines.all().join("\n"))
                }
            }
        };
        // The readers see the end of the pipes shortly after.
        std::thread::sleep(Duration::from_millis(50));
        (status, self.lines.all())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs one of Kafka's command-line tools to its end; its lines with runs of blanks made one.
pub fn tool(class: &str, args: &[&str]) -> (bool, Vec<String>) {
    let mut command = java();
    command.arg(class).args(args);
    let (status, lines) = Client::start(command).finish(60);
    let squeeze = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    (status.success(), lines.into_iter().map(squeeze).filter(|line| !line.is_empty()).collect())
}

pub fn kcat(boot: &str, args: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", boot]).args(args);
    command
}

/// Produces lines with kcat.
pub fn produce(boot: &str, topic: &str, partition: i32, values: impl Iterator<Item = String>) {
    let mut client = Client::start(kcat(boot, &["-P", "-t", topic, "-p", &partition.to_string()]));
    values.for_each(|value| client.say(&value));
    let (status, lines) = client.finish(30);
    assert!(status.success(), "{lines:?}");
}

/// One request on a connection; `None` when the broker went away.
pub fn ask<R: Request + Encodable>(
    stream: &mut TcpStream,
    key: ApiKey,
    version: i16,
    request: &R,
) -> Option<R::Response>
where
    R::Response: Decodable,
{
    let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version);
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    stream.write_all(&frame).ok()?;
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut answer = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut answer).ok()?;
    let mut answer = Bytes::from(answer);
    ResponseHeader::decode(&mut answer, R::Response::header_version(version)).unwrap();
    let decoded = R::Response::decode(&mut answer, version).unwrap();
    assert!(!answer.has_remaining());
    Some(decoded)
}

/// One HTTP exchange; the status and the body.
pub fn http(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}
