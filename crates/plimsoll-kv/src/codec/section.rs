//! Encodes and decodes the sections of blocks.

use super::planes::{self, Parts};
use super::quantized;
use super::shape::{Bits, Shape};
use super::{CodecError, Form, Packing, Precision};
use crate::layout::{Element, Layout};

/// Turns the sections of one layout's blocks into one form and back.
///
/// It does not say which form a tier should take: the [gate](crate::gate) measures that. It holds no bytes of blocks and
/// charges nothing; who calls it owns both slices, and has charged for them.
///
/// ```
/// use plimsoll_kv::codec::{Codec, Packing, Precision};
/// use plimsoll_kv::layout::{Element, Layout};
///
/// let layout = Layout::uniform(2, 2, 64, Element::F16, 64);
/// let codec = Codec::new(&layout, Precision::Eight, Packing::None)?;
/// let native = vec![0; layout.layer_bytes(0)];
/// let mut encoded = vec![0; codec.section_bytes(0)];
/// let length = codec.encode(0, &native, &mut encoded)?;
///
/// let mut again = vec![1; native.len()];
/// codec.decode(0, &encoded[..length], &mut again)?;
/// assert_eq!(again, native);
/// # Ok::<(), plimsoll_kv::codec::CodecError>(())
/// ```
///
/// # Formula
/// `number ≈ least + step × code`, `least` being the lowest number of a group and `step` a 255th (a 15th) of what the
/// group spans; both are numbers of the block's own kind. A group is up to 64 tokens of a channel in keys, and up to 64
/// channels of a token in values: 8.5 and 4.5 bits a number for blocks of 64 tokens of 16-bit numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    form: Form,
    element: Element,
    sections: Vec<Section>,
}

/// One section of every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section {
    /// Numbers a row of keys and of values; nothing for a snapshot.
    rows: Option<(usize, usize, usize)>,
    /// Bytes as the engine has them.
    native: usize,
    /// Bytes in this precision, before they are squeezed.
    plain: usize,
}

impl Codec {
    /// What turns blocks of a layout into this form.
    pub fn new(layout: &Layout, precision: Precision, packing: Packing) -> Result<Self, CodecError> {
        if layout.element == Element::Opaque && precision != Precision::Native {
            return Err(CodecError::Opaque);
        }
        let mut codec =
            Self { form: Form { precision, packing }, element: layout.element, sections: Vec::new() };
        for (section, layer) in layout.layers.iter().enumerate() {
            let rows = (layout.block_tokens as usize, layer.keys as usize, layer.values as usize);
            let native = layout.layer_bytes(section);
            let plain = match codec.shape(rows) {
                Some(shape) => shape.bytes().ok_or(CodecError::TooLarge { section })?,
                None => native,
            };
            codec.push(Section { rows: Some(rows), native, plain })?;
        }
        if layout.needs_snapshot() {
            let bytes = usize::try_from(layout.snapshot_bytes).unwrap_or(usize::MAX);
            codec.push(Section { rows: None, native: bytes, plain: bytes })?;
        }
        Ok(codec)
    }

    /// What decodes bytes of a form that was kept beside them.
    pub fn of(layout: &Layout, tag: u32) -> Result<Self, CodecError> {
        let Form { precision, packing } = Form::from_tag(tag)?;
        Self::new(layout, precision, packing)
    }

    /// The form that it writes.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// How many sections a block has: its layers, and its snapshot if it has one.
    pub const fn sections(&self) -> usize {
        self.sections.len()
    }

    /// Bytes of a section as the engine has it; none if there is no such section.
    pub fn native_bytes(&self, section: usize) -> usize {
        self.sections.get(section).map_or(0, |section| section.native)
    }

    /// The most bytes that a section takes in this form; without packing, exactly what it takes.
    pub fn section_bytes(&self, section: usize) -> usize {
        let head = if self.form.packing == Packing::Planes { planes::HEAD } else { 0 };
        self.sections.get(section).map_or(0, |section| section.plain + head)
    }

    /// The most bytes that a block takes in this form, its snapshot included.
    pub fn block_bytes(&self) -> usize {
        (0..self.sections.len()).map(|section| self.section_bytes(section)).fold(0, usize::saturating_add)
    }

    /// Encodes a section into a slice of at least [`section_bytes`](Self::section_bytes), and says how many of them it
    /// took. On an error what is in the slice means nothing.
    pub fn encode(&self, section: usize, native: &[u8], into: &mut [u8]) -> Result<usize, CodecError> {
        let part = self.section(section)?;
        length(section, part.native, native.len())?;
        let (room, found) = (self.section_bytes(section), into.len());
        let into = into.get_mut(..room).ok_or(CodecError::Length { section, wanted: room, found })?;
        let plain = &mut into[room - part.plain..];
        match self.shape_of(part) {
            Some(shape) => quantized::encode(&shape, native, plain)
                .map_err(|quantized::NotFinite| CodecError::Unquantizable { section })?,
            None => plain.copy_from_slice(native),
        }
        match self.form.packing {
            Packing::None => Ok(room),
            Packing::Planes => Ok(planes::pack(into, self.number(part))),
        }
    }

    /// Decodes a section that [`encode`](Self::encode) wrote into a slice that is as long as the section is natively.
    /// Bytes that no encoder wrote give an error or other numbers, and never more than that. On an error what is in the
    /// slice means nothing.
    pub fn decode(&self, section: usize, encoded: &[u8], native: &mut [u8]) -> Result<(), CodecError> {
        let part = self.section(section)?;
        length(section, part.native, native.len())?;
        let damaged = |why| CodecError::Damaged { section, why };
        let mut room = Vec::new();
        let plain = match self.form.packing {
            Packing::None => {
                length(section, part.plain, encoded.len())?;
                encoded
            }
            Packing::Planes => match planes::parts(encoded, part.plain).map_err(damaged)? {
                Parts::Whole(plain) => plain,
                Parts::Planes(rest, compressed) => {
                    let number = self.number(part);
                    if self.shape_of(part).is_none() {
                        return planes::unpack(rest, compressed, number, native).map_err(damaged);
                    }
                    room.resize(part.plain, 0);
                    planes::unpack(rest, compressed, number, &mut room).map_err(damaged)?;
                    &room
                }
            },
        };
        match self.shape_of(part) {
            Some(shape) => quantized::decode(&shape, plain, native),
            None => native.copy_from_slice(plain),
        }
        Ok(())
    }

    fn push(&mut self, part: Section) -> Result<(), CodecError> {
        let section = self.sections.len();
        // Records count a section's bytes in 32 bits, and so does the head of what is squeezed.
        let most = u32::MAX as usize - planes::HEAD;
        if part.native.max(part.plain) > most {
            return Err(CodecError::TooLarge { section });
        }
        self.sections.push(part);
        Ok(())
    }

    fn section(&self, section: usize) -> Result<Section, CodecError> {
        let sections = self.sections.len();
        self.sections.get(section).copied().ok_or(CodecError::NoSection { section, sections })
    }

    fn shape_of(&self, part: Section) -> Option<Shape> {
        part.rows.and_then(|rows| self.shape(rows))
    }

    /// How a layer is quantized, if it is.
    fn shape(&self, (tokens, keys, values): (usize, usize, usize)) -> Option<Shape> {
        let bits = match self.form.precision {
            Precision::Native => return None,
            Precision::Eight => Bits::Eight,
            Precision::Four => Bits::Four,
        };
        Some(Shape { element: self.element, bits, tokens, keys, values })
    }

    /// How many bytes apart the upper bytes of a section are. Codes are bytes; the states of recurrent layers are
    /// singles in all engines known, and if they are not, that costs bytes and nothing else.
    fn number(&self, part: Section) -> usize {
        match part.rows {
            Some(_) if self.form.precision == Precision::Native => self.element.width(),
            None if part.native.is_multiple_of(Element::F32.width()) => Element::F32.width(),
            _ => 1,
        }
    }
}

fn length(section: usize, wanted: usize, found: usize) -> Result<(), CodecError> {
    if wanted == found { Ok(()) } else { Err(CodecError::Length { section, wanted, found }) }
}
