//! Facts about failures: what a server's error means for the task and what an operator can do about it.
//!
//! As in Debezium, everything that the server or the network says is retriable while a snapshot or streaming runs: the
//! task begins again after `retriable.restart.connector.wait.ms`, `errors.max.retries` times. While a task starts, only
//! failing to connect is; the rest fails it.

use raccord_plugin::{Error, ErrorKind};

use crate::wire::WireError;

/// The driver's exception, which users know from traces.
const SQL_EXCEPTION: &str = "org.postgresql.util.PSQLException";
/// Connect's exception.
pub const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";
/// Debezium's own exception.
pub const DEBEZIUM_EXCEPTION: &str = "io.debezium.DebeziumException";

/// What SQLSTATEs (or classes of them) mean for an operator; the first entry that fits counts.
const REMEDIES: &[(&str, &str)] = &[
    ("28P01", "the password is wrong: check database.user and database.password"),
    (
        "28000",
        "pg_hba.conf does not let this user in from here, or the role may not log in: check pg_hba.conf and database.sslmode",
    ),
    ("3D000", "the database does not exist: check database.dbname"),
    (
        "42501",
        "the role lacks a right: it needs REPLICATION, SELECT on the captured tables, and to own the tables and have CREATE on the database for a publication to be made (or make the publication yourself)",
    ),
    (
        "42704",
        "an object is missing: if it is the publication, make it or set publication.autocreate.mode; if it is the slot, it was dropped, and what happened since is lost: take a new snapshot (snapshot.mode=when_needed, or delete the connector's offsets)",
    ),
    (
        "42710",
        "there is one of that name already, for another database or output plugin: choose another slot.name, or drop it if nobody needs it",
    ),
    (
        "55006",
        "the slot is in use by another connection: give every connector a slot.name of its own, or wait for the old connection to end",
    ),
    (
        "55000",
        "the server cannot do that in its state: logical decoding needs wal_level=logical and a slot that was not invalidated",
    ),
    ("53300", "the server has no connection left: raise max_connections"),
    ("53400", "the server has no slot or sender left: raise max_replication_slots and max_wal_senders"),
    (
        "58P01",
        "the server has removed log that is still needed: take a new snapshot, and look at max_slot_wal_keep_size",
    ),
    ("57P0", "the server is starting, stopping or ended the connection: this goes away by itself"),
];

fn remedy(code: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(state, _)| code.starts_with(state)).map(|(_, remedy)| *remedy)
}

/// What the server or the network said, as a cause.
pub fn cause(error: WireError) -> Error {
    let class = match &error {
        WireError::Io(_) => "java.io.IOException",
        WireError::Server(_)
        | WireError::NoTls
        | WireError::NoPassword
        | WireError::Tls(_)
        | WireError::Protocol(_) => SQL_EXCEPTION,
        WireError::FlushTimeout(_) => CONNECT_EXCEPTION,
    };
    let hint = match &error {
        WireError::Server(server) => remedy(&server.code),
        WireError::NoPassword => Some("set database.password"),
        WireError::NoTls => Some("set database.sslmode=prefer or disable, or ssl=on in postgresql.conf"),
        WireError::Tls(_) => {
            Some("check database.sslmode, database.sslrootcert, database.sslcert and database.sslkey")
        }
        WireError::Io(_) => Some("check database.hostname, database.port and the network"),
        WireError::Protocol(_) => None,
        WireError::FlushTimeout(_) => Some(
            "the server does not read what it is told: look at its load and the network, or set lsn.flush.timeout.action=warn",
        ),
    };
    let kind = match &error {
        WireError::FlushTimeout(_) => ErrorKind::Fatal,
        _ => ErrorKind::Retriable,
    };
    let text = Error::new(kind, error.to_string()).class(class);
    match hint {
        Some(hint) => text.hint(hint),
        None => text,
    }
}

/// A failure to connect while a task starts: it is tried again.
pub fn cannot_connect(error: WireError) -> Error {
    with_cause(Error::retriable("Couldn't obtain encoding for database"), cause(error))
}

/// A failure of something that a task needs at its start: it fails.
pub fn cannot_start(message: &str, error: WireError) -> Error {
    with_cause(Error::fatal(message).class(DEBEZIUM_EXCEPTION), cause(error))
}

/// What a failure of a snapshot or of streaming is called when the task begins again, and when it does not.
const RESTARTED: &str =
    "An exception occurred in the change event producer. This connector will be restarted.";
const STOPPED: &str = "An exception occurred in the change event producer. This connector will be stopped.";

/// Whether `errors.max.retries` counts a failure. Those of starting are tried again as often as it takes.
pub fn is_counted(error: &Error) -> bool {
    error.message() == RESTARTED
}

/// A failure after which the task does not begin again, as it did before.
pub fn given_up(error: Error) -> Error {
    error.becoming(ErrorKind::Fatal, STOPPED).class(CONNECT_EXCEPTION)
}

/// A failure while a snapshot or streaming runs.
pub fn interrupted(error: Error) -> Error {
    if error.kind() == ErrorKind::Cancelled {
        return error;
    }
    let hint = error.hint_text().map(str::to_owned);
    let outer = match error.kind() {
        ErrorKind::Retriable => Error::retriable(RESTARTED),
        _ => Error::fatal(STOPPED),
    };
    match hint {
        Some(hint) => outer.caused_by(error).hint(hint),
        None => outer.caused_by(error),
    }
}

/// A fact that Debezium reports by an exception of its own.
pub fn debezium(message: impl Into<String>) -> Error {
    Error::fatal(message).class(DEBEZIUM_EXCEPTION)
}

/// Keeps the cause's hint in sight: traces show the outermost one.
pub fn with_cause(outer: Error, cause: Error) -> Error {
    match cause.hint_text().map(str::to_owned) {
        Some(hint) => outer.caused_by(cause).hint(hint),
        None => outer.caused_by(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ServerError;

    #[test]
    fn traces_name_cause_and_remedy() {
        let server = ServerError {
            severity: "FATAL".to_owned(),
            code: "28P01".to_owned(),
            message: "password authentication failed for user \"bank\"".to_owned(),
            ..ServerError::default()
        };
        let error = cannot_connect(WireError::Server(server));
        assert_eq!(error.kind(), ErrorKind::Retriable);
        let trace = error.trace();
        assert!(trace.contains("Caused by: org.postgresql.util.PSQLException: FATAL: password"), "{trace}");
        assert!(trace.contains("Hint: the password is wrong"), "{trace}");
    }
}
