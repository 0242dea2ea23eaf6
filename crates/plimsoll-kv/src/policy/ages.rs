//! Ages in classes that double, from a hundredth of a second to half a year.

/// How many classes of age there are.
pub(super) const AGES: usize = 28;

/// Ticks of the judge's clock in a second.
pub(super) const TICKS_PER_S: u16 = 128;

/// The class of an age in ticks: 0, 1, 2–3, 4–7, …
pub(super) const fn age_class(ticks: u32) -> usize {
    let class = (u32::BITS - ticks.leading_zeros()) as usize;
    if class < AGES { class } else { AGES - 1 }
}

/// How much of its class of age an age in ticks has behind it, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
pub(super) const fn share_of_class(ticks: u32) -> f32 {
    if ticks < 2 {
        return 0.0;
    }
    let first = 1 << (u32::BITS - 1 - ticks.leading_zeros());
    (ticks - first) as f32 / first as f32
}

/// How long a block stays in a class of age, in seconds.
pub(super) fn width_s(class: usize) -> f64 {
    let ticks = if class == 0 { 1 } else { 1_u64 << (class - 1).min(62) };
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let ticks = ticks as f64;
    ticks / f64::from(TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_double() {
        let firsts: Vec<u32> = (1..6_u32).map(|class| 1 << (class - 1)).collect();
        for (class, first) in (1..).zip(firsts) {
            assert_eq!(age_class(first), class);
            assert_eq!(age_class(2 * first - 1), class);
            assert!((width_s(class) * f64::from(TICKS_PER_S) - f64::from(first)).abs() < 1e-9);
        }
        assert_eq!((age_class(0), age_class(u32::MAX)), (0, AGES - 1));
    }
}
