//! Operations: what each keeps for the backward pass, under autocast to bf16, and what its gradients take.

use std::rc::Rc;

use super::graph::Given;
use super::program::view;
use super::{Dtype, Param, Tensor, Torch};

/// The shape of an attention.
#[expect(clippy::struct_field_names, reason = "a head of queries is no head of keys")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Sequences.
    pub batch: u64,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Queries.
    pub queries: u64,
    /// Keys.
    pub keys: u64,
    /// Numbers of a head.
    pub width: u64,
}

/// The shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Numbers that come out.
    pub output: u64,
    /// What the library's kernel takes besides, forwards and backwards: the weights, the input and the output with
    /// their channels last. Nothing where the kernel covers one number.
    pub workspace: [u64; 3],
}

impl Torch {
    /// Another type; the tensor itself where it has that type already.
    pub fn cast(&self, x: &Tensor, dtype: Dtype) -> Tensor {
        if x.dtype == dtype {
            return x.clone();
        }
        let node = self.node(&[(x, Given::Fresh(x.count, x.dtype))], &[], &[], 1);
        self.output(node.as_ref(), x.count, dtype)
    }

    /// A parameter as autocast hands it to a matrix product. What it casts from f32 it keeps until it ends, if the
    /// parameter is trained.
    pub fn narrowed(&self, param: &Param) -> Tensor {
        let Some(leaf) = param.leaf.as_ref().filter(|_| param.tensor.dtype == Dtype::Fp32) else {
            return self.cast(&param.tensor, Dtype::Bf16);
        };
        let key = Rc::as_ptr(leaf);
        if let Some(cast) = self.casts.borrow().get(&key) {
            return cast.clone();
        }
        let cast = self.cast(&param.tensor, Dtype::Bf16);
        self.casts.borrow_mut().insert(key, cast.clone());
        cast
    }

    /// x · Wᵀ + b, in bf16.
    pub fn matmul(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, output: u64) -> Tensor {
        let x = &self.cast(x, Dtype::Bf16);
        let mut inputs = vec![(x, fresh(x)), (weight, fresh(weight))];
        inputs.extend(bias.map(|bias| (bias, fresh(bias))));
        let node = self.node(&inputs, &kept_by_product(x, weight), &[], 1);
        self.output(node.as_ref(), output, Dtype::Bf16)
    }

    /// A product with weights that are widened for it alone, and again for its gradient.
    pub fn quantized_matmul(&self, x: &Tensor, weights: u64, output: u64) -> Tensor {
        let x = &self.cast(x, Dtype::Bf16);
        let node = self.node(&[(x, fresh(x))], &[], &[Dtype::Bf16.bytes(weights)], 1);
        let wide = self.fresh(weights, Dtype::Bf16);
        let output = self.output(node.as_ref(), output, Dtype::Bf16);
        drop(wide);
        output
    }

    /// x · y of two activations, one product for each head.
    pub fn batched_matmul(&self, x: &Tensor, y: &Tensor, output: u64) -> Tensor {
        self.matmul(x, &self.cast(y, Dtype::Bf16), None, output)
    }

    /// A sum; the smaller is repeated.
    pub fn add(&self, x: &Tensor, y: &Tensor) -> Tensor {
        let (count, dtype) = (x.count.max(y.count), x.dtype.promoted(y.dtype));
        let whole = |tensor: &Tensor| (tensor.count, tensor.dtype) == (count, dtype);
        let given = |tensor: &Tensor| if whole(tensor) { Given::Same(0) } else { fresh(tensor) };
        let node = self.node(&[(x, given(x)), (y, given(y))], &[], &[], 1);
        self.output(node.as_ref(), count, dtype)
    }

    /// A product, number by number; the smaller is repeated.
    pub fn mul(&self, x: &Tensor, y: &Tensor) -> Tensor {
        let (count, dtype) = (x.count.max(y.count), x.dtype.promoted(y.dtype));
        let narrower =
            |tensor: &Tensor| tensor.wants_gradient() && (tensor.count < count || tensor.dtype != dtype);
        let scratch: Vec<u64> =
            if narrower(x) || narrower(y) { vec![dtype.bytes(count)] } else { Vec::new() };
        let node = self.node(&[(x, fresh(x)), (y, fresh(y))], &kept_by_product(x, y), &scratch, 1);
        self.output(node.as_ref(), count, dtype)
    }

    /// Times a number, plus a number, negated: what keeps nothing.
    pub fn scale(&self, x: &Tensor) -> Tensor {
        let node = self.node(&[(x, fresh(x))], &[], &[], 1);
        self.output(node.as_ref(), x.count, x.dtype)
    }

    /// Plus a number.
    pub fn shift(&self, x: &Tensor) -> Tensor {
        let node = self.node(&[(x, Given::Same(0))], &[], &[], 1);
        self.output(node.as_ref(), x.count, x.dtype)
    }

    /// A function that keeps its input: `SiLU`, `GELU`.
    pub fn activation(&self, x: &Tensor) -> Tensor {
        let node = self.node(&[(x, fresh(x))], &[x], &[], 1);
        self.output(node.as_ref(), x.count, x.dtype)
    }

    /// A function that keeps its output: tanh, softmax.
    pub fn keeping_output(&self, x: &Tensor, scratch: &[u64]) -> Tensor {
        let node = self.node(&[(x, fresh(x))], &[], scratch, 1);
        let output = self.output(node.as_ref(), x.count, x.dtype);
        self.save_output(node.as_ref(), &output);
        output
    }

    /// A copy, or a piece that is copied.
    pub fn copy(&self, x: &Tensor) -> Tensor {
        let node = self.node(&[(x, Given::Same(0))], &[], &[], 1);
        self.output(node.as_ref(), x.count, x.dtype)
    }

    /// A piece of a tensor: a view, whose gradient is written into a whole of zeros.
    pub fn piece(&self, x: &Tensor, count: u64) -> Tensor {
        let node = self.node(&[(x, fresh(x))], &[], &[], 1);
        view(x, node.as_ref(), 0, count)
    }

    /// So many equal pieces, as views; their gradients are joined to one.
    pub fn chunk(&self, x: &Tensor, pieces: usize) -> Vec<Tensor> {
        let node = self.node(&[(x, fresh(x))], &[], &[], pieces);
        let count = x.count / u64::try_from(pieces.max(1)).unwrap_or(1);
        (0..pieces).map(|slot| view(x, node.as_ref(), slot, count)).collect()
    }

    /// Pieces of these sizes, as views; their gradients are joined to one.
    pub fn split(&self, x: &Tensor, counts: &[u64]) -> Vec<Tensor> {
        let node = self.node(&[(x, fresh(x))], &[], &[], counts.len());
        counts.iter().enumerate().map(|(slot, count)| view(x, node.as_ref(), slot, *count)).collect()
    }

    /// Several joined to one; a gradient's pieces are views.
    pub fn join(&self, parts: &[&Tensor]) -> Tensor {
        let dtype = parts.iter().map(|part| part.dtype).max().unwrap_or(Dtype::Bf16);
        let count = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.count));
        let inputs: Vec<_> = parts.iter().map(|part| (*part, Given::Piece(part.count))).collect();
        let node = self.node(&inputs, &[], &[], 1);
        self.output(node.as_ref(), count, dtype)
    }

    /// The two halves of each head swapped, the one negated.
    pub fn half_turned(&self, x: &Tensor) -> Tensor {
        let bytes = x.bytes();
        let node = self.node(&[(x, fresh(x))], &[], &[bytes / 2, bytes, bytes], 1);
        let negated = self.fresh(x.count / 2, x.dtype);
        let output = self.output(node.as_ref(), x.count, x.dtype);
        drop(negated);
        output
    }

    /// Each token's row of a table.
    pub fn embedding(&self, table: &Param, ids: &Tensor, output: u64) -> Tensor {
        let table = table.tensor();
        let node = self.node(&[(table, fresh(table))], &[ids], &[], 1);
        self.output(node.as_ref(), output, table.dtype)
    }

    /// The root of the mean square, as models write it out: in f32, then back, then times the weight. `offset` where
    /// the product is with 1 + weight, and in f32 (Gemma).
    pub fn rms_norm(&self, x: &Tensor, width: u64, weight: Option<&Param>, offset: bool) -> Tensor {
        let wide = self.cast(x, Dtype::Fp32);
        let root = self.root(&wide, width);
        let normed = self.mul(&wide, &root);
        drop(wide);
        let Some(weight) = weight else { return self.cast(&normed, x.dtype) };
        if offset {
            let weight = self.shift(&self.cast(weight.tensor(), Dtype::Fp32));
            return self.cast(&self.mul(&normed, &weight), x.dtype);
        }
        self.mul(&self.cast(&normed, x.dtype), weight.tensor())
    }

    /// The same, as the diffusers library writes it: only the root is taken in f32, and the product is with the input.
    pub fn outer_rms_norm(&self, x: &Tensor, width: u64, weight: &Param) -> Tensor {
        let root = self.root(&self.cast(x, Dtype::Fp32), width);
        let mut normed = self.mul(x, &root);
        normed = self.cast(&normed, weight.tensor().dtype);
        self.mul(&normed, weight.tensor())
    }

    /// 1 / √(mean of squares + ε) of each row.
    fn root(&self, wide: &Tensor, width: u64) -> Tensor {
        let rows = wide.count / width.max(1);
        let bytes = wide.bytes();
        let node = self.node(&[(wide, fresh(wide))], &[wide], &[bytes, bytes], 1);
        let squares = self.output(node.as_ref(), wide.count, Dtype::Fp32);
        let node = self.node(&[(&squares, fresh(&squares))], &[], &[], 1);
        let mean = self.output(node.as_ref(), rows, Dtype::Fp32);
        drop(squares);
        self.keeping_output(&self.shift(&mean), &[])
    }

    /// The same as one kernel: keeps its input, the root and the weight.
    pub fn fused_rms_norm(&self, x: &Tensor, width: u64, weight: &Param) -> Tensor {
        let weight = weight.tensor();
        let root = self.fresh(x.count / width.max(1), Dtype::Fp32);
        let node = self.node(&[(x, fresh(x)), (weight, fresh(weight))], &[x, weight, &root], &[], 1);
        self.output(node.as_ref(), x.count, x.dtype)
    }

    /// Layer or group norm, which autocast has in f32: rows are what has a mean of its own.
    pub fn norm(&self, x: &Tensor, rows: u64, weights: Option<(&Param, &Param)>) -> Tensor {
        let wide = &self.cast(x, Dtype::Fp32);
        let affine = weights.map(|(weight, bias)| {
            (self.cast(weight.tensor(), Dtype::Fp32), self.cast(bias.tensor(), Dtype::Fp32))
        });
        let (mean, deviation) = (self.fresh(rows, Dtype::Fp32), self.fresh(rows, Dtype::Fp32));
        let mut inputs = vec![(wide, fresh(wide))];
        let mut saved = vec![wide, &mean, &deviation];
        if let Some((weight, bias)) = &affine {
            inputs.extend([(weight, fresh(weight)), (bias, fresh(bias))]);
            saved.extend([weight, bias]);
        }
        let node = self.node(&inputs, &saved, &[], 1);
        self.output(node.as_ref(), wide.count, Dtype::Fp32)
    }

    /// Attention as one kernel: keeps queries, keys, values, its output and a sum for each query. Its gradients are
    /// summed in f32, and where heads share keys, first for each head.
    pub fn attention(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        mask: Option<&Tensor>,
    ) -> Tensor {
        if self.writes_out_attention.get() {
            return self.written_out(q, k, v, heads);
        }
        let [q, k, v] = [q, k, v].map(|tensor| self.cast(tensor, Dtype::Bf16));
        let rows = heads.batch.saturating_mul(heads.heads).saturating_mul(heads.queries);
        let mut scratch = vec![Dtype::Fp32.bytes(q.count), Dtype::Fp32.bytes(rows)];
        if heads.heads != heads.kv_heads {
            let keys = heads.batch.saturating_mul(heads.heads).saturating_mul(heads.keys);
            scratch.extend([Dtype::Bf16.bytes(keys.saturating_mul(heads.width)); 2]);
        }
        let mut saved = vec![&q, &k, &v];
        saved.extend(mask);
        let node = self.node(&[(&q, fresh(&q)), (&k, fresh(&k)), (&v, fresh(&v))], &saved, &scratch, 1);
        let output = self.output(node.as_ref(), q.count, Dtype::Bf16);
        let sums = self.fresh(rows, Dtype::Fp32);
        for kept in [&output, &sums] {
            self.save_output(node.as_ref(), kept);
        }
        output
    }

    /// Attention step by step, with a score for each pair of tokens: scores, softmax in f32, and their product with the
    /// values.
    fn written_out(&self, q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads) -> Tensor {
        let rows = heads.batch.saturating_mul(heads.heads).saturating_mul(heads.queries);
        let count = rows.saturating_mul(heads.keys);
        let mut scores = self.batched_matmul(q, k, count);
        scores = self.softmax(&scores);
        self.batched_matmul(&scores, v, q.count)
    }

    /// Softmax in f32, back in bf16.
    pub fn softmax(&self, scores: &Tensor) -> Tensor {
        let wide = self.cast(scores, Dtype::Fp32);
        let shares = self.keeping_output(&wide, &[wide.bytes()]);
        drop(wide);
        self.cast(&shares, Dtype::Bf16)
    }

    /// A convolution, in bf16.
    pub fn conv(&self, x: &Tensor, weight: &Param, bias: Option<&Param>, conv: Conv) -> Tensor {
        let x = &self.cast(x, Dtype::Bf16);
        let weight = &self.narrowed(weight);
        let bias = bias.map(|bias| self.narrowed(bias));
        let mut inputs = vec![(x, fresh(x)), (weight, fresh(weight))];
        inputs.extend(bias.iter().map(|bias| (bias, fresh(bias))));
        let workspace = if self.stopped.get() { [0; 3] } else { conv.workspace };
        // Unlike a matrix product, a convolution keeps both sides whichever gradient is wanted.
        let node = self.node(&inputs, &[x, weight], &workspace, 1);
        let output = self.output(node.as_ref(), conv.output, Dtype::Bf16);
        drop(workspace.map(|bytes| self.fresh(bytes / 2, Dtype::Bf16)));
        output
    }

    /// Each number repeated, or a mean of some: an output of another size that keeps nothing.
    pub fn resize(&self, x: &Tensor, count: u64) -> Tensor {
        let node = self.node(&[(x, fresh(x))], &[], &[], 1);
        self.output(node.as_ref(), count, x.dtype)
    }

    /// Cross-entropy of f32 logits with labels: keeps the logarithms of the softmax, whose gradient has their size
    /// twice, once as the loss gives it and once as the softmax does.
    pub fn cross_entropy(&self, logits: &Tensor) -> Tensor {
        let logarithms = self.keeping_output(logits, &[]);
        let node = self.node(&[(&logarithms, fresh(&logarithms))], &[&logarithms], &[], 1);
        self.output(node.as_ref(), 1, Dtype::Fp32)
    }

    /// The mean of squared differences from a target, in f32.
    pub fn mean_square(&self, x: &Tensor, target: &Tensor) -> Tensor {
        let [x, target] = [x, target].map(|tensor| self.cast(tensor, Dtype::Fp32));
        let node = self.node(&[(&x, fresh(&x))], &[&x, &target], &[x.bytes()], 1);
        drop(self.fresh(x.count, Dtype::Fp32));
        self.output(node.as_ref(), 1, Dtype::Fp32)
    }
}

/// A gradient of its own for an input.
fn fresh(tensor: &Tensor) -> Given {
    Given::Fresh(tensor.count, tensor.dtype)
}

/// Each factor is kept for the other's gradient.
fn kept_by_product<'a>(x: &'a Tensor, y: &'a Tensor) -> Vec<&'a Tensor> {
    let mut kept = Vec::new();
    if y.wants_gradient() {
        kept.push(x);
    }
    if x.wants_gradient() {
        kept.push(y);
    }
    kept
}
