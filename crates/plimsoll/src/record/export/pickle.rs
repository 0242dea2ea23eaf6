//! The few pickle opcodes that PyTorch's page understands and Python reads as well.

use std::collections::HashMap;
use std::io::Write;

use super::ExportError;
use super::out::Out;

const PROTO: u8 = 0x80;
const STOP: u8 = b'.';
const MARK: u8 = b'(';
const EMPTY_DICT: u8 = b'}';
const SETITEMS: u8 = b'u';
const EMPTY_LIST: u8 = b']';
const APPENDS: u8 = b'e';
const BININT: u8 = b'J';
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const LONG1: u8 = 0x8a;
const NEWTRUE: u8 = 0x88;
const TUPLE2: u8 = 0x86;
const SHORT_BINUNICODE: u8 = 0x8c;
const BINUNICODE: u8 = b'X';
const MEMOIZE: u8 = 0x94;
const BINGET: u8 = b'h';
const LONG_BINGET: u8 = b'j';

/// Lists are appended to in batches: the page hands a batch to one call, which takes only so many.
pub(super) const BATCH: usize = 1000;

/// Writes a pickle as a stream.
#[derive(Debug)]
pub(super) struct Pickle<W> {
    pub(super) out: Out<W>,
    memo: u32,
    keys: HashMap<&'static str, u32>,
}

impl<W: Write> Pickle<W> {
    pub(super) fn new(to: W) -> Self {
        let mut out = Out::new(to);
        out.raw([PROTO, 4]);
        Self { out, memo: 0, keys: HashMap::new() }
    }

    pub(super) fn finish(mut self) -> Result<super::Exported, ExportError> {
        self.out.raw([STOP]);
        Ok(self.out.finish()?)
    }

    /// An empty dictionary, and the beginning of its entries.
    pub(super) fn dict(&mut self) {
        self.out.raw([EMPTY_DICT, MARK]);
    }

    pub(super) fn end_dict(&mut self) {
        self.out.raw([SETITEMS]);
    }

    pub(super) fn list(&mut self) {
        self.out.raw([EMPTY_LIST]);
    }

    pub(super) fn mark(&mut self) {
        self.out.raw([MARK]);
    }

    pub(super) fn appends(&mut self) {
        self.out.raw([APPENDS]);
    }

    pub(super) fn yes(&mut self) {
        self.out.raw([NEWTRUE]);
    }

    pub(super) fn pair(&mut self, first: u64, second: u64) {
        self.number(first);
        self.number(second);
        self.out.raw([TUPLE2]);
    }

    /// A word that comes again and again: written once, then named by number.
    pub(super) fn word(&mut self, word: &'static str) {
        if let Some(&memo) = self.keys.get(word) {
            self.get(memo);
        } else {
            self.text(word);
            let memo = self.memoize();
            self.keys.insert(word, memo);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Ok(short) = u8::try_from(text.len()) {
            self.out.raw([SHORT_BINUNICODE, short]);
        } else {
            let long = u32::try_from(text.len()).unwrap_or(u32::MAX);
            self.out.raw([BINUNICODE]).raw(long.to_le_bytes());
        }
        self.out.raw(text);
    }

    /// Keeps what was written last; says under which number.
    pub(super) fn memoize(&mut self) -> u32 {
        self.out.raw([MEMOIZE]);
        self.memo += 1;
        self.memo - 1
    }

    pub(super) fn get(&mut self, memo: u32) {
        if let Ok(short) = u8::try_from(memo) {
            self.out.raw([BINGET, short]);
        } else {
            self.out.raw([LONG_BINGET]).raw(memo.to_le_bytes());
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        let bytes = number.to_le_bytes();
        match number {
            0..=0xff => self.out.raw([BININT1, bytes[0]]),
            0x100..=0xffff => self.out.raw([BININT2]).raw(&bytes[..2]),
            0x1_0000..=0x7fff_ffff => self.out.raw([BININT]).raw(&bytes[..4]),
            // The highest bit is the sign, so a number that has it takes a byte more.
            _ => {
                let used = 8 - number.leading_zeros() as usize / 8;
                let sign = usize::from(bytes[used - 1] >= 0x80);
                let length = u8::try_from(used + sign).unwrap_or(9);
                self.out.raw([LONG1, length]).raw(&bytes[..used]).raw(&[0][..sign])
            }
        };
    }

    /// A word and a number, as entries of a dictionary.
    pub(super) fn entry(&mut self, key: &'static str, number: u64) {
        self.word(key);
        self.number(number);
    }
}
