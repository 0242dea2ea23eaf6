//! Who does the waiting: one thread that drives the requests, so that our callers need no runtime of their own and may
//! have one.

use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread that drives futures, and the threads on which requests block.
pub(super) struct Hands {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The thread has ended before the work was done.
#[derive(Debug)]
pub(super) struct Gone;

impl Hands {
    /// Starts the thread; `requests` may block at once.
    pub fn start(requests: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(requests.saturating_mul(2).max(4))
            .thread_name("plimsoll-bucket-request")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("plimsoll-bucket".into()).spawn(move || {
            // Ends when it is told to, or when who could tell is gone.
            let _ = runtime.block_on(stopped);
            // A request that hangs must not keep the program: it ends by its own time limit.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Has work done, and waits for it elsewhere.
    pub fn send<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (give, take) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let done = work.await;
            // Whoever asked may have gone.
            let _ = give.send(done);
        });
        take
    }

    /// Has work done and waits for it.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Gone> {
        self.send(work).recv().map_err(|_| Gone)
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing left to say.
            let _ = thread.join();
        }
    }
}
