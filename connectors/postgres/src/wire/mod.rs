//! The wire: one way to reach a server, for SQL and for replication.
//!
//! `socket` opens TCP and TLS as `database.sslmode` says. `session` logs in on our own replication session and runs its
//! few commands; `reader` reads the WAL stream behind `START_REPLICATION`, in portions when it is busy (`low_water`).
//! Plain SQL goes through tokio-postgres, over a socket that was opened here, so that TLS is decided in one place.

pub mod frames;
mod low_water;
mod old_keys;
pub mod reader;
pub mod session;
pub mod socket;
pub mod sql;
mod tls;

use std::fmt;

pub use reader::{Chunk, FlushTimeoutAction, WalStream};
pub use session::{Purpose, Session};
pub use socket::{Endpoint, SslMode, TlsFiles};

/// A place in the write-ahead log: a byte address. Zero is PostgreSQL's InvalidXLogRecPtr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Reads `16/B374D848`.
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let (high, low) = (u32::from_str_radix(high, 16).ok()?, u32::from_str_radix(low, 16).ok()?);
        Some(Self(u64::from(high) << 32 | u64::from(low)))
    }

    /// The signed number that Debezium writes into offsets and source blocks.
    pub fn signed(self) -> i64 {
        self.0 as i64
    }

    /// Whether it names a place at all.
    pub fn is_valid(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

/// What went wrong between us and the server.
#[derive(Debug)]
pub enum WireError {
    /// The connection could not be made or broke.
    Io(std::io::Error),
    /// The server answered with an error.
    Server(ServerError),
    /// The server has no TLS.
    NoTls,
    /// The server asks for a password, and there is none.
    NoPassword,
    /// TLS could not be set up, or the server's certificate is not trusted.
    Tls(String),
    /// The server sent what the protocol does not allow, or asks for something we do not do.
    Protocol(String),
    /// A position could not be reported within `lsn.flush.timeout.ms`.
    FlushTimeout(Lsn),
}

/// An ErrorResponse: severity, SQLSTATE and the texts.
#[derive(Clone, Debug, Default)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, …
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// Detail, if any.
    pub detail: Option<String>,
    /// Hint, if any.
    pub hint: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\n  Detail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  Hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Server(error) => write!(f, "{error}"),
            Self::NoTls => f.write_str("The server does not support SSL."),
            Self::NoPassword => {
                f.write_str("The server requested SCRAM-based authentication, but no password was provided.")
            }
            Self::Tls(message) | Self::Protocol(message) => f.write_str(message),
            Self::FlushTimeout(lsn) => write!(
                f,
                "LSN flush operation timed out for LSN 'LSN{{{lsn}}}'. Task is configured to fail on timeout as configured by lsn.flush.timeout.action configuration."
            ),
        }
    }
}

impl std::error::Error for WireError {}

impl WireError {
    /// The failure of TLS that an error of a socket stands for, if it does.
    fn of_tls(error: &std::io::Error) -> Option<Self> {
        let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(Self::Tls(format!("SSL error: {inner}")))
    }
}

impl From<std::io::Error> for WireError {
    fn from(error: std::io::Error) -> Self {
        Self::of_tls(&error).unwrap_or(Self::Io(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsns_are_read_and_written_as_postgres_does() {
        for (text, lsn) in [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", u64::MAX)] {
            assert_eq!(Lsn::parse(text), Some(Lsn(lsn)));
            assert_eq!(Lsn(lsn).to_string(), text);
        }
        for text in ["", "0", "/", "x/0", "100000000/0"] {
            assert_eq!(Lsn::parse(text), None, "{text}");
        }
    }
}
