//! Which device computes what, and what is copied between them.
//!
//! This follows ggml's scheduler: operations go where their weights are, unassigned neighbours follow, the graph is cut
//! wherever the device changes, and whatever a piece needs from elsewhere is copied to it at its start. The host is
//! always the last device.

use super::arena::Graph;
use super::reserve::{Layout, Order};
use super::tensor::{Home, Id, Op, SOURCES_MAX, Tensor};

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// How its buffers are laid out.
    pub(crate) layout: Layout,
    /// Rows from which on a product with a weight in host memory is computed here, the weight copied over. `None`: never.
    pub(crate) offload_rows: Option<u64>,
}

/// How the devices work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Devices {
    /// The accelerators, and the host as the last.
    pub(crate) devices: Vec<Device>,
    /// How many copies of each input are kept, so that runs can overlap.
    pub(crate) copies: u8,
}

impl Devices {
    pub(crate) fn host(&self) -> u8 {
        u8::try_from(self.devices.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    pub(crate) fn layouts(&self) -> Vec<Layout> {
        self.devices.iter().map(|device| device.layout).collect()
    }
}

struct Splitter<'a> {
    graph: &'a mut Graph,
    devices: &'a Devices,
    at: Vec<Option<u8>>,
    /// A tensor's copies on each device.
    copies: Vec<Vec<Option<Vec<Id>>>>,
}

/// Cuts a graph into pieces by device; copies are added to it as new tensors.
pub(crate) fn split(graph: &mut Graph, devices: &Devices) -> Order {
    let tensors = graph.tensors.len();
    let copies = vec![vec![None; devices.devices.len()]; tensors];
    let mut splitter = Splitter { graph, devices, at: vec![None; tensors], copies };
    splitter.assign_fixed();
    splitter.spread(true, false);
    splitter.spread(true, true);
    splitter.spread(false, false);
    splitter.spread(false, true);
    splitter.assign_rest();
    splitter.assign_sources();
    let pieces = splitter.cut();
    splitter.order(&pieces)
}

struct Piece {
    device: u8,
    start: usize,
    end: usize,
    inputs: Vec<Id>,
}

impl Splitter<'_> {
    fn home(&self, id: Id) -> Option<u8> {
        let tensor = self.graph.get(id);
        match tensor.root.map_or(tensor.home, |root| self.graph.get(root).home)? {
            Home::Weight(device) | Home::State(device) => Some(device),
        }
    }

    /// Whether a device can compute a tensor: none can where a source is fixed on another accelerator.
    fn supports(&self, device: u8, id: Id) -> bool {
        if device == self.devices.host() {
            return true;
        }
        self.graph
            .get(id)
            .sources()
            .all(|source| self.home(source).is_none_or(|home| home == device || home == self.devices.host()))
    }

    fn wants_weight(&self, device: u8, tensor: &Tensor) -> bool {
        let least = self.devices.devices.get(usize::from(device)).and_then(|device| device.offload_rows);
        let rows = match tensor.op {
            Op::GetRows => 0,
            Op::MatMul => tensor.sides[1],
            Op::MatMulId | Op::Rope => tensor.sides[2],
            _ => tensor.rows(),
        };
        least.is_some_and(|least| rows >= least)
    }

    /// Where a tensor is bound to: by its own memory, by being an input, by its weights.
    fn bound(&self, id: Id) -> Option<u8> {
        let (tensor, host) = (self.graph.get(id), self.devices.host());
        if let Some(home) = self.home(id) {
            return Some(home);
        }
        if tensor.input {
            return Some(host);
        }
        if matches!(tensor.op, Op::Rope | Op::FlashAttention) {
            return None;
        }
        let weight = tensor.sources().find_map(|source| match self.graph.get(source).home {
            Some(Home::Weight(device)) => Some(device),
            _ => None,
        })?;
        if weight == host {
            let wants = |device: &u8| self.supports(*device, id) && self.wants_weight(*device, tensor);
            return (0..host).find(wants).or(Some(host));
        }
        self.supports(weight, id).then_some(weight)
    }

    fn assign_fixed(&mut self) {
        let all: Vec<_> = self.graph.leaves.iter().chain(&self.graph.nodes).copied().collect();
        for id in all {
            self.at[id.index()] = self.graph.get(id).pinned.or_else(|| self.bound(id));
        }
    }

    /// Gives unassigned nodes the device of the one before them, or behind them; at first that of accelerators only.
    fn spread(&mut self, accelerators: bool, upwards: bool) {
        let host = self.devices.host();
        let mut current = None;
        let count = self.graph.nodes.len();
        for step in 0..count {
            let id = self.graph.nodes[if upwards { count - 1 - step } else { step }];
            if self.graph.get(id).op == Op::View {
                continue;
            }
            match (self.at[id.index()], current) {
                (Some(device), _) if accelerators && device == host => current = None,
                (Some(device), _) => current = Some(device),
                (None, Some(device)) if self.supports(device, id) => self.at[id.index()] = Some(device),
                (None, _) => {}
            }
        }
    }

    /// Whether a device reads a tensor where it is.
    fn reads(&self, device: u8, id: Id) -> bool {
        let tensor = self.graph.get(id);
        let at = self.home(id).or(self.at[id.index()]);
        at.or_else(|| tensor.root.and_then(|root| self.at[root.index()])) == Some(device)
    }

    /// Nodes that no neighbour's device could take go where most of their sources are.
    fn assign_rest(&mut self) {
        for index in 0..self.graph.nodes.len() {
            let id = self.graph.nodes[index];
            if self.at[id.index()].is_some() || self.graph.get(id).op == Op::View {
                continue;
            }
            let mut best: Option<(usize, u8)> = None;
            for device in 0..=self.devices.host() {
                if !self.supports(device, id) {
                    continue;
                }
                let near = self.graph.get(id).sources().filter(|source| self.reads(device, *source)).count();
                if best.is_none_or(|(most, _)| near > most) {
                    best = Some((near, device));
                }
            }
            self.at[id.index()] = best.map(|(_, device)| device);
        }
    }

    fn assign_sources(&mut self) {
        for index in 0..self.graph.nodes.len() {
            let id = self.graph.nodes[index];
            if let (None, Some(root)) = (self.at[id.index()], self.graph.get(id).root) {
                self.at[id.index()] = self.at[root.index()];
            }
            let sources: Vec<_> = self.graph.get(id).sources().collect();
            for source in sources {
                if self.at[source.index()].is_none() {
                    let root = self.graph.get(source).root;
                    self.at[source.index()] = root.map_or(self.at[id.index()], |root| self.at[root.index()]);
                }
            }
            if self.at[id.index()].is_none() {
                self.at[id.index()] = (0..=self.devices.host()).find(|device| self.supports(*device, id));
            }
        }
    }

    fn device(&self, id: Id) -> u8 {
        self.at[id.index()].unwrap_or(self.devices.host())
    }

    /// Whether a node's weight has to be copied over: a new piece lets the last one's copies go.
    fn brings_weight(&self, id: Id, device: u8) -> bool {
        self.graph.get(id).sources().any(|source| {
            matches!(self.graph.get(source).home, Some(Home::Weight(_)))
                && self.device(source) != device
                && !self.reads(device, source)
        })
    }

    fn cut(&mut self) -> Vec<Piece> {
        let count = self.graph.nodes.len();
        let first = self.graph.nodes.iter().position(|id| self.graph.get(*id).op != Op::View);
        let device = first.map_or(self.devices.host(), |first| self.device(self.graph.nodes[first]));
        let mut pieces = Vec::new();
        let mut piece = Piece { device, start: 0, end: count, inputs: Vec::new() };
        for index in first.unwrap_or(count)..count {
            let id = self.graph.nodes[index];
            if self.graph.get(id).op == Op::View {
                continue;
            }
            let device = self.device(id);
            let fresh = device == piece.device && !piece.inputs.is_empty() && self.brings_weight(id, device);
            if device != piece.device || fresh {
                piece.end = index;
                let next = Piece { device, start: index, end: count, inputs: Vec::new() };
                pieces.push(std::mem::replace(&mut piece, next));
            }
            self.fetch(id, &mut piece);
        }
        pieces.push(piece);
        pieces
    }

    /// Replaces a node's sources that are elsewhere by copies.
    fn fetch(&mut self, id: Id, piece: &mut Piece) {
        for slot in 0..SOURCES_MAX {
            let Some(source) = self.graph.get(id).sources[slot] else { continue };
            if self.device(source) == piece.device || self.reads(piece.device, source) {
                continue;
            }
            let device = usize::from(piece.device);
            if self.copies[source.index()][device].is_none() {
                let made = (0..self.devices.copies.max(1)).map(|_| self.copy(source, piece.device)).collect();
                self.copies[source.index()][device] = Some(made);
                piece.inputs.push(source);
            }
            let first = self.copies[source.index()][device].as_ref().and_then(|made| made.first().copied());
            self.graph.tensors[id.index()].sources[slot] = first.or(Some(source));
        }
    }

    /// A copy of a tensor, of the same layout, for a device.
    fn copy(&mut self, of: Id, device: u8) -> Id {
        let from = self.graph.get(of);
        let mut tensor = Tensor::fresh(from.kind, from.sides, Op::Leaf);
        tensor.strides = from.strides;
        tensor.input = self.devices.copies > 1;
        tensor.output = self.devices.copies > 1;
        self.add(tensor, device)
    }

    fn add(&mut self, tensor: Tensor, device: u8) -> Id {
        let id = self.graph.push(tensor);
        self.at.push(Some(device));
        self.copies.push(vec![None; self.devices.devices.len()]);
        id
    }

    fn order(&mut self, pieces: &[Piece]) -> Order {
        let mut order = Order::default();
        if self.devices.copies > 1 {
            self.keep_inputs(&mut order);
            for piece in pieces {
                for input in &piece.inputs {
                    let made =
                        self.copies[input.index()][usize::from(piece.device)].clone().unwrap_or_default();
                    order.leaves.extend(made.into_iter().map(|copy| (copy, piece.device)));
                }
            }
        }
        order.leaves.extend(self.graph.leaves.iter().map(|leaf| (*leaf, self.device(*leaf))));
        for piece in pieces {
            for input in &piece.inputs {
                self.hold(*input, piece.device, &mut order);
            }
            let nodes = &self.graph.nodes[piece.start..piece.end];
            order.nodes.extend(nodes.iter().map(|node| (*node, self.device(*node))));
        }
        order
    }

    /// At the start of a piece: what it copies must still be there, and the copy gets its room.
    fn hold(&mut self, input: Id, device: u8, order: &mut Order) {
        let from = self.graph.get(input);
        let mut tensor = Tensor::fresh(from.kind, from.sides, Op::Hold);
        tensor.root = Some(from.root.unwrap_or(input));
        tensor.sources[0] = Some(input);
        let at = self.device(input);
        let hold = self.add(tensor, at);
        order.nodes.push((hold, at));
        let copy =
            self.copies[input.index()][usize::from(device)].as_ref().and_then(|made| made.first().copied());
        order.nodes.extend(copy.map(|copy| (copy, device)));
    }

    /// With several copies of each input, the inputs themselves are never overwritten.
    fn keep_inputs(&mut self, order: &mut Order) {
        for index in 0..self.graph.leaves.len() {
            let leaf = self.graph.leaves[index];
            if !self.graph.get(leaf).input {
                continue;
            }
            let device = self.device(leaf);
            self.graph.output(leaf);
            order.leaves.push((leaf, device));
            for _ in 1..self.devices.copies {
                let copy = self.copy(leaf, device);
                order.leaves.push((copy, device));
            }
        }
    }
}
