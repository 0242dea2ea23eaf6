use plimsoll_device::Bytes;
use plimsoll_device::kernels::nearest::{Form, Measure, NearestShape};

use super::super::program::Program;
use super::plan::{
    DEEP, Plan, QUERY_BYTES, ROWS, TILE, WIDE_QUERIES, WIDE_STAGES, WIDE_THREADS, prepared, word,
};
use super::search::Search;

fn shape(rows: u32, queries: u32, dimension: u32, form: Form, k: u32) -> NearestShape {
    NearestShape { rows, queries, dimension, form, measure: Measure::Distance, k, squares: false }
}

#[test]
fn the_sources_have_the_same_numbers() {
    let header = Program::NearestLists.source();
    assert!(header.contains(&format!("constexpr u32 ROWS = {ROWS};")));
    let many = Program::NearestManyF16.source();
    assert!(many.contains(&format!("constexpr u32 TILE = {TILE};")));
    assert!(many.contains(&format!("constexpr u32 DEEP = {DEEP};")));
    assert!(many.contains(&format!("constexpr u32 WIDE_QUERIES = {WIDE_QUERIES};")));
    assert!(many.contains(&format!("constexpr u32 WIDE_STAGES = {WIDE_STAGES};")));
    assert_eq!(WIDE_THREADS, 288, "THREADS + 32 there");
    assert_eq!((size_of::<Search>(), QUERY_BYTES), (168, 32), "as the compiler of the kernels lays them out");
}

#[test]
fn every_shape_names_what_can_be_launched() {
    for form in Form::ALL {
        for queries in [1, 3, 8, 16, 17, 128, 129, 1000] {
            for dimension in [1, 7, 768] {
                for capability in [(7, 5), (8, 0), (9, 0), (12, 0)] {
                    let plan = Plan::of(shape(1_000_000, queries, dimension, form, 10), capability);
                    let [lists, scan] = plan.programs();
                    let kind = word(&plan.shape);
                    let names = |program: Program| {
                        program.entries().iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>()
                    };
                    assert!(names(lists).contains(&format!("merge_{kind}").as_str()));
                    let first = match (plan.bounded, scan) {
                        (true, _) => format!("many_{kind}_128"),
                        (false, Program::NearestPacked) => format!("packed_{kind}_8"),
                        (false, _) => format!("few_{kind}_1"),
                    };
                    let ready = format!("prepare_{}", prepared(kind, plan.bounded));
                    assert!(names(lists).contains(&ready.as_str()), "{ready}");
                    assert!(names(scan).contains(&first.as_str()), "{first}");
                    assert!(!plan.bounded || capability.0 >= 8 && queries > 2 && dimension == 768);
                }
            }
        }
    }
}

#[test]
fn there_is_room_for_what_a_pass_may_find() {
    for rows in [1, 100, 8192, 8193, 100_000, 1_000_000, 50_000_000] {
        for k in [1, 10, 100, 4096] {
            let plan = Plan::of(shape(rows, 5, 768, Form::F32, k), (9, 0));
            if plan.stride == 0 {
                assert_eq!(plan.room, rows, "every row has its place");
                continue;
            }
            assert!(u64::from(plan.stride) * u64::from(plan.sample) <= u64::from(rows));
            let many = Plan::of(shape(rows, 500, 768, Form::F16, k), (9, 0));
            let first = many.parts().next().map_or(0, |(begin, end)| u64::from(end - begin));
            let found = u64::from(k.max(16)) * first / u64::from(many.sample);
            assert!(found * 4 <= u64::from(many.room) + 4, "{rows} {k}: {found} in {}", many.room);
            assert!(plan.room >= k.max(16), "the sample has a k-th row");
            let expected = u64::from(k.max(16)) * u64::from(rows) / u64::from(plan.room);
            assert!(expected * 4 <= u64::from(plan.room) + 4, "{rows} {k}: {expected} in {}", plan.room);
        }
    }
}

#[test]
fn a_desk_does_for_fewer_rows_and_fewer_queries() {
    let desk = |shape: NearestShape| Plan::of(shape, (9, 0)).desk_bytes();
    let sizes = [1, 4097, 5120, 8000, 8193, 10_880, 65_536, 65_537, 400_000, 5_000_000];
    for (k, form) in [1, 600, 4096].into_iter().flat_map(|k| Form::ALL.map(|form| (k, form))) {
        for two in sizes.windows(2) {
            let [less, more] = [two[0], two[1]].map(|rows| shape(rows, 200, 768, form, k));
            assert!(desk(less) <= desk(more), "{less:?} {more:?}");
            assert!((1..200).all(|queries| desk(NearestShape { queries, ..less }) <= desk(less)));
            assert!(desk(NearestShape { squares: true, ..less }) <= desk(less), "{less:?}");
        }
    }
}

#[test]
fn the_desk_is_what_the_page_says() {
    let plan = Plan::of(shape(1_000_000, 1000, 768, Form::F16, 10), (9, 0));
    assert_eq!(plan.room, 8192);
    let bytes = 1000 * 768 * (4 + 2) + 1000 * 32 + 1000 * 8192 * 8 + 4_000_000;
    let desk = plan.desk_bytes().get();
    assert!(desk >= bytes && desk < bytes + 5 * 256, "{desk} {bytes}");
    let kept = NearestShape { squares: true, ..plan.shape };
    assert_eq!(desk - Plan::of(kept, (9, 0)).desk_bytes().get(), 4_000_000_u64.next_multiple_of(256));
    let plan = Plan::of(shape(1_000_000, 1, 768, Form::F32, 10), (9, 0));
    assert!(plan.desk_bytes() < Bytes::kib(128));
}
