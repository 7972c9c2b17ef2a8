//! Plain SQL: tokio-postgres over a socket that was opened here.

use futures::future::BoxFuture;
use tokio_postgres::{Client, NoTls};
use tokio_util::task::AbortOnDropHandle;

use super::WireError;
use super::socket::{self, Endpoint};

/// A session for SQL. The connection ends when this is dropped.
pub struct SqlSession {
    /// Runs statements.
    pub client: Client,
    _connection: AbortOnDropHandle<()>,
}

impl SqlSession {
    /// Connects and logs in.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn connect(endpoint: &Endpoint, application_name: &str) -> Result<Self, WireError> {
        socket::connect(endpoint, |socket| -> BoxFuture<'_, Result<Self, WireError>> {
            Box::pin(async move {
                let mut config = tokio_postgres::Config::new();
                let options = "-c DateStyle=ISO -c TimeZone=UTC -c extra_float_digits=3";
                // TLS, if any, is already on.
                config
                    .ssl_mode(tokio_postgres::config::SslMode::Disable)
                    .user(&endpoint.user)
                    .dbname(&endpoint.database)
                    .application_name(application_name)
                    .options(endpoint.driver.session_options(options));
                if let Some(password) = &endpoint.password {
                    config.password(password.reveal());
                }
                let (client, connection) = config.connect_raw(socket, NoTls).await.map_err(sql_error)?;
                let connection = tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a SQL connection ended");
                    }
                });
                Ok(Self { client, _connection: AbortOnDropHandle::new(connection) })
            })
        })
        .await
    }
}

/// The error of a statement in our words.
pub fn sql_error(error: tokio_postgres::Error) -> WireError {
    match error.as_db_error() {
        Some(db) => WireError::Server(super::ServerError {
            severity: db.severity().to_owned(),
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
        }),
        None => {
            if let Some(error) = tls_error(&error) {
                return error;
            }
            if std::error::Error::source(&error).is_some_and(|cause| cause.to_string() == "password missing")
            {
                return WireError::NoPassword;
            }
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            WireError::Io(std::io::Error::other(format!("{error}{cause}")))
        }
    }
}

/// The failure of TLS that is behind an error, if one is: a server may refuse a client's certificate after the handshake.
fn tls_error(error: &tokio_postgres::Error) -> Option<WireError> {
    let io = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    WireError::of_tls(io)
}
