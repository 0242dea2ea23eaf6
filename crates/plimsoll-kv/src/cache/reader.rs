//! Threads that read from a store, so that who waits for a slow one can stop waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How many reads are on their way at once at most: enough to keep a fast disk busy.
const READERS: usize = 4;
/// And at least: while one sums what it read, another reads.
const READERS_LEAST: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that do jobs. They end when this is dropped and their last job is done; nobody waits for them, since
/// a job may hang in the system.
pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
}

impl Readers {
    /// Starts them; without them, jobs are done by whoever brings them.
    pub fn start(threads: bool) -> std::io::Result<Self> {
        if !threads {
            return Ok(Self { jobs: None });
        }
        let (jobs, inbox) = channel::<Job>();
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..super::core::processors().clamp(READERS_LEAST, READERS) {
            let inbox = Arc::clone(&inbox);
            thread::Builder::new().name("plimsoll-kv-read".to_owned()).spawn(move || work(&inbox))?;
        }
        Ok(Self { jobs: Some(jobs) })
    }

    /// Does a job, here or there. One that panics takes only its own answer with it.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let here = match &self.jobs {
            Some(jobs) => jobs.send(Box::new(job)).err().map(|back| back.0),
            None => Some(Box::new(job) as Job),
        };
        if let Some(job) = here {
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

fn work(inbox: &Mutex<Receiver<Job>>) {
    loop {
        let next = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}
