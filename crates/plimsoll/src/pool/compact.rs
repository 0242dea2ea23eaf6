use std::sync::Arc;
use super::core::PoolCore; use super::grow::Need; use super::block::Block; use super::error::LeaseError;
impl PoolCore { pub(super) fn compact_for(self: &Arc<Self>, _n: Need) -> Result<Option<Box<Block>>, LeaseError> { Ok(None) } }
