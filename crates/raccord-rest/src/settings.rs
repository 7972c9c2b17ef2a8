//! The worker's keys that concern REST, read and checked.

use raccord_plugin::{Error, RawConfig};

use crate::auth::BasicAuth;
use crate::cors::Cors;
use crate::listener::Listener;
use crate::response_headers::HeaderRules;
use crate::tls;

/// What `topic.tracking.*` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicTracking {
    /// `topic.tracking.enable`.
    pub enabled: bool,
    /// `topic.tracking.allow.reset`.
    pub resettable: bool,
}

/// How to advertise this worker; what is not set follows from the listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    /// `rest.advertised.host.name`.
    pub host: Option<String>,
    /// `rest.advertised.port`.
    pub port: Option<u16>,
    /// `rest.advertised.listener`: http or https.
    pub protocol: Option<String>,
}

/// What `admin.listeners` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Not set: the regular listeners answer admin requests.
    WithRegular,
    /// Empty: nobody does.
    Off,
    /// These do, and answer nothing else.
    Separate(Vec<Listener>),
}

/// All that the server is to know.
#[derive(Clone, Debug)]
pub struct RestSettings {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) admin: Admin,
    pub(crate) advertised: Advertised,
    pub(crate) tls: Option<std::sync::Arc<rustls::ServerConfig>>,
    pub(crate) admin_tls: Option<std::sync::Arc<rustls::ServerConfig>>,
    pub(crate) cors: Option<Cors>,
    pub(crate) headers: HeaderRules,
    pub(crate) auth: Option<BasicAuth>,
    pub(crate) topic_tracking: TopicTracking,
}

/// The class of the one extension that is part of this program.
const BASIC_AUTH: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

impl RestSettings {
    /// Reads the keys from a worker's properties (placeholders resolved) and the files they name. `jaas_file` is the
    /// value of `java.security.auth.login.config`, see [`jaas_file`](crate::jaas_file).
    ///
    /// # Errors
    /// Config, naming the key and the remedy.
    pub fn read(worker: &RawConfig, jaas_file: Option<&str>) -> Result<Self, Error> {
        let listeners = Listener::parse_list("listeners", worker.get("listeners").unwrap_or("http://:8083"))?;
        if listeners.is_empty() {
            return Err(Error::config("listeners is empty").hint("give at least one URL, e.g. http://:8083"));
        }
        let admin = match worker.get("admin.listeners") {
            None => Admin::WithRegular,
            Some(text) if text.trim().is_empty() => Admin::Off,
            Some(text) => Admin::Separate(Listener::parse_list("admin.listeners", text)?),
        };
        let tls_for = |listeners: &[Listener], prefix: &str| {
            listeners
                .iter()
                .any(|listener| listener.tls)
                .then(|| tls::server_config(worker, prefix))
                .transpose()
        };
        let tls = tls_for(&listeners, "listeners.https.")?;
        let admin_tls = match &admin {
            Admin::Separate(listeners) => tls_for(listeners, "admin.listeners.https.")?,
            _ => None,
        };
        Ok(Self {
            listeners,
            admin,
            advertised: advertised(worker)?,
            tls,
            admin_tls,
            cors: Cors::read(worker)?,
            headers: HeaderRules::parse(worker.get("response.http.headers.config").unwrap_or_default())?,
            auth: extensions(worker, jaas_file)?,
            topic_tracking: TopicTracking {
                enabled: flag(worker, "topic.tracking.enable")?,
                resettable: flag(worker, "topic.tracking.allow.reset")?,
            },
        })
    }
}

fn flag(worker: &RawConfig, key: &str) -> Result<bool, Error> {
    match worker.get(key).map(str::trim) {
        None => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(Error::config(format!(
            "Invalid value {text} for configuration {key}: Expected value to be either true or false"
        ))),
    }
}

fn advertised(worker: &RawConfig) -> Result<Advertised, Error> {
    let text = |key: &str| worker.get(key).map(str::trim).filter(|text| !text.is_empty());
    let port = match text("rest.advertised.port") {
        None => None,
        Some(port) => Some(port.parse().map_err(|_| {
            Error::config(format!("Invalid value {port} for configuration rest.advertised.port: not a port"))
        })?),
    };
    let protocol = text("rest.advertised.listener").map(str::to_ascii_lowercase);
    if let Some(other) = protocol.as_deref().filter(|protocol| !matches!(*protocol, "http" | "https")) {
        return Err(Error::config(format!(
            "Invalid value {other} for configuration rest.advertised.listener: Must be one of http, https"
        )));
    }
    Ok(Advertised { host: text("rest.advertised.host.name").map(str::to_owned), port, protocol })
}

fn extensions(worker: &RawConfig, jaas_file: Option<&str>) -> Result<Option<BasicAuth>, Error> {
    let mut auth = None;
    let classes = worker.get("rest.extension.classes").unwrap_or_default();
    for class in classes.split(',').map(str::trim).filter(|class| !class.is_empty()) {
        if class != BASIC_AUTH && class != "BasicAuthSecurityRestExtension" {
            return Err(Error::config(format!(
                "rest.extension.classes names {class}, which is not part of raccord"
            ))
            .hint(format!(
                "Java extensions cannot be loaded; remove the class, or use {BASIC_AUTH} for passwords"
            )));
        }
        auth = Some(BasicAuth::load(jaas_file)?);
    }
    Ok(auth)
}
