//! The beginning of a `NumPy` file: a Python dictionary with a length before it.

use super::Element;

/// What an array is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) element: Element,
    pub(super) rows: u64,
    pub(super) dimension: u64,
    /// Where its numbers begin.
    pub(super) offset: u64,
}

/// As much of the file as a beginning may take: version 1 has lengths up to 64 KiB, and no array of rows needs more.
pub(super) const HEAD_MOST: usize = 65_536 + 12;

impl Array {
    /// Reads a beginning; what is wrong with it otherwise.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "it ends within its beginning".to_owned();
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not begin as a .npy file does")?;
        let (before, length) = match rest {
            [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
            [2 | 3, _, a, b, c, d, ..] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
            [] | [_] | [_, _] | [_, _, _] => return Err(cut()),
            [version, ..] => return Err(format!("version {version} of .npy is not known here")),
        };
        let text = bytes.get(before..).and_then(|rest| rest.get(..length)).ok_or_else(cut)?;
        let text = std::str::from_utf8(text).map_err(|_| "its beginning is not text".to_owned())?;
        let element = element(&value(text, "descr")?)?;
        if value(text, "fortran_order")? != "False" {
            return Err("its numbers stand by columns; save numpy.ascontiguousarray(array)".to_owned());
        }
        let shape = value(text, "shape")?;
        let sides: Option<Vec<u64>> = shape
            .trim_matches(['(', ')'])
            .split(',')
            .map(str::trim)
            .filter(|side| !side.is_empty())
            .map(|side| side.trim_end_matches('L').parse().ok())
            .collect();
        let (rows, dimension) = match sides.as_deref() {
            Some(&[rows, dimension]) => (rows, dimension),
            Some(&[dimension]) => (1, dimension),
            _ => return Err(format!("its shape is {shape}; vectors are rows of an array with two sides")),
        };
        Ok(Self { element, rows, dimension, offset: (before + length) as u64 })
    }
}

/// The beginning of an array of rows, as `NumPy` writes it: numbers begin at a multiple of 64. `descr` is how they stand,
/// `<f4` for singles.
///
/// ```
/// let head = plimsoll_vec::input::npy_head("<f4", 10, 768);
/// assert!(head.len().is_multiple_of(64) && head.ends_with(b"\n"));
/// ```
pub fn npy_head(descr: &str, rows: u64, columns: usize) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // Six bytes of magic, two of version, two of length, and the line's end.
    let length = (text.len() + 11).next_multiple_of(64) - 10;
    let mut head = b"\x93NUMPY\x01\x00".to_vec();
    head.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    head.extend_from_slice(format!("{text:<width$}\n", width = length - 1).as_bytes());
    head
}

fn element(descr: &str) -> Result<Element, String> {
    match descr.trim_matches(['\'', '"']) {
        "<f2" => Ok(Element::F16),
        "<f4" => Ok(Element::F32),
        "<f8" => Ok(Element::F64),
        "|i1" => Ok(Element::I8),
        "|u1" => Ok(Element::U8),
        other => Err(format!(
            "its numbers are {other}; vectors are float16, float32, float64, int8 or uint8, little-endian"
        )),
    }
}

/// The value of a key: a quoted word, a bare word or a tuple.
fn value(text: &str, key: &str) -> Result<String, String> {
    let found = ['\'', '"'].into_iter().find_map(|quote| {
        let rest =
            text.split_once(&format!("{quote}{key}{quote}"))?.1.trim_start().strip_prefix(':')?.trim_start();
        let end = match rest.chars().next()? {
            '(' => rest.find(')')? + 1,
            quote @ ('\'' | '"') => rest[1..].find(quote)? + 2,
            _ => rest.find([',', '}'])?,
        };
        Some(rest[..end].trim().to_owned())
    });
    found.ok_or_else(|| format!("its beginning does not say {key:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn arrays_of_rows_are_understood() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (10, 768), }          \n";
        let array = Array::read(&head(text)).unwrap();
        let offset = 10 + text.len() as u64;
        assert_eq!(array, Array { element: Element::F32, rows: 10, dimension: 768, offset });
        let one = Array::read(&head("{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}")).unwrap();
        assert_eq!((one.rows, one.dimension, one.element), (1, 5, Element::U8));
    }

    #[test]
    fn everything_else_says_what_it_is() {
        let bad = [
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2)}", ">f4"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", "by columns"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3)}", "(1, 2, 3)"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "()"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (x, 3)}", "(x, 3)"),
            ("{'descr': '<f4', 'fortran_order': False}", "shape"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2)}", "[('a"),
        ];
        for (text, said) in bad {
            let why = Array::read(&head(text)).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        assert!(Array::read(b"PK\x03\x04").is_err());
        let whole = head("{'descr': '<f4', 'fortran_order': False, 'shape': (10, 768)}");
        for cut in 0..whole.len() {
            assert!(Array::read(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
