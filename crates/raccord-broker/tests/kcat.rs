//! Debian's kcat (librdkafka 2.0) against the broker. Fails when kcat is not installed: `apt-get install kcat`.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use raccord_broker::{Broker, BrokerConfig, BrokerHandle};

struct Kcat {
    _dir: tempfile::TempDir,
    handle: BrokerHandle,
}

impl Kcat {
    fn start() -> Kcat {
        let dir = tempfile::tempdir().expect("a folder");
        let config = BrokerConfig { port: 0, data_dir: dir.path().into(), ..BrokerConfig::default() };
        Kcat { handle: Broker::start(config).expect("starts"), _dir: dir }
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new("kcat")
            .args(["-b", &self.handle.local_addr().to_string()])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kcat must be installed: apt-get install kcat");
        let mut stdin = child.stdin.take().expect("is piped");
        let input = input.to_string();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("ends");
        writer.join().expect("ends").ok();
        output
    }

    fn ok(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        assert!(output.status.success(), "kcat {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

#[test]
fn records_go_in_and_come_out_in_order_with_every_codec() {
    let kcat = Kcat::start();
    let lines: String = (0..20_000).map(|i| format!("key{i}:value number {i}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        kcat.ok(&["-P", "-t", codec, "-z", codec, "-K", ":"], &lines);
        assert_eq!(kcat.ok(&["-C", "-t", codec, "-e", "-q", "-K", ":"], ""), lines, "{codec}");
    }
}

#[test]
fn idempotent_producer_headers_tombstones_and_offsets() {
    let kcat = Kcat::start();
    kcat.ok(&["-P", "-t", "t", "-X", "enable.idempotence=true", "-H", "h=1"], "a\nb\nc\n");
    let format = "%o %s %h\n";
    assert_eq!(kcat.ok(&["-C", "-t", "t", "-e", "-q", "-f", format], ""), "0 a h=1\n1 b h=1\n2 c h=1\n");
    assert_eq!(kcat.ok(&["-C", "-t", "t", "-e", "-q", "-o", "-1"], ""), "c\n");
    kcat.ok(&["-P", "-t", "t", "-K", ":", "-Z"], "gone:\n");
    assert_eq!(kcat.ok(&["-C", "-t", "t", "-e", "-q", "-o", "3", "-f", "%k %S\n"], ""), "gone -1\n");
}

#[test]
fn times_are_looked_up() {
    let kcat = Kcat::start();
    kcat.ok(&["-P", "-t", "t"], "a\nb\n");
    assert!(kcat.ok(&["-Q", "-t", "t:0:-1"], "").contains("offset 2"));
    assert!(kcat.ok(&["-Q", "-t", "t:0:-2"], "").contains("offset 0"));
    assert!(kcat.ok(&["-Q", "-t", "t:0:1000"], "").contains("offset 0"));
}

#[test]
fn a_group_reads_everything_once_and_goes_on_where_it_stopped() {
    let kcat = Kcat::start();
    kcat.ok(&["-P", "-t", "t"], "a\nb\nc\n");
    let group = ["-G", "g", "-e", "-q", "-X", "auto.offset.reset=earliest", "t"];
    assert_eq!(kcat.ok(&group, ""), "a\nb\nc\n");
    kcat.ok(&["-P", "-t", "t"], "d\n");
    assert_eq!(kcat.ok(&group, ""), "d\n");
}

#[test]
fn listing_shows_topics_and_unknown_ones_are_said_to_be_unknown() {
    let kcat = Kcat::start();
    kcat.ok(&["-P", "-t", "seen"], "a\n");
    let listing = kcat.ok(&["-L"], "");
    assert!(listing.contains(&kcat.handle.local_addr().to_string()), "{listing}");
    assert!(listing.contains("topic \"seen\" with 1 partitions"), "{listing}");
    let output = kcat.run(&["-C", "-t", "never-made", "-e"], "");
    assert!(String::from_utf8_lossy(&output.stderr).to_lowercase().contains("unknown topic"));
}
