//! Models of which only some layers stay on the GPU, the others coming with every pass: what they give is the same, to the bit.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_cuda::{Cuda, CudaSettings};
use plimsoll_device::{Device, SimDevice, SimSettings};
use plimsoll_llm::{DeviceFloor, DeviceRoom, DeviceSplit};

use super::*;

const DEEP: Sizes = Sizes { layers: 9, inner: 128, ..SMALL };
/// One token, few, as many as weights are read for, more than that, and one again.
const STEPS: [usize; 6] = [1, 3, 32, 60, 1, 30];

/// A GPU, with page-locked memory beside it.
fn both() -> Option<(There, Arc<dyn Device>)> {
    let beside = BESIDE.read().unwrap_or_else(PoisonError::into_inner);
    unguarded().map(|(there, pinned)| (There { _beside: Some(beside), ..there }, pinned))
}

fn unguarded() -> Option<(There, Arc<dyn Device>)> {
    let cuda = match Cuda::load(CudaSettings::default()) {
        Ok(cuda) => cuda,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    let there = There::over(cuda.device(0).unwrap());
    Some((there, cuda.pinned().unwrap()))
}

fn room(bytes: u64) -> DeviceRoom {
    DeviceRoom { bytes, workings: 1, granule: 256 }
}

/// How it is divided with three, more and all of its layers coming.
fn splits(decoder: &Decoder, element: Element) -> Vec<DeviceSplit> {
    let layout = decoder.layout(16, element);
    let within = |bytes| decoder.split_within(&layout, &room(bytes));
    let all = within(u64::MAX).unwrap().bytes(1);
    let DeviceFloor { least, .. } = within(0).unwrap_err();
    let mut splits: Vec<_> =
        (0..=8).map(|part| within(least + (all - 1 - least) * part / 8).unwrap()).collect();
    splits.dedup();
    assert!(splits.iter().all(|split| split.come > 2 && split.bytes(1) < all));
    splits
}

#[test]
fn what_a_token_gives_is_the_same_to_the_bit_however_many_layers_come() {
    let Some((there, pinned)) = both() else { return };
    let folder = tempfile::tempdir().unwrap();
    adapter(folder.path(), DEEP);
    for (kind, changed) in [(Kind::Q8, false), (Kind::F16, false), (Kind::Q8, true), (Kind::F32, true)] {
        for family in ["llama", "qwen2", "qwen3"] {
            let model = match family {
                "llama" => Model::new(DEEP, kind, true, 5),
                other => Model::of(other, DEEP, kind, false, 5),
            };
            let open = || {
                let plain = Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap();
                if changed {
                    let adapter = Adapter::open(folder.path(), plain.shape()).unwrap();
                    plain.with_adapter(adapter)
                } else {
                    plain
                }
            };
            let layout = open().layout(16, Element::F32);
            let of = |decoder: Decoder| {
                let mut pages = PoolPages::new(&layout, &there.pool());
                logits(&Arc::new(decoder), Element::F32, &mut pages, &STEPS)
            };
            let wanted = of(open().on_device(&there.device).unwrap());
            let splits = splits(&open(), Element::F32);
            for split in &splits {
                let ours = of(open().on_device_split(&there.device, Some(&pinned), split).unwrap());
                let bits =
                    |all: &[Vec<f32>]| all.iter().flatten().map(|logit| logit.to_bits()).collect::<Vec<_>>();
                assert!(bits(&ours) == bits(&wanted), "{family} in {kind:?}, changed: {changed}, {split:?}");
            }
            let come: Vec<usize> = splits.iter().map(|split| split.come).collect();
            println!(
                "{family} in {kind:?}, changed: {changed}: {come:?} layers of 9 come, the same to the bit"
            );
        }
    }
}

/// The shipped model with as many layers coming as may.
fn least(there: &There, pinned: &Arc<dyn Device>, models: &std::path::Path) -> Arc<Decoder> {
    let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let splits = splits(&decoder, Element::F16);
    println!("{:?}", splits[0]);
    Arc::new(decoder.on_device_split(&there.device, Some(pinned), &splits[0]).unwrap())
}

#[test]
fn two_batches_in_turns_and_at_once_give_what_one_gives() {
    let (Some((there, pinned)), Some(models)) = (both(), shipped()) else { return };
    let whole = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let whole = Arc::new(whole.on_device(&there.device).unwrap());
    let decoder = least(&there, &pinned, &models);
    let layout = decoder.layout(16, Element::F16);
    let text = |decoder: &Arc<Decoder>, from: usize| {
        let mut batch = Batch::begin(decoder, &layout).unwrap();
        let mut pages = PoolPages::new(&layout, &there.pool());
        let prompt = tokens(from + 40, decoder.shape().vocabulary);
        let (mut next, mut len, mut text) = (prompt[from..].to_vec(), 0, Vec::new());
        for _ in 0..40 {
            let mut strands = [Strand { tokens: &next, len, table: &mut pages }];
            let found = batch.draw(&mut strands, vec![Wish::plain(Need::Likeliest)]).unwrap();
            let Found::Token(token) = found[0] else { panic!("{found:?}") };
            len = strands[0].len;
            text.push(token);
            next = vec![token];
        }
        text
    };
    let wanted: Vec<Vec<u32>> = (0..4).map(|from| text(&whole, from)).collect();
    let alone: Vec<Vec<u32>> = (0..4).map(|from| text(&decoder, from)).collect();
    assert_eq!(alone, wanted);
    std::thread::scope(|scope| {
        let (text, decoder) = (&text, &decoder);
        let threads: Vec<_> = (0..4).map(|from| scope.spawn(move || text(decoder, from))).collect();
        for (thread, wanted) in threads.into_iter().zip(&wanted) {
            assert_eq!(thread.join().unwrap(), *wanted, "beside others");
        }
    });
}

#[test]
fn a_step_that_fails_leaves_the_next_one_whole() {
    let (Some((there, pinned)), Some(models)) = (both(), shipped()) else { return };
    let decoder = least(&there, &pinned, &models);
    let layout = decoder.layout(16, Element::F16);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    let prompt = tokens(30, decoder.shape().vocabulary);
    let mut pages = PoolPages::new(&layout, &there.pool());
    let wanted = sequence.step(&prompt, &mut pages).unwrap().to_vec();
    for _ in 0..3 {
        sequence.resume(0);
        assert!(sequence.step(&prompt, &mut OwnPages::new(&layout)).is_err(), "pages of the host");
        sequence.resume(0);
        assert_eq!(sequence.step(&prompt, &mut pages).unwrap(), wanted);
    }
}

#[test]
fn a_prefix_in_the_cache_is_gone_on_from() {
    let (Some((there, pinned)), Some(models)) = (both(), shipped()) else { return };
    let decoder = least(&there, &pinned, &models);
    let prompt = tokens(200, decoder.shape().vocabulary);
    let layout = decoder.layout(16, Element::F16);
    let root = decoder.root(&layout).build();
    let pages = LeasedPages::new(layout, there.pool()).unwrap();
    let warm = there.engine.account("warm").unwrap().scratch(Place::Host).unwrap();
    let cache = Cache::open(pages, CacheSettings::new("kv", warm).exact()).unwrap();
    let cold = decoder.generate_cached(&cache, root, &prompt, 24, Draw::Likeliest).unwrap();
    let hot = decoder.generate_cached(&cache, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!((cold.reused, hot.reused), (0, 192));
    assert_eq!(hot.text, cold.text);
    let whole = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let whole = Arc::new(whole.on_device(&there.device).unwrap());
    assert_eq!(whole.root(cache.layout()).build(), root, "blocks of one are the other's");
    let found = whole.generate_cached(&cache, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!((&found.text, found.reused), (&cold.text, 192));
}

#[test]
fn long_prompts_are_read_in_long_passes() {
    let (Some((there, pinned)), Some(models)) = (both(), shipped()) else { return };
    let open = || Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let layout = open().layout(16, Element::F16);
    // As much room as there need be for passes of 2,048 tokens, and all layers coming.
    let all = open().split_within(&layout, &room(u64::MAX)).unwrap();
    let split = DeviceSplit { side_by_side: 2048, ..splits(&open(), Element::F16)[0] };
    assert_eq!((all.side_by_side, split.come), (512, split.layers));
    let whole = Arc::new(open().on_device(&there.device).unwrap());
    let long = Arc::new(open().on_device_split(&there.device, Some(&pinned), &split).unwrap());
    let count = long.shape().context.min(1000);
    let of = |decoder: &Arc<Decoder>| {
        let mut pages = PoolPages::new(&layout, &there.pool());
        let mut sequence = Sequence::begin(decoder, &layout).unwrap();
        let text = tokens(count, decoder.shape().vocabulary);
        vec![sequence.step(&text, &mut pages).unwrap().to_vec()]
    };
    let found = apart(&of(&long), &of(&whole));
    println!("{count} tokens in one pass and in passes of 512: {found:.1e} apart");
    assert!(long.device_working_bytes(&layout) > whole.device_working_bytes(&layout));
    assert!(found <= 2e-2, "{found:.1e}");
}

#[test]
fn what_it_takes_at_both_places_is_known_before() {
    let _alone = BESIDE.write().unwrap_or_else(PoisonError::into_inner);
    let (Some((there, pinned)), Some(models)) = (unguarded(), shipped()) else { return };
    let open = || {
        let decoder = least(&there, &pinned, &models);
        let sequence = Sequence::begin(&decoder, &decoder.layout(16, Element::F16)).unwrap();
        (decoder, sequence)
    };
    // What the driver and the library of products take at their first use is the program's, and not the model's.
    drop(open());
    let before = there.device.memory().unwrap().free;
    let (decoder, sequence) = open();
    let told = decoder.device_split().unwrap().bytes(1);
    let taken = before.saturating_sub(there.device.memory().unwrap().free).get();
    println!("told {told}, taken {taken}");
    // What the driver rounds up to.
    assert!(taken <= told + (8 << 20), "{taken} for {told}");
    drop((sequence, decoder));
}

#[test]
fn what_layers_cannot_come_from_is_refused() {
    let _alone = BESIDE.write().unwrap_or_else(PoisonError::into_inner);
    let Some((there, pinned)) = unguarded() else { return };
    let model = Model::new(DEEP, Kind::Q8, false, 9);
    let open = || Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap();
    let split = splits(&open(), Element::F32)[0];
    let without = open().on_device_split(&there.device, None, &split).unwrap_err();
    assert!(without.to_string().contains("page-locked"), "{without}");
    let other = DeviceSplit { layers: 4, come: 3, ..split };
    assert!(open().on_device_split(&there.device, Some(&pinned), &other).is_err());
    // A place that has no room for them, and one that is no page-locked memory.
    let small = |place, total| -> Arc<dyn Device> {
        Arc::new(
            SimDevice::new(SimSettings { place, total, unified: true, ..SimSettings::default() }).unwrap(),
        )
    };
    let full = open()
        .on_device_split(&there.device, Some(&small(Place::Pinned, Bytes::mib(1))), &split)
        .unwrap_err();
    assert!(full.to_string().contains("pinned"), "{full}");
    let no = open()
        .on_device_split(&there.device, Some(&small(Place::Sim(0), Bytes::gib(1))), &split)
        .unwrap_err();
    assert!(no.to_string().contains("page-locked"), "{no}");
    // Nothing of what failed is left there.
    let before = there.device.memory().unwrap().free;
    drop(open().on_device_split(&there.device, Some(&small(Place::Pinned, Bytes::mib(1))), &split));
    assert!(there.device.memory().unwrap().free >= before);
}
