// Packed weights as floats: a thread for each block of 32 numbers.

extern "C" __global__ void unpack(u32 four, u64 blocks, const u8 *from, Line out) {
    const u32 bytes = four ? 18 : 34;
    for (u64 block = (u64)blockIdx.x * blockDim.x + threadIdx.x; block < blocks; block += (u64)gridDim.x * blockDim.x) {
        const u8 *at = from + block * bytes;
        const float scale = of_half((u16)(at[0] | at[1] << 8));
        float numbers[32];
#pragma unroll
        for (u32 each = 0; each < 32; each++) {
            if (four) {
                const u8 two = at[2 + each % 16];
                numbers[each] = scale * (float)((i32)(each < 16 ? two & 15 : two >> 4) - 8);
            } else {
                numbers[each] = scale * (float)(signed char)at[2 + each];
            }
        }
#pragma unroll
        for (u32 each = 0; each < 32; each += 8)
            store8(out, block * 32 + each, 8, numbers + each);
    }
}
