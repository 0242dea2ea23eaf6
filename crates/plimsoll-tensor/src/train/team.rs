//! Several stages that learn together: each has the same of what is learned, gradients are added up over all, and what is
//! divided is gathered from all.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use plimsoll_device::programs::Member;

use super::divided::bytes;
use crate::cast::bytes_of;
use crate::compute::Done;
use crate::{Dtype, Tensor, TensorError};

const WHAT: &str = "adding up together";
const GATHERING: &str = "gathering parts";

/// Something of which each member has a part, on one of them.
#[derive(Debug)]
pub struct Parts<'t> {
    /// What this one has: bytes of its own, and behind them those that all have.
    pub part: &'t Tensor,
    /// How many bytes are its own, as many as of each of the others.
    pub own: u64,
    /// Where all of it goes: everybody's own in the order of places, and behind them what all have.
    pub whole: &'t mut Tensor,
}

impl Parts<'_> {
    /// The bytes that all have.
    pub(crate) fn rest(&self) -> u64 {
        bytes(self.part).saturating_sub(self.own)
    }

    fn check(&self, members: usize) -> Done {
        let wanted = self.own * members as u64 + self.rest();
        if bytes(self.whole) == wanted {
            return Ok(());
        }
        let why =
            format!("parts of {members} are {wanted} bytes, and there is room for {}", bytes(self.whole));
        Err(TensorError::shape(GATHERING, why))
    }
}

/// A place among those that add up together.
///
/// All ask for the same in the same order, each from a thread of its own. One that fails says so with
/// [`leave`](Self::leave), and the others fail too and wait for nobody.
pub trait Together: Send + Sync + fmt::Debug {
    /// How many there are.
    fn members(&self) -> usize;

    /// Singles become the sums of what all members have, the same everywhere to the bit.
    fn sum(&self, tensors: &mut [&mut Tensor]) -> Result<(), TensorError>;

    /// Wholes are made of the parts that members have, the same everywhere.
    fn gather(&self, all: &mut [Parts<'_>]) -> Result<(), TensorError>;

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

    fn gather(&self, all: &mut [Parts<'_>]) -> Result<(), TensorError> {
        all.iter().try_for_each(|one| one.check(self.members()))?;
        let Some(stage) = all.first().map(|first| first.part.stage()) else { return Ok(()) };
        stage.gather(self.member.as_ref(), all)
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
    brought: Vec<Option<Vec<u8>>>,
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

    /// Brings something, and takes of what all have brought, in the order of places. All bring as much.
    fn exchange(&self, what: &'static str, mine: Vec<u8>, mut take: impl FnMut(&[u8])) -> Done {
        let count = mine.len();
        let mut round = self.meeting.wait(|round| round.brought[self.place].is_none())?;
        round.brought[self.place] = Some(mine);
        self.meeting.changed.notify_all();
        drop(round);
        let mut round = self.meeting.wait(|round| round.brought.iter().all(Option::is_some))?;
        let alike = round.brought.iter().flatten().all(|brought| brought.len() == count);
        if alike {
            round.brought.iter().flatten().for_each(|brought| take(brought));
        }
        round.taken += 1;
        if round.taken == round.brought.len() {
            round.taken = 0;
            round.brought.fill(None);
            self.meeting.changed.notify_all();
        }
        drop(round);
        if alike {
            return Ok(());
        }
        let why = "members have tensors of other sizes; all are to learn the same".to_owned();
        Err(TensorError::shape(what, why))
    }

    fn sum_one(&self, tensor: &mut Tensor) -> Done {
        let mine = tensor.to_vec()?;
        // Every member adds in the order of places, so that all have the same to the bit.
        let mut sum = vec![0.0; mine.len()];
        self.exchange(WHAT, bytes_of(&mine).to_vec(), |brought| {
            for (sum, number) in sum.iter_mut().zip(brought.as_chunks().0) {
                *sum += f32::from_ne_bytes(*number);
            }
        })?;
        let stage = tensor.stage();
        stage.run(|compute| compute.write(tensor, 0, bytes_of(&sum)))
    }

    fn gather_one(&self, one: &mut Parts<'_>) -> Done {
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (stage, mut mine) = (one.part.stage(), vec![0; number(bytes(one.part))]);
        stage.run(|compute| compute.fetch(one.part, &mut mine))?;
        let rest = mine.split_off(number(one.own));
        let mut whole = Vec::with_capacity(number(bytes(one.whole)));
        self.exchange(GATHERING, mine, |brought| whole.extend_from_slice(brought))?;
        whole.extend_from_slice(&rest);
        stage.run(|compute| compute.write(one.whole, 0, &whole))
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
            self.sum_one(tensor)?;
        }
        Ok(())
    }

    fn gather(&self, all: &mut [Parts<'_>]) -> Result<(), TensorError> {
        all.iter().try_for_each(|one| one.check(self.members()))?;
        all.iter_mut().try_for_each(|one| self.gather_one(one))
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
