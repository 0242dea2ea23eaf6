//! GPUs that add up together.

use std::sync::Arc;

use plimsoll::Place;
use plimsoll_device::programs::Member;

use super::{BackendError, Backends};
use crate::CliError;

impl Backends {
    /// Several GPUs that add up together.
    pub(crate) fn group(&self, places: &[Place]) -> Result<Vec<Arc<dyn Member>>, CliError> {
        let number = |place: &Place| match place {
            Place::Cuda(number) => Ok(*number),
            other => Err(CliError::Place { place: *other, why: BackendError::Alone(*other) }),
        };
        let numbers = places.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let twice = (1..places.len()).find(|index| places[..*index].contains(&places[*index]));
        if let Some(index) = twice {
            return Err(CliError::Place { place: places[index], why: BackendError::Twice });
        }
        let first = places.first().copied().unwrap_or(Place::Host);
        let group = self.cuda().and_then(|cuda| cuda.group(&numbers));
        group.map_err(|why| CliError::Place { place: first, why })
    }
}
