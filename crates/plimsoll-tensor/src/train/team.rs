//! Several stages that learn together: each has the same of what is learned, and gradients are added up over all.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use plimsoll_device::programs::Member;

use crate::cast::bytes_of;
use crate::compute::Done;
use crate::{Dtype, Tensor, TensorError};

const WHAT: &str = "adding up together";

/// A place among those that add up together.
///
/// All ask for the same sums in the same order, each from a thread of its own. One that fails says so with
/// [`leave`](Self::leave), and the others fail too and wait for nobody.
pub trait Together: Send + Sync + fmt::Debug {
    /// How many there are.
    fn members(&self) -> usize;

    /// Singles become the sums of what all members have, the same everywhere to the bit.
    fn sum(&self, tensors: &mut [&mut Tensor]) -> Result<(), TensorError>;

    /// Nobody waits for this one any more.
    fn leave(&self);
}

/// A place in a group of GPUs, whose sums are made among them.
#[derive(Debug)]
pub struct DeviceTogether {
    member: Arc<dyn Member>,
}

impl DeviceTogether {
    /// A device's place in a group. Tensors are to be on a stage of that device.
    pub fn new(member: Arc<dyn Member>) -> Self {
        Self { member }
    }
}

impl Together for DeviceTogether {
    fn members(&self) -> usize {
        self.member.members()
    }

    fn sum(&self, tensors: &mut [&mut Tensor]) -> Result<(), TensorError> {
        singles(tensors)?;
        let Some(stage) = tensors.first().map(|first| first.stage()) else { return Ok(()) };
        stage.run(|compute| compute.sum_over(self.member.as_ref(), tensors))
    }

    fn leave(&self) {
        self.member.leave();
    }
}

/// A place among threads of this process, whose sums are made on the host, wherever their tensors are.
#[derive(Debug)]
pub struct HostTogether {
    meeting: Arc<Meeting>,
    place: usize,
}

#[derive(Debug, Default)]
struct Meeting {
    now: Mutex<Round>,
    changed: Condvar,
}

/// What members have brought, and how many have taken the sum.
#[derive(Debug, Default)]
struct Round {
    brought: Vec<Option<Vec<f32>>>,
    taken: usize,
    left: bool,
}

impl HostTogether {
    /// Places for so many.
    pub fn places(members: usize) -> Vec<Self> {
        let round = Round { brought: vec![None; members], ..Round::default() };
        let meeting = Arc::new(Meeting { now: Mutex::new(round), changed: Condvar::new() });
        (0..members).map(|place| Self { meeting: Arc::clone(&meeting), place }).collect()
    }

    fn one(&self, tensor: &mut Tensor) -> Done {
        let mine = tensor.to_vec()?;
        let count = mine.len();
        let mut round = self.meeting.wait(|round| round.brought[self.place].is_none())?;
        round.brought[self.place] = Some(mine);
        self.meeting.changed.notify_all();
        drop(round);
        let mut round = self.meeting.wait(|round| round.brought.iter().all(Option::is_some))?;
        // Every member adds in the order of places, so that all have the same to the bit.
        let mut sum = vec![0.0; count];
        let mut alike = true;
        for brought in round.brought.iter().flatten() {
            alike &= brought.len() == count;
            for (sum, number) in sum.iter_mut().zip(brought) {
                *sum += number;
            }
        }
        round.taken += 1;
        if round.taken == round.brought.len() {
            round.taken = 0;
            round.brought.fill(None);
            self.meeting.changed.notify_all();
        }
        drop(round);
        if !alike {
            let why = "members have tensors of other sizes; all are to learn the same".to_owned();
            return Err(TensorError::shape(WHAT, why));
        }
        let stage = tensor.stage();
        stage.run(|compute| compute.write(tensor, 0, bytes_of(&sum)))
    }
}

impl Meeting {
    /// Waits until something is so, or somebody has left.
    fn wait(&self, until: impl Fn(&Round) -> bool) -> Result<MutexGuard<'_, Round>, TensorError> {
        let mut round = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        while !until(&round) && !round.left {
            round = self.changed.wait(round).unwrap_or_else(PoisonError::into_inner);
        }
        if round.left { Err(TensorError::Left) } else { Ok(round) }
    }
}

impl Together for HostTogether {
    fn members(&self) -> usize {
        self.meeting.now.lock().unwrap_or_else(PoisonError::into_inner).brought.len()
    }

    fn sum(&self, tensors: &mut [&mut Tensor]) -> Result<(), TensorError> {
        singles(tensors)?;
        for tensor in tensors.iter_mut().filter(|tensor| !tensor.stage().rehearses()) {
            self.one(tensor)?;
        }
        Ok(())
    }

    fn leave(&self) {
        self.meeting.now.lock().unwrap_or_else(PoisonError::into_inner).left = true;
        self.meeting.changed.notify_all();
    }
}

/// What is added up are singles that lie one behind the other and that nobody shares.
fn singles(tensors: &mut [&mut Tensor]) -> Done {
    for tensor in tensors {
        if tensor.dtype() != Dtype::F32 {
            return Err(TensorError::Dtype { what: WHAT, wanted: "f32", found: tensor.dtype() });
        }
        tensor.own()?;
    }
    Ok(())
}
