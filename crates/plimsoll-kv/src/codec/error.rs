//! Why a section could not be encoded or decoded.

/// Why a block has no such form, or a section cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A form that this program does not write.
    #[error("form {0:#010x} is of another program or a newer one; treat the block as missing")]
    Foreign(u32),
    /// Bytes that only the engine understands cannot be made smaller by changing them.
    #[error("these blocks are bytes that only their engine understands; keep them native")]
    Opaque,
    /// A section that no number of ours counts.
    #[error("section {section} would take more than 4 GiB; use blocks of fewer tokens")]
    TooLarge {
        /// Which.
        section: usize,
    },
    /// There is no such section.
    #[error("there is no section {section}: the layout has {sections}")]
    NoSection {
        /// Which was asked for.
        section: usize,
        /// How many there are.
        sections: usize,
    },
    /// A slice of another length than the layout says.
    #[error("section {section} has {found} bytes where {wanted} are wanted; it is of another layout or form")]
    Length {
        /// Which section.
        section: usize,
        /// What the layout says.
        wanted: usize,
        /// What was given.
        found: usize,
    },
    /// Numbers that are not finite, or so large that what they decode to might not be.
    #[error(
        "section {section} has numbers that are not finite, or nearly so; keep the block native, or do not keep it"
    )]
    Unquantizable {
        /// Which section.
        section: usize,
    },
    /// Bytes that no encoder wrote.
    #[error("section {section} is damaged ({why}); treat the block as missing")]
    Damaged {
        /// Which section.
        section: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}
