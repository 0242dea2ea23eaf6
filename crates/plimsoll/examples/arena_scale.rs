//! Whether a release and a placement cost the same with ten blocks live as with a million.

use std::time::Instant;

use plimsoll::pool::arena::{Arena, ArenaSettings, GrowthMode, Placed};

const ROUNDS: u32 = 2_000_000;

fn place(arena: &mut Arena, bytes: u64) -> Option<Placed> {
    loop {
        if let Some(placed) = arena.place(bytes, 64) {
            return Some(placed);
        }
        for range in arena.growth(bytes, 64, GrowthMode::Spare)?.back {
            arena.backed(range);
        }
    }
}

fn main() {
    for live in [10_usize, 1_000, 100_000, 1_000_000] {
        let mut arena = Arena::new(ArenaSettings::pages(64, 2 << 20, 1 << 44));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let filled: Option<Vec<Placed>> = (0..live).map(|_| place(&mut arena, next() % 4096 + 1)).collect();
        let Some(mut blocks) = filled else { continue };
        let count = blocks.len() as u64;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let at = usize::try_from(next() % count).unwrap_or(0);
            arena.release(blocks[at].node);
            if let Some(placed) = place(&mut arena, next() % 4096 + 1) {
                blocks[at] = placed;
            }
        }
        let each = start.elapsed().as_nanos() / u128::from(ROUNDS);
        println!(
            "{live:>9} live: {each:>4} ns a release and placement, {} MiB backed",
            arena.backed_bytes() >> 20
        );
    }
}
