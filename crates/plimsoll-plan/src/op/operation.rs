//! One operation on tensors: what it needs, how much it computes, and what will hold it up.

use plimsoll::{Bytes, Place};

use super::tally::Tally;
use super::{attention, conv2d, matmul, optimizer, rows};
use crate::Part;
use crate::machine::Rate;
use crate::wording::{Wording, WordingError, choose};

/// What a text for an operation may say.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) what: &'static str,
    pub(super) example: &'static str,
    pub(super) keys: &'static [&'static str],
}

/// An operation on tensors.
///
/// Its tensors are counted once each, with what it needs on the way; what a framework keeps of them afterwards, and
/// what an allocator rounds up, is not part of it.
///
/// ```
/// use plimsoll_plan::op::Operation;
/// let product = Operation::parse("matmul", "m=4096,k=4096,n=4096,dtype=bf16").unwrap();
/// assert_eq!(product.flops, 2.0 * 4096.0 * 4096.0 * 4096.0);
/// assert_eq!(product.moved.get(), 3 * 4096 * 4096 * 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// "conv2d".
    pub name: &'static str,
    /// Inputs, outputs, what is kept for the backward pass, and what is there only meanwhile.
    pub parts: Vec<Part>,
    /// Sides of the result.
    pub shape: Vec<u64>,
    /// Operations; a product and its addition are two.
    pub flops: f64,
    /// Bytes that go between memory and processor at least, each tensor read or written once.
    pub moved: Bytes,
}

/// What holds an operation up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// How long its bytes take.
    pub memory_s: f64,
    /// How long its operations take.
    pub compute_s: f64,
}

impl Roofline {
    /// It takes at least as long as the slower of both.
    pub fn seconds(self) -> f64 {
        self.memory_s.max(self.compute_s)
    }

    /// Whether bytes hold it up, rather than operations.
    pub fn is_memory_bound(self) -> bool {
        self.memory_s >= self.compute_s
    }
}

type Rule = fn(&Wording) -> Result<(Tally, Vec<u64>), WordingError>;

const RULES: [(&str, (&str, Known, Rule)); 12] = [
    ("matmul", ("matmul", matmul::KNOWN, matmul::tally)),
    ("gemm", ("matmul", matmul::KNOWN, matmul::tally)),
    ("linear", ("matmul", matmul::KNOWN, matmul::tally)),
    ("conv2d", ("conv2d", conv2d::KNOWN, conv2d::tally)),
    ("attention", ("attention", attention::KNOWN, attention::tally)),
    ("sdpa", ("attention", attention::KNOWN, attention::tally)),
    ("softmax", ("softmax", rows::SOFTMAX, rows::softmax)),
    ("layernorm", ("layernorm", rows::NORM, rows::norm)),
    ("embedding", ("embedding", rows::EMBEDDING, rows::embedding)),
    ("cross-entropy", ("cross-entropy", rows::CROSS_ENTROPY, rows::cross_entropy)),
    ("cross_entropy", ("cross-entropy", rows::CROSS_ENTROPY, rows::cross_entropy)),
    ("optimizer", ("optimizer", optimizer::KNOWN, optimizer::tally)),
];

impl Operation {
    /// Reads an operation: its name, and `key=value` for its sides.
    ///
    /// `matmul m,k,n[,batch,transpose,split-k,b_type]`, `conv2d n,c,h,w,k,r,s[,stride,pad,dilation,groups,algo]`,
    /// `attention heads,q,d[,batch,kv_heads,kv,dv,fused,causal,backward]`, `softmax rows,columns`,
    /// `layernorm rows,columns[,kind]`, `embedding tokens,vocab,width`, `cross-entropy tokens,vocab[,chunks]`,
    /// `optimizer params[,kind,master]`; all take `dtype` and `on`.
    pub fn parse(name: &str, text: &str) -> Result<Self, WordingError> {
        let (name, known, rule) = choose(name, &RULES)?;
        let said = Wording::parse(known.what, text, known.example)?;
        said.keys(known.keys)?;
        // A bare word is a yes; what no key knows is a mistake.
        if let Some(word) = said.words().find(|word| !known.keys.contains(&word.replace('-', "_").as_str())) {
            return Err(WordingError::Unknown { found: word.to_owned(), known: known.keys.join(", ") });
        }
        let (Tally { parts, moved, flops, .. }, shape) = rule(&said)?;
        let operation = Self { name, parts, shape, flops, moved };
        let sum = operation.parts.iter().try_fold(Bytes::ZERO, |sum, part| sum.checked_add(part.bytes));
        sum.map(|_| operation).ok_or(WordingError::Overflow { what: known.what, key: "sides" })
    }

    /// All that it needs at a place.
    pub fn bytes(&self, place: Place) -> Bytes {
        crate::phase::total(&self.parts, place)
    }

    /// What of it is there only while it runs.
    pub fn workspace(&self) -> Bytes {
        let parts = self.parts.iter().filter(|part| part.account == "scratch");
        parts.fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes))
    }

    /// Operations for each byte that moves.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn intensity(&self) -> f64 {
        self.flops / (self.moved.get().max(1) as f64)
    }

    /// What holds it up where memory and processor are so fast.
    pub fn roofline(&self, bandwidth: Rate, flops_a_second: f64) -> Roofline {
        let compute_s = if flops_a_second > 0.0 { self.flops / flops_a_second } else { f64::INFINITY };
        Roofline { memory_s: bandwidth.seconds(self.moved), compute_s }
    }
}
