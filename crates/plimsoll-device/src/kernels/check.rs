//! What the arguments of an operation must be, checked once for every back end.

use super::OPERAND_ALIGN;
use crate::{DeviceError, Span};

/// An operation whose arguments do not fit together.
pub fn bad(what: &'static str, why: impl Into<String>) -> DeviceError {
    DeviceError::BadOperation { what, why: why.into() }
}

/// An operand that starts where loads are whole.
pub fn aligned(what: &'static str, span: &Span<'_>) -> Result<(), DeviceError> {
    if span.offset().is_multiple_of(OPERAND_ALIGN) {
        return Ok(());
    }
    Err(bad(
        what,
        format!("an operand starts at byte {}; it must be a multiple of {OPERAND_ALIGN}", span.offset()),
    ))
}
