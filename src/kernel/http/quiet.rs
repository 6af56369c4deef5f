//! A future that takes its own wake-ups itself. While a connection is polled it wakes itself, once for
//! each piece of a request's body that passes from the wire to the handler; to the runtime each is a task
//! that became ready, for which it rouses a second thread that finds nothing to do.

use futures::task::{ArcWake, AtomicWaker, waker};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Times that the future is polled again at most, before others get their turn.
const AGAIN: usize = 8;

/// Nobody polls: whoever wakes the future wakes its task.
const ASLEEP: u8 = 0;
/// The future is being polled, and will be asked again if it is woken now.
const POLLED: u8 = 1;
/// It was woken, and nobody has polled it since.
const WOKEN: u8 = 2;

pub struct Quiet<F> {
    inner: Pin<Box<F>>,
    bell: Arc<Bell>,
    own: Waker,
}

#[derive(Default)]
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

impl ArcWake for Bell {
    fn wake_by_ref(bell: &Arc<Self>) {
        if bell.state.swap(WOKEN, Ordering::AcqRel) == ASLEEP {
            bell.task.wake();
        }
    }
}

impl<F: Future> Quiet<F> {
    pub fn new(inner: F) -> Self {
        let bell = Arc::new(Bell::default());
        Self { inner: Box::pin(inner), own: waker(Arc::clone(&bell)), bell }
    }
}

impl<F: Future> Future for Quiet<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { inner, bell, own } = &mut *self;
        bell.task.register(context.waker());
        for _ in 0..AGAIN {
            bell.state.store(POLLED, Ordering::Release);
            if let Poll::Ready(outcome) = inner.as_mut().poll(&mut Context::from_waker(own)) {
                return Poll::Ready(outcome);
            }
            let slept = bell.state.compare_exchange(POLLED, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
            if slept.is_ok() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::poll_fn, sync::Mutex};

    #[derive(Default)]
    struct Counter(AtomicU8);

    impl ArcWake for Counter {
        fn wake_by_ref(counter: &Arc<Self>) {
            counter.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn its_own_wakes_do_not_reach_the_task() {
        let counter = Arc::new(Counter::default());
        let mut left = 3;
        let mut quiet = Quiet::new(poll_fn(|context| {
            left -= 1;
            context.waker().wake_by_ref();
            if left == 0 { Poll::Ready("done") } else { Poll::Pending }
        }));
        let task = waker(Arc::clone(&counter));
        let polled = Pin::new(&mut quiet).poll(&mut Context::from_waker(&task));
        assert_eq!(polled, Poll::Ready("done"));
        assert_eq!(counter.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn who_wakes_itself_for_ever_leaves_a_turn_to_others() {
        let counter = Arc::new(Counter::default());
        let mut polls = 0;
        let mut quiet = Quiet::new(poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let task = waker(Arc::clone(&counter));
        assert!(Pin::new(&mut quiet).poll(&mut Context::from_waker(&task)).is_pending());
        drop(quiet);
        assert_eq!((polls, counter.0.load(Ordering::SeqCst)), (AGAIN, 1));
    }

    #[test]
    fn a_wake_from_outside_reaches_the_task_that_polled_last() {
        let (first, second) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let handed = Arc::new(Mutex::new(None));
        let hand = Arc::clone(&handed);
        let mut quiet = Quiet::new(poll_fn(move |context| {
            *hand.lock().unwrap() = Some(context.waker().clone());
            Poll::<()>::Pending
        }));
        for task in [&first, &second] {
            let task = waker(Arc::clone(task));
            assert!(Pin::new(&mut quiet).poll(&mut Context::from_waker(&task)).is_pending());
        }
        let ring = handed.lock().unwrap().take().unwrap();
        ring.wake_by_ref();
        ring.wake();
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_is_lost_between_two_threads() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for n in 0..20_000_u32 {
                sender.send(n).await.unwrap();
            }
        });
        let sum = Quiet::new(async move {
            let mut sum = 0_u64;
            while let Some(n) = receiver.recv().await {
                sum += u64::from(n);
            }
            sum
        });
        assert_eq!(tokio::spawn(sum).await.unwrap(), 199_990_000);
    }
}
