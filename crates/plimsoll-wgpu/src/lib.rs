//! Metal and Vulkan memory as a Plimsoll device, through wgpu.
