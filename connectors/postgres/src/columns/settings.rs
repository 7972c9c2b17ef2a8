//! How values are written: the handling modes of the config.

use bytes::Bytes;
use raccord_data::Text;
use raccord_plugin::{Error, Result};

use crate::config::TaskConfig;

/// `decimal.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalMode {
    /// Exact, in binary form.
    Precise,
    /// Text.
    String,
    /// A 64-bit floating point number.
    Double,
}

/// `time.precision.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePrecision {
    /// As precise as the column.
    Adaptive,
    /// The same, but times of day in microseconds.
    AdaptiveTimeMicroseconds,
    /// Kafka Connect's own types, in milliseconds.
    Connect,
    /// Text.
    IsoString,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// `binary.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryMode {
    /// Bytes.
    Bytes,
    /// Base64.
    Base64,
    /// Base64 with `-` and `_`.
    Base64UrlSafe,
    /// Hexadecimal digits, lower case.
    Hex,
}

/// `hstore.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HstoreMode {
    /// JSON text.
    Json,
    /// A map.
    Map,
}

/// `interval.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMode {
    /// Microseconds, a month taken for 30.4375 days.
    Numeric,
    /// ISO 8601 text.
    String,
}

macro_rules! modes {
    ($($mode:ty { $($text:literal => $variant:ident),* })*) => {$(
        impl $mode {
            /// Reads the mode, in any case; `None` for an unknown one.
            pub fn of(text: &str) -> Option<Self> {
                match text.trim().to_ascii_lowercase().as_str() {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

modes! {
    DecimalMode { "precise" => Precise, "string" => String, "double" => Double }
    TimePrecision {
        "adaptive" => Adaptive,
        "adaptive_time_microseconds" => AdaptiveTimeMicroseconds,
        "connect" => Connect,
        "isostring" => IsoString,
        "microseconds" => Microseconds,
        "nanoseconds" => Nanoseconds
    }
    BinaryMode { "bytes" => Bytes, "base64" => Base64, "base64-url-safe" => Base64UrlSafe, "hex" => Hex }
    HstoreMode { "json" => Json, "map" => Map }
    IntervalMode { "numeric" => Numeric, "string" => String }
}

/// All of them.
#[derive(Clone, Debug)]
pub struct ColumnSettings {
    /// `decimal.handling.mode`.
    pub decimal: DecimalMode,
    /// `time.precision.mode`.
    pub time: TimePrecision,
    /// `binary.handling.mode`.
    pub binary: BinaryMode,
    /// `hstore.handling.mode`.
    pub hstore: HstoreMode,
    /// `interval.handling.mode`.
    pub interval: IntervalMode,
    /// `money.fraction.digits`.
    pub money_fraction_digits: i32,
    /// `include.unknown.datatypes`.
    pub include_unknown: bool,
    /// `unavailable.value.placeholder` in bytes.
    pub placeholder: Bytes,
}

impl ColumnSettings {
    /// Understands the config.
    ///
    /// # Errors
    /// `Error::config` for a mode that does not exist.
    pub fn new(config: &TaskConfig) -> Result<Self> {
        let own = &config.keys.own;
        let relational = &config.keys.relational;
        let mode = |key: &str, text: &str| {
            Error::config(format!(
                "Invalid value {text} for configuration {key}: Value must be one of its modes"
            ))
        };
        macro_rules! read {
            ($modes:ty, $key:literal, $text:expr) => {
                <$modes>::of(&$text).ok_or_else(|| mode($key, &$text))?
            };
        }
        let digits = config.raw.get("money.fraction.digits").unwrap_or("2");
        Ok(Self {
            decimal: read!(DecimalMode, "decimal.handling.mode", relational.decimal_handling_mode),
            time: read!(TimePrecision, "time.precision.mode", relational.time_precision_mode),
            binary: read!(BinaryMode, "binary.handling.mode", own.binary_handling_mode),
            hstore: read!(HstoreMode, "hstore.handling.mode", own.hstore_handling_mode),
            interval: read!(IntervalMode, "interval.handling.mode", own.interval_handling_mode),
            money_fraction_digits: digits
                .trim()
                .parse()
                .map_err(|_| mode("money.fraction.digits", digits))?,
            include_unknown: config.keys.own_events.include_unknown_datatypes,
            placeholder: Self::placeholder_bytes(&own.unavailable_value_placeholder),
        })
    }

    /// The bytes that `unavailable.value.placeholder` stands for: those after `hex:` in hexadecimal digits, else the
    /// text's own.
    pub fn placeholder_bytes(text: &str) -> Bytes {
        let hex = text.strip_prefix("hex:").and_then(|digits| super::binary::from_hex(digits.as_bytes()));
        hex.unwrap_or_else(|| Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The placeholder as text.
    pub fn placeholder_text(&self) -> Text {
        Text::from_utf8_lossy(self.placeholder.clone())
    }
}

impl Default for ColumnSettings {
    /// Debezium's defaults.
    fn default() -> Self {
        Self {
            decimal: DecimalMode::Precise,
            time: TimePrecision::Adaptive,
            binary: BinaryMode::Bytes,
            hstore: HstoreMode::Json,
            interval: IntervalMode::Numeric,
            money_fraction_digits: 2,
            include_unknown: false,
            placeholder: Bytes::from_static(b"__debezium_unavailable_value"),
        }
    }
}
