//! A door: a bound listener that answers from its first moment. Until the house behind it is ready it
//! says so (503, Retry-After), so that a probe or a client can tell "starting" from "gone".

use crate::kernel::{
    error::{Error, Result},
    http::{self as manners, Limits},
    tls::Identity,
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};
use tokio::net::TcpListener;
use tower::{ServiceExt, util::BoxCloneSyncService};

/// What stands behind a door.
pub type Service = BoxCloneSyncService<Request<Body>, Response, Infallible>;
type Answer = futures::future::BoxFuture<'static, std::result::Result<Response, Infallible>>;

/// A listener that is bound, and the gate in front of the service to come.
pub struct Door {
    listener: TcpListener,
    pub address: SocketAddr,
    pub gate: Gate,
}

impl Door {
    /// Binds `address`; `key` is the configuration key to name when that fails.
    pub async fn bind(key: &str, address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| cannot_bind(key, address, &error))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, gate: Gate::default() })
    }

    /// Serves until `stop` fires and open requests have ended.
    pub async fn serve(
        self,
        limits: Limits,
        tls: Option<Arc<Identity>>,
        stop: tokio_util::sync::CancellationToken,
    ) {
        manners::serve(self.listener, self.gate, limits, tls, stop).await;
    }
}

fn cannot_bind(key: &str, address: SocketAddr, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process listens there".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        std::io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege".to_owned(),
        _ => error.to_string(),
    };
    Error::conflict(format!("cannot listen on {address} ({key}): {why}"))
}

/// Lets requests through once there is something to answer them.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Service>>);

impl Gate {
    /// From now on `service` answers. Only the first call counts.
    pub fn open(&self, service: Service) {
        let _ = self.0.set(service);
    }
}

impl tower::Service<Request<Body>> for Gate {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        match self.0.get() {
            Some(service) => Box::pin(service.clone().oneshot(request)),
            None => Box::pin(std::future::ready(Ok(starting(request.uri().path())))),
        }
    }
}

fn starting(path: &str) -> Response {
    if path == "/livez" {
        return "ok\n".into_response();
    }
    let retry = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, "starting: the stores are being opened\n").into_response()
}
