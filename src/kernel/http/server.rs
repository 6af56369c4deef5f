//! The accept loop of a door: HTTP/1.1 and HTTP/2, over TLS or not, with limits, TCP_NODELAY and a graceful stop.

use super::quiet::Quiet;
use crate::kernel::tls::Identity;
use axum::body::Body;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{
    body::{Body as _, Bytes, Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What one door allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the listener's backlog.
    pub connections: usize,
    /// How long a client may take over a request's head, and a keep-alive connection stay silent.
    pub header_timeout: Duration,
    /// How long open requests may go on after the stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 2048, header_timeout: Duration::from_secs(60), drain: Duration::from_secs(10) }
    }
}

/// Who is at the other end of a request's connection; among the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whether it came over TLS.
    pub tls: bool,
}

impl Peer {
    /// How URLs begin that lead back the way it came.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// Serves `service` until `stop` fires, then lets open requests end within the drain time.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    tls: Option<Arc<Identity>>,
    stop: CancellationToken,
) where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(128 << 10);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256).max_header_list_size(64 << 10);
    let builder = Arc::new(builder);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: waiting a little lets some close.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        // Without this a small answer waits 40 ms for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let peer = Peer { address, tls: tls.is_some() };
        let rooms = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            name_host(&mut request);
            answer(rooms.clone(), request)
        });
        let (builder, watcher, tls, stop) = (Arc::clone(&builder), open.watcher(), tls.clone(), stop.clone());
        let talk = async move {
            let ended = match tls {
                None => {
                    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    watcher.watch(connection.into_owned()).await
                }
                Some(tls) => {
                    // Nothing was asked yet, so a stop need not wait for who has not finished greeting.
                    let greeting = tokio::select! {
                        greeting = tokio::time::timeout(limits.header_timeout, greet(stream, &tls)) => greeting,
                        () = stop.cancelled() => return,
                    };
                    let Ok(Some(stream)) = greeting else { return };
                    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    watcher.watch(connection.into_owned()).await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(slot);
        };
        tokio::spawn(Quiet::new(talk));
    }
    if tokio::time::timeout(limits.drain, open.shutdown()).await.is_err() {
        tracing::warn!(
            seconds = limits.drain.as_secs(),
            "some requests were still open at the end of the drain time"
        );
    }
}

/// HTTP/2 names the host in `:authority`; the rooms look for it where HTTP/1.1 has it.
fn name_host(request: &mut Request<Incoming>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let authority =
        request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(header::HOST, authority);
    }
}

/// Agrees on TLS with a client, or tells one that speaks plain HTTP what it met.
async fn greet(stream: TcpStream, tls: &Identity) -> Option<TlsStream<TcpStream>> {
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    if first[0] != HANDSHAKE {
        turn_away(stream).await;
        return None;
    }
    let config = match tls.config(stream.local_addr().ok()?.ip()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(error = error.message, "no certificate for a connection");
            return None;
        }
    };
    match TlsAcceptor::from(config).accept(stream).await {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a client and this server did not agree on TLS");
            None
        }
    }
}

async fn turn_away(mut stream: TcpStream) {
    const WORDS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
        This door speaks TLS: ask https:// here.\n";
    // What the client has sent is taken first: closing over unread bytes would reset the answer away.
    let mut said = [0; 8 << 10];
    let _ = stream.read(&mut said).await;
    let _ = stream.write_all(WORDS.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Passes a request on. Where its body was not read to the end, what is left of it cannot be told from
/// the next request, and hyper closes the connection: the answer says so, or the client would send its
/// next request into a closing door. That holds too for a client that waits for `100 Continue`.
async fn answer<S>(service: S, request: Request<Incoming>) -> Result<Response<Body>, Infallible>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return service.oneshot(request.map(Body::new)).await;
    }
    let read = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&read);
    let mut response = service.oneshot(request.map(|body| Body::new(Watched { body, read: seen }))).await?;
    if !read.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A request's body that remembers whether it was read to its end.
struct Watched {
    body: Incoming,
    read: Arc<AtomicBool>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(context));
        if next.is_none() || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
