//! A session of our own: logging in, commands by the simple protocol, COPY out, and turning into a WAL stream.
//!
//! Ours and not tokio-postgres's, because that one knows nothing of CopyBoth, and gives COPY row by row where rows are
//! wanted as slices of what was read at once.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use futures::future::BoxFuture;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::reader::{READ_BYTES, ReaderSettings, WalStream};
use super::socket::{self, Endpoint, Socket};
use super::{ServerError, WireError};

/// The tag of CopyBothResponse, which postgres-protocol does not parse.
const COPY_BOTH_RESPONSE_TAG: u8 = b'W';

/// Rows of a command's answer: text cells.
pub type Rows = Vec<Vec<Option<String>>>;

/// What a session is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Commands of the replication protocol (`replication=database`).
    Replication,
    /// SQL.
    Sql,
}

/// A session.
pub struct Session {
    socket: Socket,
    buffer: BytesMut,
    /// How long an answer may be silent.
    socket_timeout: Option<Duration>,
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn connect(
        endpoint: &Endpoint,
        purpose: Purpose,
        application_name: &str,
    ) -> Result<Self, WireError> {
        socket::connect(endpoint, |socket| -> BoxFuture<'_, Result<Self, WireError>> {
            Box::pin(async move {
                let socket_timeout = endpoint.driver.socket_timeout;
                let mut session = Self { socket, buffer: BytesMut::with_capacity(8192), socket_timeout };
                session.log_in(endpoint, purpose, application_name).await?;
                Ok(session)
            })
        })
        .await
    }

    async fn log_in(
        &mut self,
        endpoint: &Endpoint,
        purpose: Purpose,
        application_name: &str,
    ) -> Result<(), WireError> {
        let replication = match purpose {
            Purpose::Replication => "database",
            Purpose::Sql => "false",
        };
        let options = endpoint.driver.session_options("");
        let mut parameters = vec![
            ("user", endpoint.user.as_str()),
            ("database", endpoint.database.as_str()),
            ("replication", replication),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("TimeZone", "UTC"),
            ("extra_float_digits", "3"),
            ("application_name", application_name),
        ];
        if !options.is_empty() {
            parameters.push(("options", options.trim()));
        }
        self.send(|out| frontend::startup_message(parameters, out)).await?;
        let password = endpoint.password.as_ref().map_or("", |password| password.reveal()).as_bytes();
        loop {
            match self.message().await? {
                Message::AuthenticationOk => break,
                Message::AuthenticationCleartextPassword => {
                    self.send(|out| frontend::password_message(password, out)).await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(endpoint.user.as_bytes(), password, body.salt());
                    self.send(|out| frontend::password_message(hash.as_bytes(), out)).await?;
                }
                Message::AuthenticationSasl(body) => {
                    let scram = body
                        .mechanisms()
                        .any(|mechanism| Ok(mechanism == sasl::SCRAM_SHA_256))
                        .map_err(WireError::Io)?;
                    if !scram {
                        return Err(unsupported_login());
                    }
                    self.scram(password).await?;
                }
                Message::NoticeResponse(_) | Message::ParameterStatus(_) => {}
                Message::ErrorResponse(body) => return Err(server_error(body.fields())),
                _ => return Err(unsupported_login()),
            }
        }
        self.until_ready().await.map(drop)
    }

    async fn scram(&mut self, password: &[u8]) -> Result<(), WireError> {
        let mut scram = sasl::ScramSha256::new(password, sasl::ChannelBinding::unsupported());
        let first = scram.message().to_vec();
        self.send(|out| frontend::sasl_initial_response(sasl::SCRAM_SHA_256, &first, out)).await?;
        loop {
            match self.message().await? {
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data())?;
                    let answer = scram.message().to_vec();
                    self.send(|out| frontend::sasl_response(&answer, out)).await?;
                }
                Message::AuthenticationSaslFinal(body) => return Ok(scram.finish(body.data())?),
                Message::ErrorResponse(body) => return Err(server_error(body.fields())),
                _ => return Err(unsupported_login()),
            }
        }
    }

    /// Runs a command by the simple protocol and gives the rows of its answer.
    ///
    /// # Errors
    /// What the server or the network says. After an error of the server the session can be used again.
    pub async fn query(&mut self, command: &str) -> Result<Rows, WireError> {
        self.send(|out| frontend::query(command, out)).await?;
        self.until_ready().await
    }

    /// Reads answers up to ReadyForQuery.
    async fn until_ready(&mut self) -> Result<Rows, WireError> {
        let (mut rows, mut failure) = (Rows::new(), None);
        loop {
            // A fatal error is followed by the end of the connection, and says why.
            let message = match self.message().await {
                Ok(message) => message,
                Err(error) => return Err(failure.unwrap_or(error)),
            };
            match message {
                Message::DataRow(body) => {
                    let bytes = body.buffer_bytes();
                    let cell = |range: Option<std::ops::Range<usize>>| {
                        Ok(range.map(|range| String::from_utf8_lossy(&bytes[range]).into_owned()))
                    };
                    rows.push(body.ranges().map(cell).collect()?);
                }
                Message::ErrorResponse(body) => failure = Some(server_error(body.fields())),
                Message::ReadyForQuery(_) => return failure.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Runs `START_REPLICATION` and turns the session into the stream that follows.
    ///
    /// # Errors
    /// What the server says instead of streaming.
    pub async fn start(mut self, command: &str, settings: ReaderSettings) -> Result<WalStream, WireError> {
        self.send(|out| frontend::query(command, out)).await?;
        loop {
            let (tag, frame) = self.frame().await?;
            if tag == COPY_BOTH_RESPONSE_TAG {
                return Ok(WalStream::spawn(self.socket, self.buffer, settings));
            }
            match parse(frame)? {
                Message::ErrorResponse(body) => return Err(server_error(body.fields())),
                Message::NoticeResponse(_) | Message::ParameterStatus(_) => {}
                _ => {
                    return Err(WireError::Protocol("the server did not begin to stream".to_owned()));
                }
            }
        }
    }

    /// Runs `COPY … TO STDOUT`; its data is then read by [`copied`](Self::copied).
    ///
    /// # Errors
    /// What the server says instead of copying.
    pub async fn copy_out(&mut self, command: &str) -> Result<(), WireError> {
        self.send(|out| frontend::query(command, out)).await?;
        let mut failure = None;
        loop {
            let message = match self.message().await {
                Ok(message) => message,
                Err(error) => return Err(failure.unwrap_or(error)),
            };
            match message {
                Message::CopyOutResponse(_) => return Ok(()),
                Message::ErrorResponse(body) => failure = Some(server_error(body.fields())),
                Message::ReadyForQuery(_) => {
                    return Err(
                        failure.unwrap_or_else(|| WireError::Protocol("the server did not copy".to_owned()))
                    );
                }
                _ => {}
            }
        }
    }

    /// The next frames of CopyData; `None` when all data has come and the session can be used again. Cancel-safe.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn copied(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            let mut end = 0;
            while let Some(length) = frame_length(&self.buffer[end..])?
                && self.buffer.len() - end >= length
                && self.buffer[end] == b'd'
            {
                end += length;
            }
            if end > 0 {
                return Ok(Some(self.buffer.split_to(end).freeze()));
            }
            match frame_length(&self.buffer)? {
                Some(length) if self.buffer.len() >= length => {
                    if self.buffer[0] != b'd' {
                        return self.until_ready().await.map(|_| None);
                    }
                }
                length => self.fill(length.unwrap_or(0)).await?,
            }
        }
    }

    async fn send(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), WireError> {
        let mut out = BytesMut::new();
        write(&mut out)?;
        Ok(self.socket.write_all(&out).await?)
    }

    async fn message(&mut self) -> Result<Message, WireError> {
        parse(self.frame().await?.1)
    }

    /// Reads one whole frame: its tag, and the frame with tag and length.
    async fn frame(&mut self) -> Result<(u8, BytesMut), WireError> {
        loop {
            if let Some(length) = frame_length(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok((self.buffer[0], self.buffer.split_to(length)));
            }
            self.fill(0).await?;
        }
    }

    /// Reads more; makes room for a frame of that length first.
    async fn fill(&mut self, frame_bytes: usize) -> Result<(), WireError> {
        let missing = frame_bytes.saturating_sub(self.buffer.len());
        if missing > 0 || self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
            self.buffer.reserve(missing.max(READ_BYTES));
        }
        let read = self.socket.read_buf(&mut self.buffer);
        let read = match self.socket_timeout {
            Some(limit) => tokio::time::timeout(limit, read).await.map_err(|_| silent(limit))?,
            None => read.await,
        };
        match read? {
            0 => Err(closed()),
            _ => Ok(()),
        }
    }
}

/// The length of the frame at the beginning of the buffer, tag included, if enough of it is there to tell.
pub(super) fn frame_length(buffer: &[u8]) -> Result<Option<usize>, WireError> {
    let Some(mut length) = buffer.get(1..5) else { return Ok(None) };
    match length.get_i32() {
        length @ 4.. => Ok(Some(length as usize + 1)),
        length => Err(WireError::Protocol(format!("a message of {length} bytes"))),
    }
}

fn parse(mut frame: BytesMut) -> Result<Message, WireError> {
    Message::parse(&mut frame)?.ok_or_else(|| WireError::Protocol("a message that is cut short".to_owned()))
}

pub(super) fn closed() -> WireError {
    WireError::Io(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server closed the connection"))
}

/// The server has said nothing for that long.
pub fn silent(limit: Duration) -> WireError {
    WireError::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("no answer from the server within {} ms", limit.as_millis()),
    ))
}

fn unsupported_login() -> WireError {
    WireError::Protocol(
        "the server asks for a way to log in that is not supported: use scram-sha-256, md5 or password in pg_hba.conf"
            .to_owned(),
    )
}

/// Reads an ErrorResponse.
pub(super) fn server_error(mut fields: ErrorFields<'_>) -> WireError {
    let mut error = ServerError::default();
    while let Ok(Some(field)) = fields.next() {
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'S' => error.severity = text,
            b'C' => error.code = text,
            b'M' => error.message = text,
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            _ => {}
        }
    }
    WireError::Server(error)
}

/// The error in the frame of an ErrorResponse.
pub(super) fn error_in(frame: &Bytes) -> WireError {
    match Message::parse(&mut BytesMut::from(&frame[..])) {
        Ok(Some(Message::ErrorResponse(body))) => server_error(body.fields()),
        _ => WireError::Protocol("an error that cannot be read".to_owned()),
    }
}
