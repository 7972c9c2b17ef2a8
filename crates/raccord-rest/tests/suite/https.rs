//! HTTPS with stores that keytool and openssl write, asked by curl. All three must be installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::client::{Server, settings};
use crate::herder::Script;

/// A folder with stores and certificates.
struct Stores(tempfile::TempDir);

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Stores {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs a tool in the folder; arguments are parted by blanks.
    fn tool(&self, program: &str, arguments: &str) {
        run(Command::new(program).args(arguments.split_whitespace()).current_dir(self.0.path()));
    }

    /// A server's key and certificate for the loopback in a store of keytool's.
    fn keytool_pair(&self, file: &str, kind: &str, algorithm: &str, key_password: &str) {
        self.tool(
            "keytool",
            &format!(
                "-genkeypair -alias s -keyalg {algorithm} -storetype {kind} -keystore {file} -storepass changeit \
                 -keypass {key_password} -dname CN=localhost -ext SAN=dns:localhost,ip:127.0.0.1 -validity 2"
            ),
        );
        self.tool(
            "keytool",
            &format!("-exportcert -rfc -alias s -keystore {file} -storepass changeit -file {file}.pem"),
        );
    }

    /// An authority (`ca.pem`), and a certificate (`<name>.pem`, `<name>.key`) that it signed.
    fn signed(&self, name: &str) {
        if !self.path("ca.pem").exists() {
            self.tool(
                "openssl",
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 \
                 -subj /CN=authority",
            );
        }
        self.tool(
            "openssl",
            &format!("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"),
        );
        std::fs::write(
            self.path("ext"),
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        )
        .unwrap();
        self.tool(
            "openssl",
            &format!("x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 2 -out {name}.pem"),
        );
    }
}

fn start(keys: &[(&str, &str)]) -> Server {
    let mut all = vec![("listeners", "https://127.0.0.1:0")];
    all.extend_from_slice(keys);
    Server::with(settings(&all, None).unwrap(), Script::default(), raccord_rest::Limits::default())
}

/// What curl gets of `/connectors`, or none when it cannot connect.
async fn curl(server: &Server, trusted: &Path, more: &[&str]) -> Option<String> {
    let url = format!("https://127.0.0.1:{}/connectors", server.address.port());
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "--cacert"]).arg(trusted).args(more).arg(url);
    let output =
        tokio::task::spawn_blocking(move || command.output().expect("curl is installed")).await.unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_formats_of_key_stores_work() {
    let stores = Stores::new();
    stores.keytool_pair("rsa.jks", "JKS", "RSA", "otherpass");
    stores.keytool_pair("ec.jks", "JKS", "EC", "changeit");
    stores.keytool_pair("new.p12", "PKCS12", "RSA", "changeit");
    stores.signed("server");
    stores.tool(
        "openssl",
        "pkcs12 -export -legacy -in server.pem -inkey server.key -certfile ca.pem -out legacy.p12 -passout pass:changeit",
    );
    stores.tool("openssl", "pkcs8 -topk8 -in server.key -out locked.key -passout pass:keypass");
    let text = |name: &str| std::fs::read_to_string(stores.path(name)).unwrap();
    std::fs::write(stores.path("open.all"), text("server.key") + &text("server.pem")).unwrap();
    std::fs::write(stores.path("locked.all"), text("locked.key") + &text("server.pem")).unwrap();
    let check = async |file: &str, trusted: &str, keys: &[(&str, &str)]| {
        let location = stores.text(file);
        let mut all = vec![("ssl.keystore.location", location.as_str())];
        all.extend_from_slice(keys);
        let got = curl(&start(&all), &stores.path(trusted), &[]).await;
        assert_eq!(got.as_deref(), Some("[]"), "{file}");
    };
    let password = ("ssl.keystore.password", "changeit");
    check("rsa.jks", "rsa.jks.pem", &[password, ("ssl.key.password", "otherpass")]).await;
    check("ec.jks", "ec.jks.pem", &[password, ("ssl.keystore.type", "JKS")]).await;
    // The default type is JKS, and Java opens PKCS#12 under that name as well.
    check("new.p12", "new.p12.pem", &[password]).await;
    check("legacy.p12", "ca.pem", &[password, ("ssl.keystore.type", "PKCS12")]).await;
    check("open.all", "ca.pem", &[("ssl.keystore.type", "PEM")]).await;
    check("locked.all", "ca.pem", &[("ssl.keystore.type", "PEM"), ("ssl.key.password", "keypass")]).await;

    // Key and chain in the properties themselves, with line ends or on one line.
    for one_line in [false, true] {
        let flat = |text: String| if one_line { text.replace('\n', " ") } else { text };
        let (key, chain) = (flat(text("locked.key")), flat(text("server.pem")));
        let server = start(&[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.key", &key),
            ("ssl.keystore.certificate.chain", &chain),
            ("ssl.key.password", "keypass"),
        ]);
        assert_eq!(curl(&server, &stores.path("ca.pem"), &[]).await.as_deref(), Some("[]"));
        assert_eq!(server.url, format!("https://127.0.0.1:{}/", server.address.port()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_asked_for_certificates() {
    let stores = Stores::new();
    for name in ["server", "client"] {
        stores.signed(name);
    }
    let strangers = Stores::new();
    strangers.signed("stranger");
    std::fs::write(
        stores.path("server.all"),
        std::fs::read_to_string(stores.path("server.key")).unwrap()
            + &std::fs::read_to_string(stores.path("server.pem")).unwrap(),
    )
    .unwrap();
    for (file, kind) in [("trust.jks", "JKS"), ("trust.p12", "PKCS12")] {
        stores.tool(
            "keytool",
            &format!("-importcert -noprompt -alias ca -file ca.pem -keystore {file} -storetype {kind} -storepass changeit"),
        );
    }
    let location = stores.text("server.all");
    let friend = [stores.text("client.pem"), stores.text("client.key")];
    let stranger = [strangers.text("stranger.pem"), strangers.text("stranger.key")];
    let check = async |auth: &str, trust: &str, nobody: bool, unknown: bool| {
        let trust = stores.text(trust);
        let server = start(&[
            ("ssl.keystore.location", &location),
            ("ssl.client.auth", auth),
            ("ssl.truststore.location", &trust),
            ("ssl.truststore.password", "changeit"),
        ]);
        let ca = stores.path("ca.pem");
        let with = async |pair: &[String; 2]| {
            curl(&server, &ca, &["--cert", &pair[0], "--key", &pair[1]]).await.is_some()
        };
        assert!(with(&friend).await, "{auth} {trust}: a client with a certificate");
        assert_eq!(curl(&server, &ca, &[]).await.is_some(), nobody, "{auth} {trust}: a client without");
        assert_eq!(with(&stranger).await, unknown, "{auth} {trust}: a client with another's certificate");
    };
    check("required", "trust.jks", false, false).await;
    check("required", "trust.p12", false, false).await;
    check("requested", "ca.pem", true, false).await;
    check("none", "ca.pem", true, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixed_keys_count_alone_and_versions_are_kept() {
    let stores = Stores::new();
    stores.keytool_pair("k.p12", "PKCS12", "RSA", "changeit");
    let location = stores.text("k.p12");
    let keys = [
        ("listeners.https.ssl.keystore.location", location.as_str()),
        ("listeners.https.ssl.keystore.password", "changeit"),
        ("listeners.https.ssl.enabled.protocols", "TLSv1.2"),
        ("listeners.https.ssl.cipher.suites", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("ssl.keystore.location", "/not/looked/at"),
    ];
    let server = start(&keys);
    let trusted = stores.path("k.p12.pem");
    assert!(curl(&server, &trusted, &["--tls-max", "1.2"]).await.is_some());
    assert!(curl(&server, &trusted, &["--tlsv1.3"]).await.is_none(), "TLS 1.3 is not offered");
    let other = ["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"];
    assert!(curl(&server, &trusted, &other).await.is_none(), "the suite is not offered");
}

#[test]
fn wrong_stores_are_told_apart() {
    let stores = Stores::new();
    stores.keytool_pair("k.jks", "JKS", "EC", "otherpass");
    stores.keytool_pair("k.p12", "PKCS12", "EC", "changeit");
    stores.signed("server");
    std::fs::write(stores.path("junk"), "junk").unwrap();
    std::fs::write(stores.path("cut.jks"), &std::fs::read(stores.path("k.jks")).unwrap()[..200]).unwrap();
    let check = |keys: &[(&str, &str)], expect: &str| {
        let mut all = vec![("listeners", "https://127.0.0.1:0")];
        all.extend_from_slice(keys);
        let error = settings(&all, None).unwrap_err();
        let text = format!("{error} {}", error.hint_text().unwrap_or_default());
        assert!(text.contains(expect), "{keys:?}: {text}");
    };
    let store = |name: &str| stores.text(name);
    let at = "ssl.keystore.location";
    check(&[(at, "/nowhere")], "cannot read /nowhere");
    check(&[(at, &store("junk"))], "is neither JKS nor PKCS#12 nor PEM");
    check(&[(at, &store("k.jks")), ("ssl.keystore.password", "wrong")], "its password is wrong");
    check(&[(at, &store("cut.jks"))], "is damaged");
    check(&[(at, &store("k.jks")), ("ssl.keystore.password", "changeit")], "give ssl.key.password");
    check(&[(at, &store("k.jks"))], "needs a password for its private key");
    check(&[(at, &store("k.p12")), ("ssl.keystore.password", "wrong")], "is the password right?");
    check(&[(at, &store("server.pem"))], "no private key");
    check(&[(at, &store("server.key"))], "no certificate");
    check(&[("ssl.keystore.key", "x")], "set ssl.keystore.type to PEM");
    check(
        &[("ssl.keystore.key", "x"), ("ssl.keystore.type", "PEM")],
        "ssl.keystore.certificate.chain is not",
    );
    let good = [(at, &*store("k.p12")), ("ssl.keystore.password", "changeit")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
    let with = |more: &[(&str, &str)], expect: &str| {
        let mut keys: Vec<(&str, &str)> = good.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        keys.extend_from_slice(more);
        check(&keys, expect);
    };
    with(&[("ssl.client.auth", "required")], "ssl.truststore.location is not");
    with(&[("ssl.client.auth", "maybe")], "use none, requested or required");
    with(&[("ssl.client.auth", "required"), ("ssl.truststore.location", &store("junk"))], "is neither JKS");
    with(&[("ssl.enabled.protocols", "TLSv1,SSLv3")], "use TLSv1.2, TLSv1.3 or both");
    with(&[("ssl.cipher.suites", "TLS_RSA_WITH_NULL_SHA")], "use some of TLS_");
}
