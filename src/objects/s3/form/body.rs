//! The body of a form, let through at a pace and up to a limit; and the file in it, of the size that its
//! policy allows.

use super::super::super::error::Fault;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use multer::Field;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

/// How many more bytes may be read.
#[derive(Clone)]
pub struct Allowance(Arc<AtomicU64>);

impl Allowance {
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    pub fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: u64) -> bool {
        let taken = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

/// multer takes in what it can get until it has to wait. So it has to wait after every chunk: else a
/// whole file would gather in memory.
pub struct Paced<S> {
    inner: S,
    allowance: Allowance,
    rests: bool,
}

impl<S> Paced<S> {
    pub fn new(inner: S, allowance: Allowance) -> Self {
        Self { inner, allowance, rests: false }
    }
}

impl<S, E> Stream for Paced<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(chunk) = ready!(self.inner.poll_next_unpin(cx)) else { return Poll::Ready(None) };
        self.rests = true;
        Poll::Ready(Some(chunk.map_err(io::Error::other).and_then(|chunk| {
            let allowed = self.allowance.take(chunk.len() as u64);
            allowed.then_some(chunk).ok_or_else(|| io::Error::other("the form has more than it may have"))
        })))
    }
}

/// The bytes of the file, as long as they are of a size from `least` to `most`.
pub fn file(
    field: Field<'static>,
    least: u64,
    most: u64,
) -> impl Stream<Item = Result<Bytes, Fault>> + Send + Sync + 'static {
    stream::try_unfold((field, 0), move |(mut field, size)| async move {
        let chunk = field.chunk().await.map_err(|error| {
            tracing::debug!(%error, "the file of an upload form ended early");
            Fault::IncompleteBody
        })?;
        let Some(chunk) = chunk else {
            return if size < least { Err(Fault::FormTooSmall(least)) } else { Ok(None) };
        };
        let size = size + chunk.len() as u64;
        if size > most {
            return Err(Fault::FormTooLarge(most));
        }
        Ok(Some((chunk, (field, size))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn chunks(count: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        stream::iter((0..count).map(|_| Ok(Bytes::from_static(&[7; 1000]))))
    }

    #[tokio::test]
    async fn a_body_pauses_after_each_chunk_and_ends_at_its_limit() {
        let mut paced = Paced::new(chunks(3), Allowance::new(2500));
        let waker = std::task::Waker::noop();
        let cx = &mut Context::from_waker(waker);
        assert!(matches!(paced.poll_next_unpin(cx), Poll::Ready(Some(Ok(_)))));
        assert!(paced.poll_next_unpin(cx).is_pending());
        assert!(matches!(paced.poll_next_unpin(cx), Poll::Ready(Some(Ok(_)))));
        assert!(paced.poll_next_unpin(cx).is_pending());
        assert!(matches!(paced.poll_next_unpin(cx), Poll::Ready(Some(Err(_)))));
    }

    async fn size(least: u64, most: u64) -> Result<usize, Fault> {
        let head = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
        let body =
            stream::iter([Ok(Bytes::from(head)), Ok(Bytes::from(vec![7; 5000])), Ok("\r\n--b--".into())]);
        let mut form = multer::Multipart::new(
            Paced::new(body.map(|c: Result<Bytes, Infallible>| c), Allowance::new(u64::MAX)),
            "b",
        );
        let field = form.next_field().await.unwrap().unwrap();
        let all: Vec<Result<Bytes, Fault>> = file(field, least, most).collect().await;
        all.into_iter().try_fold(0, |sum, chunk| Ok(sum + chunk?.len()))
    }

    #[tokio::test]
    async fn a_file_has_the_size_its_policy_allows() {
        assert_eq!(size(0, u64::MAX).await, Ok(5000));
        assert_eq!(size(5000, 5000).await, Ok(5000));
        assert_eq!(size(0, 4999).await, Err(Fault::FormTooLarge(4999)));
        assert_eq!(size(5001, 6000).await, Err(Fault::FormTooSmall(5001)));
    }
}
