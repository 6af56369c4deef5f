//! Where a request comes from, for those who tell of it later: notifications and access logs.

use http::Method;
use std::{
    future::Future,
    mem,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

tokio::task_local! {
    static ASKER: Arc<Asker>;
}

/// A request's origin. The user is known once the signature has been looked at.
#[derive(Debug, Default)]
pub struct Asker {
    request_id: String,
    address: String,
    principal: OnceLock<String>,
    cause: OnceLock<Arc<str>>,
    kind: Kind,
    deleted: Mutex<Vec<Gone>>,
}

/// A key of a list of deletions, and what became of it.
#[derive(Clone, Debug)]
pub struct Gone {
    pub key: String,
    pub version: Option<String>,
    /// The code of the refusal.
    pub error: Option<String>,
}

/// What a change is told as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Request,
    /// An HTML form, which puts by POST.
    Form,
    /// The lifecycle worker, which has rules for a reason.
    Lifecycle,
}

impl Asker {
    pub fn of_request(method: &Method, request_id: &str, address: String) -> Self {
        let kind = if method == Method::POST { Kind::Form } else { Kind::Request };
        Self { request_id: request_id.to_owned(), address, kind, ..Self::default() }
    }

    pub fn lifecycle() -> Self {
        Self { kind: Kind::Lifecycle, ..Self::default() }
    }

    /// Runs `work` as asked for by this one. (As an `async fn` this would have room for `work` twice.)
    pub fn asks<T>(self: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        ASKER.scope(self, work)
    }

    /// Who asks for the work that is being done now, if it was a request.
    pub fn current() -> Option<Arc<Self>> {
        ASKER.try_with(Arc::clone).ok()
    }

    /// Notes whose key the current request is signed with, and what that key was issued for.
    pub fn is(user: &str, label: &Arc<str>) {
        let note = |asker: &Arc<Self>| {
            let _ = asker.principal.set(user.to_owned());
            let _ = asker.cause.set(Arc::clone(label));
        };
        let _ = ASKER.try_with(note);
    }

    /// What the work that is being done now is done for.
    pub fn cause() -> Option<Arc<str>> {
        let own = ASKER.try_with(|asker| asker.cause.get().cloned()).ok().flatten();
        own.or_else(crate::auth::cause)
    }

    /// Notes what became of the keys the current request wants deleted.
    pub fn deletes(keys: impl IntoIterator<Item = Gone>) {
        let note = |asker: &Arc<Self>| {
            *asker.deleted.lock().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
        };
        let _ = ASKER.try_with(note);
    }

    pub fn deleted(&self) -> Vec<Gone> {
        mem::take(&mut self.deleted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn principal(&self) -> Option<String> {
        self.principal.get().cloned()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The event as it is told when this one caused it.
    pub fn event<'a>(&self, event: &'a str) -> &'a str {
        match (self.kind, event) {
            (Kind::Form, "s3:ObjectCreated:Put") => "s3:ObjectCreated:Post",
            (Kind::Lifecycle, "s3:ObjectRemoved:Delete") => "s3:LifecycleExpiration:Delete",
            (Kind::Lifecycle, "s3:ObjectRemoved:DeleteMarkerCreated") => {
                "s3:LifecycleExpiration:DeleteMarkerCreated"
            }
            (_, event) => event,
        }
    }
}
