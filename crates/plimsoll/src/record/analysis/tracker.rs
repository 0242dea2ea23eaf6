//! What is live after each event.

use std::collections::BTreeMap;

use super::{Atlas, Label, Oddities, Ranges};
use crate::record::{Event, Facts, Kind, Names};

/// A lease that has not ended, or whose bytes the device may still use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bytes as asked; as placed where the lease is older than the recording.
    pub bytes: u64,
    /// Bytes as placed.
    pub placed: u64,
    /// When it was leased.
    pub at_ns: u64,
    /// The how-manyth lease of the recording this is, from 0.
    pub number: u64,
    /// What its bytes are counted under.
    pub label: Label,
    /// Its tag.
    pub tag: u16,
    /// The scope that it was leased in.
    pub scope: u16,
    /// The line of code.
    pub site: u16,
    /// The thread.
    pub thread: u16,
    /// The stream.
    pub stream: u8,
    /// Its turn at its address.
    pub turn: u8,
    /// It is older than the recording.
    pub already: bool,
    /// It has ended, and the device may still use its bytes.
    pub pending: bool,
}

/// What an event did to the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Nothing that is live changed.
    Other,
    /// A block began; `lost` is what was at its address, the end of which the recording does not have.
    Began {
        /// What is there now.
        block: Block,
        /// What was there.
        lost: Option<Block>,
    },
    /// A lease ended and its bytes wait for the device.
    Retired(Block),
    /// A block's bytes are free. A drop names the tag of a block that is older than the recording.
    Ended(Block),
    /// Backing came ([`Tracker::pieces`]).
    Backed,
    /// Backing went ([`Tracker::pieces`]), and with it blocks whose ends are lost ([`Tracker::lost`]).
    GivenBack,
    /// The end of a block that is not known; `lost` is an older one at its address, which must have ended before.
    Unknown {
        /// What was there.
        lost: Option<Block>,
    },
}

/// Sums of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceBooks {
    /// Live bytes as asked (as placed where they are older than the recording), pending ones included.
    pub live: u64,
    /// The same as placed.
    pub placed: u64,
    /// Those of `placed` that wait for the device.
    pub pending: u64,
    /// Live blocks.
    pub blocks: u64,
    /// What the pools have from their devices, as far as the recording tells.
    pub backed: u64,
    /// What is charged; `None` where neither the facts nor an event tells.
    pub charged: Option<u64>,
    labels: Vec<LabelBooks>,
    /// What the facts say was charged and no event has said yet.
    told: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LabelBooks {
    live: u64,
    blocks: u64,
    peak: u64,
}

impl PlaceBooks {
    /// Labels that have live bytes: how many, in how many blocks.
    pub fn labels(&self) -> impl Iterator<Item = (Label, u64, u64)> + '_ {
        let all = self.labels.iter().enumerate();
        all.filter(|(_, sum)| sum.live > 0 || sum.blocks > 0)
            .map(|(index, sum)| (Label::at(index), sum.live, sum.blocks))
    }

    /// What is live under a label.
    pub fn of_label(&self, label: Label) -> u64 {
        self.labels.get(label.index()).map_or(0, |sum| sum.live)
    }

    /// Labels and the most that each had at once, those with most first.
    pub fn label_peaks(&self) -> Vec<(Label, u64)> {
        let all = self.labels.iter().enumerate().filter(|(_, sum)| sum.peak > 0);
        let mut peaks: Vec<(Label, u64)> = all.map(|(index, sum)| (Label::at(index), sum.peak)).collect();
        peaks.sort_by_key(|&(label, peak)| (std::cmp::Reverse(peak), label));
        peaks
    }

    fn label(&mut self, label: Label) -> &mut LabelBooks {
        if self.labels.len() <= label.index() {
            self.labels.resize(label.index() + 1, LabelBooks::default());
        }
        &mut self.labels[label.index()]
    }

    fn put(&mut self, label: Label, bytes: u64, blocks: u64) {
        let sum = self.label(label);
        sum.live = sum.live.saturating_add(bytes);
        sum.blocks += blocks;
        sum.peak = sum.peak.max(sum.live);
    }

    fn take(&mut self, label: Label, bytes: u64, blocks: u64) {
        let sum = self.label(label);
        sum.live = sum.live.saturating_sub(bytes);
        sum.blocks = sum.blocks.saturating_sub(blocks);
    }
}

#[derive(Debug, Default)]
struct SourceBooks {
    place: usize,
    blocks: BTreeMap<u64, Block>,
    backed: Ranges,
    /// Older leases by label: what the baseline says first, then what drops take out of it.
    before: BTreeMap<Label, u64>,
    /// What of the baseline has not met its lease yet.
    unmet: Vec<(Label, u64)>,
}

/// Follows the events of a recording.
#[derive(Debug)]
pub struct Tracker<'n> {
    names: &'n Names,
    places: Vec<PlaceBooks>,
    sources: Vec<SourceBooks>,
    leases: u64,
    /// Only charges so far: they say again, account by account, what the facts say of the whole place.
    preface: bool,
    odd: Oddities,
    pieces: Vec<(u64, u64)>,
    lost: Vec<(u64, Block)>,
}

impl<'n> Tracker<'n> {
    /// Books before the first event.
    pub fn new(facts: &Facts, names: &'n Names, atlas: &Atlas) -> Self {
        let mut places = vec![PlaceBooks::default(); atlas.places().len()];
        for line in &facts.lines {
            if let Some(place) = atlas.number(line.place) {
                places[place].charged = Some(line.charged.get());
                places[place].told = line.charged.get();
            }
        }
        let of_source = |number: usize| u16::try_from(number).ok().and_then(|source| atlas.of_source(source));
        let mut sources: Vec<SourceBooks> = (0..names.sources.len())
            .map(|number| SourceBooks { place: of_source(number).unwrap_or_default(), ..Default::default() })
            .collect();
        for baseline in &facts.baseline {
            if let Some(source) = sources.get_mut(usize::from(baseline.source)) {
                source.unmet.push((Label::of(baseline.tag, names), baseline.placed.get()));
            }
        }
        let odd = Oddities { dropped: facts.dropped, ..Oddities::default() };
        Self { names, places, sources, leases: 0, preface: true, odd, pieces: Vec::new(), lost: Vec::new() }
    }

    /// The books of the place of this number.
    pub fn place(&self, number: usize) -> &PlaceBooks {
        &self.places[number]
    }

    /// What did not add up so far.
    pub const fn oddities(&self) -> Oddities {
        self.odd
    }

    /// Live blocks of a source with their addresses, in the order of these.
    pub fn blocks(&self, source: u16) -> impl Iterator<Item = (u64, &Block)> + '_ {
        let source = self.sources.get(usize::from(source));
        source.into_iter().flat_map(|source| source.blocks.iter().map(|(&address, block)| (address, block)))
    }

    /// The live block at an address of a source, with the address.
    pub fn block(&self, source: u16, address: u64) -> Option<(u64, &Block)> {
        let blocks = &self.sources.get(usize::from(source))?.blocks;
        blocks.get(&address).map(|block| (address, block))
    }

    /// What is backed of a source.
    pub fn backed(&self, source: u16) -> Option<&Ranges> {
        self.sources.get(usize::from(source)).map(|source| &source.backed)
    }

    /// After [`Step::Backed`] and [`Step::GivenBack`]: the ranges that really came or went.
    pub fn pieces(&self) -> &[(u64, u64)] {
        &self.pieces
    }

    /// After [`Step::GivenBack`]: blocks that were in it, with their addresses.
    pub fn lost(&self) -> &[(u64, Block)] {
        &self.lost
    }

    /// Takes a block's range as backed, because it is in use: for readers that need every block in a segment.
    /// [`pieces`](Self::pieces) has what was not.
    pub fn assume_backed(&mut self, source: u16, address: u64, bytes: u64) {
        self.pieces.clear();
        if let Some(books) = self.sources.get_mut(usize::from(source)) {
            books.backed.add(address, bytes, &mut self.pieces);
            let fresh: u64 = self.pieces.iter().map(|(start, end)| end - start).sum();
            let place = &mut self.places[books.place];
            place.backed = place.backed.saturating_add(fresh);
        }
    }

    /// Takes one event into the books.
    pub fn step(&mut self, event: &Event) -> Step {
        if usize::from(event.source) >= self.sources.len() {
            let speaks = !matches!(event.kind, Kind::Enter | Kind::Leave | Kind::Mark);
            self.odd.unknown_sources += u64::from(speaks);
            return Step::Other;
        }
        self.preface = self.preface && event.kind == Kind::Charge && event.at_ns == 0;
        match event.kind {
            Kind::Already | Kind::Lease => self.begin(event),
            Kind::Drop | Kind::Settle => self.end(event),
            Kind::Retire => self.retire(event),
            Kind::Back => {
                self.assume_backed(event.source, event.address, event.bytes);
                Step::Backed
            }
            Kind::GiveBack => self.give_back(event),
            Kind::Charge => self.charge(event.source, event.bytes, 0),
            Kind::Discharge => self.charge(event.source, 0, event.bytes),
            Kind::Demote | Kind::Promote => {
                self.charge(event.source, 0, event.bytes);
                match u16::try_from(event.address) {
                    Ok(to) if usize::from(to) < self.sources.len() => self.charge(to, event.bytes, 0),
                    _ => {
                        self.odd.unknown_sources += 1;
                        Step::Other
                    }
                }
            }
            Kind::Evict | Kind::Refuse | Kind::Pressure | Kind::Enter | Kind::Leave | Kind::Mark => {
                Step::Other
            }
        }
    }

    fn begin(&mut self, event: &Event) -> Step {
        let already = event.kind == Kind::Already;
        let named = self.names.source(event.source);
        let placed = match named {
            Some(source) if !already => source.placed(event.bytes),
            _ => event.bytes,
        };
        let block = Block {
            bytes: event.bytes,
            placed,
            at_ns: event.at_ns,
            number: self.leases,
            label: if already { Label::BEFORE } else { Label::of(event.label(), self.names) },
            tag: event.tag,
            scope: event.scope,
            site: event.site,
            thread: event.thread,
            stream: event.stream,
            turn: event.turn,
            already,
            pending: false,
        };
        self.leases += 1;
        let lost = self.sources[usize::from(event.source)].blocks.insert(event.address, block);
        if let Some(lost) = &lost {
            self.odd.replaced += 1;
            self.forget(event.source, lost, None);
        }
        let books = &mut self.places[self.sources[usize::from(event.source)].place];
        books.live = books.live.saturating_add(block.bytes);
        books.placed = books.placed.saturating_add(block.placed);
        books.blocks += 1;
        if already {
            self.meet(event.source, block.bytes);
        } else {
            books.put(block.label, block.bytes, 1);
        }
        Step::Began { block, lost }
    }

    /// Counts an older lease under the labels that the baseline has for its source, and the rest under none.
    fn meet(&mut self, source: u16, bytes: u64) {
        let source = &mut self.sources[usize::from(source)];
        let place = &mut self.places[source.place];
        let mut left = bytes;
        while left > 0 {
            let (label, part) = match source.unmet.last_mut() {
                None => (Label::BEFORE, left),
                Some((label, unmet)) => {
                    let part = left.min(*unmet);
                    *unmet -= part;
                    let label = *label;
                    if *unmet == 0 {
                        source.unmet.pop();
                    }
                    (label, part)
                }
            };
            left -= part;
            place.put(label, part, 0);
            let before = source.before.entry(label).or_default();
            *before = before.saturating_add(part);
        }
    }

    /// The block that this event ends, if it is known.
    fn found(&mut self, event: &Event) -> Result<Block, Step> {
        self.odd.unknown_ends += 1;
        let blocks = &mut self.sources[usize::from(event.source)].blocks;
        let Some(&block) = blocks.get(&event.address) else {
            return Err(Step::Unknown { lost: None });
        };
        if block.already || block.turn == event.turn {
            self.odd.unknown_ends -= 1;
            return Ok(block);
        }
        // A later turn has ended, so this one ended before, and both the end of this and the beginning of that are
        // lost. An earlier turn is old news.
        if event.turn.wrapping_sub(block.turn) < 128 {
            blocks.remove(&event.address);
            self.odd.replaced += 1;
            self.forget(event.source, &block, None);
            return Err(Step::Unknown { lost: Some(block) });
        }
        Err(Step::Unknown { lost: None })
    }

    fn end(&mut self, event: &Event) -> Step {
        let block = match self.found(event) {
            Ok(block) => block,
            Err(step) => return step,
        };
        self.sources[usize::from(event.source)].blocks.remove(&event.address);
        let named = self.named(&block, event);
        self.forget(event.source, &block, Some(named.label));
        Step::Ended(named)
    }

    fn retire(&mut self, event: &Event) -> Step {
        let block = match self.found(event) {
            Ok(block) => block,
            Err(step) => return step,
        };
        let source = &mut self.sources[usize::from(event.source)];
        let named = self.names;
        if let Some(live) = source.blocks.get_mut(&event.address) {
            if !live.pending {
                let place = &mut self.places[source.place];
                place.pending = place.pending.saturating_add(block.placed);
            }
            live.pending = true;
            if live.already && event.label() != 0 {
                (live.tag, live.scope) = (event.tag, event.scope);
                live.label = Label::of(event.label(), named);
            }
            return Step::Retired(*live);
        }
        Step::Other
    }

    /// An older lease is named by its end.
    fn named(&self, block: &Block, event: &Event) -> Block {
        let tell = block.already && event.label() != 0;
        if !tell {
            return *block;
        }
        Block { tag: event.tag, scope: event.scope, label: Label::of(event.label(), self.names), ..*block }
    }

    /// Takes a block that is no longer in the map out of the sums.
    fn forget(&mut self, source: u16, block: &Block, named: Option<Label>) {
        let source = &mut self.sources[usize::from(source)];
        let place = &mut self.places[source.place];
        place.live = place.live.saturating_sub(block.bytes);
        place.placed = place.placed.saturating_sub(block.placed);
        place.blocks = place.blocks.saturating_sub(1);
        if block.pending {
            place.pending = place.pending.saturating_sub(block.placed);
        }
        if !block.already {
            place.take(block.label, block.bytes, 1);
            return;
        }
        let mut left = block.bytes;
        let first = [named.unwrap_or(block.label), Label::BEFORE];
        let rest: Vec<Label> = if source.before.get(&first[0]).is_some_and(|&before| before >= left) {
            Vec::new()
        } else {
            source.before.keys().copied().collect()
        };
        for label in first.into_iter().chain(rest) {
            let Some(before) = source.before.get_mut(&label) else { continue };
            let part = left.min(*before);
            *before -= part;
            if *before == 0 {
                source.before.remove(&label);
            }
            place.take(label, part, 0);
            left -= part;
            if left == 0 {
                break;
            }
        }
    }

    fn give_back(&mut self, event: &Event) -> Step {
        self.pieces.clear();
        self.lost.clear();
        let number = usize::from(event.source);
        let source = &mut self.sources[number];
        source.backed.remove(event.address, event.bytes, &mut self.pieces);
        let gone: u64 = self.pieces.iter().map(|(start, end)| end - start).sum();
        let place = &mut self.places[source.place];
        place.backed = place.backed.saturating_sub(gone);
        let end = event.address.saturating_add(event.bytes);
        // Nobody gives back what is in use: the ends of blocks in there were lost.
        let within = source.blocks.range(event.address..end.max(event.address));
        self.lost.extend(within.map(|(&address, &block)| (address, block)));
        for at in 0..self.lost.len() {
            let (address, block) = self.lost[at];
            self.sources[number].blocks.remove(&address);
            self.forget(event.source, &block, None);
            self.odd.given_back_in_use += 1;
        }
        Step::GivenBack
    }

    fn charge(&mut self, source: u16, more: u64, less: u64) -> Step {
        let place = &mut self.places[self.sources[usize::from(source)].place];
        let told = if self.preface { more.min(place.told) } else { 0 };
        place.told -= told;
        let more = more - told;
        let charged = place.charged.unwrap_or(0).saturating_add(more);
        if charged < less {
            self.odd.discharged_unknown += 1;
        }
        place.charged = Some(charged.saturating_sub(less));
        Step::Other
    }
}
