//! The programs, compiled when they are first asked for, and how one is started.

use std::num::NonZeroU64;
use std::sync::OnceLock;

use plimsoll_device::DeviceError;

use crate::adapters::{ARGUMENT_BYTES, BINDINGS, GROUP};
use crate::backing::Part;
use crate::core::Core;
use crate::lane::Turn;

/// More groups than this go round in a loop: enough to fill any GPU, few enough for every limit.
const GROUPS_MAX: u64 = 1 << 11;

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    CopyBytes,
    CopyWords,
    CopyUnits,
    Fill,
    FillUnits,
    RowsWords,
    RowsUnits,
    RowsBytes,
    Blocks,
    Convert,
    Quantize,
    Sum,
    NearestScores,
    NearestSelect,
}

impl Program {
    const COUNT: usize = 14;

    const fn name(self) -> &'static str {
        match self {
            Self::CopyBytes => "copy_bytes",
            Self::CopyWords | Self::CopyUnits => "copy",
            Self::Fill => "fill",
            Self::FillUnits => "fill_units",
            Self::RowsWords | Self::RowsUnits => "rows",
            Self::RowsBytes => "rows_bytes",
            Self::Blocks => "blocks",
            Self::Convert => "convert",
            Self::Quantize => "quantize",
            Self::Sum => "sum",
            Self::NearestScores => "nearest_scores",
            Self::NearestSelect => "nearest_select",
        }
    }

    fn source(self) -> String {
        match self {
            Self::CopyBytes => include_str!("copy_bytes.wgsl").to_owned(),
            Self::CopyWords => include_str!("copy.wgsl").replace("UNIT", "u32"),
            Self::CopyUnits => include_str!("copy.wgsl").replace("UNIT", "vec4<u32>"),
            Self::Fill => include_str!("fill.wgsl").to_owned(),
            Self::FillUnits => include_str!("fill_units.wgsl").to_owned(),
            Self::RowsWords => include_str!("rows.wgsl").replace("UNIT", "u32"),
            Self::RowsUnits => include_str!("rows.wgsl").replace("UNIT", "vec4<u32>"),
            Self::RowsBytes => include_str!("rows_bytes.wgsl").to_owned(),
            Self::Blocks => include_str!("blocks.wgsl").to_owned(),
            Self::Convert => concat!(include_str!("numbers.wgsl"), include_str!("convert.wgsl")).to_owned(),
            Self::Quantize => concat!(include_str!("numbers.wgsl"), include_str!("quantize.wgsl")).to_owned(),
            Self::Sum => include_str!("sum.wgsl").to_owned(),
            Self::NearestScores => {
                concat!(include_str!("numbers.wgsl"), include_str!("nearest_scores.wgsl")).to_owned()
            }
            Self::NearestSelect => include_str!("nearest_select.wgsl").to_owned(),
        }
    }

    /// How many buffers it sees.
    const fn bindings(self) -> u32 {
        match self {
            Self::Fill | Self::FillUnits => 1,
            Self::Blocks | Self::Convert | Self::Quantize | Self::NearestScores | Self::NearestSelect => 3,
            _ => 2,
        }
    }
}

/// A device's programs.
#[derive(Debug)]
pub(crate) struct Programs {
    /// For one, two and three buffers.
    layouts: [wgpu::BindGroupLayout; BINDINGS as usize],
    pipelines: [OnceLock<Result<wgpu::ComputePipeline, DeviceError>>; Program::COUNT],
}

impl Programs {
    pub(crate) fn new(core: &Core) -> Self {
        let layout = |bindings: u32| {
            let entry = |binding| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: false },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            };
            let entries: Vec<_> = (0..bindings).map(entry).collect();
            let description = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
            core.device.create_bind_group_layout(&description)
        };
        Self {
            layouts: [layout(1), layout(2), layout(3)],
            pipelines: [const { OnceLock::new() }; Program::COUNT],
        }
    }

    fn pipeline(&self, core: &Core, program: Program) -> Result<&wgpu::ComputePipeline, DeviceError> {
        let compiled = self.pipelines[program as usize].get_or_init(|| self.compile(core, program));
        compiled.as_ref().map_err(Clone::clone)
    }

    fn compile(&self, core: &Core, program: Program) -> Result<wgpu::ComputePipeline, DeviceError> {
        let device = &core.device;
        let made = core.attempt(|| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(program.name()),
                source: wgpu::ShaderSource::Wgsl(program.source().into()),
            });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(self.layout(program))],
                immediate_size: ARGUMENT_BYTES,
            });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(program.name()),
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..wgpu::PipelineCompilationOptions::default()
                },
                cache: None,
            })
        });
        core.check()?;
        made.map_err(|error| DeviceError::Compile {
            device: core.name.clone(),
            kernel: program.name().to_owned(),
            log: error.to_string(),
        })
    }

    const fn layout(&self, program: Program) -> &wgpu::BindGroupLayout {
        &self.layouts[program.bindings() as usize - 1]
    }

    /// Records a run of a program over `threads` threads' worth of items.
    pub(crate) fn run(
        &self,
        turn: &mut Turn<'_>,
        program: Program,
        buffers: &[Window<'_>],
        arguments: &[u32],
        threads: u64,
    ) -> Result<(), DeviceError> {
        let pipeline = self.pipeline(turn.core, program)?;
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, window)| wgpu::BindGroupEntry { binding, resource: window.binding() })
            .collect();
        let group = turn.core.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: self.layout(program),
            entries: &entries,
        });
        let arguments: Vec<u8> = arguments.iter().flat_map(|word| word.to_le_bytes()).collect();
        let groups = threads.div_ceil(u64::from(GROUP)).clamp(1, GROUPS_MAX);
        let pass = turn.pass();
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.set_immediates(0, &arguments);
        pass.dispatch_workgroups(u32::try_from(groups).unwrap_or(1), 1, 1);
        Ok(())
    }
}

/// The part of a buffer that a kernel sees: a little more than the operand, from a place where bindings start to
/// the end of the widest load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'b> {
    buffer: &'b wgpu::Buffer,
    start: u64,
    end: u64,
    /// Where the operand starts within.
    lead: u32,
}

impl<'b> Window<'b> {
    pub(crate) const fn over(part: &Part<'b>) -> Self {
        let start = part.offset & !255;
        let end = (part.offset + part.bytes).next_multiple_of(16);
        #[expect(clippy::cast_possible_truncation, reason = "less than 256")]
        let lead = (part.offset - start) as u32;
        Self { buffer: part.buffer, start, end, lead }
    }

    /// Where the operand starts, in units of so many bytes.
    pub(crate) const fn lead(&self, unit: u32) -> u32 {
        self.lead / unit
    }

    fn binding(&self) -> wgpu::BindingResource<'b> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.buffer,
            offset: self.start,
            size: NonZeroU64::new(self.end - self.start),
        })
    }
}

/// A count for a kernel. What is bound is less than 2 GiB, so that everything counted in it fits.
pub(crate) fn word(count: u64) -> u32 {
    let word = u32::try_from(count);
    debug_assert!(word.is_ok(), "{count} of something in a binding");
    word.unwrap_or(u32::MAX)
}
