//! What is known of a GPU before it is opened, whichever way it is reached.

use plimsoll::{Bytes, Place};

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The place that its memory has in plans.
    pub place: Place,
    /// Other places that are the same memory, reached through other back ends.
    pub also: Vec<Place>,
    /// What its maker calls it.
    pub name: String,
    /// "discrete", "integrated", "virtual", "software" or "other".
    pub kind: &'static str,
    /// What reaches it: "CUDA 13.0", "Vulkan", "Metal".
    pub api: String,
    /// The driver, where it has a name.
    pub driver: Option<String>,
    /// All its memory.
    pub total: Bytes,
    /// What of it is free, where that is told without opening it.
    pub free: Option<Bytes>,
    /// Whether its memory is the machine's own.
    pub unified: bool,
    /// CUDA's compute capability.
    pub compute: Option<(u32, u32)>,
    /// How many multiprocessors it has.
    pub multiprocessors: Option<u32>,
    /// Where it is on the PCI bus: `0000:01:00.0`.
    pub pci: Option<String>,
    /// How it is connected to the machine.
    pub link: Option<Link>,
    /// GPUs whose memory it reaches by itself.
    pub peers: Vec<Place>,
    /// What it lacks to be used.
    pub lacks: Option<String>,
}

/// A PCI Express connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Generation now; idle devices lower it.
    pub generation: u8,
    /// Lanes now.
    pub lanes: u8,
    /// The highest generation that both ends can do.
    pub generation_max: u8,
    /// The most lanes.
    pub lanes_max: u8,
}

impl Gpu {
    /// All places that are its memory.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        std::iter::once(self.place).chain(self.also.iter().copied())
    }

    /// Whether the processor only acts as a GPU.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }
}

/// Each GPU once: those of `first`, with what `second` tells of the same ones, then the others of `second`. They
/// are the same when they are at the same address of the PCI bus; where one does not tell, both are kept.
pub(super) fn merged(first: Vec<Gpu>, second: Vec<Gpu>) -> Vec<Gpu> {
    let mut all = first;
    for gpu in second {
        let same = all.iter_mut().find(|known| match (&known.pci, &gpu.pci) {
            (Some(one), Some(other)) => address(one).is_some() && address(one) == address(other),
            _ => false,
        });
        match same {
            Some(known) => {
                known.also.push(gpu.place);
                known.free = known.free.or(gpu.free);
            }
            None => all.push(gpu),
        }
    }
    all
}

/// Domain, bus, device and function. CUDA writes eight digits of domain, others four.
fn address(pci: &str) -> Option<[u32; 4]> {
    let (rest, function) = pci.rsplit_once('.')?;
    let mut parts = rest.split(':');
    let mut next = || u32::from_str_radix(parts.next()?, 16).ok();
    let found = [next()?, next()?, next()?, u32::from_str_radix(function, 16).ok()?];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(place: Place, pci: Option<&str>, free: Option<u64>) -> Gpu {
        Gpu {
            place,
            also: Vec::new(),
            name: "a GPU".into(),
            kind: "discrete",
            api: "CUDA".into(),
            driver: None,
            total: Bytes::gib(8),
            free: free.map(Bytes::gib),
            unified: false,
            compute: None,
            multiprocessors: None,
            pci: pci.map(Into::into),
            link: None,
            peers: Vec::new(),
            lacks: None,
        }
    }

    #[test]
    fn one_gpu_by_two_ways_is_one_entry() {
        let cuda = vec![gpu(Place::Cuda(0), Some("00000000:0A:00.0"), None), gpu(Place::Cuda(1), None, None)];
        let wgpu = vec![
            gpu(Place::Gpu(0), None, Some(1)),
            gpu(Place::Gpu(1), Some("0000:0a:00.0"), Some(7)),
            gpu(Place::Gpu(2), Some("0000:0b:00.0"), Some(2)),
        ];
        let all = merged(cuda, wgpu);
        let places: Vec<Vec<Place>> = all.iter().map(|gpu| gpu.places().collect()).collect();
        let expected = [
            vec![Place::Cuda(0), Place::Gpu(1)],
            vec![Place::Cuda(1)],
            vec![Place::Gpu(0)],
            vec![Place::Gpu(2)],
        ];
        assert_eq!(places, expected);
        assert_eq!(all[0].free, Some(Bytes::gib(7)));
    }

    #[test]
    fn addresses_that_are_none_are_never_the_same() {
        for text in ["", "0a:00.0", "00000000:0a:00", "x:y:z.w", "0:0:0:0.0"] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(address("00000001:0A:00.1"), Some([1, 10, 0, 1]));
    }
}
