use super::block::Block;
use super::core::PoolCore;
use super::error::LeaseError;
use super::grow::Need;
use std::sync::Arc;
impl PoolCore {
    pub(super) fn compact_for(self: &Arc<Self>, _n: Need) -> Result<Option<Box<Block>>, LeaseError> {
        Ok(None)
    }
}
