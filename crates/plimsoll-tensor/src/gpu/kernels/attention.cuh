// Sizes of an attention, for all kernels of it.
struct Sizes {
    u32 queries, keys, heads, kv_heads, width;
    // 1: a query sees only keys up to its own place, the last query the last key.
    u32 causal;
    float scale;
};

// How many keys a query sees.
__device__ __forceinline__ u32 seen(const Sizes &sizes, u32 query) {
    return sizes.causal ? query + sizes.keys - sizes.queries + 1 : sizes.keys;
}
