//! Opening a socket: TCP, then TLS as `database.sslmode` says, with the meanings that libpq and pgjdbc give the modes.

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use raccord_config::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{WireError, tls};
use crate::driver::DriverSettings;

/// `database.sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Plain, and TLS when the server refuses that.
    Allow,
    /// TLS, and plain when the server has none.
    Prefer,
    /// TLS, without a look at the certificate.
    Require,
    /// TLS with a certificate signed by a known authority.
    VerifyCa,
    /// As before, and made out to the host's name.
    VerifyFull,
}

impl SslMode {
    /// Reads the value of `database.sslmode`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// Files for TLS. None are needed unless the server wants a client certificate or the mode verifies the server's.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// `database.sslrootcert`, PEM.
    pub root_certificate: Option<String>,
    /// `database.sslcert`, PEM or DER.
    pub certificate: Option<String>,
    /// `database.sslkey`: PKCS#8 in DER or PEM, possibly encrypted, or PKCS#12 that holds the certificate as well.
    pub key: Option<String>,
    /// `database.sslpassword`: of the key.
    pub key_password: Option<Secret>,
}

/// Where the server is and who we are to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// Database.
    pub database: String,
    /// When to use TLS.
    pub ssl_mode: SslMode,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// Whether the operating system probes idle connections.
    pub tcp_keep_alive: bool,
    /// `driver.*`.
    pub driver: DriverSettings,
}

/// A byte stream to the server, plain or TLS.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// The connection below, if it is one of TCP.
    fn tcp(&self) -> Option<&TcpStream>;
}

impl ByteStream for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl ByteStream for TlsStream<TcpStream> {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.get_ref().0)
    }
}

/// A connected socket.
pub type Socket = Box<dyn ByteStream>;

/// Which ways to open a socket are tried, in order: `true` is TLS.
fn attempts(mode: SslMode) -> &'static [bool] {
    match mode {
        SslMode::Disable => &[false],
        SslMode::Allow => &[false, true],
        SslMode::Prefer => &[true, false],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[true],
    }
}

/// Opens a socket and logs in on it with `login`, trying plain and TLS in the order of the mode. The second way is tried
/// when the server refuses the first (`28000`: pg_hba.conf has no entry for it) or cannot do TLS.
///
/// # Errors
/// The error of the first way, if the second one fails as well.
pub async fn connect<T, F>(endpoint: &Endpoint, login: impl Fn(Socket) -> F) -> Result<T, WireError>
where
    F: Future<Output = Result<T, WireError>>,
{
    let mut first_error = None;
    for &encrypted in attempts(endpoint.ssl_mode) {
        let attempt = async { login(open(endpoint, encrypted).await?).await };
        let outcome = match tokio::time::timeout(endpoint.driver.connect_timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(timed_out(endpoint)),
        };
        match outcome {
            Ok(connected) => return Ok(connected),
            // A server without TLS has refused nothing: what it says to the plain login counts.
            Err(WireError::NoTls) if endpoint.ssl_mode == SslMode::Prefer => {}
            Err(error) if other_way_may_do(&error) => {
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(first_error.unwrap_or(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| timed_out(endpoint)))
}

fn other_way_may_do(error: &WireError) -> bool {
    match error {
        WireError::Tls(_) | WireError::NoTls => true,
        WireError::Server(error) => error.code == "28000",
        WireError::Io(_) | WireError::NoPassword | WireError::Protocol(_) | WireError::FlushTimeout(_) => {
            false
        }
    }
}

fn timed_out(endpoint: &Endpoint) -> WireError {
    let Endpoint { host, port, .. } = endpoint;
    WireError::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("no answer from {host}:{port} within {} s", endpoint.driver.connect_timeout.as_secs()),
    ))
}

async fn open(endpoint: &Endpoint, encrypted: bool) -> Result<Socket, WireError> {
    let Endpoint { host, port, .. } = endpoint;
    let mut tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| {
        std::io::Error::new(
            error.kind(),
            format!(
                "Connection to {host}:{port} refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections."
            ),
        )
    })?;
    tcp.set_nodelay(true)?;
    if endpoint.tcp_keep_alive {
        socket2::SockRef::from(&tcp).set_keepalive(true)?;
    }
    if !encrypted {
        return Ok(Box::new(tcp));
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    tcp.write_all(&request).await?;
    match tcp.read_u8().await? {
        b'S' => Ok(Box::new(tls::handshake(tcp, endpoint).await?)),
        b'N' => Err(WireError::NoTls),
        _ => Err(WireError::Protocol("the server did not understand the request for TLS".to_owned())),
    }
}
