//! The identities of a sequence's blocks, each hashed over the one before.

use super::{BlockId, Root, Token};

/// The identities of the whole blocks of one sequence, in order. Tokens are hashed once: a sequence that grows by a
/// turn hashes that turn.
///
/// # Formula
/// `id(i) = H(root; id(i − 1) ‖ tokens of block i)`, H being BLAKE3 keyed by the root, cut to 128 bits; the first
/// block's parent is all zeros, which no block's identity ever is.
#[derive(Clone, Debug)]
pub struct Chain {
    root: Root,
    block_tokens: usize,
    ids: Vec<BlockId>,
    tokens: Vec<Token>,
    scratch: Vec<u8>,
}

impl Chain {
    /// An empty sequence under a root, whose blocks have so many tokens (at least one).
    pub fn new(root: Root, block_tokens: usize) -> Self {
        Self {
            root,
            block_tokens: block_tokens.max(1),
            ids: Vec::new(),
            tokens: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// More tokens.
    pub fn extend(&mut self, tokens: &[Token]) {
        self.tokens.extend_from_slice(tokens);
        let whole = self.tokens.len() / self.block_tokens;
        self.ids.reserve(whole - self.ids.len());
        for index in self.ids.len()..whole {
            let from = index * self.block_tokens;
            let tokens = &self.tokens[from..from + self.block_tokens];
            self.ids.push(identity(&self.root, self.ids.last().copied(), tokens, &mut self.scratch));
        }
    }

    /// Keeps the first so many tokens, as when a sequence is edited.
    pub fn truncate(&mut self, tokens: usize) {
        self.tokens.truncate(tokens);
        self.ids.truncate(self.tokens.len() / self.block_tokens);
    }

    /// What it descends from.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// How many tokens a block has.
    pub const fn block_tokens(&self) -> usize {
        self.block_tokens
    }

    /// The whole blocks.
    pub fn ids(&self) -> &[BlockId] {
        &self.ids
    }

    /// All tokens, those of the last block that is not whole too.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The tokens of one whole block; empty if there is no such block.
    pub fn block(&self, index: usize) -> &[Token] {
        let from = index.saturating_mul(self.block_tokens);
        self.tokens.get(from..from + self.block_tokens).unwrap_or_default()
    }
}

/// The identity of the block of these tokens after `parent`. `scratch` is overwritten.
pub(crate) fn identity(
    root: &Root,
    parent: Option<BlockId>,
    tokens: &[Token],
    scratch: &mut Vec<u8>,
) -> BlockId {
    scratch.clear();
    scratch.extend_from_slice(&parent.map_or([0; 16], BlockId::to_bytes));
    for token in tokens {
        scratch.extend_from_slice(&token.to_le_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::keyed_hash(root.bytes(), scratch).as_bytes()[..16]);
    // Zero stands for "no parent". Nobody will ever see it; the tokens beside the block would tell the two apart.
    BlockId::new((u128::from_le_bytes(id) & root.mask()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Element, Layout};

    fn root(name: &str) -> Root {
        Root::of(name.as_bytes(), &Layout::uniform(2, 1, 4, Element::F16, 4)).build()
    }

    #[test]
    fn a_sequence_hashes_alike_in_one_piece_and_in_many() {
        let tokens: Vec<Token> = (0..23).collect();
        let mut whole = Chain::new(root("a"), 4);
        whole.extend(&tokens);
        let mut pieces = Chain::new(root("a"), 4);
        tokens.chunks(3).for_each(|piece| pieces.extend(piece));
        assert_eq!(whole.ids(), pieces.ids());
        assert_eq!(whole.ids().len(), 5);
        assert_eq!(whole.block(4), &[16, 17, 18, 19]);
        assert!(whole.block(5).is_empty());
    }

    #[test]
    fn what_comes_before_is_part_of_an_identity() {
        let mut one = Chain::new(root("a"), 2);
        one.extend(&[1, 2, 9, 9]);
        let mut two = Chain::new(root("a"), 2);
        two.extend(&[1, 3, 9, 9]);
        assert_ne!(one.ids()[1], two.ids()[1]);
        two.truncate(0);
        two.extend(&[1, 2]);
        assert_eq!(one.ids()[0], two.ids()[0]);
    }

    #[test]
    fn models_layouts_adapters_and_extras_never_meet() {
        let layout = Layout::uniform(2, 1, 4, Element::F16, 4);
        let other = Layout::uniform(2, 1, 4, Element::Bf16, 4);
        let roots = [
            Root::of(b"a", &layout).build(),
            Root::of(b"b", &layout).build(),
            Root::of(b"a", &other).build(),
            Root::of(b"a", &layout).adapter(b"x").build(),
            Root::of(b"a", &layout).extra("x", b"").build(),
            Root::of(b"a", &layout).extra("", b"x").build(),
        ];
        for (index, root) in roots.iter().enumerate() {
            assert!(!roots[..index].contains(root), "root {index} is another's");
        }
    }
}
