//! Passwords: what Connect's `BasicAuthSecurityRestExtension` does with its `PropertyFileLoginModule`.
//!
//! A JAAS file names the login module and the file with the users. In a JVM the system property
//! `java.security.auth.login.config` names the JAAS file; here it is taken from where people set that property, see
//! [`jaas_file`]. The users' file is read at the first request and kept: as with Java, a change needs a restart. An
//! empty file lets everybody in. Requests between workers need no password.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use parking_lot::Mutex;
use raccord_config::{jaas, properties};
use raccord_plugin::{Error, RawConfig};

/// The entry of the JAAS file that counts.
const ENTRY: &str = "KafkaConnect";
/// The login module that is part of this program.
const MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
const PROPERTY: &str = "java.security.auth.login.config";
/// The largest file of either kind that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Java's decoder takes missing padding, but nothing else that is not of the alphabet.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The JAAS file that a worker is started with: the worker's property `java.security.auth.login.config`, which only this
/// program knows, or else the JVM option of that name in `kafka_opts`, the content of the environment variable
/// `KAFKA_OPTS`.
pub fn jaas_file(worker: &RawConfig, kafka_opts: Option<&str>) -> Option<String> {
    let option = format!("-D{PROPERTY}=");
    let from_options = || {
        words(kafka_opts?).into_iter().rev().find_map(|word| word.strip_prefix(&option).map(str::to_owned))
    };
    let value = worker.get(PROPERTY).map(str::to_owned).or_else(from_options)?;
    // A second equals sign says that no other file counts; a file may be given as URL.
    let value = value.strip_prefix('=').unwrap_or(&value);
    let value = value.strip_prefix("file://").or_else(|| value.strip_prefix("file:")).unwrap_or(value);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Words of a command line; quotes hold words together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// How a request fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Welcome,
    /// It may not.
    Unknown,
    /// Its header is broken in a way that Connect answers with 500 and this text.
    Broken(String),
}

/// Passwords by name.
type Users = HashMap<String, String>;

/// Checks names and passwords.
#[derive(Clone, Debug)]
pub struct BasicAuth {
    /// Users' files with the flags of their login modules, in order.
    modules: Arc<Vec<(jaas::Flag, String)>>,
    files: Arc<Mutex<HashMap<String, Arc<Users>>>>,
}

impl BasicAuth {
    /// Reads the JAAS file.
    ///
    /// # Errors
    /// Config, naming what is missing.
    pub fn load(jaas_file: Option<&str>) -> Result<Self, Error> {
        let path = jaas_file.ok_or_else(|| {
            Error::config("rest.extension.classes asks for passwords, but no JAAS file says where they are")
                .hint(format!(
                    "set {PROPERTY} in the worker's properties, or KAFKA_OPTS=-D{PROPERTY}=/path/to/jaas.conf"
                ))
        })?;
        let bytes = read(path).map_err(|text| Error::config(format!("{PROPERTY}: {text}")))?;
        let wrong = |text: String| Error::config(format!("{PROPERTY}: {path} {text}"));
        let entries = jaas::parse(&String::from_utf8_lossy(&bytes)).map_err(wrong)?;
        let (_, modules) = entries
            .into_iter()
            .find(|(name, _)| name == ENTRY)
            .ok_or_else(|| wrong(format!("has no entry {ENTRY}")))?;
        let mut files = Vec::new();
        for module in modules {
            if module.class != MODULE {
                return Err(wrong(format!(
                    "names the login module {}, which is not part of raccord",
                    module.class
                ))
                .hint(format!("use {MODULE}")));
            }
            let file = module.options.get("file").filter(|file| !file.trim().is_empty());
            let file = file
                .ok_or_else(|| wrong("gives no file to the login module: add file=\"/path\"".to_owned()))?;
            files.push((module.flag, file.clone()));
        }
        Ok(Self { modules: Arc::new(files), files: Arc::default() })
    }

    /// Checks the value of an `Authorization` header.
    pub fn check(&self, header: Option<&str>) -> Verdict {
        let credentials = match credentials(header) {
            Ok(credentials) => credentials,
            Err(text) => return Verdict::Broken(text),
        };
        let mut welcome = false;
        for (flag, file) in self.modules.iter() {
            match self.login(file, credentials.as_ref()) {
                Ok(true) => {
                    welcome = true;
                    if *flag == jaas::Flag::Sufficient {
                        break;
                    }
                }
                // A module that says no is passed over, as long as another one says yes.
                Ok(false) => {}
                Err(text) => {
                    tracing::error!("cannot check passwords: {text}");
                    if matches!(flag, jaas::Flag::Required | jaas::Flag::Requisite) {
                        return Verdict::Unknown;
                    }
                }
            }
        }
        if welcome { Verdict::Welcome } else { Verdict::Unknown }
    }

    fn login(&self, file: &str, credentials: Option<&(String, String)>) -> Result<bool, String> {
        let users = self.users(file)?;
        if users.is_empty() {
            return Ok(true);
        }
        Ok(credentials.is_some_and(|(name, password)| {
            users.get(name).is_some_and(|known| same(known.as_bytes(), password.as_bytes()))
        }))
    }

    /// The users of a file, read once.
    fn users(&self, file: &str) -> Result<Arc<Users>, String> {
        let mut files = self.files.lock();
        if let Some(users) = files.get(file) {
            return Ok(users.clone());
        }
        let entries = properties::parse(&read(file)?).map_err(|error| format!("{file}: {error}"))?;
        let users: Users =
            entries.into_iter().filter_map(|(name, password)| Some((name, password?))).collect();
        if users.is_empty() {
            tracing::warn!("{file} has no users: all requests are let in");
        }
        let users = Arc::new(users);
        files.insert(file.to_owned(), users.clone());
        Ok(users)
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("cannot read {path}: {error}"))?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("{path} is too large: {length} bytes, at most {MAX_FILE_BYTES}"));
    }
    std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Name and password of a header; none when it has none.
fn credentials(header: Option<&str>) -> Result<Option<(String, String)>, String> {
    let Some((scheme, encoded)) = header.and_then(|header| header.split_once(' ')) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if let Some(bad) = encoded.bytes().find(|byte| !alphabet(byte)) {
        return Err(format!("Illegal base64 character {bad:x}"));
    }
    let decoded =
        BASE64.decode(encoded).map_err(|_| "Input byte array has wrong 4-byte ending unit".to_owned())?;
    let decoded = String::from_utf8_lossy(&decoded);
    Ok(decoded
        .split_once(':')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, password)| (name.to_owned(), password.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_jaas_file_where_people_put_it() {
        let none = RawConfig::new();
        let check = |opts: &str, expect: Option<&str>| {
            assert_eq!(jaas_file(&none, Some(opts)).as_deref(), expect, "{opts}");
        };
        check("-Xmx1g -Djava.security.auth.login.config=/a/b.conf -Dx=y", Some("/a/b.conf"));
        check("-Djava.security.auth.login.config=\"/a b/c.conf\"", Some("/a b/c.conf"));
        check("\"-Djava.security.auth.login.config=/a b/c.conf\"", Some("/a b/c.conf"));
        check("-Djava.security.auth.login.config==/a", Some("/a"));
        check("-Djava.security.auth.login.config=file:/a", Some("/a"));
        check("-Djava.security.auth.login.config=/a -Djava.security.auth.login.config=/b", Some("/b"));
        check("-Djava.security.auth.login.config=", None);
        check("-Xmx1g", None);
        let worker = RawConfig::from([(PROPERTY, "/w".to_owned())]);
        assert_eq!(jaas_file(&worker, Some("-Djava.security.auth.login.config=/a")).as_deref(), Some("/w"));
        assert_eq!(jaas_file(&none, None), None);
    }

    #[test]
    fn judges_headers() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        std::fs::write(&users, "admin=secret\nuser=pa:ss w\n").unwrap();
        let jaas = folder.path().join("jaas");
        std::fs::write(&jaas, format!("KafkaConnect {{ {MODULE} required file=\"{}\"; }};", users.display()))
            .unwrap();
        let auth = BasicAuth::load(jaas.to_str()).unwrap();
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let check = |header: Option<String>, expect: Verdict| {
            assert_eq!(auth.check(header.as_deref()), expect, "{header:?}")
        };
        check(Some(format!("Basic {}", encode("admin:secret"))), Verdict::Welcome);
        check(Some(format!("BASIC {}", encode("user:pa:ss w"))), Verdict::Welcome);
        check(Some(format!("Basic {}", encode("admin:wrong"))), Verdict::Unknown);
        check(Some(format!("Basic {}", encode("admin"))), Verdict::Unknown);
        check(Some(format!("Basic {}", encode(":secret"))), Verdict::Unknown);
        check(Some("Basic YWRtaW46c2VjcmV".to_owned()), Verdict::Unknown);
        check(Some("Bearer YWRtaW46c2VjcmV0".to_owned()), Verdict::Unknown);
        check(Some("Basic".to_owned()), Verdict::Unknown);
        check(None, Verdict::Unknown);
        check(Some("Basic !!!".to_owned()), Verdict::Broken("Illegal base64 character 21".to_owned()));
        check(Some("Basic  YWRt".to_owned()), Verdict::Broken("Illegal base64 character 20".to_owned()));
        // The file is not read again.
        std::fs::write(&users, "new=pw\n").unwrap();
        check(Some(format!("Basic {}", encode("new:pw"))), Verdict::Unknown);
        check(Some(format!("Basic {}", encode("admin:secret"))), Verdict::Welcome);
    }

    #[test]
    fn an_empty_file_lets_everybody_in_and_a_missing_one_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        let jaas = folder.path().join("jaas");
        std::fs::write(&jaas, format!("KafkaConnect {{ {MODULE} required file=\"{}\"; }};", users.display()))
            .unwrap();
        let auth = BasicAuth::load(jaas.to_str()).unwrap();
        assert_eq!(auth.check(None), Verdict::Unknown);
        std::fs::write(&users, "# nobody\n").unwrap();
        assert_eq!(auth.check(None), Verdict::Welcome);
    }

    #[test]
    fn says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let jaas = folder.path().join("jaas");
        let check = |text: &str, expect: &str| {
            std::fs::write(&jaas, text).unwrap();
            let error = BasicAuth::load(jaas.to_str()).unwrap_err();
            assert!(error.message().contains(expect), "{error}");
        };
        check("Other { x required; };", "has no entry KafkaConnect");
        check(
            "KafkaConnect { com.example.Ldap required; };",
            "com.example.Ldap, which is not part of raccord",
        );
        check(&format!("KafkaConnect {{ {MODULE} required; }};"), "gives no file");
        check("KafkaConnect { x maybe; };", "flag");
        assert!(BasicAuth::load(None).unwrap_err().hint_text().unwrap().contains("KAFKA_OPTS"));
    }
}
