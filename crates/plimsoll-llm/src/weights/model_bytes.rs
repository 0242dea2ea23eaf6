//! Where a model's bytes are.

use std::sync::Arc;

/// The bytes of a whole model file, wherever they are kept: mapped, copied, or lent by a holding that is charged for
/// them.
pub type ModelBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;
