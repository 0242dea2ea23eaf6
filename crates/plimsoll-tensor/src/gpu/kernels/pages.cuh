// What attention over pages is told.

struct Heads {
    u32 heads;
    u32 kv_heads;
    u32 key_width;
    u32 value_width;
    u32 page_tokens;
    // How pages keep numbers.
    u32 kind;
    // Where this layer's keys and values begin in a page, in bytes.
    u32 keys_at;
    u32 values_at;
};

// A token: the page that it is written to, its row there, and its position.
struct Token {
    char *page;
    u32 row;
    u32 position;
};

// Tokens of one sequence, side by side, and some of the keys that they see.
struct Share {
    u32 token;
    u32 count;
    // Where the sequence's pages begin among the addresses.
    u32 table;
    u32 from;
    u32 to;
    // Which part of the tokens' attention it is, or NONE where it is all of it.
    u32 part;
};

// Tokens whose attention is in parts.
struct Crowd {
    u32 token;
    u32 count;
    u32 first;
    u32 parts;
};

// Where a token's keys or values of a head begin.
__device__ __forceinline__ const char *lies(const Heads &of, char *const *pages, u32 head, u32 token, u32 place, u32 width) {
    const u64 row = ((u64)(token % of.page_tokens) * of.kv_heads + head) * width;
    return pages[token / of.page_tokens] + place + row * (of.kind == F32 ? 4 : 2);
}
