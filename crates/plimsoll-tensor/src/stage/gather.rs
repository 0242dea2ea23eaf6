//! Tensors of which several stages have a part each, made whole on one of them.

use plimsoll_device::programs::{Gather, Member};

use super::stage::Stage;
use super::transit::Way;
use crate::compute::Done;
use crate::train::Parts;

const WHAT: &str = "gathering parts";

impl Stage {
    /// Makes wholes of all members' parts, beside what is computed here: on the stream of copies, behind what was asked for so
    /// far. Returns at once, and whoever uses a whole first waits for it, as with [`to`](crate::Tensor::to).
    pub(crate) fn gather(&self, member: &dyn Member, all: &mut [Parts<'_>]) -> Done {
        let memory = self.memory()?;
        let road = memory.road()?;
        let mut asked = Vec::with_capacity(all.len());
        for one in all.iter_mut() {
            let part = one.part.storage.address(WHAT)? + one.part.offset * one.part.dtype().bytes();
            one.whole.own()?;
            let whole = one.whole.storage.address_mut(WHAT)?;
            asked.push(Gather { part, whole, bytes: one.own });
        }
        if let Some(fence) = self.behind_work()? {
            memory.compute.follow(road, fence)?;
        }
        memory.compute.gather_over(member, road, &asked)?;
        let members = member.members() as u64;
        for (one, gather) in all.iter().zip(&asked) {
            let (own, rest) = (gather.bytes, one.rest());
            memory.compute.carry(road, gather.part + own, gather.whole + own * members, rest)?;
        }
        let fence = memory.pool.device().fence(road)?;
        for (one, gather) in all.iter().zip(&asked) {
            let whole = gather.bytes * members + one.rest();
            memory.note(gather.part..gather.part + gather.bytes + one.rest(), Way::Leaving, fence);
            memory.note(gather.whole..gather.whole + whole, Way::Arriving, fence);
        }
        Ok(())
    }
}
