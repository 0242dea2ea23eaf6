//! A model's weights on a device.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_device::Device;
use plimsoll_tensor::TensorError;
use plimsoll_tensor::flow::{DeviceMatrix, Ferry, Flow, Piece, Room};
use plimsoll_tensor::packed::{PackedView, Packing};

use super::adapter::Thin;
use super::kept::Kept;
use super::load::Weights;
use super::matrix::Matrix;
use super::split::{self, DeviceSplit, SLOTS};
use crate::Decoder;
use crate::tune::Projection;

/// Numbers of a row on a device come eight at a time.
const LANE: usize = 8;

/// A model's weights, in one room of a device: all of them, or what stays there and slots to which the other layers come.
pub(crate) struct OnDevice {
    device: Arc<dyn Device>,
    pub(crate) embedding: DeviceMatrix,
    pub(crate) layers: Vec<Placed>,
    pub(crate) norm: Piece,
    pub(crate) output: DeviceMatrix,
    ferry: Option<Ferry>,
    split: DeviceSplit,
}

/// Where a layer is while it is computed with.
pub(crate) enum Placed {
    /// Always at one place.
    Stays(Box<DeviceLayer>),
    /// In one of the slots: what it is in each of them.
    Comes(Vec<DeviceLayer>),
}

/// One layer's.
pub(crate) struct DeviceLayer {
    pub(crate) attention_norm: Piece,
    pub(crate) ffn_norm: Piece,
    pub(crate) bias: [Option<Piece>; 3],
    pub(crate) norm: [Option<Piece>; 2],
    /// In the order of [`Projection::ALL`].
    pub(crate) matrices: [DeviceMatrix; 7],
    pub(crate) changes: [Option<DeviceThin>; 7],
}

/// What an adapter changes of a matrix: two factors, filled up with zeros to a rank that is a multiple of eight.
pub(crate) struct DeviceThin {
    pub(crate) down: DeviceMatrix,
    pub(crate) up: DeviceMatrix,
}

impl OnDevice {
    /// What always stays there, and what each layer takes.
    pub(crate) fn parts_of(decoder: &Decoder) -> (u64, Vec<u64>) {
        let weights = &decoder.weights;
        let output = if is_tied(weights) { 0 } else { weights.output.iter().map(matrix_bytes).sum() };
        let fixed = matrix_bytes(&weights.embedding) + output + vector_bytes(&weights.norm);
        (fixed, (0..weights.layers.len()).map(|number| DeviceLayer::bytes(decoder, number)).collect())
    }

    /// What it takes there with all of it there.
    pub(crate) fn bytes_of(decoder: &Decoder) -> u64 {
        let (fixed, layers) = Self::parts_of(decoder);
        fixed + layers.iter().sum::<u64>()
    }

    /// Brings all of them: to the device what stays there, through it to page-locked memory what comes, so that it has the device's form
    /// there.
    pub(crate) fn bring(
        decoder: &Decoder,
        device: &Arc<dyn Device>,
        pinned: Option<&Arc<dyn Device>>,
        split: DeviceSplit,
    ) -> Result<Self, TensorError> {
        let (fixed, sizes) = Self::parts_of(decoder);
        let numbered = || sizes.iter().copied().enumerate();
        let staying: u64 = numbered().filter(|(layer, _)| !split.comes(*layer)).map(|(_, bytes)| bytes).sum();
        let coming = numbered().filter(|(layer, _)| split.comes(*layer)).map(|(_, bytes)| bytes);
        let slot = coming.max().unwrap_or(0);
        let mut room = Room::take(device, Bytes::new(fixed + staying + SLOTS as u64 * slot))?;
        let flow = Flow::open(device, room.cut(0)?)?;
        let weights = &decoder.weights;
        let embedding = matrix(decoder, &flow, &mut room, &weights.embedding)?;
        let norm = vector(&flow, &mut room, &weights.norm)?;
        let output = if is_tied(weights) {
            embedding.clone()
        } else {
            matrix(decoder, &flow, &mut room, &weights.output[0])?
        };
        let slots: Vec<Piece> = (0..SLOTS).map(|_| room.cut(slot)).collect::<Result<_, _>>()?;
        let (mut layers, mut away) = (Vec::with_capacity(sizes.len()), Vec::new());
        for (number, bytes) in numbered() {
            let Some(pinned) = pinned.filter(|_| split.comes(number)) else {
                layers.push(Placed::Stays(Box::new(DeviceLayer::bring(decoder, &flow, &mut room, number)?)));
                continue;
            };
            let layer = DeviceLayer::bring(decoder, &flow, &mut Room::within(&slots[0]), number)?;
            let piece = Room::take(pinned, Bytes::new(split::pinned(bytes)))?.cut(bytes)?;
            flow.put_away(&slots[0], &piece)?;
            let in_slots = slots.iter().map(|slot| layer.moved(&slots[0], slot));
            layers.push(Placed::Comes(in_slots.collect::<Result<_, _>>()?));
            away.push(piece);
        }
        flow.finish()?;
        let ferry = if away.is_empty() { None } else { Some(Ferry::open(device, away, slots)?) };
        Ok(Self { device: Arc::clone(device), embedding, layers, norm, output, ferry, split })
    }

    pub(crate) const fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// How it is divided.
    pub(crate) const fn split(&self) -> &DeviceSplit {
        &self.split
    }

    /// What brings the layers that come, if any do.
    pub(crate) const fn ferry(&self) -> Option<&Ferry> {
        self.ferry.as_ref()
    }
}

impl DeviceLayer {
    fn bytes(decoder: &Decoder, number: usize) -> u64 {
        let layer = &decoder.weights.layers[number];
        let heads = &layer.heads;
        let heads =
            [&heads.query_bias, &heads.key_bias, &heads.value_bias, &heads.query_norm, &heads.key_norm];
        let vectors = heads.into_iter().chain([&layer.attention_norm, &layer.ffn_norm]);
        let changes = Projection::ALL.into_iter().filter_map(|one| decoder.change(number, one));
        layer.matrices().into_iter().map(matrix_bytes).sum::<u64>()
            + vectors.map(|numbers| vector_bytes(numbers)).sum::<u64>()
            + changes.map(DeviceThin::bytes).sum::<u64>()
    }

    fn bring(decoder: &Decoder, flow: &Flow, room: &mut Room, number: usize) -> Result<Self, TensorError> {
        let layer = &decoder.weights.layers[number];
        let mut matrices = Vec::with_capacity(7);
        for one in layer.matrices() {
            matrices.push(matrix(decoder, flow, room, one)?);
        }
        let mut changes = Vec::with_capacity(7);
        for projection in Projection::ALL {
            let change = decoder.change(number, projection);
            changes.push(change.map(|thin| DeviceThin::bring(flow, room, thin)).transpose()?);
        }
        let (Ok(matrices), Ok(changes)) = (<[_; 7]>::try_from(matrices), <[_; 7]>::try_from(changes)) else {
            unreachable!("seven matrices were brought")
        };
        let mut vector_if = |numbers: &[f32]| {
            if numbers.is_empty() { Ok(None) } else { vector(flow, room, numbers).map(Some) }
        };
        let heads = &layer.heads;
        let bias =
            [vector_if(&heads.query_bias)?, vector_if(&heads.key_bias)?, vector_if(&heads.value_bias)?];
        let norm = [vector_if(&heads.query_norm)?, vector_if(&heads.key_norm)?];
        let attention_norm = vector(flow, room, &layer.attention_norm)?;
        let ffn_norm = vector(flow, room, &layer.ffn_norm)?;
        Ok(Self { attention_norm, ffn_norm, bias, norm, matrices, changes })
    }

    /// The same where another slot has what lies in one now.
    fn moved(&self, from: &Piece, to: &Piece) -> Result<Self, TensorError> {
        let piece = |piece: &Piece| piece.moved(from, to);
        let maybe = |piece: &Option<Piece>| piece.as_ref().map(|piece| piece.moved(from, to)).transpose();
        let [query, key, value] = &self.bias;
        let [of_query, of_key] = &self.norm;
        let mut matrices = self.matrices.clone();
        for matrix in &mut matrices {
            *matrix = matrix.moved(from, to)?;
        }
        let mut changes = [const { None }; 7];
        for (change, of) in changes.iter_mut().zip(&self.changes) {
            *change = of.as_ref().map(|thin| thin.moved(from, to)).transpose()?;
        }
        Ok(Self {
            attention_norm: piece(&self.attention_norm)?,
            ffn_norm: piece(&self.ffn_norm)?,
            bias: [maybe(query)?, maybe(key)?, maybe(value)?],
            norm: [maybe(of_query)?, maybe(of_key)?],
            matrices,
            changes,
        })
    }
}

fn matrix_bytes(matrix: &Matrix) -> u64 {
    DeviceMatrix::bytes(matrix.kind, matrix.rows, matrix.columns)
}

fn vector_bytes(numbers: &[f32]) -> u64 {
    Room::bytes_of([4 * numbers.len() as u64])
}

fn matrix(
    decoder: &Decoder,
    flow: &Flow,
    room: &mut Room,
    matrix: &Matrix,
) -> Result<DeviceMatrix, TensorError> {
    DeviceMatrix::bring(flow, room, &matrix.of(decoder.file()))
}

fn vector(flow: &Flow, room: &mut Room, numbers: &[f32]) -> Result<Piece, TensorError> {
    let piece = room.cut(4 * numbers.len() as u64)?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    flow.bring(&piece, 0, &bytes)?;
    Ok(piece)
}

/// Whether the embedding is the output as well.
fn is_tied(weights: &Weights) -> bool {
    weights.output.first().is_some_and(|output| output.bytes == weights.embedding.bytes)
}

impl DeviceThin {
    fn moved(&self, from: &Piece, to: &Piece) -> Result<Self, TensorError> {
        Ok(Self { down: self.down.moved(from, to)?, up: self.up.moved(from, to)? })
    }

    fn bytes(thin: &Thin) -> u64 {
        let rank = thin.rank.next_multiple_of(LANE);
        let (down, up) = (thin.down(), thin.up());
        DeviceMatrix::bytes(Packing::F32, rank, down.columns())
            + DeviceMatrix::bytes(Packing::F32, up.rows(), rank)
    }

    fn bring(flow: &Flow, room: &mut Room, thin: &Thin) -> Result<Self, TensorError> {
        let rank = thin.rank.next_multiple_of(LANE);
        let (down, up) = (thin.down(), thin.up());
        let mut lower = down.bytes().to_vec();
        lower.resize(4 * rank * down.columns(), 0);
        let mut upper = Vec::with_capacity(4 * rank * up.rows());
        for row in up.bytes().chunks_exact(4 * thin.rank) {
            upper.extend_from_slice(row);
            upper.resize(upper.len() + 4 * (rank - thin.rank), 0);
        }
        let mut bring =
            |rows, columns, bytes: &[u8]| match PackedView::new(Packing::F32, rows, columns, bytes) {
                Ok(view) => DeviceMatrix::bring(flow, room, &view),
                Err(error) => unreachable!("factors that were filled up: {error}"),
            };
        Ok(Self { down: bring(rank, down.columns(), &lower)?, up: bring(up.rows(), rank, &upper)? })
    }
}

impl Kept {
    /// Those on a device, if they are there.
    pub(crate) const fn on_device(&self) -> Option<&Arc<OnDevice>> {
        match self {
            Self::There(there, _) => Some(there),
            Self::Whole(_) | Self::Demand(_) => None,
        }
    }
}

impl std::fmt::Debug for OnDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.device.facts().place;
        f.debug_struct("OnDevice").field("place", &place).field("split", &self.split).finish_non_exhaustive()
    }
}
