//! temporary
/// x
#[derive(Clone, Debug, PartialEq)]
pub struct Speed;
