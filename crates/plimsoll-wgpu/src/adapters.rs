//! Which GPUs there are.

use plimsoll_device::Bytes;

use crate::error::GpuError;
use crate::platform;
use crate::settings::{GpuApi, GpuSettings};

/// What sort of GPU an adapter is, the most worth first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the machine's memory.
    Integrated,
    /// A part of a GPU, or one behind a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// The processor acts as one.
    Software,
}

impl AdapterKind {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Software => "software",
        }
    }

    const fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::VirtualGpu => Self::Virtual,
            wgpu::DeviceType::Cpu => Self::Software,
            wgpu::DeviceType::Other => Self::Other,
        }
    }

    /// Whether host and device share one memory, as far as the kind tells.
    pub(crate) const fn unified(self) -> bool {
        matches!(self, Self::Integrated | Self::Software)
    }
}

/// What is known of an adapter before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterFacts {
    /// What [`GpuSettings::adapter`] calls it.
    pub number: u16,
    /// What people call it.
    pub name: String,
    /// What sort of GPU it is.
    pub kind: AdapterKind,
    /// "Vulkan" or "Metal".
    pub api: &'static str,
    /// The driver's name and version.
    pub driver: String,
    /// Where it is on the PCI bus, where that is told.
    pub pci: Option<String>,
    /// The memory that it calls its own.
    pub total: Bytes,
    /// What of it could be allocated now, where that is told.
    pub free: Option<Bytes>,
    /// Whether host and device share one memory.
    pub unified: bool,
    /// The largest buffer.
    pub max_buffer: Bytes,
    /// The largest part of a buffer that a kernel sees at once.
    pub max_binding: Bytes,
    /// What it lacks to be opened.
    pub lacks: Option<String>,
}

/// The GPUs that there are, the most worth first. None is an answer; [`GpuDevice::open`](crate::GpuDevice::open)
/// says why.
pub fn adapters(settings: &GpuSettings) -> Vec<AdapterFacts> {
    let found = enumerate(&instance(settings.api), settings.api);
    (0..).zip(&found).map(|(number, adapter)| facts(number, adapter, settings.unified)).collect()
}

/// An adapter, chosen.
pub(crate) fn choose(settings: &GpuSettings) -> Result<(wgpu::Adapter, AdapterFacts), GpuError> {
    let instance = instance(settings.api);
    let mut found = enumerate(&instance, settings.api);
    let wanted = usize::from(settings.adapter);
    if found.is_empty() {
        if cfg!(target_vendor = "apple") == (settings.api == GpuApi::Vulkan) && settings.api != GpuApi::Any {
            return Err(GpuError::NoInterface(
                "this build reaches GPUs through Metal on macOS and Vulkan elsewhere",
            ));
        }
        let api = if cfg!(target_vendor = "apple") { "Metal" } else { "Vulkan" };
        return Err(platform::why_nothing(&instance).map_or(GpuError::NoAdapter(api), GpuError::NoInterface));
    }
    if wanted >= found.len() {
        let there =
            found.iter().enumerate().map(|(number, one)| format!("{number} ({})", one.get_info().name));
        let there = there.collect::<Vec<_>>().join(", ");
        return Err(GpuError::NoSuchAdapter { number: settings.adapter, there });
    }
    let adapter = found.swap_remove(wanted);
    let facts = facts(settings.adapter, &adapter, settings.unified);
    Ok((adapter, facts))
}

fn instance(api: GpuApi) -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.backends(),
        // Validation layers are for who writes kernels, and cost far more than the work.
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

fn enumerate(instance: &wgpu::Instance, api: GpuApi) -> Vec<wgpu::Adapter> {
    let mut found = pollster::block_on(instance.enumerate_adapters(api.backends()));
    found.sort_by_key(|adapter| AdapterKind::of(adapter.get_info().device_type));
    found
}

fn facts(number: u16, adapter: &wgpu::Adapter, unified: Option<bool>) -> AdapterFacts {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let kind = AdapterKind::of(info.device_type);
    let heap = platform::heap_of_adapter(adapter);
    AdapterFacts {
        number,
        kind,
        api: match info.backend {
            wgpu::Backend::Metal => "Metal",
            wgpu::Backend::Vulkan => "Vulkan",
            _ => "another interface",
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        pci: Some(info.device_pci_bus_id).filter(|id| !id.is_empty()),
        total: Bytes::new(heap.map_or(0, |heap| heap.total)),
        free: heap.and_then(|heap| heap.free).map(Bytes::new),
        unified: unified.unwrap_or(kind.unified()),
        max_buffer: Bytes::new(limits.max_buffer_size),
        max_binding: Bytes::new(limits.max_storage_buffer_binding_size),
        lacks: lacks(adapter, &limits),
        name: info.name,
    }
}

/// What the kernels need: storage buffers three at a time, groups of 256, and arguments beside them.
pub(crate) const ARGUMENT_BYTES: u32 = 64;
pub(crate) const GROUP: u32 = 256;
pub(crate) const BINDINGS: u32 = 3;

fn lacks(adapter: &wgpu::Adapter, limits: &wgpu::Limits) -> Option<String> {
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("it runs no compute shaders".to_owned());
    }
    if !adapter.features().contains(wgpu::Features::IMMEDIATES) {
        return Some("it takes no push constants".to_owned());
    }
    let least = [
        ("bytes of push constants", u64::from(limits.max_immediate_size), u64::from(ARGUMENT_BYTES)),
        ("threads in a group", u64::from(limits.max_compute_invocations_per_workgroup), u64::from(GROUP)),
        (
            "storage buffers in a kernel",
            u64::from(limits.max_storage_buffers_per_shader_stage),
            u64::from(BINDINGS),
        ),
        ("bytes in a storage binding", limits.max_storage_buffer_binding_size, 1 << 20),
    ];
    let short = least.iter().find(|(_, has, needs)| has < needs);
    short.map(|(what, has, needs)| format!("it has {has} {what}, and {needs} are needed")).or_else(|| {
        let align = limits.min_storage_buffer_offset_alignment;
        (align > 256)
            .then(|| format!("its bindings start at multiples of {align} bytes, and 256 is the most"))
    })
}
