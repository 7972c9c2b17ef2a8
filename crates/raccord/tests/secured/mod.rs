//! Apache Kafka with listeners for TLS, SASL over TLS and OAUTHBEARER, and an endpoint that hands out tokens.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::live::{free_port, wait_for};

/// Of all stores, users and clients.
pub const PASSWORD: &str = "r1ght-passw0rd";

pub fn plain(user: &str, password: &str) -> String {
    format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{user}\" password=\"{password}\";"
    )
}

pub fn scram(user: &str, password: &str) -> String {
    format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{user}\" password=\"{password}\";"
    )
}

pub fn oauth(options: &str) -> String {
    format!("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required {options};")
}

#[derive(Clone, Copy)]
pub enum Listener {
    Ssl,
    SaslSsl,
    OAuth,
}

/// One node of Apache Kafka; killed when dropped.
pub struct Kafka {
    child: Child,
    folder: tempfile::TempDir,
    ports: [u16; 3],
    /// Of the listener for brokers, which asks nobody who they are.
    inner: u16,
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn java(folder: &Path) -> Command {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/peers");
    let peers = std::env::var_os("RACCORD_PEERS_DIR").map_or_else(default, PathBuf::from);
    let jars = peers.join("kafka-4.3.1");
    assert!(jars.is_dir(), "{} is missing: run `cargo xtask peers fetch`", jars.display());
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp"]).arg(format!("{}/*", jars.display()));
    java.current_dir(folder);
    java
}

impl Kafka {
    /// Makes the stores, formats the storage with a SCRAM user, and starts the node.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_stores(folder.path());
        let ports = [free_port(), free_port(), free_port()];
        let (controller, inner) = (free_port(), free_port());
        let [ssl, sasl, oauth_port] = ports;
        let unsecured = oauth("unsecuredLoginStringClaim_sub=\"broker\"");
        let listeners = format!(
            "INNER://127.0.0.1:{inner},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl},OAUTH://127.0.0.1:{oauth_port}"
        );
        let advertised = listeners.replace("127.0.0.1", "localhost");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={advertised}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=INNER\n\
             listener.security.protocol.map=INNER:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,OAUTH:SASL_PLAINTEXT\n\
             log.dirs={data}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             allow.everyone.if.no.acl.found=true\nsuper.users=User:ANONYMOUS\n\
             ssl.keystore.location={server}\nssl.keystore.password={PASSWORD}\n\
             ssl.truststore.location={trust}\nssl.truststore.password={PASSWORD}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config={plain} user_alice=\"{PASSWORD}\";\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram};\n\
             listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER\n\
             listener.name.oauth.oauthbearer.sasl.jaas.config={unsecured}\n",
            data = folder.path().join("data").display(),
            server = folder.path().join("server.p12").display(),
            trust = folder.path().join("trust.jks").display(),
            plain = "org.apache.kafka.common.security.plain.PlainLoginModule required",
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule required",
        );
        fs::write(folder.path().join("server.properties"), text).unwrap();
        run(java(folder.path())
            .args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg"])
            .args([
                "-c",
                "server.properties",
                "--add-scram",
                &format!("SCRAM-SHA-512=[name=alice,password={PASSWORD}]"),
            ]));
        let log = || fs::File::create(folder.path().join("kafka.log")).unwrap();
        let child = java(folder.path())
            .args(["kafka.Kafka", "server.properties"])
            .stdout(Stdio::from(log()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let kafka = Self { child, folder, ports, inner };
        for port in kafka.ports {
            wait_for("Kafka", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
        kafka
    }

    /// Allows alice everything with a topic but this operation.
    pub fn deny(&self, operation: &str, topic: &str) {
        let inner = format!("localhost:{}", self.inner);
        for (principal, operation) in [("--allow-principal", "All"), ("--deny-principal", operation)] {
            run(java(self.folder.path())
                .args(["org.apache.kafka.tools.AclCommand", "--bootstrap-server", &inner, "--add"])
                .args([principal, "User:alice", "--operation", operation, "--topic", topic]));
        }
    }

    /// The address of a listener, under the name that its certificate has.
    pub fn address(&self, listener: Listener) -> String {
        format!("localhost:{}", self.ports[listener as usize])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ca.pem` with `trust.jks`, `server.p12` and `client.p12`, which it signed; `other-ca.pem`, which signed nothing.
fn make_stores(folder: &Path) {
    let script = format!(
        r#"set -e
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj /CN=authority
openssl req -x509 $new -keyout other.key -out other-ca.pem -days 2 -subj /CN=somebody
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > ext
for name in server client; do
  openssl req $new -keyout $name.key -out $name.csr -subj /CN=$name
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 2 -out $name.pem
  openssl pkcs12 -export -in $name.pem -inkey $name.key -certfile ca.pem -out $name.p12 -passout pass:{PASSWORD}
done
keytool -importcert -noprompt -storetype JKS -alias ca -file ca.pem -keystore trust.jks -storepass {PASSWORD}
"#
    );
    run(Command::new("bash").arg("-c").arg(script).current_dir(folder));
}

/// A token endpoint for the client `me`: the grant of client credentials, with tokens that are not signed.
pub struct TokenServer {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl TokenServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                // Who asks may have gone.
                let _ = stream.map(answer);
            }
        });
        Self { port, asked }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let expect = STANDARD.encode(format!("me:{PASSWORD}"));
    let good =
        body.starts_with(b"grant_type=client_credentials") && authorization == format!("Basic {expect}");
    let (status, text) = if good {
        let expires =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 600;
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let token = format!(
            "{}.{}.",
            part(r#"{"alg":"none"}"#.to_owned()),
            part(format!(r#"{{"sub":"me","iat":{},"exp":{expires}}}"#, expires - 600))
        );
        ("200 OK", format!(r#"{{"access_token":"{token}","token_type":"Bearer"}}"#))
    } else {
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned())
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}
