//! The report for people: first what a plan needs, then why it is so.

use std::fmt::Write as _;

use plimsoll::Bytes;

use super::{LinkReport, MachineReport, PressureReport};
use crate::draw::{Align, Cell, Pen, Style, Table, bar, wrap};

/// Columns that the other columns of the places take.
const BESIDE_BAR: usize = 68;

/// Draws the report.
pub fn view(report: &MachineReport, pen: &Pen) -> String {
    let mut out = places(report, pen);
    out.push('\n');
    out.push_str(&pressure(report, pen));
    out.push('\n');
    if !report.limits.is_empty() {
        out.push_str(&limits(report, pen));
        out.push('\n');
    }
    out.push_str(&gpus(report, pen));
    out.push('\n');
    out.push_str(&system(report, pen));
    out
}

fn places(report: &MachineReport, pen: &Pen) -> String {
    let columns = pen.width.saturating_sub(BESIDE_BAR).clamp(8, 40);
    let mut table = Table::new([
        ("place", Align::Left),
        ("total", Align::Right),
        ("usable", Align::Right),
        ("free", Align::Right),
        ("in use", Align::Left),
        ("", Align::Right),
        ("line to try", Align::Right),
    ]);
    for place in &report.places {
        let usable = Bytes::new(place.usable_bytes);
        let used = place.free_bytes.map(|free| usable.saturating_sub(Bytes::new(free)).ratio(usable));
        table.row([
            Cell::new(Style::Bold, place.place.as_str()),
            Bytes::new(place.total_bytes).to_string().into(),
            usable.to_string().into(),
            size(place.free_bytes).into(),
            used.map_or_else(Cell::default, |used| {
                Cell::drawn(bar(pen, columns, used, Style::of_fill(used)), columns)
            }),
            used.map(percent).unwrap_or_default().into(),
            Cell::new(Style::Accent, Bytes::new(place.suggested_line_bytes).to_string()),
        ]);
        table.note(format!("limited by {}", place.limited_by));
    }
    if report.places.is_empty() {
        return "This system tells nothing about its memory; write every line as a size.\n".to_owned();
    }
    table.draw(pen)
}

fn pressure(report: &MachineReport, pen: &Pen) -> String {
    let mut facts = Facts::new("pressure", pen);
    let Some(pressure) = &report.pressure else {
        let why = report.pressure_error.as_ref().map(ToString::to_string);
        facts.add("unknown", &why.unwrap_or_default());
        return facts.out;
    };
    let (word, style) = strain(pressure);
    let of = pressure.total_bytes.map(|total| format!(" of {}", Bytes::new(total)));
    let used = percent(pressure.used);
    let used = used.trim_start();
    facts.add("now", &format!("{}, {used}{} in use", pen.paint(style, word), of.unwrap_or_default()));
    facts.add(
        "waiting",
        &match (pressure.some_avg10, pressure.full_avg10) {
            (None, None) => "not told by this system".to_owned(),
            (some, full) => {
                format!("some task {}, all tasks {} of the last 10 s", stalled(some), stalled(full))
            }
        },
    );
    facts.out
}

/// How pressed for memory a machine is, in a word.
pub(crate) fn strain(pressure: &PressureReport) -> (&'static str, Style) {
    let stall = pressure.some_avg10.unwrap_or(0.0).max(pressure.full_avg10.unwrap_or(0.0));
    match pressure.level {
        Some("critical") => ("critical", Style::Bad),
        Some("warning") => ("raised", Style::Warn),
        _ if pressure.used >= 0.95 || stall >= 10.0 => ("critical", Style::Bad),
        _ if pressure.used >= 0.85 || stall >= 1.0 => ("raised", Style::Warn),
        _ => ("low", Style::Good),
    }
}

fn limits(report: &MachineReport, pen: &Pen) -> String {
    let mut table = Table::new([("limits", Align::Left), ("at most", Align::Right), ("used", Align::Right)]);
    for limit in &report.limits {
        table.row([
            limit.title.as_str().into(),
            Bytes::new(limit.bytes).to_string().into(),
            size(limit.used_bytes).into(),
        ]);
        table.note(&limit.source);
    }
    table.draw(pen)
}

fn gpus(report: &MachineReport, pen: &Pen) -> String {
    let mut facts = Facts::new("GPUs", pen);
    for gpu in &report.gpus {
        let also: Vec<_> = gpu.also.iter().map(|place| format!("also {place}")).collect();
        let software = (gpu.kind == "software").then(|| "no GPU, the processor acts as one".to_owned());
        let name = [Some(gpu.name.clone()), software].into_iter().flatten().chain(also);
        facts.add_all(&gpu.place, name);
        let memory = Bytes::new(gpu.total_bytes);
        let of_host = if gpu.unified { " of the machine's memory" } else { "" };
        let free = gpu.free_bytes.map(|free| format!("{} free", Bytes::new(free)));
        facts.add_all("", std::iter::once(format!("{memory}{of_host}")).chain(free));
        let compute = gpu.compute.map(|(major, minor)| format!("compute {major}.{minor}"));
        let processors = gpu.multiprocessors.map(|count| format!("{count} multiprocessors"));
        let reached = [Some(gpu.api.clone()), gpu.driver.clone(), compute, processors];
        facts.add_all("", reached.into_iter().flatten());
        facts.add_all("", gpu.link.map(|link| connected(link, pen)));
        facts.add_all("", (!gpu.peers.is_empty()).then(|| format!("reaches {}", gpu.peers.join(", "))));
        facts.add_all("", gpu.lacks.as_ref().map(|lacks| format!("cannot be used: {lacks}")));
    }
    for missing in &report.missing {
        facts.add_all("none", [format!("{}: {}", missing.what, missing.why)]);
    }
    facts.out
}

fn connected(link: LinkReport, pen: &Pen) -> String {
    let times = pen.either("×", "x");
    let most = format!("PCIe {}.0 {times}{}", link.generation_max, link.lanes_max);
    if (link.generation, link.lanes) == (link.generation_max, link.lanes_max) {
        return most;
    }
    format!("{most}, now {}.0 {times}{}", link.generation, link.lanes)
}

fn system(report: &MachineReport, pen: &Pen) -> String {
    let mut facts = Facts::new("machine", pen);
    let dot = pen.either(" · ", ", ");
    let os = &report.os;
    let kernel = os.kernel.as_ref().map(|kernel| format!("kernel {kernel}"));
    let system = [os.name.clone(), kernel, Some(os.arch.to_owned())];
    facts.add("system", &system.into_iter().flatten().collect::<Vec<_>>().join(dot));
    let cpu = &report.cpu;
    facts.add("processor", cpu.name.as_deref().unwrap_or("unknown"));
    facts.add("cores", &cores(report));
    let caches: Vec<_> =
        cpu.caches.iter().map(|cache| format!("L{} {}", cache.level, round(cache.bytes))).collect();
    let line = report.pages.cache_line_bytes.map(|line| format!("line {}", round(line)));
    facts.add("caches", &caches.into_iter().chain(line).collect::<Vec<_>>().join(dot));
    let memory = &report.memory;
    let unified = if memory.unified == Some(true) { ", shared with the GPU" } else { "" };
    facts.add(
        "memory",
        &format!("{}, {} available{unified}", size(memory.total_bytes), size(memory.available_bytes)),
    );
    facts.add(
        "swap",
        &match memory.swap_total_bytes {
            Some(0) => "none".to_owned(),
            Some(_) => format!("{}, {} free", size(memory.swap_total_bytes), size(memory.swap_free_bytes)),
            None => "unknown".to_owned(),
        },
    );
    facts.add("pages", &pages(report, dot));
    if let Some(disk) = &report.disk {
        let kind = disk.file_system.as_deref().unwrap_or("unknown file system");
        let at = disk.mounted_at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        facts.add("data", &disk.folder);
        facts.add("", &format!("on {kind}{at}"));
    }
    facts.out
}

fn cores(report: &MachineReport) -> String {
    let cpu = &report.cpu;
    let count = |cores: Option<u32>| cores.map_or_else(|| "unknown".to_owned(), |cores| cores.to_string());
    let quota = cpu.quota_cores.map(|cores| format!(" (a quota of {cores:.2})"));
    if cpu.cores_usable == cpu.cores {
        return count(cpu.cores);
    }
    format!("{} of {}{}", count(cpu.cores_usable), count(cpu.cores), quota.unwrap_or_default())
}

fn pages(report: &MachineReport, dot: &str) -> String {
    let pages = &report.pages;
    let mut parts: Vec<String> = pages.page_bytes.map(round).into_iter().collect();
    parts.extend(pages.transparent.map(|when| {
        let size = pages.transparent_bytes.map(|bytes| format!("{} ", round(bytes))).unwrap_or_default();
        match when {
            "always" => format!("large {size}always"),
            "on-request" => format!("large {size}on request"),
            _ => format!("large {size}never"),
        }
    }));
    let pools = pages.huge.iter().filter(|pool| pool.total > 0);
    parts
        .extend(pools.map(|pool| {
            format!("{} of {} {} set aside free", pool.free, pool.total, round(pool.size_bytes))
        }));
    parts.join(dot)
}

/// "label  value" lines under a heading.
struct Facts<'p> {
    out: String,
    pen: &'p Pen,
}

impl<'p> Facts<'p> {
    fn new(heading: &str, pen: &'p Pen) -> Self {
        let out = pen.paint(Style::Dim, heading) + "\n";
        Self { out, pen }
    }

    fn add(&mut self, label: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let label = self.pen.paint(Style::Bold, &format!("{label:<10}"));
        let _ = writeln!(self.out, "  {label} {value}");
    }

    /// Several facts in a row, in as many lines as they need.
    fn add_all(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let dot = self.pen.either(" · ", ", ");
        let text = values.into_iter().collect::<Vec<_>>().join(dot);
        let lines = wrap(&text, self.pen.width.saturating_sub(13));
        for (at, line) in lines.iter().enumerate() {
            self.add(if at == 0 { label } else { "" }, line);
        }
    }
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| Bytes::new(bytes).to_string())
}

/// A power of two reads better without decimals.
fn round(bytes: u64) -> String {
    Bytes::new(bytes).to_string().replace(".00", "")
}

fn percent(share: f64) -> String {
    format!("{:>3.0}%", share * 100.0)
}

fn stalled(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{share:.1}%"))
}

#[cfg(test)]
mod tests {
    use plimsoll::Place;
    use plimsoll::machine::Machine;
    use plimsoll::pressure::Pressure;

    use super::*;
    use crate::backends::{BackendError, Gpu, Link};

    fn shown(gpus: &[Gpu], width: usize) -> (MachineReport, String) {
        let missing = vec![("Vulkan", BackendError::NotBuilt { feature: "wgpu" })];
        let report = MachineReport::new(&Machine::default(), gpus, missing, Ok(Pressure::default()));
        let text = view(&report, &Pen { color: false, unicode: true, width });
        (report, text)
    }

    fn gpu() -> Gpu {
        Gpu {
            place: Place::Cuda(0),
            also: vec![Place::Gpu(1)],
            name: "NVIDIA H200".into(),
            kind: "discrete",
            api: "CUDA 13.0".into(),
            driver: None,
            total: Bytes::gib(140),
            free: None,
            unified: false,
            compute: Some((9, 0)),
            multiprocessors: Some(132),
            pci: Some("00000000:01:00.0".into()),
            link: Some(Link { generation: 1, lanes: 16, generation_max: 5, lanes_max: 16 }),
            peers: vec![Place::Cuda(1)],
            lacks: None,
        }
    }

    #[test]
    fn a_gpu_is_shown_with_its_link_and_is_a_place() {
        let (report, text) = shown(&[gpu()], 80);
        for part in [
            "cuda:0     NVIDIA H200 · also gpu:1",
            "CUDA 13.0 · compute 9.0 · 132 multiprocessors",
            "PCIe 5.0 ×16, now 1.0 ×16",
            "reaches cuda:1",
            "none       Vulkan: this program was built without it",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let place = &report.places[0];
        assert_eq!((place.place.as_str(), place.shares_host), ("cuda:0", false));
        assert_eq!(place.suggested_line_bytes, Bytes::gib(126).get());
        let (_, narrow) = shown(&[gpu()], 40);
        let (_, gpus) = narrow.split_once("GPUs\n").unwrap();
        assert!(gpus.lines().take(6).all(|line| line.chars().count() <= 40), "{narrow}");
    }

    #[test]
    fn what_only_acts_as_a_gpu_or_cannot_be_used_is_no_place() {
        let software = Gpu { kind: "software", place: Place::Gpu(0), ..gpu() };
        let weak = Gpu { lacks: Some("it runs no compute shaders".into()), ..gpu() };
        let (report, text) = shown(&[software, weak], 80);
        assert!(report.places.is_empty());
        assert!(text.contains("cannot be used: it runs no compute shaders"), "{text}");
        assert!(text.contains("the processor acts as"), "{text}");
    }
}
