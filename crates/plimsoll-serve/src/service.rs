//! Everything that is open.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plimsoll::governor::Watch;
use plimsoll::monitor::socket::Publisher;
use plimsoll::monitor::{Monitor, Sample, Sampler, Sink};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::api::{self, Desk};
use crate::house::House;
use crate::http::{Keys, Listener};
use crate::model::{Keeper, Terms, slugs};
use crate::seats::Seats;
use crate::shelf::{ShelfFault, Shelves};
use crate::{ServeError, ServeSettings};

/// How often the machine and the ledger are looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often what other programs leave us is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// What `plimsoll top` calls it.
const PROGRAM: &str = "plimsoll-serve";
/// How long a stop waits for what answers nobody any more.
const LAST: Duration = Duration::from_secs(2);
/// Threads that answer. Those that compute are the models'.
const ANSWERING: usize = 2;

/// A service that is open and does not listen yet.
///
/// # Who owns what
/// It owns the line and everything below it. Dropped, or stopped by [`Running::stop`], it takes nobody in any more, lets texts
/// end within [`ServeSettings::drain`], writes what the cache is to keep, and gives everything back.
///
/// # Example
/// ```no_run
/// use plimsoll::Bytes;
/// use plimsoll_serve::{Service, ServeSettings, model::ModelSource};
/// let models = vec![ModelSource::at("qwen3-0.6b-q8_0.gguf")];
/// let running = Service::open(ServeSettings::new(Bytes::gib(4), models))?.start()?;
/// println!("http://{}", running.address());
/// running.stop();
/// # Ok::<(), plimsoll_serve::ServeError>(())
/// ```
pub struct Service {
    settings: ServeSettings,
    desk: Arc<Desk>,
    sight: Sight,
}

/// A service that listens.
pub struct Running {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    /// Those who fill libraries.
    taking: Vec<JoinHandle<()>>,
    _sight: Sight,
}

/// What looks at the machine and the ledger, and what shows them. None of it is needed to answer, so none of it is missed.
struct Sight {
    // In this order: what is told last has nobody to go to.
    _monitor: Option<Monitor>,
    _publisher: Option<Publisher>,
    _watch: Option<Watch>,
}

impl Sight {
    fn open(desk: &Arc<Desk>) -> Self {
        let publisher = Publisher::open(PROGRAM).ok();
        let latest: Box<dyn Sink> = Box::new(Latest(Arc::clone(desk)));
        let sinks = publisher.iter().map(Publisher::sink).chain([latest]).collect();
        let sampler = Sampler::of(desk.engine()).named(PROGRAM);
        Self {
            _monitor: Monitor::start(sampler, SAMPLE_EVERY, sinks).ok(),
            _publisher: publisher,
            _watch: desk.engine().watch(WATCH_EVERY).ok(),
        }
    }
}

/// Gives the last sample to whoever asks for it.
struct Latest(Arc<Desk>);

impl Sink for Latest {
    fn sample(&mut self, sample: &Arc<Sample>) {
        self.0.look(sample);
    }
}

impl Service {
    /// Opens the line, the accounts and the cache's folder; loads nothing yet. What does not add up is refused here.
    pub fn open(settings: ServeSettings) -> Result<Self, ServeError> {
        settings.check()?;
        let slugs = slugs(&settings.models)?;
        let house = Arc::new(House::open(&settings, &slugs)?);
        let limits = settings.limits;
        let terms = Terms { batch: settings.batch, limits };
        let keeper = Keeper::open(&house, &settings.models, terms)?;
        let seats = |most| Seats::new(most, limits.waiting, limits.patience);
        let seats = (seats(house.seats())?, house.seats_there().map(seats).transpose()?);
        let keys = Keys::new(settings.keys.iter().cloned());
        let shelves = Shelves::open(&house, &settings.libraries, settings.embedder.clone())?;
        let desk = Arc::new(Desk::new(house, keeper, shelves, seats, keys, limits));
        let sight = Sight::open(&desk);
        Ok(Self { settings, desk, sight })
    }

    /// Loads a model, so that the first request need not wait for it.
    pub fn load(&self, name: &str) -> Result<(), crate::model::ModelFault> {
        self.desk.keeper().get(name).map(drop)
    }

    /// Listens, on threads of its own.
    pub fn start(self) -> Result<Running, ServeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ANSWERING)
            .max_blocking_threads(64)
            .thread_name("plimsoll-answer")
            .enable_all()
            .build()
            .map_err(ServeError::Threads)?;
        let Self { settings, desk, sight } = self;
        let listener = {
            let _inside = runtime.enter();
            Listener::bind(settings.listen, settings.limits)?
        };
        let address = listener.address().unwrap_or(settings.listen);
        desk.watch(listener.watched(), address.ip().is_loopback());
        let (stop, stopped) = oneshot::channel();
        let answering = Arc::clone(&desk);
        let serve = move || run(runtime, listener, &answering, settings.drain, stopped);
        let name = "plimsoll-listen".to_owned();
        let served = thread::Builder::new().name(name).spawn(serve).map_err(ServeError::Threads)?;
        Ok(Running {
            address,
            desk,
            stop: Some(stop),
            served: Some(served),
            taking: Vec::new(),
            _sight: sight,
        })
    }
}

fn run(runtime: Runtime, listener: Listener, desk: &Arc<Desk>, drain: Duration, stopped: impl Future) {
    let router = api::router(desk);
    let stop = async {
        let _ = stopped.await;
        desk.close();
    };
    runtime.block_on(listener.serve(router, stop, drain));
    // What is still being loaded or read then is not waited for.
    runtime.shutdown_timeout(LAST);
}

impl Running {
    /// Where it listens; the port is the real one also where 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The engine: its ledger is where every byte of the service is.
    pub fn engine(&self) -> &plimsoll::Engine {
        self.desk.engine()
    }

    /// Takes what lies in a folder into a library, beside what is asked of it; a stop ends that too. `done` is told what came of it.
    pub fn take_in(
        &mut self,
        library: &str,
        folder: PathBuf,
        done: impl FnOnce(Result<(), ShelfFault>) + Send + 'static,
    ) -> Result<(), ServeError> {
        let (desk, library) = (Arc::clone(&self.desk), library.to_owned());
        let take = move || {
            let going_on = || desk.open().is_ok();
            let found = desk.shelves().get(Some(&library));
            done(found.and_then(|found| found.take_all(&folder, &going_on)));
        };
        let name = "plimsoll-take".to_owned();
        self.taking.push(thread::Builder::new().name(name).spawn(take).map_err(ServeError::Threads)?);
        Ok(())
    }

    /// Takes nobody in any more, lets texts end, and writes what is to be kept. Says how long that took.
    pub fn stop(mut self) -> Duration {
        self.end()
    }

    fn end(&mut self) -> Duration {
        let began = Instant::now();
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            // What panicked there has been answered already.
            let _ = served.join();
            for taking in self.taking.drain(..) {
                let _ = taking.join();
            }
            self.desk.flush();
        }
        began.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
