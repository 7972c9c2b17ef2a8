//! Config providers: values from files, folders and the environment in the place of `${provider:path:key}`.
//!
//! Placeholders are replaced just before a config is used. What is stored and shown keeps them, so that secrets stay
//! where they are.
//!
//! Kafka lets a provider say for how long its values may be used; its own three never do. Here the file and directory
//! providers do when `param.ttl.ms` is set, so that connectors notice rotated passwords.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use raccord_config::properties::{self, FILE_BYTES_MAX};
use raccord_config::{JavaRegex, invalid_value};
use raccord_plugin::RawConfig;

use crate::placeholders::Placeholder;

/// The providers of a worker by name.
#[derive(Debug, Default)]
pub struct Providers(HashMap<String, Named>);

#[derive(Debug)]
struct Named {
    provider: Provider,
    /// For how long its values may be used, in milliseconds.
    ttl_ms: Option<u64>,
}

/// A config with its placeholders replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// The config.
    pub config: RawConfig,
    /// What placeholders were replaced with: not to be shown.
    pub secrets: Vec<String>,
    /// The shortest time for which any of the values may be used, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// Keys whose values are part of every client's name and log, and which therefore cannot be secrets.
const NOT_SECRET: [&str; 6] = [
    "bootstrap.servers",
    "client.id",
    "connector.class",
    "group.id",
    "listeners",
    "rest.advertised.host.name",
];

#[derive(Debug)]
enum Provider {
    /// Keys of properties files.
    File(AllowedPaths),
    /// Files of folders.
    Directory(AllowedPaths),
    /// Variables of the environment whose whole name matches.
    Environment(Option<JavaRegex>),
}

/// Folders and files below which a provider may read; nothing means everywhere.
#[derive(Debug)]
struct AllowedPaths(Option<Vec<PathBuf>>);

impl Providers {
    /// The providers that a worker's properties name.
    ///
    /// # Errors
    /// Kafka's text for an unknown class or an allowed path that cannot be.
    pub fn of(raw: &RawConfig) -> Result<Self, String> {
        let mut providers = HashMap::new();
        for name in raw.get("config.providers").unwrap_or_default().split(',').map(str::trim) {
            let class_key = format!("config.providers.{name}.class");
            let Some(class) = raw.get(&class_key).filter(|_| !name.is_empty()) else { continue };
            let params = raw.with_prefix(&format!("config.providers.{name}.param."));
            let allowed = || AllowedPaths::parse(params.get("allowed.paths"));
            let simple = class.trim().rsplit('.').next().unwrap_or_default();
            let provider = match simple.strip_suffix("ConfigProvider") {
                Some("File") => Provider::File(allowed()?),
                Some("Directory") => Provider::Directory(allowed()?),
                Some("EnvVar") => Provider::Environment(match params.get("allowlist.pattern") {
                    None => None,
                    Some(pattern) => Some(JavaRegex::new(pattern).map_err(|error| error.to_string())?),
                }),
                _ => {
                    return Err(format!(
                        "Invalid value {class} for configuration {class_key}: Could not load config provider class or \
                         one of its dependencies"
                    ));
                }
            };
            let ttl_ms = match params.get("ttl.ms").map(str::trim) {
                Some(text) if !matches!(provider, Provider::Environment(_)) => {
                    let key = format!("config.providers.{name}.param.ttl.ms");
                    Some(text.parse().map_err(|_| invalid_value(&key, text, "Not a number of type LONG"))?)
                }
                _ => None,
            };
            providers.insert(name.to_owned(), Named { provider, ttl_ms });
        }
        Ok(Self(providers))
    }

    /// A config with its placeholders replaced. One whose provider or key is not known stays as it is.
    ///
    /// # Errors
    /// Kafka's text when a file cannot be read.
    pub fn resolve(&self, config: &RawConfig) -> Result<Resolved, String> {
        let mut resolved = Resolved::default();
        let mut files = HashMap::new();
        for (key, value) in config.iter() {
            let Some(text) = value.filter(|_| !self.0.is_empty()) else {
                resolved.config.insert(key, value.map(str::to_owned));
                continue;
            };
            let before = resolved.secrets.len();
            let text = self.resolve_text(text, &mut files, &mut resolved)?;
            if NOT_SECRET.contains(&key) {
                resolved.secrets.truncate(before);
            }
            resolved.config.insert(key, text);
        }
        Ok(resolved)
    }

    /// `files` holds what was read for this config, so that a file is read once and all its values fit together.
    fn resolve_text(
        &self,
        text: &str,
        files: &mut HashMap<String, RawConfig>,
        resolved: &mut Resolved,
    ) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(found) = Placeholder::find(rest) {
            out.push_str(&rest[..found.start]);
            let named = self.0.get(found.provider);
            let value = match named {
                Some(named) => {
                    resolved.ttl_ms = resolved.ttl_ms.into_iter().chain(named.ttl_ms).min();
                    named.provider.value(found.path, found.key, files)?
                }
                None => None,
            };
            match value {
                Some(value) => {
                    out.push_str(&value);
                    resolved.secrets.push(value);
                }
                None => out.push_str(&rest[found.start..found.end]),
            }
            rest = &rest[found.end..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

impl Provider {
    fn value(
        &self,
        path: &str,
        key: &str,
        files: &mut HashMap<String, RawConfig>,
    ) -> Result<Option<String>, String> {
        match self {
            Self::Environment(_) if !path.is_empty() => {
                Err(format!("Path is not supported for EnvVarConfigProvider, invalid value '{path}'"))
            }
            Self::Environment(allowed) => {
                let allowed = allowed.as_ref().is_none_or(|regex| regex.full_match(key).unwrap_or(false));
                Ok(std::env::var(key).ok().filter(|_| allowed))
            }
            _ if path.is_empty() => Ok(None),
            Self::File(allowed) => {
                let Some(file) = allowed.check(path) else { return Ok(None) };
                if !files.contains_key(path) {
                    let properties = properties::read_utf8(&file)
                        .map_err(|_| format!("Could not read properties from file {path}"))?;
                    files.insert(path.to_owned(), properties);
                }
                Ok(files[path].get(key).map(str::to_owned))
            }
            Self::Directory(allowed) => {
                let Some(folder) = allowed.check(path) else { return Ok(None) };
                let file = folder.join(key);
                // A key is the name of a file in the folder, not a way out of it.
                let mut parts = Path::new(key).components();
                let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
                if !plain || !file.is_file() {
                    return Ok(None);
                }
                let failed = || format!("Could not read file {} for property {key}", file.display());
                let bytes = read(&file).map_err(|_| failed())?;
                String::from_utf8(bytes).map(Some).map_err(|_| failed())
            }
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{} has more than {FILE_BYTES_MAX} bytes", file.display()));
    }
    fs::read(file).map_err(|error| error.to_string())
}

impl AllowedPaths {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self(None)) };
        let mut paths = Vec::new();
        for path in text.split(',').map(|path| normalize(Path::new(path))) {
            if !path.is_absolute() {
                return Err(format!("Path {} is not absolute", path.display()));
            }
            if !path.exists() {
                return Err(format!("Path {} does not exist", path.display()));
            }
            paths.push(path);
        }
        Ok(Self(Some(paths)))
    }

    /// The path if it may be read.
    fn check(&self, path: &str) -> Option<PathBuf> {
        let Some(allowed) = &self.0 else { return Some(PathBuf::from(path)) };
        let path = normalize(Path::new(path));
        if allowed.iter().any(|allowed| path.starts_with(allowed)) {
            return Some(path);
        }
        tracing::warn!("The path {} is not allowed to be accessed", path.display());
        None
    }
}

/// Java's `Path.normalize`: `.` and `..` taken out without a look at the file system.
fn normalize(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(folder: &Path, allowed: &str) -> RawConfig {
        let allowed = allowed.replace("DIR", &folder.display().to_string());
        RawConfig::from([
            ("config.providers", "file,dir,env".to_owned()),
            (
                "config.providers.file.class",
                "org.apache.kafka.common.config.provider.FileConfigProvider".to_owned(),
            ),
            ("config.providers.file.param.allowed.paths", allowed),
            (
                "config.providers.dir.class",
                "org.apache.kafka.common.config.provider.DirectoryConfigProvider".to_owned(),
            ),
            (
                "config.providers.env.class",
                "org.apache.kafka.common.config.provider.EnvVarConfigProvider".to_owned(),
            ),
            ("config.providers.env.param.allowlist.pattern", "CARGO_.*".to_owned()),
        ])
    }

    #[test]
    fn replaces_what_it_knows_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.properties"), "user=joe\npassword=päss\n").unwrap();
        fs::write(folder.path().join("token"), "t0ken\n").unwrap();
        let providers = Providers::of(&worker(folder.path(), "DIR")).unwrap();
        let dir = folder.path().display().to_string();
        let check = |text: &str, expect: &str| {
            let config = RawConfig::from([("k", text.replace("DIR", &dir))]);
            let resolved = providers.resolve(&config).unwrap();
            assert_eq!(resolved.config.get("k"), Some(expect.replace("DIR", &dir).as_str()), "{text}");
        };
        check("${file:DIR/s.properties:password}", "päss");
        check("a ${file:DIR/s.properties:user}-${file:DIR/s.properties:password} b", "a joe-päss b");
        check("${file:DIR/s.properties:none}", "${file:DIR/s.properties:none}");
        check("${file:/etc/../DIR/../x:k}", "${file:/etc/../DIR/../x:k}");
        check("${dir:DIR:token}", "t0ken\n");
        check("${dir:DIR:../token}", "${dir:DIR:../token}");
        check("${env:CARGO_PKG_NAME}", env!("CARGO_PKG_NAME"));
        check("${env:PATH}", "${env:PATH}");
        check("${other:x}", "${other:x}");
        check("${topic}-${timestamp}", "${topic}-${timestamp}");
        check("${topic}-${env:CARGO_PKG_NAME}", concat!("${topic}-", env!("CARGO_PKG_NAME")));
        check("${env:", "${env:");
        let config = RawConfig::from([
            ("a", format!("x${{file:{dir}/s.properties:user}}")),
            ("bootstrap.servers", format!("${{dir:{dir}:token}}")),
        ]);
        let resolved = providers.resolve(&config).unwrap();
        assert_eq!((resolved.secrets, resolved.ttl_ms), (vec!["joe".to_owned()], None));
    }

    #[test]
    fn the_shortest_time_to_live_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("k"), "v").unwrap();
        let mut raw = worker(folder.path(), "DIR");
        raw.insert("config.providers.dir.param.ttl.ms", "70".to_owned());
        raw.insert("config.providers.file.param.ttl.ms", "50".to_owned());
        let providers = Providers::of(&raw).unwrap();
        let ttl_ms = |text: &str| {
            let text = text.replace("DIR", &folder.path().display().to_string());
            providers.resolve(&RawConfig::from([("a", text)])).unwrap().ttl_ms
        };
        assert_eq!(ttl_ms("plain"), None);
        assert_eq!(ttl_ms("${env:CARGO_PKG_NAME}"), None);
        assert_eq!(ttl_ms("${dir:DIR:k}"), Some(70));
        assert_eq!(ttl_ms("${dir:DIR:k}${file::x}"), Some(50));
        raw.insert("config.providers.dir.param.ttl.ms", "soon".to_owned());
        assert!(Providers::of(&raw).unwrap_err().contains("config.providers.dir.param.ttl.ms"));
    }

    #[test]
    fn says_what_it_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let providers = Providers::of(&worker(folder.path(), "DIR")).unwrap();
        let resolve = |text: String| providers.resolve(&RawConfig::from([("k", text)])).unwrap_err();
        let file = folder.path().join("none").display().to_string();
        assert_eq!(
            resolve(format!("${{file:{file}:k}}")),
            format!("Could not read properties from file {file}")
        );
        assert_eq!(
            resolve("${env:/x:k}".to_owned()),
            "Path is not supported for EnvVarConfigProvider, invalid value '/x'"
        );
        let check = |allowed: &str, expect: &str| {
            assert_eq!(Providers::of(&worker(folder.path(), allowed)).unwrap_err(), expect);
        };
        check("relative", "Path relative is not absolute");
        check("/no/such/folder", "Path /no/such/folder does not exist");
        let unknown =
            RawConfig::from([("config.providers", "v"), ("config.providers.v.class", "com.example.Vault")]);
        assert_eq!(
            Providers::of(&unknown).unwrap_err(),
            "Invalid value com.example.Vault for configuration config.providers.v.class: Could not load config \
             provider class or one of its dependencies"
        );
    }
}
