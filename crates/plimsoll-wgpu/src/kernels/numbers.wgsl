// Floats as bits. Only integers are used: hardware may flush subnormal numbers and rounds as it likes.

const F32 = 0u;
const F16 = 1u;
const BF16 = 2u;
const INT8 = 3u;
const INT4 = 4u;

fn single_of_half(half: u32) -> u32 {
    let sign = (half & 0x8000u) << 16u;
    let exponent = (half >> 10u) & 31u;
    let mantissa = half & 0x3ffu;
    if exponent == 31u {
        return sign | 0x7f800000u | (mantissa << 13u);
    }
    if exponent != 0u {
        return sign | ((exponent + 112u) << 23u) | (mantissa << 13u);
    }
    if mantissa == 0u {
        return sign;
    }
    let top = firstLeadingBit(mantissa);
    return sign | ((top + 103u) << 23u) | ((mantissa << (23u - top)) & 0x7fffffu);
}

// To nearest, ties to even.
fn half_of_single(single: u32) -> u32 {
    let sign = (single >> 16u) & 0x8000u;
    let size = single & 0x7fffffffu;
    if size > 0x7f800000u {
        return sign | 0x7e00u;
    }
    if size >= 0x477ff000u {
        return sign | 0x7c00u;
    }
    if size >= 0x38800000u {
        let moved = size - 0x38000000u;
        return sign | ((moved + 0xfffu + ((moved >> 13u) & 1u)) >> 13u);
    }
    if size <= 0x33000000u {
        return sign;
    }
    let shift = 126u - (size >> 23u);
    let mantissa = (size & 0x7fffffu) | 0x800000u;
    let rest = mantissa & ((1u << shift) - 1u);
    let middle = 1u << (shift - 1u);
    let whole = mantissa >> shift;
    let up = rest > middle || (rest == middle && (whole & 1u) == 1u);
    return sign | (whole + select(0u, 1u, up));
}

// To nearest, ties to even.
fn bf16_of_single(single: u32) -> u32 {
    if (single & 0x7fffffffu) > 0x7f800000u {
        return (single >> 16u) | 0x40u;
    }
    return (single + 0x7fffu + ((single >> 16u) & 1u)) >> 16u;
}
