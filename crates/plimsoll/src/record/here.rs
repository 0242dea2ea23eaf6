//! What one thread knows: its rings, and the scopes that it is in.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::packed::pack;
use super::recorder::{NO_SOURCE, Recorder};
use super::ring::Writer;
use super::sites::{Line, SiteCache};
use super::{Event, Kind, clock};

/// Kept by the thread; given up when it ends.
pub(super) struct Here {
    writers: Vec<Own>,
    /// Names of the scopes, the innermost last.
    scopes: Vec<u16>,
    sites: SiteCache,
}

/// A ring of this thread.
struct Own {
    /// The recorder's serial number.
    serial: u64,
    recorder: Weak<Recorder>,
    writer: Writer,
}

thread_local! {
    static HERE: RefCell<Here> =
        const { RefCell::new(Here { writers: Vec::new(), scopes: Vec::new(), sites: SiteCache::new() }) };
}

/// A thread keeps rings of so many recorders; the one that it has had longest goes first.
const MOST_RECORDERS: usize = 16;

impl Here {
    /// `None` when the thread is ending.
    #[inline]
    pub(super) fn with<R>(act: impl FnOnce(&mut Self) -> R) -> Option<R> {
        HERE.try_with(|here| here.try_borrow_mut().ok().map(|mut here| act(&mut here))).ok().flatten()
    }

    /// This thread's ring of a recorder, the scope that it is in and the number of a line.
    #[inline]
    pub(super) fn writer(&mut self, recorder: &Arc<Recorder>, line: Option<Line>) -> (&mut Writer, u16, u16) {
        let site = line.map_or(0, |line| self.sites.number(line));
        let scope = self.scope();
        let is = |own: &Own| own.serial == recorder.serial();
        let at = match self.writers.first() {
            Some(first) if is(first) => 0,
            _ => self.writers.iter().position(is).unwrap_or_else(|| self.enrol(recorder)),
        };
        (&mut self.writers[at].writer, scope, site)
    }

    fn scope(&self) -> u16 {
        self.scopes.last().copied().unwrap_or(0)
    }

    /// The scopes that the thread is in already are told to the new ring.
    #[cold]
    fn enrol(&mut self, recorder: &Arc<Recorder>) -> usize {
        self.writers.retain(|own| own.recorder.strong_count() > 0);
        if self.writers.len() == MOST_RECORDERS {
            self.writers.remove(0);
        }
        let mut writer = recorder.enrol(std::thread::current().name());
        for (at, &name) in self.scopes.iter().enumerate() {
            let scope = at.checked_sub(1).map_or(0, |outer| self.scopes[outer]);
            let enter = Event { tag: name, scope, source: NO_SOURCE, ..Event::new(Kind::Enter) };
            recorder.push(&mut writer, pack(&enter), clock::now_ns());
        }
        self.writers.push(Own { serial: recorder.serial(), recorder: Arc::downgrade(recorder), writer });
        self.writers.len() - 1
    }

    /// Writes the same to all rings that the thread has: scopes belong to the thread, not to a recorder.
    fn tell_all(&mut self, kind: Kind, name: u16) {
        if self.writers.is_empty() {
            return;
        }
        let (now, scope) = (clock::now_ns(), self.scope());
        for own in &mut self.writers {
            if let Some(recorder) = own.recorder.upgrade().filter(|recorder| recorder.is_on()) {
                let event = Event { tag: name, scope, source: NO_SOURCE, ..Event::new(kind) };
                recorder.push(&mut own.writer, pack(&event), now);
            }
        }
    }

    /// The thread goes into a scope; how deep it was before.
    pub(super) fn enter(&mut self, name: u16) -> usize {
        self.tell_all(Kind::Enter, name);
        self.scopes.push(name);
        self.scopes.len() - 1
    }

    /// The thread is as deep as it was before: it leaves every scope that it went into since.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.scopes.len() > depth
            && let Some(name) = self.scopes.pop()
        {
            self.tell_all(Kind::Leave, name);
        }
    }
}
