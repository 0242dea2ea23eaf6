//! Why bytes are no packed matrix, and why numbers cannot be packed.

use super::Packing;

/// What does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackedError {
    /// Rows that are not whole blocks.
    #[error(
        "rows of {columns} numbers cannot be {packing}: it packs {} together; pad them, or use another packing",
        packing.block_numbers()
    )]
    Columns {
        /// The packing.
        packing: Packing,
        /// Numbers of a row.
        columns: usize,
    },
    /// More numbers than can be counted.
    #[error("{rows} rows of {columns} numbers are more than this machine can address; check the shape")]
    Large {
        /// Rows.
        rows: usize,
        /// Numbers of a row.
        columns: usize,
    },
    /// Too few or too many bytes.
    #[error("{rows} rows of {columns} numbers as {packing} are {wanted} bytes, and {found} were given")]
    Bytes {
        /// The packing.
        packing: Packing,
        /// Rows.
        rows: usize,
        /// Numbers of a row.
        columns: usize,
        /// Bytes that were given.
        found: usize,
        /// Bytes that it takes.
        wanted: usize,
    },
    /// A packing that is only read here.
    #[error("numbers cannot be packed as {packing} here; pack them as q8_0 or q4_0")]
    ReadOnly {
        /// The packing.
        packing: Packing,
    },
    /// A number that no scale can carry.
    #[error("number {at} is not finite, or too great for {packing}; look for what made it")]
    Number {
        /// The packing.
        packing: Packing,
        /// Its place.
        at: usize,
    },
}
