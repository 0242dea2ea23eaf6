//! Squeezing a section without loss: the upper byte of each number apart from the others, and compressed.
//!
//! The upper byte of a float is its sign and most of its exponent, which repeat; the rest is noise, and goes as it is.
//! What does not pay stays in one piece.
//!
//! ```text
//! kind: 0 in one piece, 1 in planes │ three zeros │ bytes of the compressed plane, u32, little end first │
//!     kind 0: the bytes          kind 1: the upper bytes, compressed │ the other bytes, number after number
//! ```

/// Bytes before the parts.
pub(super) const HEAD: usize = 8;

/// One byte of so many must be saved at least: it costs about a nanosecond a byte of plane to get it back.
const LEAST_SAVED: usize = 10;
/// A sample is so many pieces of so many bytes.
const PIECES: usize = 4;
const PIECE_BYTES: usize = 4096;
const LEVEL: i32 = 1;

/// Why bytes could not be spread out again.
pub(super) type Why = &'static str;

/// Squeezes the bytes that lie behind the head in `section`, which are numbers of so many bytes, and says how long the
/// section is now: never longer.
pub(super) fn pack(section: &mut [u8], number: usize) -> usize {
    let all = section.len();
    let packed = try_pack(&mut section[HEAD..], number);
    let head = match packed {
        Some((_, compressed)) => head(1, compressed),
        None => head(0, 0),
    };
    section[..HEAD].copy_from_slice(&head);
    packed.map_or(all, |(bytes, _)| HEAD + bytes)
}

/// The bytes that are left, and those of them that are the compressed plane; nothing if it does not pay.
fn try_pack(bytes: &mut [u8], number: usize) -> Option<(usize, u32)> {
    let count = bytes.len() / number;
    if count == 0 || !bytes.len().is_multiple_of(number) {
        return None;
    }
    let upper: Vec<u8> = match number {
        2 => bytes.as_chunks::<2>().0.iter().map(|[_, upper]| *upper).collect(),
        _ => bytes.iter().skip(number - 1).step_by(number).copied().collect(),
    };
    let saved_least = bytes.len() / LEAST_SAVED;
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).ok()?;
    if expected(&mut compressor, &upper)? < saved_least {
        return None;
    }
    let mut compressed = vec![0; count];
    // What does not fit is longer than it was.
    let length = compressor.compress_to_buffer(&upper, &mut compressed).ok()?;
    if count - length < saved_least {
        return None;
    }
    let lower = lower_bytes(bytes, number);
    bytes[..length].copy_from_slice(&compressed[..length]);
    bytes[length..length + lower.len()].copy_from_slice(&lower);
    Some((length + lower.len(), u32::try_from(length).ok()?))
}

/// Bytes that compressing a plane may save, by a sample of it. A small plane is not worth a sample.
fn expected(compressor: &mut zstd::bulk::Compressor<'_>, plane: &[u8]) -> Option<usize> {
    if plane.len() < 4 * PIECES * PIECE_BYTES {
        return Some(plane.len());
    }
    let stride = plane.len() / PIECES;
    let sample: Vec<u8> = plane.chunks_exact(stride).flat_map(|part| &part[..PIECE_BYTES]).copied().collect();
    let mut compressed = vec![0; sample.len() * 2];
    let length = compressor.compress_to_buffer(&sample, &mut compressed).ok()?;
    // A plane has less than 2³² bytes, and the sample 2¹⁴.
    Some(sample.len().saturating_sub(length).saturating_mul(plane.len()) / sample.len())
}

fn lower_bytes(bytes: &[u8], number: usize) -> Vec<u8> {
    if number == 2 {
        return bytes.as_chunks::<2>().0.iter().map(|[lower, _]| *lower).collect();
    }
    bytes.chunks_exact(number).flat_map(|number| &number[..number.len() - 1]).copied().collect()
}

const fn head(kind: u8, compressed: u32) -> [u8; HEAD] {
    let [a, b, c, d] = compressed.to_le_bytes();
    [kind, 0, 0, 0, a, b, c, d]
}

/// The parts of a section that held `plain` bytes.
pub(super) enum Parts<'a> {
    /// The bytes as they were.
    Whole(&'a [u8]),
    /// So many of the bytes are the compressed plane.
    Planes(&'a [u8], usize),
}

/// Takes a section apart.
pub(super) fn parts(section: &[u8], plain: usize) -> Result<Parts<'_>, Why> {
    let (head, rest) = section.split_first_chunk::<HEAD>().ok_or("it has no head")?;
    let [kind, 0, 0, 0, length @ ..] = *head else {
        return Err("its head is not of this version");
    };
    let compressed = u32::from_le_bytes(length) as usize;
    match kind {
        0 if compressed == 0 && rest.len() == plain => Ok(Parts::Whole(rest)),
        1 => Ok(Parts::Planes(rest, compressed)),
        0 => Err("its parts have other lengths"),
        _ => Err("its head is not of this version"),
    }
}

/// Puts planes together again; `into` is as long as the bytes were.
pub(super) fn unpack(rest: &[u8], compressed: usize, number: usize, into: &mut [u8]) -> Result<(), Why> {
    if !into.len().is_multiple_of(number) {
        return Err("its parts have other lengths");
    }
    let count = into.len() / number;
    let (compressed, lower) = rest.split_at_checked(compressed).ok_or("its plane is cut off")?;
    if lower.len() != count * (number - 1) {
        return Err("its parts have other lengths");
    }
    let mut upper = vec![0; count];
    let found = zstd::bulk::Decompressor::new()
        .and_then(|mut decompressor| decompressor.decompress_to_buffer(compressed, &mut upper))
        .map_err(|_| "its plane does not decompress")?;
    if found != count {
        return Err("its plane has another length");
    }
    match number {
        1 => into.copy_from_slice(&upper),
        2 => {
            let pairs = into.as_chunks_mut::<2>().0.iter_mut();
            for ((pair, upper), lower) in pairs.zip(&upper).zip(lower) {
                *pair = [*lower, *upper];
            }
        }
        _ => {
            let numbers = into.chunks_exact_mut(number).zip(lower.chunks_exact(number - 1));
            for ((into, lower), upper) in numbers.zip(&upper) {
                into[..lower.len()].copy_from_slice(lower);
                into[lower.len()] = *upper;
            }
        }
    }
    Ok(())
}
