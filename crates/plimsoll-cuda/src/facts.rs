//! What a GPU is, without opening it.

use std::fs;
use std::path::Path;

use plimsoll_device::Bytes;

use crate::driver::Probe;

/// A GPU's unchanging facts, as the driver and the system tell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuFacts {
    /// Its number: `cuda:0` is the first.
    pub ordinal: u16,
    /// What its maker calls it.
    pub name: String,
    /// All its memory.
    pub total: Bytes,
    /// Compute capability: (9, 0) is Hopper.
    pub compute: (u32, u32),
    /// How many multiprocessors it has.
    pub multiprocessors: u32,
    /// Whether it shares the host's memory.
    pub integrated: bool,
    /// Its address on the PCI bus, as the driver writes it: `00000000:01:00.0`.
    pub pci: Option<String>,
    /// Its identity, the same for every interface that tells it.
    pub uuid: Option<[u8; 16]>,
    /// How it is connected to the host, where the system tells.
    pub link: Option<Link>,
    /// Devices whose memory it reaches by itself.
    pub peers: Vec<u16>,
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

impl Link {
    /// Bytes a second in one direction by the standard, without the protocol's share.
    pub fn bytes_per_second(self) -> u64 {
        // Transfers a second a lane times the share of the coding, in bytes.
        let lane = match self.generation {
            0 | 1 => 250_000_000,
            2 => 500_000_000,
            3 => 984_615_384,
            4 => 1_969_230_769,
            5 => 3_938_461_538,
            _ => 7_877_000_000,
        };
        lane * u64::from(self.lanes)
    }

    /// Reads it from the system's list of PCI devices.
    fn read(devices: &Path, pci: &str) -> Option<Self> {
        // The driver writes eight digits of domain, the system four.
        let (domain, rest) = pci.split_once(':')?;
        let domain = u32::from_str_radix(domain, 16).ok()?;
        let folder = devices.join(format!("{domain:04x}:{}", rest.to_lowercase()));
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        Some(Self {
            generation: generation(&read("current_link_speed")?)?,
            lanes: read("current_link_width")?.trim().parse().ok()?,
            generation_max: generation(&read("max_link_speed")?)?,
            lanes_max: read("max_link_width")?.trim().parse().ok()?,
        })
    }
}

/// A speed of `32.0 GT/s PCIe` is the fifth generation.
fn generation(speed: &str) -> Option<u8> {
    let transfers: f64 = speed.split_whitespace().next()?.parse().ok()?;
    [2.5, 5.0, 8.0, 16.0, 32.0, 64.0].iter().zip(1..).find(|(of, _)| transfers <= **of + 0.01).map(|(_, n)| n)
}

impl GpuFacts {
    pub(crate) fn new(ordinal: u16, probe: &Probe) -> Self {
        let system = Path::new("/sys/bus/pci/devices");
        Self {
            ordinal,
            name: probe.name.clone(),
            total: Bytes::new(probe.total),
            compute: probe.compute,
            multiprocessors: probe.multiprocessors,
            integrated: probe.integrated,
            link: probe.pci.as_deref().and_then(|pci| Link::read(system, pci)),
            pci: probe.pci.clone(),
            uuid: probe.uuid,
            peers: probe.peers.iter().filter_map(|&peer| u16::try_from(peer).ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_from_the_system() {
        let devices = tempfile::tempdir().unwrap();
        let folder = devices.path().join("0001:0a:00.0");
        fs::create_dir(&folder).unwrap();
        for (name, text) in [
            ("current_link_speed", "2.5 GT/s PCIe\n"),
            ("current_link_width", "8\n"),
            ("max_link_speed", "32.0 GT/s PCIe\n"),
            ("max_link_width", "16\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let link = Link::read(devices.path(), "00000001:0A:00.0").unwrap();
        assert_eq!(link, Link { generation: 1, lanes: 8, generation_max: 5, lanes_max: 16 });
        assert_eq!(link.bytes_per_second(), 2_000_000_000);
        assert_eq!(Link::read(devices.path(), "00000000:0A:00.0"), None);
        fs::write(folder.join("max_link_speed"), "Unknown\n").unwrap();
        assert_eq!(Link::read(devices.path(), "00000001:0A:00.0"), None);
    }
}
