//! Work that takes long, or waits for a disk: on a thread that answers nobody.

use tokio::task::spawn_blocking;

use super::ApiError;

/// Does it there. What panicked is an answer like any other failure.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    spawn_blocking(work).await.map_err(|error| ApiError::failed(error.to_string()))
}
