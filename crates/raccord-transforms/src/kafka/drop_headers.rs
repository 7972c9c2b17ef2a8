//! `DropHeaders`: removes headers by name.

use raccord_config::{Config, Validator};
use raccord_data::Record;
use raccord_plugin::{Plugin, Result, Transform};

/// The plugin.
pub const PLUGIN: Plugin =
    super::transform("org.apache.kafka.connect.transforms.DropHeaders", DropHeadersConfig::def, |raw| {
        Ok(Box::new(DropHeaders { names: super::parse::<DropHeadersConfig>(raw)?.headers }))
    });

#[derive(Debug, Config)]
struct DropHeadersConfig {
    /// Names of the headers to remove. A name that occurs several times in a record is removed each time.
    #[config(importance = High, validator = Validator::list_without_duplicates(false, false))]
    headers: Vec<String>,
}

struct DropHeaders {
    names: Vec<String>,
}

impl Transform for DropHeaders {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        record.headers.to_mut().retain(|header| !self.names.iter().any(|name| **name == *header.key));
        Ok(Some(record))
    }
}
