//! TLS and logins: every `database.sslmode` against a server with a certificate of a test's own authority, client
//! certificates in the forms that pgJDBC takes, SCRAM and MD5. Which way a session came is decided by the server:
//! `pg_hba.conf` lets each role in one way only.

mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use raccord_connector_postgres::SOURCE;
use raccord_plugin::{Make, RawConfig};
use server::{Driven, Server, line, run};

const HBA: &str = "\
hostssl   all over_tls  127.0.0.1/32 scram-sha-256
hostnossl all plain     127.0.0.1/32 scram-sha-256
host      all old       127.0.0.1/32 md5
hostssl   all certified 127.0.0.1/32 cert
host      all postgres  127.0.0.1/32 trust
";

/// The files of the test's authority.
struct Authority(PathBuf);

impl Authority {
    /// Makes the authority, the server's certificate for `localhost`, and a client's for the role `certified`.
    fn new(folder: &Path) -> Self {
        let authority = Self(folder.to_owned());
        for name in ["ca", "other"] {
            let subject = format!("/CN={name}");
            authority.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {name}.key -out {name}.crt -subj {subject}"
            ));
        }
        std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n")
            .expect("a file can be written");
        for (name, subject) in [("server", "/CN=localhost"), ("client", "/CN=certified")] {
            authority.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj {subject}"
            ));
            authority.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out {name}.crt -extfile names"
            ));
        }
        for (form, options) in [
            ("client.pk8", "-nocrypt -outform DER"),
            ("client-secret.pk8", "-v2 aes-256-cbc -passout pass:secret -outform DER"),
            ("client-secret.pem", "-v2 aes-256-cbc -passout pass:secret"),
            ("client-3des.pk8", "-v1 PBE-SHA1-3DES -passout pass:secret -outform DER"),
            // As the documentation of pgJDBC has it.
            (
                "client-des.pk8",
                "-v1 PBE-MD5-DES -passout pass:secret -outform DER -provider legacy -provider default",
            ),
            ("client-des.pem", "-v1 PBE-SHA1-DES -passout pass:secret -provider legacy -provider default"),
        ] {
            authority.openssl(&format!("pkcs8 -topk8 -in client.key {options} -out {form}"));
        }
        authority.openssl("x509 -in client.crt -outform DER -out client.der");
        authority
            .openssl("pkcs12 -export -in client.crt -inkey client.key -passout pass:secret -out client.p12");
        authority
    }

    fn openssl(&self, arguments: &str) {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0));
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

/// Gives a server its certificate and roles.
fn with_tls(server: &Server, authority: &Authority) {
    server.sql(
        "postgres",
        "SET password_encryption = 'md5'; CREATE ROLE old SUPERUSER LOGIN PASSWORD 'pass'; \
         SET password_encryption = 'scram-sha-256'; \
         CREATE ROLE over_tls SUPERUSER LOGIN PASSWORD 'pass'; CREATE ROLE plain SUPERUSER LOGIN PASSWORD 'pass'; \
         CREATE ROLE certified SUPERUSER LOGIN",
    );
    server.sql("postgres", "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')");
    let data = PathBuf::from(server.data());
    for name in ["server.crt", "server.key", "ca.crt"] {
        let copy = data.join(name);
        std::fs::copy(authority.file(name), &copy).expect("a file can be copied");
        run(Command::new("chmod").arg("600").arg(&copy));
        run(Command::new("chown").arg("--reference").arg(&data).arg(&copy));
    }
    std::fs::write(data.join("pg_hba.conf"), HBA).expect("rules can be written");
    server.sql("postgres", "ALTER SYSTEM SET ssl_ca_file = 'ca.crt'");
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.sql("postgres", "SELECT pg_reload_conf()");
    while server.sql("postgres", "SHOW ssl") != "on" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn config(server: &Server, user: &str, keys: &[(&str, &str)]) -> RawConfig {
    let mut config = server.config("postgres", &format!("tls_{user}"));
    config.insert("database.hostname", Some("localhost".to_owned()));
    config.insert("database.user", Some(user.to_owned()));
    config.insert("database.password", Some("pass".to_owned()));
    for (key, value) in keys {
        config.insert(*key, Some((*value).to_owned()));
    }
    config
}

/// Validates a config; gives what is wrong, if anything.
async fn refused(config: &RawConfig) -> Option<String> {
    let Make::Source { connector, .. } = SOURCE.make else { panic!("a source") };
    let found = connector().validate(config).await;
    assert!(found.len() <= 1, "{found:?}");
    found.into_iter().next().map(|(_, message)| message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn against_a_server_with_tls() {
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    let authority = Authority::new(folder.path());
    let server = Server::start();
    with_tls(&server, &authority);
    every_mode(&server, &authority).await;
    client_certificates(&server, &authority).await;
    passwords(&server).await;
    everything_goes_over_tls(&server, &authority).await;
}

async fn every_mode(server: &Server, authority: &Authority) {
    let (ca, other) = (authority.file("ca.crt"), authority.file("other.crt"));
    // User, mode, authority, host; what has to be in the message, or nothing.
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        ("over_tls", "disable", "", "localhost", "no encryption"),
        ("over_tls", "allow", "", "localhost", ""),
        ("over_tls", "prefer", "", "localhost", ""),
        ("over_tls", "require", "", "localhost", ""),
        ("over_tls", "require", "", "127.0.0.1", ""),
        ("over_tls", "verify-ca", &ca, "localhost", ""),
        ("over_tls", "verify-ca", &ca, "127.0.0.1", ""),
        ("over_tls", "verify-ca", &other, "localhost", "SSL error"),
        ("over_tls", "verify-ca", "", "localhost", "database.sslrootcert"),
        ("over_tls", "verify-ca", "/nowhere/ca.crt", "localhost", "/nowhere/ca.crt"),
        ("over_tls", "verify-full", &ca, "localhost", ""),
        ("over_tls", "verify-full", &ca, "127.0.0.1", "SSL error"),
        ("over_tls", "verify-full", &other, "localhost", "SSL error"),
        ("plain", "disable", "", "localhost", ""),
        ("plain", "allow", "", "localhost", ""),
        ("plain", "prefer", "", "localhost", ""),
        ("plain", "require", "", "localhost", "SSL encryption"),
        ("plain", "verify-full", &ca, "localhost", "SSL encryption"),
    ];
    for (user, mode, root, host, told) in cases {
        let keys =
            [("database.sslmode", *mode), ("database.sslrootcert", *root), ("database.hostname", *host)];
        let keys: Vec<_> = keys.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let message = refused(&config(server, user, &keys)).await;
        match (&message, told.is_empty()) {
            (None, true) => {}
            (Some(message), false) if message.contains(told) => {}
            _ => panic!("{user} with {keys:?}: {message:?} instead of {told:?}"),
        }
    }
}

async fn client_certificates(server: &Server, authority: &Authority) {
    let refusal = "requires a valid client certificate";
    let cases = [
        ("client.crt", "client.key", "", ""),
        ("client.crt", "client.pk8", "", ""),
        ("client.der", "client.pk8", "", ""),
        ("client.crt", "client-secret.pk8", "secret", ""),
        ("client.crt", "client-secret.pem", "secret", ""),
        ("client.crt", "client-3des.pk8", "secret", ""),
        ("client.crt", "client-des.pk8", "secret", ""),
        ("client.crt", "client-des.pem", "secret", ""),
        ("client.crt", "client-des.pk8", "wrong", "database.sslpassword"),
        ("", "client.p12", "secret", ""),
        ("client.crt", "client-secret.pk8", "wrong", "database.sslpassword"),
        ("", "client.p12", "wrong", "database.sslpassword"),
        ("client.crt", "server.crt", "", "database.sslkey"),
        ("other.crt", "other.key", "", "SSL error"),
        ("", "", "", refusal),
    ];
    for (certificate, key, password, told) in cases {
        let file = |name: &str| if name.is_empty() { String::new() } else { authority.file(name) };
        let (certificate, key) = (file(certificate), file(key));
        let keys = [
            ("database.sslmode", "require"),
            ("database.sslcert", &*certificate),
            ("database.sslkey", &*key),
            ("database.sslpassword", password),
        ];
        let keys: Vec<_> = keys.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let message = refused(&config(server, "certified", &keys)).await;
        match (&message, told.is_empty()) {
            (None, true) => {}
            (Some(message), false) if message.contains(told) => {
                assert!(!message.contains("secret") || key.contains("secret"), "{message}");
            }
            _ => panic!("{keys:?}: {message:?} instead of {told:?}"),
        }
    }
}

async fn passwords(server: &Server) {
    for (user, mode) in
        [("old", "disable"), ("old", "require"), ("plain", "disable"), ("over_tls", "require")]
    {
        let right = config(server, user, &[("database.sslmode", mode)]);
        assert_eq!(refused(&right).await, None, "{user}");
        let wrong = config(server, user, &[("database.sslmode", mode), ("database.password", "not-the-one")]);
        let message = refused(&wrong).await.expect("a wrong password is refused");
        assert!(message.contains("password authentication failed for user"), "{message}");
        assert!(!message.contains("not-the-one"), "{message}");
    }
}

/// The snapshot's and the stream's sessions take the same way as the one that validates.
async fn everything_goes_over_tls(server: &Server, authority: &Authority) {
    for user in ["over_tls", "certified", "old"] {
        let keys = [
            ("database.sslmode", "verify-full".to_owned()),
            ("database.sslrootcert", authority.file("ca.crt")),
            ("database.sslcert", authority.file("client.crt")),
            ("database.sslkey", authority.file("client.pk8")),
        ];
        let keys: Vec<_> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut driven = Driven::open(&config(server, user, &keys), Arc::default()).await;
        assert_eq!(driven.read(1).await.iter().map(line).collect::<Vec<_>>(), ["r 1 1,a"], "{user}");
        server.sql("postgres", "UPDATE t SET v = 'b'; UPDATE t SET v = 'a'");
        assert_eq!(driven.read(2).await.iter().map(line).collect::<Vec<_>>(), ["u 1 1,b", "u 1 1,a"]);
        let plain = format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{user}' AND NOT ssl"
        );
        assert_eq!(server.sql("postgres", &plain), "0", "{user}");
        driven.close().await;
    }
}
