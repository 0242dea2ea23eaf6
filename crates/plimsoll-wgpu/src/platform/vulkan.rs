//! Vulkan: memory types, heaps and their budgets.

use std::ptr::NonNull;
use std::sync::Arc;

use ash::{ext, vk};
use wgpu::hal::vulkan::Api;

use super::{Heap, MapError, description};

/// Host memory that the device reaches too, mapped for as long as this lives.
#[derive(Debug)]
pub(crate) struct Mapped {
    device: wgpu::Device,
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    host: NonNull<u8>,
}

// SAFETY: the pointer is an address of memory that this owns; who reads and writes it through `host` says how.
unsafe impl Send for Mapped {}
// SAFETY: as above; nothing here changes through a shared reference.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// `bytes` of memory, filled with zeros, that starts at a multiple of `align` on the host; and wgpu's buffer
    /// of exactly these bytes.
    pub(crate) fn new(
        device: &wgpu::Device,
        bytes: u64,
        align: u64,
        unified: bool,
    ) -> Result<(Arc<Self>, wgpu::Buffer), MapError> {
        let mapped = Arc::new(Self::allocate(device, bytes, align, unified)?);
        let kept = Arc::clone(&mapped);
        // SAFETY: the buffer was made from this device and lives in `kept`, which the callback drops only when
        // wgpu is done with it.
        let hal = unsafe {
            wgpu::hal::vulkan::Buffer::from_raw_externally_owned(mapped.buffer, Box::new(move || drop(kept)))
        };
        // SAFETY: it was made from this device with the uses and size of the description, which is not zero, and
        // was filled with zeros.
        let buffer = unsafe { device.create_buffer_from_hal::<Api>(hal, &description(bytes)) };
        Ok((mapped, buffer))
    }

    fn allocate(device: &wgpu::Device, bytes: u64, align: u64, unified: bool) -> Result<Self, MapError> {
        // SAFETY: nothing is destroyed through the guard.
        let hal = unsafe { device.as_hal::<Api>() };
        let hal = hal.ok_or_else(|| MapError::Other("the device is not a Vulkan device".to_owned()))?;
        let (raw, physical) = (hal.raw_device(), hal.raw_physical_device());
        let uses = vk::BufferUsageFlags::STORAGE_BUFFER
            | vk::BufferUsageFlags::TRANSFER_SRC
            | vk::BufferUsageFlags::TRANSFER_DST;
        let info =
            vk::BufferCreateInfo::default().size(bytes).usage(uses).sharing_mode(vk::SharingMode::EXCLUSIVE);
        // SAFETY: the description is valid, and the caller keeps sizes within the device's limits.
        let buffer = unsafe { raw.create_buffer(&info, None) }.map_err(refused)?;
        // From here on everything made is undone when something fails.
        let undo = |memory: Option<vk::DeviceMemory>| {
            // SAFETY: nothing uses them yet, and they are forgotten after this.
            unsafe {
                raw.destroy_buffer(buffer, None);
                if let Some(memory) = memory {
                    raw.free_memory(memory, None);
                }
            }
        };
        // SAFETY: the buffer was made above.
        let needs = unsafe { raw.get_buffer_memory_requirements(buffer) };
        // SAFETY: the physical device is the one that the device was opened on.
        let types =
            unsafe { hal.shared_instance().raw_instance().get_physical_device_memory_properties(physical) };
        let Some(kind) = best_type(&types, needs.memory_type_bits, unified) else {
            undo(None);
            return Err(MapError::Other("no memory type is visible and coherent to the host".to_owned()));
        };
        // The mapping may start anywhere; the buffer starts at the first place in it that suits the host.
        let align = align.max(needs.alignment);
        let info =
            vk::MemoryAllocateInfo::default().allocation_size(needs.size + align).memory_type_index(kind);
        // SAFETY: the type exists, and the size is not zero.
        let memory =
            unsafe { raw.allocate_memory(&info, None) }.map_err(refused).inspect_err(|_| undo(None))?;
        // SAFETY: the memory is visible to the host, and mapped once.
        let start = unsafe { raw.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) }
            .map_err(refused)
            .inspect_err(|_| undo(Some(memory)))?;
        let start = start.cast::<u8>();
        let lead = (start.addr() as u64).wrapping_neg() & (align - 1);
        // SAFETY: `lead` is less than `align`, so the whole buffer fits behind it. Relative to the memory it is a
        // multiple of the alignment that Vulkan asks for only if the mapping is; that is looked at here.
        let bound = if lead.is_multiple_of(needs.alignment) {
            // SAFETY: both were made above, and neither is bound.
            unsafe { raw.bind_buffer_memory(buffer, memory, lead) }.map_err(refused)
        } else {
            Err(MapError::Other("the driver mapped memory at an odd place".to_owned()))
        };
        bound.inspect_err(|_| undo(Some(memory)))?;
        let lead = usize::try_from(lead).unwrap_or(usize::MAX);
        // SAFETY: within the mapping, as above; `bytes` bytes follow, which nobody else knows yet.
        let host = unsafe {
            let host = start.add(lead);
            host.write_bytes(0, usize::try_from(bytes).unwrap_or(usize::MAX));
            host
        };
        let Some(host) = NonNull::new(host) else {
            undo(Some(memory));
            return Err(MapError::Other("the driver mapped memory at no address".to_owned()));
        };
        Ok(Self { device: device.clone(), buffer, memory, host })
    }

    /// Where it starts on the host.
    pub(crate) const fn host(&self) -> NonNull<u8> {
        self.host
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: only what this owns is destroyed: wgpu's buffer is gone (it held this), and with it all work.
        unsafe {
            if let Some(hal) = self.device.as_hal::<Api>() {
                hal.raw_device().destroy_buffer(self.buffer, None);
                hal.raw_device().free_memory(self.memory, None);
            }
        }
    }
}

/// The memory type for the host to read and write: coherent always. Cached counts most, because reading what is
/// not is slower by far; then on unified memory what is the device's own, elsewhere what is not.
fn best_type(types: &vk::PhysicalDeviceMemoryProperties, allowed: u32, unified: bool) -> Option<u32> {
    let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    let score = |flags: vk::MemoryPropertyFlags| {
        let cached = flags.contains(vk::MemoryPropertyFlags::HOST_CACHED);
        let local = flags.contains(vk::MemoryPropertyFlags::DEVICE_LOCAL);
        (cached, local == unified)
    };
    let never = vk::MemoryPropertyFlags::PROTECTED
        | vk::MemoryPropertyFlags::LAZILY_ALLOCATED
        | vk::MemoryPropertyFlags::DEVICE_COHERENT_AMD;
    let mut best = None;
    for (number, kind) in (0..).zip(types.memory_types_as_slice()) {
        let flags = kind.property_flags;
        let fits = allowed >> number & 1 == 1 && flags.contains(wanted) && !flags.intersects(never);
        // The first of equals: drivers list the better ones first.
        if fits && best.is_none_or(|(_, most)| score(flags) > most) {
            best = Some((number, score(flags)));
        }
    }
    best.map(|(number, _)| number)
}

fn refused(why: vk::Result) -> MapError {
    match why {
        vk::Result::ERROR_OUT_OF_DEVICE_MEMORY | vk::Result::ERROR_OUT_OF_HOST_MEMORY => {
            MapError::OutOfMemory
        }
        why => MapError::Other(why.to_string()),
    }
}

/// The memory of an adapter that is not open.
pub(crate) fn heap_of_adapter(adapter: &wgpu::Adapter) -> Option<Heap> {
    // SAFETY: nothing is destroyed through the guard.
    let hal = unsafe { adapter.as_hal::<Api>() }?;
    Some(heap(hal.shared_instance(), hal.raw_physical_device()))
}

/// The memory of an adapter that is open.
pub(crate) fn heap_of_device(device: &wgpu::Device) -> Option<Heap> {
    // SAFETY: nothing is destroyed through the guard.
    let hal = unsafe { device.as_hal::<Api>() }?;
    Some(heap(hal.shared_instance(), hal.raw_physical_device()))
}

/// The largest heap that is the device's own. A smaller one beside it is a window into the same memory.
fn heap(shared: &wgpu::hal::vulkan::InstanceShared, physical: vk::PhysicalDevice) -> Heap {
    let instance = shared.raw_instance();
    // SAFETY: the instance and the physical device are alive; wgpu keeps them.
    let (extensions, facts) = unsafe {
        let extensions = instance.enumerate_device_extension_properties(physical).unwrap_or_default();
        (extensions, instance.get_physical_device_properties(physical))
    };
    let recent = shared.instance_api_version().min(facts.api_version) >= vk::API_VERSION_1_1;
    let tells =
        recent && extensions.iter().any(|one| one.extension_name_as_c_str() == Ok(ext::memory_budget::NAME));
    let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
    let heaps = if tells {
        let mut all = vk::PhysicalDeviceMemoryProperties2::default().push_next(&mut budget);
        // SAFETY: as above; this function is in Vulkan 1.1.
        unsafe { instance.get_physical_device_memory_properties2(physical, &mut all) };
        all.memory_properties
    } else {
        // SAFETY: as above.
        unsafe { instance.get_physical_device_memory_properties(physical) }
    };
    let local = |flags: vk::MemoryHeapFlags| flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL);
    let largest = heaps
        .memory_heaps_as_slice()
        .iter()
        .enumerate()
        .max_by_key(|(_, heap)| (local(heap.flags), heap.size))
        .map(|(number, heap)| (number, heap.size));
    let (number, total) = largest.unwrap_or((0, 0));
    let free = tells.then(|| budget.heap_budget[number].saturating_sub(budget.heap_usage[number]));
    Heap { total, free }
}

/// Why there is no adapter: what the user can do about it.
pub(crate) fn why_nothing(instance: &wgpu::Instance) -> Option<&'static str> {
    // SAFETY: nothing is done with it but looking whether it is there.
    let there = unsafe { instance.as_hal::<Api>() }.is_some();
    (!there).then_some(
        "the Vulkan loader (libvulkan.so.1, vulkan-1.dll) is not installed or too old; install it with a driver \
         for the GPU",
    )
}
