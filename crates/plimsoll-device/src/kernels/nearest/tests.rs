//! Keys keep their order, the reference does what is written, and the tolerance is not loose.

use super::*;

fn shape(rows: u32, k: u32) -> NearestShape {
    NearestShape {
        rows,
        queries: 1,
        dimension: 2,
        form: Form::F32,
        measure: Measure::Distance,
        k,
        squares: false,
    }
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn keys(list: &[u8]) -> Vec<Option<(f32, u32)>> {
    Key::read(list).map(Key::found).collect()
}

#[test]
fn keys_are_ordered_as_their_scores_are_and_then_as_their_rows() {
    let scores = [f32::MIN, -1.5, -f32::MIN_POSITIVE, 0.0, 1e-40, 1.0, f32::MAX];
    let mut all = Vec::new();
    for score in scores {
        for row in [0, 1, u32::MAX - 1] {
            let key = Key::new(score, row).unwrap();
            assert_eq!(key.found(), Some((score, row)));
            all.push(key);
        }
    }
    all.push(Key::NONE);
    assert!(all.is_sorted_by(|a, b| a < b));
    assert_eq!(Key::new(-0.0, 3), Key::new(0.0, 3));
    assert_eq!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|score| Key::new(score, 0)), [None; 3]);
    assert_eq!(Key::NONE.found(), None);
}

#[test]
fn lists_take_what_is_nearer_and_are_filled_up_with_nothing() {
    let rows = bytes(&[3.0, 4.0, f32::NAN, 0.0, 0.0, 1.0, 1.0, 0.0]);
    let queries = bytes(&[0.0, 0.0]);
    let stored = NearestStored { rows: &rows, scales: &[], queries: &queries, mask: None, first: 10 };
    let mut list = vec![0xff; 3 * 8];
    Key::write(Key::new(1.0, 11), &mut list);
    reference(&shape(4, 3), &stored, &mut list);
    assert_eq!(keys(&list), [Some((1.0, 11)), Some((1.0, 12)), Some((1.0, 13))], "ties go by row");
    let masked = NearestStored { mask: Some(&[0b0011, 0, 0, 0, 0, 0, 0, 0]), ..stored };
    let mut list = vec![0xff; 3 * 8];
    reference(&shape(4, 3), &masked, &mut list);
    assert_eq!(keys(&list), [Some((25.0, 10)), None, None]);
}

#[test]
fn the_hosts_way_is_within_the_tolerance_and_the_tolerance_is_narrow() {
    let shape = NearestShape { rows: 50, queries: 2, dimension: 40, ..shape(50, 7) };
    let number = |at: usize| (f32::from(u16::try_from(at * 7919 % 1009).unwrap()) - 504.0) * 0.01;
    let rows = bytes(&(0..50 * 40).map(number).collect::<Vec<_>>());
    let queries = bytes(&(3..3 + 80).map(|at| number(at * 3)).collect::<Vec<_>>());
    let stored = NearestStored { rows: &rows, scales: &[], queries: &queries, mask: None, first: 5 };
    let before = vec![0xff; 2 * 7 * 8];
    let mut list = before.clone();
    host::nearest(&shape, &stored, &mut list);
    assert_eq!(found(&shape, &stored, &before, &list), Ok(()));

    let taken: Vec<Key> = Key::read(&list).collect();
    let broken = |at: usize, key: Key| {
        let mut keys = taken.clone();
        keys[at] = key;
        let mut list = before.clone();
        Key::write(keys, &mut list);
        found(&shape, &stored, &before, &list).unwrap_err()
    };
    let (score, row) = taken[2].found().unwrap();
    assert!(broken(2, Key::new(score * 1.0001, row).unwrap()).contains("instead of"));
    assert!(broken(2, taken[1]).contains("not behind"));
    assert!(broken(2, Key::new(score, 99).unwrap()).contains("may not be found"));
    assert!(broken(2, Key::NONE).contains("behind an empty one"));
    assert!(broken(6, Key::NONE).contains("6 rows are found"));
    assert!(broken(0, Key::new(taken[0].found().unwrap().0, row).unwrap()).len() > 1);
    let missing: Vec<Key> = taken[1..7].to_vec();
    let mut list = before.clone();
    Key::write(missing.into_iter().chain(Key::new(1e9, 54)), &mut list);
    assert!(found(&shape, &stored, &before, &list).is_err());
}
