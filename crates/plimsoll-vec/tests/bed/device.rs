//! A machine with a simulated device, and answers of both beside each other.

use std::sync::Arc;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine, EngineAccount, Place};
use plimsoll_device::{Device, HostDevice, HostSettings, SimDevice, SimSettings};
use plimsoll_vec::index::Answer;

/// Where the device is.
pub const DEVICE: Place = Place::Sim(0);
/// What it backs memory in.
const GRANULE: u64 = 4096;

/// A machine.
pub struct Machine {
    pub account: EngineAccount,
    pub device: Arc<SimDevice>,
}

/// A machine with so much memory of its own, and so much on a device that searches runs or does not.
pub fn machine(host: Bytes, there: Bytes, runs: bool) -> Machine {
    // A pool reserves four times its device's memory, and here that is the host's, zeroed.
    let total = Bytes::new(there.get() * 2);
    let settings = SimSettings { place: DEVICE, granule: GRANULE, total, runs, ..SimSettings::default() };
    let device = Arc::new(SimDevice::new(settings).unwrap());
    let account = AccountSettings::new("vec").share(Place::Host, Bytes::ZERO, host);
    let plan = LedgerSettings {
        places: vec![LineSettings::new(Place::Host, host), LineSettings::new(DEVICE, there)],
        accounts: vec![account.share(DEVICE, Bytes::ZERO, there)],
    };
    let own: Arc<dyn Device> = Arc::new(HostDevice::open(HostSettings::default()).unwrap());
    let devices = vec![own, Arc::clone(&device) as Arc<dyn Device>];
    let account = Engine::with(&plan, devices).unwrap().account("vec").unwrap();
    Machine { account, device }
}

/// What was found, to the bit.
pub fn scores(answer: &Answer) -> Vec<(u64, u32)> {
    answer.ids.iter().zip(&answer.distances).map(|(id, far)| (*id, far.to_bits())).collect()
}

/// Ids are the same, but for near ties, and so are distances.
pub fn near(found: &Answer, wanted: &Answer, room: f32, what: &str) {
    assert_eq!(found.ids.len(), wanted.ids.len());
    for (at, (found_far, far)) in found.distances.iter().zip(&wanted.distances).enumerate() {
        assert!((found_far - far).abs() <= room, "{what}, place {at}: {found_far} and {far}");
    }
    let same = found.ids.iter().zip(&wanted.ids).filter(|(one, other)| one == other).count();
    // One that is left out moves those behind it, too.
    let least = if room > 1e-3 { 70 } else { 99 };
    assert!(same * 100 >= found.ids.len() * least, "{what}: {same} the same");
}
