//! Attention: fused, without a matrix of queries by keys, and unfused, to compare it with.

use super::elements::{floats_only, one_stage};
use crate::compute::Attention;
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

const WHAT: &str = "attention";

fn sizes(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Attention, TensorError> {
    floats_only(WHAT, &[q, k, v])?;
    one_stage(WHAT, &[q, k, v])?;
    let sizes = Attention {
        batch: q.dim(0),
        queries: q.dim(1),
        keys: k.dim(1),
        heads: q.dim(2),
        kv_heads: k.dim(2),
        width: q.dim(3),
        scale,
        causal,
    };
    let wanted = [sizes.batch, sizes.keys, sizes.kv_heads, sizes.width];
    let fits = q.rank() == 4 && k.dims() == wanted && v.dims() == wanted && q.dtype() == k.dtype();
    let heads = sizes.kv_heads > 0 && sizes.heads.is_multiple_of(sizes.kv_heads) && sizes.keys > 0;
    if !fits || !heads || q.dtype() != v.dtype() || (causal && sizes.queries > sizes.keys) {
        let why = format!(
            "queries {q:?}, keys {k:?} and values {v:?} do not go together: [batch, rows, heads, width], heads a multiple of \
             those of keys, not more queries than keys if each sees only what is before it"
        );
        return Err(TensorError::shape(WHAT, why));
    }
    Ok(sizes)
}

impl Tape<'_> {
    /// What queries find: `softmax(scale · q kᵀ) v` for each head, of `[batch, rows, heads, width]`. Several heads of queries
    /// may share one of keys and values. If `causal`, a query sees what is at or before its place, the last query being at
    /// the last key.
    ///
    /// Beside the outcome one number for each query and head is kept; the way back computes the rest again.
    pub fn attention(
        &mut self,
        q: &Var,
        k: &Var,
        v: &Var,
        scale: f32,
        causal: bool,
    ) -> Result<Var, TensorError> {
        let sizes = sizes(&q.tensor, &k.tensor, &v.tensor, scale, causal)?;
        let qkv = [q.tensor.contiguous()?, k.tensor.contiguous()?, v.tensor.contiguous()?];
        let stage = self.stage().clone();
        let mut out = stage.tensor(&q.dims(), q.tensor.dtype())?;
        let mut sums = stage.tensor(&[sizes.batch, sizes.queries, sizes.heads], Dtype::F32)?;
        stage.run(|compute| compute.attention(sizes, qkv.each_ref(), &mut out, &mut sums))?;
        let (ids, found) = ([q.id, k.id, v.id], out.clone());
        Ok(self.outcome(out, &ids, move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = dy.contiguous()?;
                let grad = |of: &Tensor| stage.tensor(&of.dims(), of.dtype());
                let (mut dq, mut dk, mut dv) = (grad(&qkv[0])?, grad(&qkv[1])?, grad(&qkv[2])?);
                let grads = [&mut dq, &mut dk, &mut dv];
                stage.run(|compute| {
                    compute.attention_back(sizes, qkv.each_ref(), [&found, &sums, &dy], grads)
                })?;
                drop((qkv, found, sums, dy));
                for (id, grad) in ids.into_iter().zip([dq, dk, dv]) {
                    sink.give(id, grad)?;
                }
                Ok(())
            })
        }))
    }

    /// The same with a matrix of queries by keys for each head, as it is written in books: to see what fusing saves.
    pub fn attention_unfused(
        &mut self,
        q: &Var,
        k: &Var,
        v: &Var,
        scale: f32,
        causal: bool,
    ) -> Result<Var, TensorError> {
        let sizes = sizes(&q.tensor, &k.tensor, &v.tensor, scale, causal)?;
        let group = sizes.heads / sizes.kv_heads;
        let repeated = |tape: &mut Self, x: &Var| {
            let one = tape.reshape(x, &[sizes.batch, sizes.keys, sizes.kv_heads, 1, sizes.width])?;
            let all = tape.broadcast(&one, &[sizes.batch, sizes.keys, sizes.kv_heads, group, sizes.width])?;
            let all = tape.contiguous(&all)?;
            tape.reshape(&all, &[sizes.batch, sizes.keys, sizes.heads, sizes.width])
        };
        let (k, v) = (repeated(self, &contiguous_input(k)?)?, repeated(self, &contiguous_input(v)?)?);
        let q = self.permute(q, &[0, 2, 1, 3])?;
        let k = self.permute(&k, &[0, 2, 3, 1])?;
        let v = self.permute(&v, &[0, 2, 1, 3])?;
        let scores = self.matmul(&q, &k)?;
        let mut scores = self.affine(&scores, scale, 0.0)?;
        if causal {
            let mask = self.constant(&mask(self.stage(), sizes)?);
            scores = self.add(&scores, &mask)?;
        }
        let weights = self.softmax(&scores)?;
        let found = self.matmul(&weights, &v)?;
        let found = self.permute(&found, &[0, 2, 1, 3])?;
        self.contiguous(&found)
    }
}

/// Nothing where a query sees a key, and minus infinity elsewhere.
fn mask(stage: &crate::Stage, sizes: Attention) -> Result<Tensor, TensorError> {
    let before = sizes.keys - sizes.queries;
    let mut numbers = vec![0.0; sizes.queries * sizes.keys];
    for (query, row) in numbers.chunks_exact_mut(sizes.keys).enumerate() {
        row[(before + query + 1).min(sizes.keys)..].fill(f32::NEG_INFINITY);
    }
    stage.floats(&numbers, &[sizes.queries, sizes.keys])
}

fn contiguous_input(x: &Var) -> Result<Var, TensorError> {
    if x.tensor.is_contiguous() {
        return Ok(x.clone());
    }
    Err(TensorError::shape(WHAT, "unfused, keys and values are to be contiguous".to_owned()))
}
