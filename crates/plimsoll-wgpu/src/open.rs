//! Opening a GPU: what it must have, and what is made once.

use std::sync::Arc;

use plimsoll_device::{Bytes, Capabilities, DeviceId, DeviceKind, Facts, Lanes, Place};

use crate::adapters::{self, ARGUMENT_BYTES, AdapterFacts, BINDINGS, GROUP};
use crate::backing::{self, NoRoom, UNIT};
use crate::core::Core;
use crate::device::GpuDevice;
use crate::error::GpuError;
use crate::kernels::Programs;
use crate::lane::Lane;
use crate::platform::MapError;
use crate::settings::GpuSettings;
use crate::staging::Staging;
use crate::tally::Tally;

/// What is bound is counted in signed 32 bits by some drivers.
const BINDING_MAX: u64 = i32::MAX as u64;
/// What regions may be aligned to, and the pools' page.
pub(crate) const ALIGN_MAX: u64 = 1 << 16;
const PAGE: u64 = 4096;
const STAGING_LEAST: Bytes = Bytes::kib(64);

impl GpuDevice {
    /// Opens an adapter. Nothing here panics on a machine without a GPU, without a driver, or with an old one:
    /// the error says which.
    #[expect(clippy::needless_pass_by_value, reason = "settings are given, as elsewhere")]
    pub fn open(settings: GpuSettings) -> Result<Arc<Self>, GpuError> {
        if let Some(staging) = settings.staging.filter(|&staging| staging < STAGING_LEAST) {
            let why = "transfers need at least 64 KiB to be staged in";
            return Err(GpuError::BadSetting { setting: "staging", value: staging, why });
        }
        if settings.limit.is_some_and(|limit| limit.get() < UNIT) {
            let (setting, why) = ("limit", "the smallest allocation takes 256 bytes");
            return Err(GpuError::BadSetting { setting, value: settings.limit.unwrap_or_default(), why });
        }
        let (adapter, found) = adapters::choose(&settings)?;
        if let Some(lacks) = found.lacks {
            return Err(GpuError::TooWeak { adapter: found.name, lacks });
        }
        let has = adapter.limits();
        let least = wgpu::Limits::downlevel_defaults();
        let description = wgpu::DeviceDescriptor {
            label: Some("plimsoll"),
            required_features: wgpu::Features::IMMEDIATES,
            required_limits: wgpu::Limits {
                max_buffer_size: has.max_buffer_size,
                max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
                min_storage_buffer_offset_alignment: has.min_storage_buffer_offset_alignment,
                max_storage_buffers_per_shader_stage: BINDINGS,
                max_compute_invocations_per_workgroup: GROUP,
                max_compute_workgroup_size_x: GROUP,
                max_immediate_size: ARGUMENT_BYTES,
                ..least
            }
            .or_worse_values_from(&has),
            // Pools cut up what they get themselves; blocks cut up below them only hold on to memory.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&description))
            .map_err(|error| GpuError::Refused { adapter: found.name.clone(), why: error.to_string() })?;
        let core = Core::new(device, queue, found.name.clone());
        let shared = adapter.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        Self::build(core, &settings, &found, shared)
    }

    fn build(
        core: Core,
        settings: &GpuSettings,
        found: &AdapterFacts,
        shared: bool,
    ) -> Result<Arc<Self>, GpuError> {
        let limit = settings.limit.unwrap_or(Bytes::MAX);
        let total = found.total.min(limit);
        let most = found.max_buffer.get().min(found.max_binding.get()).min(BINDING_MAX).min(total.get());
        let facts = Facts {
            name: found.name.clone(),
            kind: DeviceKind::Wgpu,
            place: Place::Gpu(found.number),
            total,
            unified: found.unified,
            min_align: UNIT,
            page: PAGE,
            granule: ALIGN_MAX,
            max_allocation: Bytes::new(most - most % UNIT),
            capabilities: Capabilities { growable_ranges: false, shared, private: true, managed: true },
        };
        let staging = settings.staging.unwrap_or(if found.unified { Bytes::mib(8) } else { Bytes::mib(32) });
        let staging = Staging::new(&core, staging.get().min(most), found.unified).map_err(|error| {
            let why = match error {
                MapError::OutOfMemory => "there is no memory left to stage transfers in".to_owned(),
                MapError::Other(why) => why,
            };
            GpuError::Refused { adapter: found.name.clone(), why }
        })?;
        let no_room = NoRoom { device: &found.name, asked: Bytes::new(UNIT), free: &|| Bytes::ZERO };
        let scratch = backing::private(&core, UNIT, &no_room)?;
        let programs = Programs::new(&core);
        core.check()?;
        Ok(Arc::new(Self {
            id: DeviceId::new(),
            facts,
            core,
            lanes: Lanes::new(Lane::new()),
            staging,
            programs,
            scratch,
            tally: Arc::new(Tally::default()),
            limit: limit.get(),
            regions: std::sync::atomic::AtomicU64::new(0),
            addresses: std::sync::atomic::AtomicU64::new(ALIGN_MAX),
        }))
    }
}
