//! The way down to a store, and back at the start.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll::Bytes;
use plimsoll::pool::Lease;

use super::copies::Origin;
use super::core::Core;
use super::demote::{Busy, DemoteError, Encoded, Native};
use super::error::CacheError;
use super::settings::ColdSettings;
use super::state::{ColdCopy, Source};
use crate::block::BlockId;
use crate::codec::{Codec, CodecError, Packing};
use crate::engine::Pages;
use crate::store::{Listed, Record, StoreError, Worth};
use crate::tree::{NodeId, Tier};

/// How often room is made for one batch before it is given up.
const TRIES: usize = 4;

/// A block on its way into a store.
struct Parcel {
    node: NodeId,
    origin: Arc<Origin>,
    encoded: Encoded,
    seconds: f32,
    /// How often it was used until now: what a later process that must give blocks up has to go by.
    uses: u32,
}

impl<P: Pages> Core<P> {
    /// Puts what a store has kept into the index.
    pub fn load(&self) -> Result<(), CacheError> {
        let Some(cold) = &self.settings.cold else { return Ok(()) };
        let mut orphans = Vec::new();
        let mut state = self.state();
        cold.store.list(&mut |listed: Listed| {
            let parent = listed.parent.map(|parent| state.find(parent));
            if parent == Some(None) {
                // What comes before it is gone, so nobody can ever come to it.
                orphans.push(listed.id);
                return;
            }
            let node = state.place(parent.flatten(), listed.id);
            let mut visit = state.visit(self.now(), &[], 0);
            state.used(&mut visit, node);
            state.cost(node, listed.worth.seconds, self.page_bytes());
            state.set_boundary(node, listed.sections.len() > self.layout.layers.len());
            if let Some(copy) = self.cold_copy(listed.form, &listed.sections, listed.stored.get()) {
                state.put_cold(node, copy);
            }
            state.unpin(node);
        })?;
        drop(state);
        cold.store.remove(&orphans)?;
        Ok(())
    }

    /// What the book keeps of a record: its section lengths only where they do not follow from the form.
    fn cold_copy(&self, form: u32, lengths: &[u32], stored: u64) -> Option<ColdCopy> {
        let usual = Codec::of(&self.layout, form).is_ok_and(|codec| {
            let same = |(section, &bytes): (usize, &u32)| codec.section_bytes(section) == bytes as usize;
            codec.form().packing == Packing::None && lengths.iter().enumerate().all(same)
        });
        let sections = if usual { None } else { Some(Box::new(Box::from(lengths))) };
        let stored = u32::try_from(stored).unwrap_or(u32::MAX);
        Some(ColdCopy { stored, form: NonZeroU32::new(form)?, sections })
    }

    /// Writes everything that is complete and that no store has.
    pub fn save_all(&self) -> u64 {
        let mut saved = 0;
        loop {
            let ids = self.mailbox.due(f64::INFINITY);
            if ids.is_empty() {
                return saved;
            }
            saved += self.save_ids(&ids);
        }
    }

    /// Writes some blocks, and what comes before them.
    pub fn save_ids(&self, ids: &[BlockId]) -> u64 {
        let nodes: Vec<NodeId> = {
            let mut state = self.state();
            let found: Vec<NodeId> = ids.iter().filter_map(|&id| state.find(id)).collect();
            for &node in &found {
                state.pin(node);
            }
            found
        };
        let _busy: Vec<Busy<'_, P>> = nodes.iter().map(|&node| Busy::new(self, node)).collect();
        self.save(&nodes)
    }

    /// The same for nodes that are pinned. A block without those before it is of no use to anybody, so they are written
    /// first. Says how many blocks were written; what was not is counted.
    pub fn save(&self, nodes: &[NodeId]) -> u64 {
        let (Some(cold), Some(codec)) = (&self.settings.cold, &self.cold_codec) else { return 0 };
        let (mut wanted, mut kept): (Vec<NodeId>, Vec<NodeId>) = (Vec::new(), Vec::new());
        {
            let mut state = self.state();
            for &node in nodes {
                let mut path = Vec::new();
                for node in state.tree().path(node) {
                    if state.tree().has(node, Tier::Cold) {
                        kept.push(node);
                        break;
                    }
                    if !wanted.contains(&node) {
                        path.push(node);
                    }
                }
                path.reverse();
                wanted.extend(path);
            }
            // What these come after must not be what makes room for them.
            for &node in &kept {
                state.pin(node);
            }
        }
        let _kept: Vec<Busy<'_, P>> = kept.iter().map(|&node| Busy::new(self, node)).collect();
        let (mut saved, mut rest) = (0, &wanted[..]);
        while !rest.is_empty() {
            let mut parcels = Vec::new();
            for &node in rest.iter().take(super::mover::BATCH) {
                match self.parcel(node, codec) {
                    Ok(Some(parcel)) => parcels.push(parcel),
                    // What lost its copies meanwhile cannot be written; for another there may be room in the next batch.
                    Ok(None) | Err(_) => break,
                }
            }
            let done = self.put(cold, &parcels);
            saved += done as u64;
            rest = &rest[done..];
            if done == 0 || done < parcels.len() {
                break;
            }
        }
        self.counts.unsaved.add(rest.len() as u64);
        saved
    }

    /// A block's bytes in the form of the store.
    fn parcel(&self, node: NodeId, codec: &Codec) -> Result<Option<Parcel>, DemoteError> {
        let (source, seconds, uses) = {
            let state = self.state();
            (state.source(node), state.seconds(node, self.page_bytes()), state.uses(node))
        };
        let (origin, made) = match source {
            None | Some(Source::Cold { .. }) => return Ok(None),
            Some(Source::Hot(hot)) => {
                let native = Native::of(&self.pages, &hot.page, &self.layout)?;
                let snapshot = hot.snapshot.as_ref().map(Lease::as_slice).transpose()?;
                (Arc::clone(&hot.origin), self.encode(codec, native.bytes(), snapshot, f64::INFINITY)?)
            }
            Some(Source::Warm(warm)) => {
                let mut native = vec![0; self.layout.block_bytes()];
                let (from, bytes) = (self.codec(warm.form)?, warm.bytes.as_slice()?);
                for layer in 0..self.layout.layers.len() {
                    let encoded = warm.span(layer).and_then(|span| bytes.get(span)).unwrap_or_default();
                    from.decode(layer, encoded, &mut native[self.layout.span(layer..layer + 1)])?;
                }
                let snapshot = warm.span(self.layout.layers.len()).and_then(|span| bytes.get(span));
                (Arc::clone(&warm.origin), self.encode(codec, &native, snapshot, f64::INFINITY)?)
            }
        };
        Ok(Some(Parcel { node, origin, encoded: made, seconds, uses }))
    }

    /// Puts a batch into the store, which gives up what is worth less if it is full.
    fn put(&self, cold: &ColdSettings, parcels: &[Parcel]) -> usize {
        let Some(last) = parcels.last() else { return 0 };
        let used_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let sections: Vec<Vec<&[u8]>> = parcels.iter().filter_map(Parcel::sections).collect();
        let records: Vec<Record<'_>> = parcels
            .iter()
            .zip(&sections)
            .map(|(parcel, sections)| parcel.record(sections, used_at))
            .collect();
        let worth = self.state().worth(last.node, self.now());
        let mut done = cold.store.put(&records);
        for _ in 0..TRIES {
            match &done {
                Err(StoreError::Full { .. } | StoreError::Refused(_))
                    if self.make_room(cold, parcels, worth) =>
                {
                    done = cold.store.put(&records);
                }
                _ => break,
            }
        }
        if done.is_err() {
            return 0;
        }
        let mut state = self.state();
        for parcel in parcels {
            let bytes = parcel.stored();
            if let Some(copy) = self.cold_copy(parcel.encoded.form, &parcel.lengths(), bytes) {
                state.put_cold(parcel.node, copy);
            }
            self.counts.tiers[Tier::Cold].demoted.add(bytes);
        }
        parcels.len()
    }

    /// Takes blocks that are worth less out of the store, somewhat more than a batch needs. Whether any went.
    fn make_room(&self, cold: &ColdSettings, parcels: &[Parcel], worth: f64) -> bool {
        let need: u64 = parcels.iter().map(Parcel::stored).sum();
        let (mut freed, mut ids) = (0, Vec::new());
        {
            let mut state = self.state();
            let now = self.now();
            while freed < 2 * need {
                let Some(node) = state.victim(Tier::Cold, now) else { break };
                if state.worth(node, now) > worth {
                    break;
                }
                ids.push(state.tree().id(node));
                let before = state.bytes[Tier::Cold];
                state.drop_copy(node, Tier::Cold, 0).forget();
                freed += before - state.bytes[Tier::Cold];
            }
        }
        self.counts.tiers[Tier::Cold].evicted.add(ids.len() as u64);
        !ids.is_empty() && cold.store.remove(&ids).is_ok()
    }

    /// What decodes a form.
    pub fn codec(&self, form: u32) -> Result<Cow<'_, Codec>, CodecError> {
        let known = [Some(&self.warm_codec), Some(&self.native_codec), self.cold_codec.as_ref()];
        let known = known.into_iter().flatten().find(|codec| codec.form().tag() == form);
        known.map_or_else(|| Codec::of(&self.layout, form).map(Cow::Owned), |codec| Ok(Cow::Borrowed(codec)))
    }

    /// Gives up all that nobody holds.
    pub fn clear(&self) {
        while self.give_up_warm(f64::INFINITY).is_some() {}
        loop {
            let dropped = {
                let mut state = self.state();
                let Some(node) = state.victim(Tier::Hot, self.now()) else { break };
                let bytes = self.copy_bytes(Tier::Hot, &state, node);
                state.drop_copy(node, Tier::Hot, bytes)
            };
            dropped.forget();
        }
        self.pages.trim();
        // A device that fails to take memory back keeps it charged; that is for the pool to tell.
        let _ = self.settings.warm.pool.trim(Bytes::ZERO);
    }
}

impl Parcel {
    fn record<'p>(&'p self, sections: &'p [&'p [u8]], used_at: u64) -> Record<'p> {
        Record {
            id: self.origin.id,
            parent: self.origin.parent,
            root: &self.origin.root,
            tokens: &self.origin.tokens,
            form: self.encoded.form,
            worth: Worth { seconds: self.seconds, uses: self.uses.max(1), used_at },
            sections,
        }
    }

    fn stored(&self) -> u64 {
        self.encoded.ends.last().map_or(0, |&end| u64::from(end))
    }

    fn sections(&self) -> Option<Vec<&[u8]>> {
        let bytes = self.encoded.bytes.as_slice().ok()?;
        Some(self.spans().filter_map(|(start, end)| bytes.get(start as usize..end as usize)).collect())
    }

    fn lengths(&self) -> Vec<u32> {
        self.spans().map(|(start, end)| end - start).collect()
    }

    fn spans(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let ends = &self.encoded.ends;
        std::iter::once(0).chain(ends.iter().copied()).zip(ends.iter().copied())
    }
}
