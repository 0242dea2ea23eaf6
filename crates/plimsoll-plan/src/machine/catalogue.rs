//! Machines by name.

use plimsoll::{Bytes, Place};

use super::apple::{CHIPS, Chip};
use super::cards::{Card, Link, Maker, cards};
use super::host::{Host, number};
use super::{Gpu, Machine, Rate};
use crate::catalogue::NameError;
use crate::catalogue::names::{Named, find, words};

/// Why a text is no machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// A name that is not known.
    #[error("{0}; a machine is written m3-max-128g, rtx-4090+64g, 2x rtx-3090+128g or cpu-64g, or is a file")]
    Name(#[from] NameError),
    /// What stands behind a card is no host.
    #[error(
        "{0:?} is no memory of a host; write its size and, if need be, its sort and channels: 64g, 128g-ddr4, 512g-8ch"
    )]
    Host(String),
    /// More cards than a machine has.
    #[error("{0} cards are more than one machine holds; write 1 to 16")]
    Cards(u32),
    /// A card was put into a machine that has one memory, or the other way round.
    #[error("{0} has one memory for processor and GPU: write it alone, without + and more")]
    Unified(String),
}

/// What a name stands for.
#[derive(Clone, Copy)]
enum Found {
    Apple(&'static Chip, u32),
    Card(&'static Card),
}

/// The most cards in one machine.
const CARDS_MAX: u32 = 16;

/// Every machine that has a name of its own: Apple's in each size, each card in an ordinary host, and plain hosts.
pub fn names() -> Vec<String> {
    let apple = CHIPS.iter().enumerate().flat_map(|(index, chip)| {
        chip.memory.iter().filter(move |gib| is_last(index, **gib)).map(|gib| format!("{}-{gib}g", chip.name))
    });
    let hosts = ["cpu-32g", "cpu-64g", "cpu-128g-8ch", "cpu-256g-8ch", "cpu-512g", "cpu-768g-12ch"];
    apple.chain(cards().map(|card| plain(card.name))).chain(hosts.map(str::to_owned)).collect()
}

/// "RTX 4090" as "rtx-4090".
fn plain(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

/// Whether no later chip has the same name and size: of several, the plain name means the one with more cores.
fn is_last(index: usize, gib: u32) -> bool {
    let Some(chip) = CHIPS.get(index) else { return false };
    !CHIPS.iter().skip(index + 1).any(|other| other.name == chip.name && other.memory.contains(&gib))
}

fn rows() -> Vec<Named<Found>> {
    let mut rows = Vec::new();
    for (index, chip) in CHIPS.iter().enumerate() {
        for gib in chip.memory {
            let full = format!("{}-{}c-{gib}g", chip.name, chip.gpu_cores);
            let plain = is_last(index, *gib).then(|| format!("{}-{gib}g", chip.name));
            rows.push(Named {
                names: plain.into_iter().chain([full]).collect(),
                value: Found::Apple(chip, *gib),
            });
        }
    }
    for card in cards() {
        let mut names = vec![plain(card.name)];
        names.extend(card.also.iter().map(|&name| name.to_owned()));
        // "4090" and "7900 xtx" are enough.
        let bare = card.name.strip_prefix("RTX ").or_else(|| card.name.strip_prefix("RX "));
        names.extend(bare.filter(|bare| bare.starts_with(|c: char| c.is_ascii_digit())).map(plain));
        rows.push(Named { names, value: Found::Card(card) });
    }
    rows
}

fn find_one(text: &str) -> Result<Found, NameError> {
    let rows = rows();
    let found = find("machine", &rows, text);
    if found.is_ok() {
        return found;
    }
    // A card whose memory stands behind it although it comes with no other.
    let mut parts = words(text);
    let gib = parts.pop().and_then(|word| number(&word, "g"));
    match find("machine", &rows, &parts.join(" ")) {
        Ok(Found::Card(card)) if gib == Some(card.gib) => Ok(Found::Card(card)),
        _ => found,
    }
}

/// What is known of a GPU by the name that its driver has for it ("NVIDIA H100 80GB HBM3") and its memory.
///
/// Drivers add what the catalogue leaves out: trade marks, the sort of memory, the socket, the chip in brackets.
pub fn known_gpu(name: &str, memory: Bytes) -> Option<Gpu> {
    let plain =
        ["(R)", "(r)", "(TM)", "(tm)"].iter().fold(name.to_owned(), |name, mark| name.replace(mark, ""));
    let plain = plain.split('(').next().unwrap_or_default();
    let words: Vec<&str> = plain.split([' ', '-']).filter(|word| !word.is_empty()).collect();
    let without = |drop: &dyn Fn(&str) -> bool| {
        let kept = words.iter().filter(|word| !drop(&word.to_ascii_uppercase()));
        kept.copied().collect::<Vec<_>>().join(" ")
    };
    let is_size = |word: &str| word.strip_suffix("GB").is_some_and(|size| size.parse::<u32>().is_ok());
    let is_form = |word: &str| word.starts_with("HBM") || word.starts_with("SXM") || word == "GRAPHICS";
    let (short, bare) = (without(&is_form), without(&|word| is_form(word) || is_size(word)));
    if bare.is_empty() {
        return None;
    }
    let gib = memory.get().div_ceil(1 << 30);
    let sizes = [gib, gib.next_multiple_of(8), gib.next_power_of_two()];
    let with_size = sizes.iter().flat_map(|gib| [format!("{bare} {gib}g"), format!("{name} {gib}g")]);
    let names = [name.to_owned(), short, bare.clone(), format!("{bare} sxm")].into_iter().chain(with_size);
    let mut found = names.filter_map(|name| Machine::parse(&name).ok());
    found.find(|machine| machine.gpus.len() == 1).and_then(|machine| machine.gpus.into_iter().next())
}

impl Machine {
    /// The machine that a name means.
    ///
    /// ```
    /// use plimsoll::Bytes;
    /// use plimsoll_plan::machine::Machine;
    /// let mac = Machine::parse("m3-max-128g")?;
    /// assert_eq!(mac.gpus[0].usable, Bytes::gib(94));
    /// let two = Machine::parse("2x rtx-3090+128g-ddr4")?;
    /// assert_eq!((two.gpus.len(), two.processor.memory), (2, Bytes::gib(128)));
    /// assert!(Machine::parse("m3-max").unwrap_err().to_string().contains("m3-max-64g"));
    /// # Ok::<(), plimsoll_plan::machine::MachineError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, MachineError> {
        let text = text.trim();
        if let Some(host) =
            Host::parse(text).filter(|_| words(text).first().is_some_and(|word| word == "cpu"))
        {
            return Ok(plain_host(host));
        }
        match several(text) {
            // A name may hold the sign itself ("Ryzen AI Max+ 395").
            Err(error) if text.contains('+') => match find_one(text) {
                Ok(found) => Ok(alone(found)),
                Err(_) => Err(error),
            },
            answer => answer,
        }
    }
}

/// Cards and a host, parted by "+".
fn several(text: &str) -> Result<Machine, MachineError> {
    let mut counted: Vec<(u32, Found)> = Vec::new();
    let mut host = None;
    for (index, part) in text.split('+').enumerate() {
        if let (true, Some(found)) = (index > 0, Host::parse(part)) {
            host = Some(found);
            continue;
        }
        if index > 0 && part.trim().starts_with(|c: char| c.is_ascii_digit()) && count_of(part).0 == 1 {
            return Err(MachineError::Host(part.chars().take(40).collect()));
        }
        let (count, name) = count_of(part);
        counted.push((count, find_one(name)?));
    }
    let total = counted.iter().fold(0, |sum: u32, (count, _)| sum.saturating_add(*count));
    if !(1..=CARDS_MAX).contains(&total) {
        return Err(MachineError::Cards(total));
    }
    let mut list: Vec<&'static Card> = Vec::new();
    for (count, found) in &counted {
        match found {
            Found::Card(card) if card.link != Link::Unified => list.extend((0..*count).map(|_| *card)),
            one if total == 1 && host.is_none() => return Ok(alone(*one)),
            Found::Card(card) => return Err(MachineError::Unified(card.name.to_owned())),
            Found::Apple(chip, _) => return Err(MachineError::Unified(chip.name.to_owned())),
        }
    }
    Ok(assembled(&list, host))
}

/// "2x rtx-3090" and "2 × RTX 3090" are two.
fn count_of(part: &str) -> (u32, &str) {
    let part = part.trim();
    let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let (count, rest) = part.split_at(digits);
    let name = rest.trim_start().strip_prefix(['x', 'X', '\u{d7}', '*']);
    match (count.parse(), name) {
        (Ok(count), Some(name)) => (count, name),
        _ => (1, part),
    }
}

fn alone(found: Found) -> Machine {
    match found {
        Found::Apple(chip, gib) => chip.machine(gib),
        Found::Card(card) if card.link == Link::Unified => unified(card),
        Found::Card(card) => assembled(&[card], None),
    }
}

fn plain_host(host: Host) -> Machine {
    Machine {
        name: format!("cpu-{}", host.name()),
        title: format!("No GPU, {}", host.title()),
        processor: host.processor(),
        gpus: Vec::new(),
        unified: false,
        disk: None,
    }
}

/// Cards in a host. Where none is named, one with as much memory as the cards, at least 32 GiB.
fn assembled(list: &[&'static Card], host: Option<Host>) -> Machine {
    let memory = list.iter().fold(0, |sum: u32, card| sum.saturating_add(card.gib));
    let assumed = host.is_none();
    let host = host.unwrap_or_else(|| Host::of(memory.next_power_of_two().clamp(32, 2048)));
    let mut groups: Vec<(&str, u32)> = Vec::new();
    for card in list {
        match groups.last_mut() {
            Some((name, count)) if *name == card.name => *count += 1,
            _ => groups.push((card.name, 1)),
        }
    }
    let named = groups.iter().map(|(name, count)| match count {
        1 => plain(name),
        count => format!("{count}x {}", plain(name)),
    });
    let titled = groups.iter().map(|(name, count)| match count {
        1 => (*name).to_owned(),
        count => format!("{count} × {name}"),
    });
    let name = named.chain([host.name()]).collect::<Vec<_>>().join("+");
    let title = titled.collect::<Vec<_>>().join(" and ");
    let (mut cuda, mut other) = (0_u16.., 0_u16..);
    let gpus = list.iter().map(|card| {
        let place = match card.maker {
            Maker::Nvidia => Place::Cuda(cuda.next().unwrap_or(0)),
            Maker::Amd | Maker::Intel => Place::Gpu(other.next().unwrap_or(0)),
        };
        gpu(card, place)
    });
    Machine {
        name,
        title: format!("{title}, {}{}", host.title(), if assumed { " (assumed)" } else { "" }),
        gpus: gpus.collect(),
        processor: host.processor(),
        unified: false,
        disk: None,
    }
}

fn gpu(card: &Card, place: Place) -> Gpu {
    let memory = Bytes::gib(card.gib.into());
    // The driver, its contexts and a display, and what error correction takes of the largest.
    let kept = Bytes::new((memory.get() / 40).max(Bytes::mib(768).get()));
    let maker = match card.maker {
        Maker::Nvidia => "NVIDIA",
        Maker::Amd => "AMD",
        Maker::Intel => "Intel",
    };
    Gpu {
        place,
        name: format!("{maker} {}", card.name),
        memory,
        usable: memory.saturating_sub(kept),
        bandwidth: Rate::new(f64::from(card.gb_per_s) * 1e9),
        flops: Some(f64::from(card.tflops) * 1e12),
        link: card.link.gb_per_s().map(Rate::gb),
    }
}

/// A machine with one memory: the system keeps an eighth, at most eight GiB, and of the rest the GPU may have what it
/// is given in firmware or by the driver, mostly all but a sixteenth.
fn unified(card: &'static Card) -> Machine {
    let place = if card.maker == Maker::Nvidia { Place::Cuda(0) } else { Place::Gpu(0) };
    let mut gpu = gpu(card, place);
    let memory = gpu.memory;
    let usable = memory.saturating_sub(Bytes::new((memory.get() / 8).min(Bytes::gib(8).get())));
    gpu.usable = usable.saturating_sub(Bytes::new(memory.get() / 16));
    let mut processor = Host::of(card.gib).processor();
    processor.cores = 16;
    processor.flops = Some(16.0 * 1.28e11);
    processor.usable = usable;
    processor.bandwidth = Rate::new(f64::from(card.gb_per_s) * 0.6e9);
    Machine {
        name: plain(card.name),
        title: format!("{}, {} GB for processor and GPU", card.name, card.gib),
        processor,
        gpus: vec![gpu],
        unified: true,
        disk: None,
    }
}
