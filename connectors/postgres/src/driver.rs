//! `driver.*`: properties that Debezium hands to the JDBC driver. Those that mean something to a connection are honoured;
//! the others are named once in a warning. `database.*` properties that are no keys of the connector reach the driver as
//! well, and `driver.*` comes first.

use std::time::Duration;

use raccord_config::RawConfig;
use raccord_plugin::{Error, Result};
use tracing::warn;

/// Properties of the driver that are honoured here, besides those that have keys of their own.
const HONOURED: &[&str] = &["options", "connectTimeout", "loginTimeout", "socketTimeout", "currentSchema"];
/// Properties that change nothing a connector could see: caches and buffers of the driver, ways to parse, logging, and
/// those that Debezium sets itself.
const WITHOUT_EFFECT: &[&str] = &[
    "ApplicationName",
    "assumeMinServerVersion",
    "replication",
    "preferQueryMode",
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "databaseMetadataCacheFields",
    "databaseMetadataCacheFieldsMiB",
    "defaultRowFetchSize",
    "adaptiveFetch",
    "adaptiveFetchMinimum",
    "adaptiveFetchMaximum",
    "binaryTransfer",
    "binaryTransferEnable",
    "binaryTransferDisable",
    "reWriteBatchedInserts",
    "disableColumnSanitiser",
    "loggerLevel",
    "loggerFile",
    "logUnclosedConnections",
    "logServerErrorDetail",
    "unknownLength",
    "stringtype",
    "autosave",
    "cleanupSavepoints",
    "cancelSignalTimeout",
    "tcpNoDelay",
    "tcpKeepAlive",
    "maxResultBuffer",
    "sendBufferSize",
    "receiveBufferSize",
    "queryTimeout",
    "readOnly",
    "readOnlyMode",
    "hideUnprivilegedObjects",
    "escapeSyntaxCallMode",
    "quoteReturningIdentifiers",
    "gssEncMode",
    "channelBinding",
    "hostRecheckSeconds",
    "loadBalanceHosts",
    "targetServerType",
];

/// How connections are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverSettings {
    /// How long making a connection may take: `connectTimeout` and `loginTimeout`.
    pub connect_timeout: Duration,
    /// How long an answer may be silent: `socketTimeout`; none for no limit.
    pub socket_timeout: Option<Duration>,
    /// Options of the server's command line: `options`.
    pub options: String,
    /// `search_path`: `currentSchema`.
    pub current_schema: Option<String>,
}

impl Default for DriverSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            socket_timeout: None,
            options: String::new(),
            current_schema: None,
        }
    }
}

impl DriverSettings {
    /// Reads a config.
    ///
    /// # Errors
    /// `Error::config` for a time that is no number.
    pub fn read(config: &RawConfig) -> Result<Self> {
        let property = |name: &str| {
            let of =
                |prefix: &str| config.get(&format!("{prefix}{name}")).filter(|text| !text.trim().is_empty());
            of("driver.").or_else(|| of("database."))
        };
        let seconds = |name: &str| -> Result<Option<Duration>> {
            let Some(text) = property(name) else { return Ok(None) };
            let number: u64 = text.trim().parse().map_err(|_| {
                Error::config(format!("The 'driver.{name}' value is invalid: {text} is no number of seconds"))
            })?;
            Ok((number > 0).then(|| Duration::from_secs(number)))
        };
        let default = Self::default();
        // The driver's login timeout bounds the whole, its connect timeout the socket: the shorter one counts here.
        let connect = [seconds("connectTimeout")?, seconds("loginTimeout")?].into_iter().flatten().min();
        Ok(Self {
            connect_timeout: connect.unwrap_or(default.connect_timeout),
            socket_timeout: seconds("socketTimeout")?,
            options: property("options").unwrap_or_default().to_owned(),
            current_schema: property("currentSchema").map(str::to_owned),
        })
    }

    /// Warns of properties that are not honoured.
    pub fn warn_of_others(config: &RawConfig) {
        let names: Vec<&str> = others(config).collect();
        if !names.is_empty() {
            warn!(
                "these properties of the JDBC driver are not known here and have no effect: {}",
                names.join(", ")
            );
        }
    }

    /// The options with which a session is opened, behind our own.
    pub fn session_options(&self, ours: &str) -> String {
        let mut options = ours.to_owned();
        if let Some(schema) = &self.current_schema {
            // Blanks and backslashes are escaped on the server's command line.
            let escaped = schema.replace('\\', "\\\\").replace(' ', "\\ ");
            options.push_str(&format!(" -c search_path={escaped}"));
        }
        if !self.options.is_empty() {
            options.push(' ');
            options.push_str(&self.options);
        }
        options
    }
}

fn others(config: &RawConfig) -> impl Iterator<Item = &str> {
    config.iter().map(|(key, _)| key).filter(|key| {
        let name = key.strip_prefix("driver.");
        name.is_some_and(|name| !HONOURED.contains(&name) && !WITHOUT_EFFECT.contains(&name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: &[(&str, &str)]) -> RawConfig {
        let mut config = RawConfig::new();
        for (key, value) in keys {
            config.insert(*key, Some((*value).to_owned()));
        }
        config
    }

    #[test]
    fn properties_of_the_driver_are_read() {
        let read = |keys: &[(&str, &str)]| DriverSettings::read(&config(keys));
        assert_eq!(read(&[]).unwrap(), DriverSettings::default());
        let read = read(&[
            ("driver.connectTimeout", "7"),
            ("driver.loginTimeout", "30"),
            ("database.socketTimeout", "5"),
            ("driver.socketTimeout", "6"),
            ("driver.options", "-c work_mem=4MB"),
            ("database.currentSchema", "a b"),
        ])
        .unwrap();
        assert_eq!(read.connect_timeout, Duration::from_secs(7));
        assert_eq!(read.socket_timeout, Some(Duration::from_secs(6)));
        assert_eq!(
            read.session_options("-c TimeZone=UTC"),
            "-c TimeZone=UTC -c search_path=a\\ b -c work_mem=4MB"
        );
        let error = DriverSettings::read(&config(&[("driver.socketTimeout", "soon")])).unwrap_err();
        assert!(error.message().contains("'driver.socketTimeout'"), "{}", error.message());
    }

    #[test]
    fn others_are_named() {
        let config =
            config(&[("driver.prepareThreshold", "1"), ("driver.socketFactory", "x"), ("topic.prefix", "y")]);
        assert_eq!(others(&config).collect::<Vec<_>>(), ["driver.socketFactory"]);
    }
}
