//! Cards, and machines with one memory that are not Apple's.
//!
//! Each with its memory, its bandwidth, its dense half-precision operations (with sums of 16 bits, the fastest that it
//! has; half of them on GeForce cards where sums have 32) and its link to the host, as its maker states them.

/// Who made it: decides its place and how near programs come to its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Nvidia,
    Amd,
    Intel,
}

/// One card.
#[derive(Clone, Copy)]
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) also: &'static [&'static str],
    pub(super) maker: Maker,
    pub(super) gib: u32,
    pub(super) gb_per_s: u32,
    pub(super) tflops: u32,
    pub(super) link: Link,
}

/// How a card hangs on its host, in GB a second that are reached one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// One memory for both.
    Unified,
    /// PCI Express, by generation and lanes.
    Pcie(u32, u32),
}

impl Link {
    /// What is reached with pinned memory: about seven eighths of what the lanes carry.
    pub(super) fn gb_per_s(self) -> Option<u32> {
        match self {
            Self::Unified => None,
            Self::Pcie(generation, lanes) => {
                let whole = match generation {
                    ..=3 => 12,
                    4 => 25,
                    _ => 52,
                };
                Some((whole * lanes / 16).max(1))
            }
        }
    }
}

use Link::{Pcie, Unified};
use Maker::{Amd, Intel, Nvidia};

const fn card(
    maker: Maker,
    name: &'static str,
    also: &'static [&'static str],
    figures: [u32; 3],
    link: Link,
) -> Card {
    let [gib, gb_per_s, tflops] = figures;
    Card { name, also, maker, gib, gb_per_s, tflops, link }
}

const P3: Link = Pcie(3, 16);
const P4: Link = Pcie(4, 16);
const P4X8: Link = Pcie(4, 8);
const P5: Link = Pcie(5, 16);
const P5X8: Link = Pcie(5, 8);

/// Every card.
pub(super) fn cards() -> impl Iterator<Item = &'static Card> {
    [GEFORCE, PROFESSIONAL, AMD, INTEL, ONE_MEMORY].into_iter().flatten()
}

const GEFORCE: &[Card] = &[
    card(Nvidia, "RTX 2060 12G", &["RTX 2060"], [12, 336, 57], P3),
    card(Nvidia, "RTX 2080 Ti", &[], [11, 616, 108], P3),
    card(Nvidia, "RTX 3060", &["RTX 3060 12G"], [12, 360, 51], P4),
    card(Nvidia, "RTX 3060 Ti", &[], [8, 448, 65], P4),
    card(Nvidia, "RTX 3070", &[], [8, 448, 81], P4),
    card(Nvidia, "RTX 3070 Ti", &[], [8, 608, 87], P4),
    card(Nvidia, "RTX 3080", &["RTX 3080 10G"], [10, 760, 119], P4),
    card(Nvidia, "RTX 3080 Ti", &[], [12, 912, 136], P4),
    card(Nvidia, "RTX 3090", &[], [24, 936, 142], P4),
    card(Nvidia, "RTX 3090 Ti", &[], [24, 1008, 160], P4),
    card(Nvidia, "RTX 4060", &[], [8, 272, 60], P4X8),
    card(Nvidia, "RTX 4060 Ti 8G", &["RTX 4060 Ti"], [8, 288, 88], P4X8),
    card(Nvidia, "RTX 4060 Ti 16G", &[], [16, 288, 88], P4X8),
    card(Nvidia, "RTX 4070", &[], [12, 504, 117], P4),
    card(Nvidia, "RTX 4070 Super", &[], [12, 504, 142], P4),
    card(Nvidia, "RTX 4070 Ti", &[], [12, 504, 160], P4),
    card(Nvidia, "RTX 4070 Ti Super", &[], [16, 672, 176], P4),
    card(Nvidia, "RTX 4080", &[], [16, 717, 195], P4),
    card(Nvidia, "RTX 4080 Super", &[], [16, 736, 209], P4),
    card(Nvidia, "RTX 4090", &[], [24, 1008, 330], P4),
    card(Nvidia, "RTX 5060", &[], [8, 448, 77], P5X8),
    card(Nvidia, "RTX 5060 Ti 8G", &[], [8, 448, 95], P5X8),
    card(Nvidia, "RTX 5060 Ti 16G", &["RTX 5060 Ti"], [16, 448, 95], P5X8),
    card(Nvidia, "RTX 5070", &[], [12, 672, 123], P5),
    card(Nvidia, "RTX 5070 Ti", &[], [16, 896, 176], P5),
    card(Nvidia, "RTX 5080", &[], [16, 960, 225], P5),
    card(Nvidia, "RTX 5090", &[], [32, 1792, 419], P5),
];

const PROFESSIONAL: &[Card] = &[
    card(Nvidia, "Tesla P40", &["P40"], [24, 346, 12], P3),
    card(Nvidia, "Tesla P100", &["P100"], [16, 732, 19], P3),
    card(Nvidia, "Tesla T4", &["T4"], [16, 320, 65], P3),
    card(Nvidia, "Tesla V100 32G", &["V100 32G", "V100"], [32, 900, 125], P3),
    card(Nvidia, "RTX A2000 12G", &["RTX A2000"], [12, 288, 32], P4),
    card(Nvidia, "RTX A4000", &[], [16, 448, 77], P4),
    card(Nvidia, "RTX A5000", &[], [24, 768, 111], P4),
    card(Nvidia, "RTX A6000", &[], [48, 768, 155], P4),
    card(Nvidia, "RTX 4000 Ada", &[], [20, 360, 107], P4),
    card(Nvidia, "RTX 5000 Ada", &[], [32, 576, 261], P4),
    card(Nvidia, "RTX 6000 Ada", &[], [48, 960, 364], P4),
    card(Nvidia, "RTX PRO 4000", &["RTX PRO 4000 Blackwell"], [24, 672, 187], P5),
    card(Nvidia, "RTX PRO 4500", &["RTX PRO 4500 Blackwell"], [32, 896, 219], P5),
    card(Nvidia, "RTX PRO 5000", &["RTX PRO 5000 Blackwell"], [48, 1344, 294], P5),
    card(Nvidia, "RTX PRO 6000", &["RTX PRO 6000 Blackwell", "RTX 6000 PRO"], [96, 1792, 503], P5),
    card(Nvidia, "A10", &[], [24, 600, 125], P4),
    card(Nvidia, "A30", &[], [24, 933, 165], P4),
    card(Nvidia, "A40", &[], [48, 696, 150], P4),
    card(Nvidia, "L4", &[], [24, 300, 121], P4),
    card(Nvidia, "L40", &[], [48, 864, 181], P4),
    card(Nvidia, "L40S", &["L 40S"], [48, 864, 362], P4),
    card(Nvidia, "A100 40G", &["A100 40GB"], [40, 1555, 312], P4),
    card(Nvidia, "A100 80G", &["A100 80GB", "A100", "A100 SXM", "A100 PCIe"], [80, 2039, 312], P4),
    card(Nvidia, "H100 PCIe", &["H100 PCIe 80G"], [80, 2039, 756], P5),
    card(Nvidia, "H100 SXM", &["H100", "H100 80G", "H100 80GB", "H100 SXM 80G"], [80, 3350, 989], P5),
    card(Nvidia, "H100 NVL", &["H100 NVL 94G"], [94, 3938, 835], P5),
    card(Nvidia, "H200", &["H200 141G", "H200 SXM", "H200 NVL"], [141, 4800, 989], P5),
    card(Nvidia, "B200", &["B200 180G"], [180, 8000, 2250], P5),
    card(Nvidia, "B300", &["B300 288G"], [288, 8000, 2250], P5),
];

const AMD: &[Card] = &[
    card(Amd, "RX 6800 XT", &[], [16, 512, 41], P4),
    card(Amd, "RX 6900 XT", &[], [16, 512, 46], P4),
    card(Amd, "RX 7600 XT", &[], [16, 288, 45], P4X8),
    card(Amd, "RX 7700 XT", &[], [12, 432, 70], P4),
    card(Amd, "RX 7800 XT", &[], [16, 624, 75], P4),
    card(Amd, "RX 7900 XT", &[], [20, 800, 103], P4),
    card(Amd, "RX 7900 XTX", &["7900 XTX"], [24, 960, 123], P4),
    card(Amd, "RX 9060 XT", &["RX 9060 XT 16G"], [16, 320, 103], P5),
    card(Amd, "RX 9070", &[], [16, 640, 145], P5),
    card(Amd, "RX 9070 XT", &["9070 XT"], [16, 640, 195], P5),
    card(Amd, "AI PRO R9700", &["R9700", "Pro R9700"], [32, 640, 191], P5),
    card(Amd, "Pro W7800", &["W7800"], [32, 576, 90], P4),
    card(Amd, "Pro W7900", &["W7900"], [48, 864, 123], P4),
    card(Amd, "Instinct MI50", &["MI50", "MI50 32G"], [32, 1024, 27], P4),
    card(Amd, "Instinct MI100", &["MI100"], [32, 1229, 185], P4),
    card(Amd, "Instinct MI210", &["MI210"], [64, 1638, 181], P4),
    card(Amd, "Instinct MI250", &["MI250", "MI250X"], [128, 3277, 362], P4),
    card(Amd, "Instinct MI300X", &["MI300X"], [192, 5300, 1307], P5),
    card(Amd, "Instinct MI325X", &["MI325X"], [256, 6000, 1307], P5),
    card(Amd, "Instinct MI355X", &["MI355X"], [288, 8000, 2500], P5),
];

const INTEL: &[Card] = &[
    card(Intel, "Arc A750", &["A750"], [8, 512, 138], P4),
    card(Intel, "Arc A770", &["A770", "Arc A770 16G"], [16, 560, 157], P4),
    card(Intel, "Arc B570", &["B570"], [10, 380, 81], P4X8),
    card(Intel, "Arc B580", &["B580"], [12, 456, 117], P4X8),
    card(Intel, "Arc Pro B50", &["B50"], [16, 224, 85], P5X8),
    card(Intel, "Arc Pro B60", &["B60"], [24, 456, 98], P5X8),
];

const ONE_MEMORY: &[Card] = &[
    card(Nvidia, "DGX Spark", &["GB10", "DGX Spark 128G", "GB10 128G"], [128, 273, 125], Unified),
    card(
        Nvidia,
        "Jetson AGX Orin 64G",
        &["Jetson AGX Orin", "AGX Orin", "AGX Orin 64G"],
        [64, 204, 43],
        Unified,
    ),
    card(Nvidia, "Jetson AGX Thor", &["AGX Thor", "Jetson Thor"], [128, 273, 250], Unified),
    card(
        Amd,
        "Ryzen AI Max 395",
        &["Strix Halo", "Strix Halo 395", "Ryzen AI Max 395 128G", "AI Max 395"],
        [128, 256, 59],
        Unified,
    ),
    card(Amd, "Ryzen AI Max 390", &["Ryzen AI Max 390 64G", "Strix Halo 64G"], [64, 256, 47], Unified),
];
