//! Every task of the process: named, tracked, and stopped in order.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

/// The life of a process (or of one mesh in a test). Clones share it.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tasks: TaskTracker,
    stop: CancellationToken,
    // Ends tasks that did not stop in time.
    abort: CancellationToken,
    ready: watch::Sender<bool>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A life that has just begun: not ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                abort: CancellationToken::new(),
                ready: watch::Sender::new(false),
            }),
        }
    }

    /// Runs a task of the process in a span of that name, a trace of its own: a request that happens to start a task must
    /// not stay open as long as that lives. It must end soon after [`Self::token`] is cancelled.
    /// A panic in it is logged and ends this task alone.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let abort = self.shared.abort.clone();
        let guarded = async move {
            match abort.run_until_cancelled(AssertUnwindSafe(future).catch_unwind()).await {
                Some(Ok(())) => tracing::debug!("task ended"),
                Some(Err(panic)) => tracing::error!(panic = panic_text(&*panic), "task panicked"),
                None => tracing::warn!("task did not stop in time"),
            }
        };
        self.shared.tasks.spawn(guarded.instrument(tracing::info_span!(parent: None, "task", otel.name = name, name)));
    }

    /// Runs `future` to its end as a tracked task, even if whoever waits for the result goes away: a use case that
    /// spans services is never cut in the middle. A panic in it goes on in the waiting task.
    pub async fn finish<F, T>(&self, future: F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let abort = self.shared.abort.clone();
        // Boxed before it is handed on: a use case is many kilobytes, and each hand would copy them.
        let future = Box::pin(future);
        let task = async move { abort.run_until_cancelled(future).await };
        match self.shared.tasks.spawn(task.instrument(tracing::Span::current())).await {
            Ok(Some(output)) => output,
            // The process is going down and nobody will read the answer.
            Ok(None) => std::future::pending().await,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Cancelled when the process is to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.shared.stop.clone()
    }

    /// Says that the process can serve.
    pub fn set_ready(&self) {
        if !self.shared.stop.is_cancelled() {
            self.shared.ready.send_replace(true);
        }
    }

    /// Whether the process wants requests.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Follows the readiness.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.shared.ready.subscribe()
    }

    /// Stops: not ready, then every task is told to stop and waited for until `limit`; what is left then is cut.
    /// Returns whether all of them ended by themselves.
    pub async fn shutdown(&self, limit: Duration) -> bool {
        self.shared.ready.send_replace(false);
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(limit, self.shared.tasks.wait()).await.is_ok() {
            return true;
        }
        tracing::warn!(left = self.shared.tasks.len(), "tasks did not stop in time and are cut");
        self.shared.abort.cancel();
        // A task that never yields can't be cut: the process ends without it.
        drop(tokio::time::timeout(Duration::from_secs(1), self.shared.tasks.wait()).await);
        false
    }

    /// Waits for SIGTERM or SIGINT (or for [`Self::token`]), then is not ready for `grace`, so that balancers look
    /// elsewhere, then shuts down within `limit`. A second signal cuts everything at once.
    ///
    /// # Errors
    /// If the signal handlers can't be installed.
    pub async fn run_until_signal(&self, grace: Duration, limit: Duration) -> std::io::Result<bool> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to stop"),
            _ = interrupt.recv() => tracing::info!("interrupted"),
            () = self.shared.stop.cancelled() => {}
        }
        let stopping = async {
            self.shared.ready.send_replace(false);
            if !self.shared.stop.is_cancelled() {
                tokio::time::sleep(grace).await;
            }
            self.shutdown(limit).await
        };
        let again = async {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        };
        tokio::select! {
            all = stopping => Ok(all),
            () = again => {
                tracing::warn!("second signal: stopping at once");
                self.shared.stop.cancel();
                self.shared.abort.cancel();
                Ok(false)
            }
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn finish_survives_a_caller_who_hangs_up() {
        let lifecycle = Lifecycle::new();
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let done = Arc::new(AtomicBool::new(false));
        let flag = done.clone();
        let mut call = Box::pin(lifecycle.finish(async move {
            gate.await.unwrap();
            flag.store(true, Ordering::SeqCst);
        }));
        assert!(futures::poll!(call.as_mut()).is_pending());
        drop(call);
        assert!(!done.load(Ordering::SeqCst));
        go.send(()).unwrap();
        assert!(lifecycle.shutdown(Duration::from_secs(5)).await);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn finish_returns_the_output_and_carries_panics() {
        let lifecycle = Lifecycle::new();
        assert_eq!(lifecycle.finish(async { 7 }).await, 7);
        let carried = AssertUnwindSafe(lifecycle.finish(async { panic!("boom") })).catch_unwind().await;
        assert_eq!(panic_text(&*carried.unwrap_err()), "boom");
    }

    #[tokio::test]
    async fn a_panicking_task_ends_alone() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("breaks", async { panic!("boom") });
        let token = lifecycle.token();
        lifecycle.spawn("lives", async move { token.cancelled().await });
        assert!(lifecycle.shutdown(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn shutdown_cuts_what_does_not_stop() {
        let lifecycle = Lifecycle::new();
        lifecycle.set_ready();
        assert!(lifecycle.is_ready());
        lifecycle.spawn("deaf", std::future::pending());
        assert!(!lifecycle.shutdown(Duration::from_millis(10)).await);
        assert!(!lifecycle.is_ready());
        lifecycle.set_ready();
        assert!(!lifecycle.is_ready(), "what stops does not become ready again");
    }
}
