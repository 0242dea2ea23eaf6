//! What Hopper's copy engine is told.

use cudarc::driver::sys;
use plimsoll_device::Bytes;

use super::super::launch::{KernelError, narrow, told};
use super::plan::DEEP;

/// What Hopper's copy engine is told of rows one after the other: boxes of so many rows, 128 bytes of each, swizzled.
pub(super) fn map(
    address: u64,
    row_bytes: u64,
    rows: u32,
    box_rows: u64,
) -> Result<sys::CUtensorMap, KernelError> {
    use sys::{CUtensorMapDataType_enum as Data, CUtensorMapFloatOOBfill_enum as Fill};
    use sys::{CUtensorMapInterleave_enum as Interleave, CUtensorMapL2promotion_enum as Promotion};
    let mut map = sys::CUtensorMap { opaque: [0; 16] };
    let (sizes, strides) = ([row_bytes, u64::from(rows)], [row_bytes]);
    let (boxes, steps) = ([narrow(DEEP), narrow(box_rows)], [1, 1]);
    // SAFETY: all that is pointed to outlives the call, which reads two numbers of each, and one of the strides. The
    // address is not followed.
    let status = unsafe {
        sys::cuTensorMapEncodeTiled(
            &raw mut map,
            Data::CU_TENSOR_MAP_DATA_TYPE_UINT8,
            2,
            std::ptr::with_exposed_provenance_mut(Bytes::new(address).as_usize()),
            sizes.as_ptr(),
            strides.as_ptr(),
            boxes.as_ptr(),
            steps.as_ptr(),
            Interleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
            sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_128B,
            Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            Fill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    };
    told("describing rows to the copy engine", status)?;
    Ok(map)
}
