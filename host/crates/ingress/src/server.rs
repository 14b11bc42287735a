//! The listener: accepts connections, speaks HTTP/1.1 and HTTP/2 on them, and stops without breaking off answers.

use crate::entrance::Entrance;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// Connections that the kernel holds while they wait to be accepted; it may hold fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// When the process is out of file descriptors nothing helps but waiting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Open connections; further ones wait in the kernel's backlog. Default 10,000.
    pub connections_max: usize,
    /// The headers of a request must come within this time; an idle connection is closed after it. Default 60 s.
    pub header_read_timeout: Duration,
    /// Requests that are being answered when the server stops may take this long. Default 30 s.
    pub drain_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_read_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: {source}; is another host running there? Choose another address with --listen"
)]
pub struct BindError {
    /// As asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A bound listener: connections wait in its backlog until [`Server::serve`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: ServerSettings,
}

impl Server {
    /// Listens on an address; port 0 picks a free one. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address is in use, not this machine's, or not allowed.
    pub fn bind(address: SocketAddr, settings: ServerSettings) -> Result<Self, BindError> {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|source| BindError { address, source })?;
        Ok(Self { listener, address, settings })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown` is done; then accepts nothing new, and returns when all that was begun is
    /// answered or the time for it is over.
    pub async fn serve(self, entrance: Arc<Entrance>, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = self.accept(), if connections.len() < self.settings.connections_max => {
                    let connection = self.connect(accepted, &entrance, &graceful);
                    connections.spawn(connection);
                }
            }
        }
        let drain_timeout = self.settings.drain_timeout;
        drop(self.listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(drain_timeout) => {
                tracing::warn!(connections = connections.len(), "requests were not answered in time and are broken off");
            }
        }
        connections.shutdown().await;
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                // Answers are written whole: waiting for more to send would only delay them.
                Ok((stream, peer)) if stream.set_nodelay(true).is_ok() => return (stream, peer),
                Ok(_) => {}
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Makes the future that answers the requests of one connection.
    fn connect(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        entrance: &Arc<Entrance>,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + use<> {
        let timeout = self.settings.header_read_timeout;
        let begun = Arc::new(AtomicBool::new(false));
        let service = {
            let (entrance, begun) = (Arc::clone(entrance), Arc::clone(&begun));
            service_fn(move |request| {
                begun.store(true, Ordering::Relaxed);
                let entrance = Arc::clone(&entrance);
                async move { Ok::<_, Infallible>(entrance.answer(peer, request).await) }
            })
        };
        let mut http = Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(timeout);
        http.http2().timer(TokioTimer::new()).keep_alive_interval(timeout).keep_alive_timeout(timeout);
        let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
        drive(graceful.watch(connection), begun, timeout)
    }
}

/// Sees a connection through, unless it says nothing at first: hyper has no time-out before it knows the HTTP version.
async fn drive(
    connection: impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
    begun: Arc<AtomicBool>,
    timeout: Duration,
) {
    let mut connection = pin!(connection);
    let first = tokio::time::timeout(timeout, &mut connection).await;
    let ended = match first {
        Ok(ended) => ended,
        Err(_) if begun.load(Ordering::Relaxed) => connection.await,
        Err(_) => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests;
