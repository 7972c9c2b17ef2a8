//! The server: sockets, connections and their end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use raccord_plugin::Error;
use raccord_runtime::Herder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listener::{Listener, advertised_url};
use crate::response_headers::HeaderRules;
use crate::routes::Face;
use crate::service::{Connection, Limits, Service};
use crate::settings::{Admin, RestSettings};

/// Connections of one listener at a time; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;
/// How long a connection may be silent before its next request.
const IDLE: Duration = Duration::from_secs(90);
const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// The head of a request: line and headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How long to wait when the system has no more file handles.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A socket that listens.
struct Bound {
    listener: Listener,
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Bound {
    fn open(listener: &Listener) -> Result<Self, Error> {
        let socket = listener.bind()?;
        let address = socket
            .local_addr()
            .map_err(|error| Error::fatal(format!("{listener} has no address")).caused_by(error))?;
        Ok(Self { listener: listener.clone(), socket, address })
    }
}

/// Connect's REST interface on its listeners.
pub struct RestServer {
    settings: RestSettings,
    regular: Vec<Bound>,
    admin: Vec<Bound>,
    limits: Limits,
}

impl RestServer {
    /// Opens all sockets, so that a port that is in use is known before anything else is done. Requests that come before
    /// [`serve`](Self::serve) wait.
    ///
    /// # Errors
    /// Fatal, one line that names address, key and remedy.
    pub fn bind(settings: RestSettings) -> Result<Self, Error> {
        let regular = settings.listeners.iter().map(Bound::open).collect::<Result<_, _>>()?;
        let admin = match &settings.admin {
            Admin::Separate(listeners) => listeners.iter().map(Bound::open).collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        Ok(Self { settings, regular, admin, limits: Limits::default() })
    }

    /// Changes the bounds, for tests.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The URL under which other workers reach this one, with a slash at its end.
    pub fn advertised_url(&self) -> String {
        let bound: Vec<_> =
            self.regular.iter().map(|bound| (bound.listener.clone(), bound.address)).collect();
        advertised_url(&self.settings.advertised, &bound)
    }

    /// Addresses of the regular listeners, with the ports that they got.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.regular.iter().map(|bound| bound.address).collect()
    }

    /// Addresses of separate admin listeners.
    pub fn admin_addresses(&self) -> Vec<SocketAddr> {
        self.admin.iter().map(|bound| bound.address).collect()
    }

    /// Answers requests until shutdown; then lets requests under way finish, for a minute at most.
    ///
    /// # Errors
    /// Fatal, when a socket cannot be used.
    pub async fn serve(self, herder: Arc<dyn Herder>, shutdown: CancellationToken) -> Result<(), Error> {
        let advertised = self.advertised_url();
        let Self { settings, regular, admin, limits } = self;
        let mut faces = vec![Face::Regular];
        if settings.admin == Admin::WithRegular {
            faces.push(Face::Admin);
        }
        let service = Arc::new(Service {
            herder: herder.clone(),
            faces,
            cors: settings.cors,
            headers: settings.headers,
            auth: settings.auth,
            topic_tracking: settings.topic_tracking,
            limits,
        });
        // As in Connect: no password, no cross-origin and no configured headers on separate admin listeners.
        let admin_service = Arc::new(Service {
            herder,
            faces: vec![Face::Admin],
            cors: None,
            headers: HeaderRules::default(),
            auth: None,
            topic_tracking: settings.topic_tracking,
            limits,
        });
        let regular = regular.into_iter().map(|bound| (bound, &settings.tls, &service));
        let admin = admin.into_iter().map(|bound| (bound, &settings.admin_tls, &admin_service));
        let tasks = TaskTracker::new();
        for (bound, tls, service) in regular.chain(admin) {
            tracing::info!("REST server listening at {} ({})", bound.listener, bound.address);
            let socket = TcpListener::from_std(bound.socket).map_err(|error| {
                Error::fatal(format!("cannot listen at {}", bound.listener)).caused_by(error)
            })?;
            let tls = if bound.listener.tls { tls.clone().map(TlsAcceptor::from) } else { None };
            let acceptor = Acceptor { socket, tls, service: service.clone(), shutdown: shutdown.clone() };
            tasks.spawn(acceptor.run(tasks.clone()));
        }
        tracing::info!("REST server advertising URL {advertised}");
        shutdown.cancelled().await;
        tasks.close();
        if tokio::time::timeout(limits.shutdown, tasks.wait()).await.is_err() {
            tracing::warn!("REST requests still under way after {:?} are given up", limits.shutdown);
        }
        Ok(())
    }
}

/// Takes connections of one listener.
struct Acceptor {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    shutdown: CancellationToken,
}

impl Acceptor {
    async fn run(self, tasks: TaskTracker) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        while let Some(permit) = self.permit(&permits).await {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = self.shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, client)) => {
                    let (tls, service) = (self.tls.clone(), self.service.clone());
                    tasks.spawn(connection(stream, client, tls, service, self.shutdown.clone(), permit));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a REST connection: {error}");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    /// Leave for one more connection; none at shutdown.
    async fn permit(&self, permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = permits.clone().acquire_owned() => permit.ok(),
            () = self.shutdown.cancelled() => None,
        }
    }
}

async fn connection(
    stream: TcpStream,
    client: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers are small and asked for one by one: waiting to fill packets only costs time.
    let _ = stream.set_nodelay(true);
    let info = Connection { client, local, tls: tls.is_some() };
    let Some(tls) = tls else {
        return requests(stream, info, service, shutdown).await;
    };
    match tokio::time::timeout(TLS_HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, info, service, shutdown).await,
        Ok(Err(error)) => tracing::debug!("TLS handshake with {client} failed: {error}"),
        Err(_) => tracing::debug!("TLS handshake with {client} took too long"),
    }
}

async fn requests<S>(stream: S, info: Connection, service: Arc<Service>, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let respond = service_fn(move |request| {
        let service = service.clone();
        // Boxed: the state of a request is large, and a connection is mostly idle.
        Box::pin(async move { Ok::<_, std::convert::Infallible>(service.answer(info, request).await) })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD_BYTES)
        .title_case_headers(true)
        // A client that has said all it wants to say still gets its answer, and a request that was begun is finished.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), respond);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("REST connection with {} ended: {error}", info.client);
    }
}
