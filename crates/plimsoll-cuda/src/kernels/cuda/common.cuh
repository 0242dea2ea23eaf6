// What every kernel here shares. The run-time compiler has no include path, so nothing of the toolkit is included.

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;

// Threads of a block, of every kernel.
constexpr u32 THREADS = 256;

// Independent accesses that a thread has under way before it uses the first: what hides the way to memory.
constexpr u32 DEPTH = 4;

// The bytes go through once: they are marked as the first to leave the caches.
template <class T> T load_once(const T *from) { return __ldcs(from); }
template <class T> void store_once(T *to, T value) { __stcs(to, value); }
