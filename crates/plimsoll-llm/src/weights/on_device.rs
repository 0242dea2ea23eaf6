//! A model's weights on a device.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_device::Device;
use plimsoll_tensor::TensorError;
use plimsoll_tensor::flow::{DeviceMatrix, Flow, Piece, Room};
use plimsoll_tensor::packed::{PackedView, Packing};

use super::adapter::Thin;
use super::kept::Kept;
use super::load::{Layer, Weights};
use super::matrix::Matrix;
use crate::Decoder;
use crate::tune::Projection;

/// Numbers of a row on a device come eight at a time.
const LANE: usize = 8;

/// All weights of a model, in one room of a device.
pub(crate) struct OnDevice {
    device: Arc<dyn Device>,
    pub(crate) embedding: DeviceMatrix,
    pub(crate) layers: Vec<DeviceLayer>,
    pub(crate) norm: Piece,
    pub(crate) output: DeviceMatrix,
    bytes: u64,
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
    /// What it takes there.
    pub(crate) fn bytes_of(decoder: &Decoder) -> u64 {
        let weights = &decoder.weights;
        let matrix = |matrix: &Matrix| DeviceMatrix::bytes(matrix.kind, matrix.rows, matrix.columns);
        let vector = |numbers: &[f32]| Room::bytes_of([4 * numbers.len() as u64]);
        let layer = |(number, layer): (usize, &Layer)| -> u64 {
            let heads = &layer.heads;
            let heads =
                [&heads.query_bias, &heads.key_bias, &heads.value_bias, &heads.query_norm, &heads.key_norm];
            let vectors = heads.into_iter().chain([&layer.attention_norm, &layer.ffn_norm]);
            let changes = Projection::ALL.into_iter().filter_map(|one| decoder.change(number, one));
            layer.matrices().into_iter().map(matrix).sum::<u64>()
                + vectors.map(|numbers| vector(numbers)).sum::<u64>()
                + changes.map(DeviceThin::bytes).sum::<u64>()
        };
        let output = if is_tied(weights) { 0 } else { weights.output.iter().map(matrix).sum() };
        matrix(&weights.embedding)
            + output
            + vector(&weights.norm)
            + weights.layers.iter().enumerate().map(layer).sum::<u64>()
    }

    /// Brings all of them.
    pub(crate) fn bring(decoder: &Decoder, device: &Arc<dyn Device>) -> Result<Self, TensorError> {
        let bytes = Self::bytes_of(decoder);
        let mut room = Room::take(device, Bytes::new(bytes))?;
        let flow = Flow::open(device, room.cut(0)?)?;
        let file = decoder.file();
        let weights = &decoder.weights;
        let matrix = |room: &mut Room, matrix: &Matrix| DeviceMatrix::bring(&flow, room, &matrix.of(file));
        let vector = |room: &mut Room, numbers: &[f32]| -> Result<Piece, TensorError> {
            let piece = room.cut(4 * numbers.len() as u64)?;
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            flow.bring(&piece, 0, &bytes)?;
            Ok(piece)
        };
        let vector_if = |room: &mut Room, numbers: &[f32]| {
            if numbers.is_empty() { Ok(None) } else { vector(room, numbers).map(Some) }
        };
        let embedding = matrix(&mut room, &weights.embedding)?;
        let norm = vector(&mut room, &weights.norm)?;
        let output =
            if is_tied(weights) { embedding.clone() } else { matrix(&mut room, &weights.output[0])? };
        let mut layers = Vec::with_capacity(weights.layers.len());
        for (number, layer) in weights.layers.iter().enumerate() {
            let mut matrices = Vec::with_capacity(7);
            for one in layer.matrices() {
                matrices.push(matrix(&mut room, one)?);
            }
            let mut changes = Vec::with_capacity(7);
            for projection in Projection::ALL {
                let change = decoder.change(number, projection);
                changes.push(change.map(|thin| DeviceThin::bring(&flow, &mut room, thin)).transpose()?);
            }
            let (Ok(matrices), Ok(changes)) = (<[_; 7]>::try_from(matrices), <[_; 7]>::try_from(changes))
            else {
                unreachable!("seven matrices were brought")
            };
            let heads = &layer.heads;
            layers.push(DeviceLayer {
                attention_norm: vector(&mut room, &layer.attention_norm)?,
                ffn_norm: vector(&mut room, &layer.ffn_norm)?,
                bias: [
                    vector_if(&mut room, &heads.query_bias)?,
                    vector_if(&mut room, &heads.key_bias)?,
                    vector_if(&mut room, &heads.value_bias)?,
                ],
                norm: [vector_if(&mut room, &heads.query_norm)?, vector_if(&mut room, &heads.key_norm)?],
                matrices,
                changes,
            });
        }
        flow.finish()?;
        Ok(Self { device: Arc::clone(device), embedding, layers, norm, output, bytes })
    }

    pub(crate) const fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }
}

/// Whether the embedding is the output as well.
fn is_tied(weights: &Weights) -> bool {
    weights.output.first().is_some_and(|output| output.bytes == weights.embedding.bytes)
}

impl DeviceThin {
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
        f.debug_struct("OnDevice").field("place", &place).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
