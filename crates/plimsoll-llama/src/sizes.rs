//! What llama.cpp takes, read from what it says.
//!
//! Its interface for C tells no sizes of buffers; the lines that it writes do, to a hundredth of a MiB, in a rehearsal as in
//! earnest. The version is pinned, and a test holds the forms of the lines.

use crate::library::Line;

/// What a hundredth of a MiB may hide.
const ROUNDING: u64 = 10_486;

/// What a model in a context takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Weights.
    pub weights_bytes: u64,
    /// Cells, and what recurrent layers keep instead.
    pub cells_bytes: u64,
    /// What a pass works with.
    pub compute_bytes: u64,
    /// Logits and vectors on their way out.
    pub output_bytes: u64,
}

impl Sizes {
    /// All of it.
    pub const fn total_bytes(&self) -> u64 {
        self.weights_bytes
            .saturating_add(self.cells_bytes)
            .saturating_add(self.compute_bytes)
            .saturating_add(self.output_bytes)
    }

    /// What lines say of a context. Weights are told apart.
    pub(crate) fn of(said: &[Line], weights_bytes: u64) -> Self {
        let mut sizes = Self { weights_bytes, ..Self::default() };
        for line in said {
            let text = line.text.as_str();
            if text.contains("compute buffer size =") {
                sizes.compute_bytes += mib_behind(text, "compute buffer size =");
            } else if text.contains("output buffer size =") {
                sizes.output_bytes += mib_behind(text, "output buffer size =");
            } else if text.contains(" cells,") && text.contains(": size =") {
                sizes.cells_bytes += mib_behind(text, ": size =");
            }
        }
        sizes
    }

    /// Whether there are buffers of weights that are laid out as a processor likes them.
    pub(crate) fn tells_of_other_layouts(said: &[Line]) -> bool {
        let of_weights = |line: &&Line| line.text.contains("model buffer size =");
        said.iter().filter(of_weights).any(|line| line.text.contains("REPACK") || line.text.contains("AMX"))
    }

    /// What lines say of the weights that were loaded: nothing where they say nothing.
    pub(crate) fn weights_of(said: &[Line]) -> u64 {
        let size = "model buffer size =";
        said.iter().filter(|line| line.text.contains(size)).map(|line| mib_behind(&line.text, size)).sum()
    }
}

/// The number of MiB behind a word, rounded up to what it may stand for; zero stays zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of memory, none of them below zero"
)]
fn mib_behind(text: &str, word: &str) -> u64 {
    let number = text.split(word).nth(1).and_then(|rest| rest.split_whitespace().next());
    let mib: f64 = number.and_then(|number| number.parse().ok()).unwrap_or(0.0);
    if mib <= 0.0 { 0 } else { (mib * 1_048_576.0) as u64 + ROUNDING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let said: Vec<Line> = [
            "llama_context:        CPU  output buffer size =     0.25 MiB\n",
            "llama_kv_cache:        CPU KV buffer size =     0.00 MiB\n",
            "llama_kv_cache: size =   12.50 MiB (  1024 cells,   8 layers,  4/1 seqs), K (f16):    6.25 MiB, V (f16):    6.25 MiB\n",
            "sched_reserve:        CPU compute buffer size =     8.00 MiB\n",
            "load_tensors:   CPU_Mapped model buffer size =     7.00 MiB\n",
            "something else = 99 MiB\n",
        ]
        .map(|text| Line { text: text.to_owned(), error: false })
        .to_vec();
        let sizes = Sizes::of(&said, 5);
        assert_eq!(sizes.weights_bytes, 5);
        assert_eq!(sizes.cells_bytes, 12 * 1_048_576 + 524_288 + ROUNDING);
        assert_eq!(sizes.compute_bytes, 8 * 1_048_576 + ROUNDING);
        assert_eq!(sizes.output_bytes, 262_144 + ROUNDING);
        assert_eq!(Sizes::weights_of(&said), 7 * 1_048_576 + ROUNDING);
        assert!(!Sizes::tells_of_other_layouts(&said));
        let text = "load_tensors:   CPU_REPACK model buffer size =     0.00 MiB\n".to_owned();
        assert!(Sizes::tells_of_other_layouts(&[Line { text, error: false }]));
        assert_eq!(Sizes::of(&[], 0).total_bytes(), 0);
    }
}
