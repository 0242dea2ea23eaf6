//! What the readers are asked for: parts of records, several with one call of the store.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use plimsoll::pool::Lease;

use super::copies::Origin;
use super::core::Core;
use super::piece::{From, Piece, Reading, Stage};
use crate::engine::Pages;
use crate::store::{Expect, Found, Wanted};
use crate::tree::Tier;

/// Sections to be read.
pub(super) struct Errand {
    origin: Arc<Origin>,
    form: u32,
    sections: std::ops::Range<usize>,
    into: Lease,
    send: Sender<Option<Lease>>,
}

/// Errands on their way to the readers, gathered into calls.
pub(super) struct Errands {
    call: Vec<Errand>,
    bytes: u64,
    /// A call is sent off when it asks for so much.
    full: u64,
    /// Bytes of all that went through it.
    pub asked: u64,
}

impl Errands {
    pub fn new<P: Pages>(core: &Core<P>) -> Self {
        Self { call: Vec::new(), bytes: 0, full: core.call_bytes(), asked: 0 }
    }

    /// Asks for a part that nobody has asked for. False if there is no memory for it.
    pub fn ask<P: Pages>(&mut self, core: &Arc<Core<P>>, piece: &mut Piece<P>, part: usize) -> bool {
        let Stage::Coming { origin, from: From::Cold { form, parts }, .. } = &mut piece.state else {
            return true;
        };
        let Some(part) = parts.get_mut(part).filter(|part| matches!(part.state, Reading::Unasked)) else {
            return true;
        };
        let Ok(into) = core.take_warm(part.bytes(), f64::INFINITY) else { return false };
        let (send, receive) = channel();
        part.state = Reading::Asked(receive);
        self.bytes += part.bytes().get();
        self.asked += part.bytes().get();
        let (origin, sections) = (Arc::clone(origin), part.sections.clone());
        self.call.push(Errand { origin, form: *form, sections, into, send });
        if self.bytes >= self.full {
            self.send(core);
        }
        true
    }

    /// Sends off what was gathered.
    pub fn send<P: Pages>(&mut self, core: &Arc<Core<P>>) {
        self.bytes = 0;
        let call = std::mem::take(&mut self.call);
        if !call.is_empty() {
            let own = Arc::clone(core);
            core.readers.run(move || own.read(call));
        }
    }
}

impl<P: Pages> Core<P> {
    /// How much is asked for with one call of the store.
    pub fn call_bytes(&self) -> u64 {
        self.settings.cold.as_ref().map_or(0, |cold| cold.store.call_bytes().get())
    }

    /// Reads some sections of several blocks, and answers each: with nothing if there is any doubt, or the store fails.
    fn read(&self, mut errands: Vec<Errand>) {
        let Some(cold) = &self.settings.cold else { return };
        let began = Instant::now();
        let mut wanted = Vec::with_capacity(errands.len());
        for errand in &mut errands {
            let origin = &errand.origin;
            let (parent, root, tokens) = (origin.parent, &origin.root, &*origin.tokens);
            let expect = Expect { parent, root, tokens, form: errand.form };
            // A lease of host memory that nothing else uses is always visible.
            let Ok(into) = errand.into.as_mut_slice() else { return };
            let (id, sections) = (origin.id, errand.sections.clone());
            wanted.push(Wanted { id, expect, sections, into, found: Ok(Found::No) });
        }
        cold.store.read_many(&mut wanted);
        let found: Vec<bool> = wanted.iter().map(|wanted| matches!(wanted.found, Ok(Found::Yes))).collect();
        let bytes: usize = wanted.iter().map(|wanted| wanted.into.len()).sum();
        drop(wanted);
        // A failure is counted as what it took, for nothing.
        self.rates().tiers[Tier::Cold].learn(bytes as u64, began.elapsed().as_secs_f64());
        for (errand, found) in errands.into_iter().zip(found) {
            if found {
                self.counts.tiers[Tier::Cold].restored.add(errand.into.bytes().get());
            }
            // Whoever asked may have stopped waiting.
            let _ = errand.send.send(found.then_some(errand.into));
        }
    }
}
