//! Singles as clients ask for them: bytes, the lowest first, in base64.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn singles(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..4 {
            let index = (bits >> (18 - 6 * letter) & 63) as usize;
            text.push(if letter <= three.len() { char::from(LETTERS[index]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::singles;

    #[test]
    fn singles_are_their_bytes() {
        assert_eq!(singles(&[1.0]), "AACAPw==");
        assert_eq!(singles(&[1.0, -2.5]), "AACAPwAAIMA=");
        assert_eq!(singles(&[0.0, 1.0, 2.0]), "AAAAAAAAgD8AAABA");
        assert_eq!(singles(&[]), "");
    }
}
