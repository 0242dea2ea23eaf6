//! Every peer of this build runs the short plan, gives a figure for each case, and again with its memory touched.

use bench_compare::peers;
use plimsoll_cli::bench::harness::{Gap, Plan, measure};

#[test]
fn every_peer_gives_a_figure_for_every_case() {
    let plan = Plan::smoke();
    let engines = peers::all();
    let rows = measure(&engines, &plan, |_| {});
    assert_eq!(rows.len(), plan.cases.len() * engines.len());
    for row in rows {
        assert!(row.ns_median.is_ok_and(|ns| ns > 0.0), "{row:?}");
    }
}

#[test]
fn touching_leaves_out_only_those_who_keep_books() {
    let plan = Plan { touch: true, ..Plan::smoke() };
    for row in measure(&peers::all(), &plan, |_| {}) {
        let expected = if row.engine == "offset-allocator" { row.ns_median.err() } else { None };
        assert_eq!(expected, (row.engine == "offset-allocator").then_some(Gap::NoMemory), "{row:?}");
        assert!(row.ns_median.is_ok() || expected.is_some(), "{row:?}");
    }
}
