//! What a step computes on a device: the same as [`host`](super::host), over pages that are leases there.
//!
//! With few tokens weights are read as they lie, with inputs rounded to eight bits as on the host; with more, the
//! device's library multiplies halves. So what a token gives is the same but for rounding whatever stands beside it.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::pool::Lease;
use plimsoll_device::{Device, DeviceError};
use plimsoll_kv::block::Token;
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_tensor::flow::{
    Ask, Crossing, DeviceMatrix, Drawing, Flow, Inputs, Lots, Made, Orders, PageForm, Paged, Piece, Room,
    Rows, StepBook, Strand, To, Told, Turning,
};
use plimsoll_tensor::{Dtype, TensorError};

use super::asked::Asked;
use super::stage::{Next, Share, angles};
use super::wish::{Found, Wish};
use crate::math::Rope;
use crate::weights::{DeviceLayer, DeviceThin, OnDevice, Pairs, Placed};
use crate::{Decoder, StepError};

/// Rows of logits at a time, and tokens of a step that says beforehand which it will be asked for.
const LOGITS: usize = 32;
/// Pages of all sequences of a step, at most.
const PAGES: usize = 1 << 18;

/// A decoder's weights on a device, and what steps need there for a moment.
#[derive(Debug)]
pub(super) struct DeviceStage {
    decoder: Arc<Decoder>,
    weights: Arc<OnDevice>,
    form: PageForm,
    flow: Flow,
    orders: Orders,
    buffers: Buffers,
    parts: Piece,
    book: StepBook,
    ropes: Vec<Rope>,
    /// What was fetched last.
    rows: Vec<f32>,
    /// Rows whose logits were made last, and what was drawn of them.
    made: Option<(Then, Vec<usize>)>,
}

/// What is made of rows behind the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Logits,
    Drawn(Drawing),
}

impl Then {
    /// Steps of which the same is made are alike.
    fn number(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Logits => 1,
            Self::Drawn(how) => 2 + how.number(),
        }
    }
}

/// A row for each token, each.
#[derive(Debug)]
struct Buffers {
    stream: Piece,
    inputs: Inputs,
    queries: Piece,
    keys: Piece,
    values: Piece,
    /// What attention gave.
    means: Piece,
    /// What is multiplied before it is added to what flows.
    spare: Piece,
    gate: Piece,
    up: Piece,
    /// What adapters' lower factors gave.
    low: Piece,
    logits: Piece,
    lots: Lots,
}

/// Sizes of buffers, and columns of the widest inputs.
struct Sizes {
    pieces: [u64; 11],
    columns: usize,
    vocabulary: usize,
    parts: u64,
    orders: u64,
    side_by_side: usize,
}

impl Sizes {
    fn of(decoder: &Decoder, form: &PageForm, side_by_side: usize) -> Self {
        let shape = decoder.shape();
        let rows = |width: usize| 4 * (side_by_side * width) as u64;
        let mixed = shape.heads * shape.value_width;
        let rank = decoder.adapter().map_or(0, |adapter| adapter.rank().next_multiple_of(8));
        let pieces = [
            rows(shape.width),
            rows(shape.heads * shape.key_width),
            rows(shape.kv_heads * shape.key_width),
            rows(shape.kv_heads * shape.value_width),
            rows(mixed),
            rows(shape.width),
            rows(shape.inner),
            rows(shape.inner),
            rows(rank),
            4 * (LOGITS * shape.vocabulary) as u64,
            Flow::DESK,
        ];
        let orders = Orders::bytes(side_by_side, shape.rope_width, PAGES);
        let columns = shape.width.max(shape.inner).max(mixed);
        let (parts, vocabulary) = (form.parts_bytes(), shape.vocabulary);
        Self { pieces, columns, vocabulary, parts, orders, side_by_side }
    }

    fn bytes(&self) -> u64 {
        let pieces = Room::bytes_of(self.pieces.into_iter().chain([self.parts, self.orders]));
        pieces + Inputs::bytes(self.side_by_side, self.columns) + Lots::bytes(self.vocabulary)
    }
}

/// What the steps of one sequence, or of one batch, take on a device with so many tokens side by side.
pub(super) fn working_bytes(decoder: &Decoder, layout: &Layout, side_by_side: usize) -> u64 {
    form_of(decoder, layout).map_or(0, |form| Sizes::of(decoder, &form, side_by_side).bytes())
}

/// Whether a device can compute models; an error says what it lacks.
pub fn computes_on(device: &Arc<dyn Device>) -> Result<(), DeviceError> {
    Flow::offered(device)
}

fn form_of(decoder: &Decoder, layout: &Layout) -> Option<PageForm> {
    let dtype = match layout.element {
        Element::F32 => Dtype::F32,
        Element::F16 => Dtype::F16,
        Element::Bf16 => Dtype::Bf16,
        Element::Opaque => return None,
    };
    let shape = decoder.shape();
    let place = |layer: usize| {
        let span = layout.span(layer..layer + 1);
        (span.start, span.start + layout.key_bytes(layer))
    };
    Some(PageForm {
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        key_width: shape.key_width,
        value_width: shape.value_width,
        page_tokens: layout.block_tokens as usize,
        page_bytes: layout.block_bytes() as u64,
        dtype,
        places: (0..layout.layers.len()).map(place).collect(),
    })
}

/// What failed on a device.
fn failed(error: &TensorError) -> StepError {
    StepError::Device { why: error.to_string() }
}

impl DeviceStage {
    pub(super) fn begin(
        decoder: &Arc<Decoder>,
        weights: &Arc<OnDevice>,
        layout: &Layout,
    ) -> Result<Self, StepError> {
        let form = form_of(decoder, layout)
            .filter(|_| decoder.layout(layout.block_tokens, layout.element) == *layout);
        let Some(form) = form else { return Err(StepError::Layout { found: layout.describe() }) };
        Self::open(decoder, weights, form).map_err(|error| failed(&error))
    }

    fn open(decoder: &Arc<Decoder>, weights: &Arc<OnDevice>, form: PageForm) -> Result<Self, TensorError> {
        form.check()?;
        let sizes = Sizes::of(decoder, &form, weights.split().side_by_side);
        let mut room = Room::take(weights.device(), Bytes::new(sizes.bytes()))?;
        let mut pieces = Vec::with_capacity(sizes.pieces.len());
        for bytes in sizes.pieces {
            pieces.push(room.cut(bytes)?);
        }
        let Ok(pieces) = <[Piece; 11]>::try_from(pieces) else { unreachable!("as many pieces as sizes") };
        let [stream, queries, keys, values, means, spare, gate, up, low, logits, desk] = pieces;
        let inputs = Inputs::cut(&mut room, sizes.side_by_side, sizes.columns)?;
        let lots = Lots::cut(&mut room, sizes.vocabulary)?;
        let parts = room.cut(sizes.parts)?;
        let orders = Orders::new(room.cut(sizes.orders)?);
        let flow = Flow::open(weights.device(), desk)?;
        let buffers =
            Buffers { stream, inputs, queries, keys, values, means, spare, gate, up, low, logits, lots };
        let (decoder, weights) = (Arc::clone(decoder), Arc::clone(weights));
        // Layers that come have fences among the launches, and the link is slower than putting these there.
        let book = if weights.ferry().is_some() { StepBook::anew() } else { StepBook::default() };
        let (ropes, rows, made) = (Vec::new(), Vec::new(), None);
        Ok(Self { decoder, weights, form, flow, orders, buffers, parts, book, ropes, rows, made })
    }

    /// Computes tokens side by side, up to the last layer; with few of them, also what will be asked for next. What fails is told with the
    /// share that it failed for.
    pub(super) fn part(
        &mut self,
        shares: &mut [Share<'_>],
        next: Next<'_>,
    ) -> Result<(), (usize, StepError)> {
        self.made = None;
        let mut turns = Vec::new();
        let angles = angles(&self.decoder);
        self.ropes.resize_with(shares.len(), Rope::default);
        for (share, rope) in shares.iter().zip(&mut self.ropes) {
            rope.set(&angles, share.begin, share.tokens.len());
            turns.extend(rope.turns().iter().flat_map(|(cosine, sine)| [*cosine, *sine]));
        }
        self.hold_pages(shares)?;
        let mut strands = Vec::with_capacity(shares.len());
        for (number, share) in shares.iter().enumerate() {
            let (begin, count) = (share.begin, share.tokens.len());
            let pages = (0..(begin + count).div_ceil(self.form.page_tokens)).map(|page| {
                // How long it is, and where, is looked at when its address is written down.
                share.table.lease(page).ok_or_else(|| (number, self.missing(page)))
            });
            let pages: Vec<&Lease> = pages.collect::<Result<_, _>>()?;
            strands.push(Strand { begin, count, pages });
        }
        let ids: Vec<Token> = shares.iter().flat_map(|share| share.tokens).copied().collect();
        let (then, ends, asks) = match next {
            Next::Logits(ends) if ids.len() <= LOGITS => (Then::Logits, ends, Vec::new()),
            Next::Drawn(ends, wishes) if ids.len() <= LOGITS => {
                let Asked { asks, how, .. } = Asked::of(wishes, self.decoder.shape().vocabulary);
                (Then::Drawn(how), ends, asks)
            }
            _ => (Then::Nothing, [].as_slice(), Vec::new()),
        };
        let rows: Vec<u32> = ends.iter().map(|row| u32::try_from(*row).unwrap_or(u32::MAX)).collect();
        let told = Told {
            ids: &ids,
            strands: &strands,
            angles: &turns,
            rows: &rows,
            asks: &asks,
            then: then.number(),
        };
        let Self { flow, orders, parts, book, form, buffers, weights, decoder, .. } = self;
        let step = Step { decoder, weights, flow, buffers, count: ids.len() };
        let crossing = weights.ferry().map(|ferry| ferry.begin(flow)).transpose();
        let mut crossing = crossing.map_err(|error| (0, failed(&error)))?;
        let done = flow.over_pages((orders, parts, book), form, &told, |paged| {
            step.run(paged, crossing.as_mut())?;
            let chosen = [paged.rows(), paged.asks()];
            if then == Then::Nothing { Ok(()) } else { step.head(chosen, ends.len(), then) }
        });
        done.map_err(|error| (0, failed(&error)))?;
        self.made = Some((then, ends.to_vec()));
        Ok(())
    }

    /// Sees to it that there are pages for the new tokens, and that what was restored has arrived.
    fn hold_pages(&self, shares: &mut [Share<'_>]) -> Result<(), (usize, StepError)> {
        let layers = self.form.places.len();
        for (number, share) in shares.iter_mut().enumerate() {
            let last = share.begin + share.tokens.len();
            for page in share.begin / self.form.page_tokens..last.div_ceil(self.form.page_tokens) {
                if !share.table.hold(page) {
                    return Err((number, self.missing(page)));
                }
            }
            if layers > 0 && !share.table.arrived(layers - 1) {
                return Err((number, StepError::Layer { layer: layers - 1 }));
            }
        }
        Ok(())
    }

    fn missing(&self, page: usize) -> StepError {
        StepError::Page { page, bytes: usize::try_from(self.form.page_bytes).unwrap_or(usize::MAX) }
    }

    /// What so many tokens that were computed last are behind the last layer, a row for each.
    pub(super) fn inner(&mut self, tokens: usize) -> Result<&[f32], StepError> {
        self.rows.resize(tokens * self.decoder.shape().width, 0.0);
        self.flow.fetch(&self.buffers.stream, &mut self.rows).map_err(|error| failed(&error))?;
        Ok(&self.rows)
    }

    /// The logits behind some of the tokens that were computed last, a row for each.
    pub(super) fn logits(&mut self, tokens: &[usize], into: &mut [f32]) -> Result<(), StepError> {
        let row = self.decoder.shape().vocabulary;
        for (some, into) in tokens.chunks(LOGITS).zip(into.chunks_mut(LOGITS * row)) {
            self.make(some, Then::Logits, &[])
                .and_then(|()| self.flow.fetch(&self.buffers.logits, into))
                .map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// What is found behind some of the tokens that were computed last, as it is wished of each.
    pub(super) fn draw(
        &mut self,
        tokens: &[usize],
        wishes: &[Wish],
        into: &mut [Found],
    ) -> Result<(), StepError> {
        let vocabulary = self.decoder.shape().vocabulary;
        let rows = tokens.chunks(LOGITS).zip(wishes.chunks(LOGITS));
        for ((some, wishes), into) in rows.zip(into.chunks_mut(LOGITS)) {
            let asked = Asked::of(wishes, vocabulary);
            let drawn = self
                .make(some, Then::Drawn(asked.how), &asked.asks)
                .and_then(|()| self.flow.fetch_drawn(&self.buffers.lots, some.len(), asked.how))
                .map_err(|error| failed(&error))?;
            into.iter_mut().zip(asked.found(drawn)).for_each(|(into, found)| *into = found);
        }
        Ok(())
    }

    /// The logits behind one of the tokens that were computed last, changed as they were wished.
    pub(super) fn row(&mut self, token: usize, wish: &Wish, into: &mut [f32]) -> Result<(), StepError> {
        let there = self.made.as_ref().filter(|(then, _)| matches!(then, Then::Drawn(_)));
        let there = there.and_then(|(_, rows)| rows.iter().position(|row| *row == token));
        let fetched = if let Some(row) = there {
            self.flow.fetch_from(&self.buffers.logits, row * into.len(), into)
        } else {
            // Others have taken its place, and it is made again.
            let asked = Asked::of(std::slice::from_ref(wish), into.len());
            let made = self.make(&[token], Then::Drawn(asked.how), &asked.asks);
            made.and_then(|()| self.flow.fetch(&self.buffers.logits, into))
        };
        fetched.map_err(|error| failed(&error))
    }

    /// Makes logits behind some tokens, and draws of them as it is asked, unless that was done last.
    fn make(&mut self, tokens: &[usize], then: Then, asks: &[Ask<'_>]) -> Result<(), TensorError> {
        if self.made.as_ref().is_some_and(|(made, rows)| *made == then && rows == tokens) {
            return Ok(());
        }
        // Room for logits has others from now on.
        self.made = None;
        let chosen: Vec<u32> = tokens.iter().map(|token| u32::try_from(*token).unwrap_or(u32::MAX)).collect();
        let Self { flow, orders, buffers, weights, decoder, .. } = self;
        let chosen = orders.choose(flow, &chosen, asks)?;
        Step { decoder, weights, flow, buffers, count: 0 }.head(chosen, tokens.len(), then)?;
        self.made = Some((then, tokens.to_vec()));
        Ok(())
    }
}

/// One step's way through all layers.
struct Step<'s> {
    decoder: &'s Decoder,
    weights: &'s OnDevice,
    flow: &'s Flow,
    buffers: &'s Buffers,
    count: usize,
}

impl Step<'_> {
    fn run(&self, paged: &Paged<'_>, mut coming: Option<&mut Crossing<'_>>) -> Result<(), TensorError> {
        self.flow.take(&self.weights.embedding, paged.ids(), self.count, &self.buffers.stream)?;
        for (number, layer) in self.weights.layers.iter().enumerate() {
            match (layer, coming.as_mut()) {
                (Placed::Stays(layer), _) => self.layer(paged, number, layer)?,
                (Placed::Comes(in_slots), Some(coming)) => {
                    self.layer(paged, number, &in_slots[coming.arrive()?])?;
                    coming.leave()?;
                }
                (Placed::Comes(_), None) => unreachable!("layers that come are brought by something"),
            }
        }
        Ok(())
    }

    fn layer(&self, paged: &Paged<'_>, number: usize, layer: &DeviceLayer) -> Result<(), TensorError> {
        self.attention(paged, number, layer)?;
        self.feed(layer)
    }

    /// Logits of rows whose numbers stand somewhere, and what is drawn of them as it is asked beside these.
    fn head(&self, [chosen, asks]: [(&Piece, u64); 2], count: usize, then: Then) -> Result<(), TensorError> {
        let (weights, to) = (self.weights, self.buffers);
        let epsilon = self.decoder.shape().epsilon;
        let rows =
            Rows::Normalized { rows: &to.stream, weights: &weights.norm, epsilon, chosen: Some(chosen) };
        let made = self.flow.ready(rows, count, &[&weights.output], &to.inputs)?;
        let logits = To { matrix: &weights.output, out: &to.logits, add: false };
        self.flow.multiply(&made, &[logits], &to.spare)?;
        let Then::Drawn(how) = then else { return Ok(()) };
        self.flow.draw(&to.logits, (count, weights.output.rows()), how, asks, &to.lots)
    }

    fn attention(&self, paged: &Paged<'_>, number: usize, layer: &DeviceLayer) -> Result<(), TensorError> {
        let (shape, to) = (self.decoder.shape(), self.buffers);
        let [query, key, value, output, ..] = &layer.matrices;
        let [for_query, for_key, for_value, for_output, ..] = &layer.changes;
        let normal = self.normal(&layer.attention_norm);
        let made = self.ready(normal, &[(query, for_query), (key, for_key), (value, for_value)])?;
        let list =
            [(query, for_query, &to.queries), (key, for_key, &to.keys), (value, for_value, &to.values)];
        self.multiply(&made, &list, false)?;
        let turning = Turning {
            bias: layer.bias.each_ref().map(Option::as_ref),
            norm: layer.norm.each_ref().map(Option::as_ref),
            width: shape.rope_width,
            halves: shape.rope_pairs == Pairs::Halves,
            epsilon: shape.epsilon,
        };
        paged.turn(number, &turning, made.divided(), [&to.queries, &to.keys, &to.values])?;
        paged.attend(number, &to.queries, &to.means)?;
        let made = self.ready(Rows::Plain(&to.means), &[(output, for_output)])?;
        self.multiply(&made, &[(output, for_output, &to.stream)], true)
    }

    fn feed(&self, layer: &DeviceLayer) -> Result<(), TensorError> {
        let to = self.buffers;
        let [.., gate, up, down] = &layer.matrices;
        let [.., for_gate, for_up, for_down] = &layer.changes;
        let made = self.ready(self.normal(&layer.ffn_norm), &[(gate, for_gate), (up, for_up)])?;
        self.multiply(&made, &[(gate, for_gate, &to.gate), (up, for_up, &to.up)], false)?;
        let divided = made.divided().is_some();
        let made = self.ready(Rows::Gated { gate: &to.gate, up: &to.up, divided }, &[(down, for_down)])?;
        self.multiply(&made, &[(down, for_down, &to.stream)], true)
    }

    fn normal<'r>(&'r self, weights: &'r Piece) -> Rows<'r> {
        let epsilon = self.decoder.shape().epsilon;
        Rows::Normalized { rows: &self.buffers.stream, weights, epsilon, chosen: None }
    }

    /// Inputs in every form that these matrices and what is changed of them want.
    fn ready(
        &self,
        rows: Rows<'_>,
        list: &[(&DeviceMatrix, &Option<DeviceThin>)],
    ) -> Result<Made<'_>, TensorError> {
        let changes = list.iter().filter_map(|(_, change)| Some(&change.as_ref()?.down));
        let all: Vec<&DeviceMatrix> = list.iter().map(|(matrix, _)| *matrix).chain(changes).collect();
        self.flow.ready(rows, self.count, &all, &self.buffers.inputs)
    }

    fn multiply(
        &self,
        made: &Made<'_>,
        list: &[(&DeviceMatrix, &Option<DeviceThin>, &Piece)],
        add: bool,
    ) -> Result<(), TensorError> {
        let (low, spare) = (&self.buffers.low, &self.buffers.spare);
        let whole: Vec<To<'_>> = list.iter().map(|(matrix, _, out)| To { matrix, out, add }).collect();
        self.flow.multiply(made, &whole, spare)?;
        for (_, change, out) in list {
            let Some(change) = change else { continue };
            self.flow.multiply(made, &[To { matrix: &change.down, out: low, add: false }], spare)?;
            // What is divided stays so where it is not added to what flows: it is multiplied with the rest.
            let rank = change.down.rows();
            let lower = if add {
                Made::singles(low, self.count, rank, made)
            } else {
                Made::plain(low, self.count, rank)
            };
            self.flow.multiply(&lower, &[To { matrix: &change.up, out, add: true }], spare)?;
        }
        Ok(())
    }
}
