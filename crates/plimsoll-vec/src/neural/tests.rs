//! Codecs that run: what comes back, and what is refused.

use half::{bf16, f16};
use plimsoll::pool::LeaseRequest;
use plimsoll::{Bytes, Engine, EngineAccount, Place};

use super::{Fidelity, LatentRows, NeuralCodec, NeuralError, NeuralShape, Weights};
use crate::CodeError;
use crate::code::tests::normal;

pub(super) fn account(bytes: Bytes) -> EngineAccount {
    Engine::in_memory(bytes, "vec").unwrap().account("vec").unwrap()
}

/// Any weights of a shape, with a mean.
pub(super) fn some(shape: NeuralShape) -> Weights {
    let matrix = shape.dimension * shape.latent;
    let small = |seed| normal(seed, matrix).into_iter().map(|x| x * 0.05).collect();
    Weights::new(shape, small(1), small(2), normal(3, shape.dimension)).unwrap()
}

/// One vector by the formula, in doubles.
fn by_hand(weights: &Weights, vector: &[f32]) -> (Vec<f64>, f64) {
    let NeuralShape { dimension, normalized, .. } = weights.shape();
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let scale = if normalized { 1.0 / length } else { 1.0 };
    let centred = || vector.iter().zip(weights.mean()).map(|(x, m)| f64::from(*x) * scale - f64::from(*m));
    let z = weights.encoder().chunks(dimension);
    let z: Vec<f64> = z.map(|row| row.iter().zip(centred()).map(|(e, x)| f64::from(*e) * x).sum()).collect();
    let most = z.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    (z, most / 127.0)
}

fn back_by_hand(weights: &Weights, levels: &[i8], scale: f32) -> Vec<f64> {
    let rows = weights.decoder().chunks(levels.len()).zip(weights.mean());
    rows.map(|(row, mean)| {
        let sum: f64 = row.iter().zip(levels).map(|(d, q)| f64::from(*d) * f64::from(*q)).sum();
        sum * f64::from(scale) + f64::from(*mean)
    })
    .collect()
}

#[test]
fn latents_and_what_comes_back_follow_the_formula() {
    let shapes = [(1, 1), (5, 3), (17, 17), (200, 150), (384, 64), (70, 16)];
    for (dimension, latent) in shapes {
        for normalized in [false, true] {
            let shape = NeuralShape { dimension, latent, normalized };
            let weights = some(shape);
            let codec = NeuralCodec::new(&weights, &account(Bytes::mib(64))).unwrap().threads(3);
            for rows in [0, 1, 63, 64, 65, 1100] {
                let vectors = normal(9, rows * dimension);
                let latents = codec.encode(&vectors).unwrap();
                assert_eq!((latents.rows(), latents.view().levels().len()), (rows, rows * latent), "{shape}");
                let mut flat = vec![f32::NAN; rows * dimension];
                codec.decode_flat(latents.view(), &mut flat).unwrap();
                let mut projected = vec![f32::NAN; rows * latent];
                codec.project(&vectors, &mut projected).unwrap();
                for row in 0..rows.min(70) {
                    let vector = &vectors[row * dimension..][..dimension];
                    let levels = &latents.view().levels()[row * latent..][..latent];
                    let scale = latents.view().scales()[row];
                    let (z, expected) = by_hand(&weights, vector);
                    assert!(
                        (f64::from(scale) - expected).abs() < 1e-5 * expected + 1e-9,
                        "{shape} row {row}"
                    );
                    for (z, found) in z.iter().zip(&projected[row * latent..]) {
                        assert!((z - f64::from(*found)).abs() < 1e-4, "{shape} row {row}");
                    }
                    for (z, level) in z.iter().zip(levels) {
                        assert!((z / expected - f64::from(*level)).abs() < 0.502, "{shape} row {row}");
                    }
                    let back = back_by_hand(&weights, levels, scale);
                    for (x, expected) in flat[row * dimension..].iter().zip(back) {
                        assert!((f64::from(*x) - expected).abs() < 1e-4, "{shape} row {row}: {x} {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_way_of_reading_back_gives_the_same_bits_with_any_threads() {
    let shape = NeuralShape::new(100, 40);
    let rows = 1500;
    let vectors = normal(4, rows * shape.dimension);
    let account = account(Bytes::mib(16));
    let one = NeuralCodec::new(&some(shape), &account).unwrap().threads(1);
    let latents = one.encode(&vectors).unwrap();
    let mut flat = vec![0.0; vectors.len()];
    one.decode_flat(latents.view(), &mut flat).unwrap();
    for threads in [2, 3, 7] {
        let many = NeuralCodec::new(&some(shape), &account).unwrap().threads(threads);
        let same = many.encode(&vectors).unwrap();
        assert_eq!(same.view().levels(), latents.view().levels());
        assert_eq!(same.view().scales(), latents.view().scales());
        let mut rows = vec![vec![0.0_f32; shape.dimension]; rows];
        many.decode(latents.view(), &mut rows).unwrap();
        assert_eq!(rows.concat(), flat);
        let lease = many.decoded(latents.view()).unwrap();
        let bytes: Vec<u8> = flat.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(&lease.as_slice().unwrap()[..bytes.len()], &bytes[..]);
    }
    // A row alone is the row among others.
    let at = 777;
    let alone = one.encode(&vectors[at * 100..][..100]).unwrap();
    assert_eq!(alone.view().levels(), &latents.view().levels()[at * 40..][..40]);
}

#[test]
fn all_that_is_taken_is_charged_and_given_back() {
    let account = account(Bytes::mib(4));
    let charged = || account.engine().snapshot().place(Place::Host).unwrap().charged;
    let shape = NeuralShape::new(256, 64);
    let codec = NeuralCodec::new(&some(shape), &account).unwrap().threads(2);
    assert_eq!(charged(), NeuralCodec::bytes_for(shape));
    let latents = codec.encode(&normal(1, 1000 * 256)).unwrap();
    assert!(charged() >= NeuralCodec::bytes_for(shape) + Bytes::new(1000 * 68));
    // 1,000 vectors of 256 numbers are 1 MiB; 5 MiB are not there.
    let mut many = Vec::new();
    let refused = loop {
        match codec.decoded(latents.view()) {
            Ok(lease) => many.push(lease),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, NeuralError::Lease(_)) && (1..4).contains(&many.len()), "{refused}");
    drop((many, latents, codec));
    account.scratch(Place::Host).unwrap().trim(Bytes::ZERO).unwrap();
    assert_eq!(charged(), Bytes::ZERO);
    let refused = NeuralCodec::new(&some(NeuralShape::new(1024, 1024)), &account).unwrap_err();
    assert!(matches!(refused, NeuralError::Refused(_)), "{refused}");
}

#[test]
fn what_cannot_be_coded_is_refused_by_its_number() {
    let shape = NeuralShape::new(8, 4);
    let account = account(Bytes::mib(4));
    let codec = NeuralCodec::new(&some(shape), &account).unwrap();
    let mut vectors = vec![1.0; 8 * 2000];
    for wrong in [f32::NAN, f32::INFINITY] {
        vectors[8 * 1234 + 5] = wrong;
        let error = codec.encode(&vectors).unwrap_err();
        let NeuralError::Code(CodeError::NotFinite { vector, component, .. }) = error else {
            panic!("{error}");
        };
        assert_eq!((vector, component), (1234, 5));
    }
    let ones = Weights::new(shape, vec![1.0; 32], vec![1.0; 32], vec![0.0; 8]).unwrap();
    let sums = NeuralCodec::new(&ones, &account).unwrap();
    for large in [f32::MAX, 1e38] {
        // Beyond singles at once, or on the way back.
        vectors[8 * 1234..][..8].fill(large);
        assert!(matches!(sums.encode(&vectors), Err(NeuralError::TooLarge { vector: 1234 })));
    }
    // A mean that leaves no room: what is exactly there comes back, and nothing else is taken.
    let far = Weights::new(shape, vec![1.0; 32], vec![1.0; 32], vec![f32::MAX; 8]).unwrap();
    let far = NeuralCodec::new(&far, &account).unwrap();
    assert!(matches!(far.encode(&[0.0; 8]), Err(NeuralError::TooLarge { vector: 0 })));
    let mut back = [0.0; 8];
    far.decode_flat(far.encode(&[f32::MAX; 8]).unwrap().view(), &mut back).unwrap();
    assert!(back.iter().all(|x| x.total_cmp(&f32::MAX).is_eq()), "{back:?}");
    assert!(matches!(sums.project(&[f32::MAX; 16], &mut [0.0; 8]), Err(NeuralError::TooLarge { vector: 0 })));
    assert!(matches!(
        sums.project(&[1.0; 16], &mut [0.0; 7]),
        Err(NeuralError::Code(CodeError::Target { .. }))
    ));
    let ragged = codec.encode(&vectors[..15]).unwrap_err();
    assert!(matches!(ragged, NeuralError::Code(CodeError::Ragged { numbers: 15, dimension: 8 })));
    let short = codec.encode_into(&vectors[..16], &mut [0; 7], &mut [0.0; 2]);
    assert!(matches!(short, Err(NeuralError::Latents { levels: 7, scales: 2, latent: 4 })));

    let unit = NeuralCodec::new(&some(shape.unit()), &account).unwrap();
    let zeros = [[1.0; 8], [0.0; 8]].concat();
    assert!(matches!(unit.encode(&zeros), Err(NeuralError::Code(CodeError::NoDirection { vector: 1 }))));
    // Without, a vector of zeros is one like others.
    assert_eq!(codec.encode(&zeros).unwrap().rows(), 2);

    assert!(matches!(LatentRows::new(&[0; 9], &[1.0; 2], 4), Err(NeuralError::Latents { .. })));
    assert!(matches!(LatentRows::new(&[], &[], 0), Err(NeuralError::Latents { .. })));
    let mut back = [0.0; 16];
    let other = LatentRows::new(&[0; 10], &[1.0; 2], 5).unwrap();
    assert!(matches!(codec.decode_flat(other, &mut back), Err(NeuralError::Latents { latent: 4, .. })));
    for scale in [f32::NAN, f32::INFINITY, -1.0, f32::MAX] {
        let scales = [1.0, scale];
        let damaged = LatentRows::new(&[127; 8], &scales, 4).unwrap();
        assert!(matches!(codec.decode_flat(damaged, &mut back), Err(NeuralError::Scale { row: 1, .. })));
    }
    let good = LatentRows::new(&[127; 8], &[1.0; 2], 4).unwrap();
    for places in [15, 17] {
        let error = codec.decode_flat(good, &mut vec![0.0; places]).unwrap_err();
        assert!(matches!(error, NeuralError::Code(CodeError::Target { numbers: 16, .. })));
    }
    let mut rows = vec![vec![0.0; 8], vec![0.0; 7]];
    assert!(matches!(codec.decode(good, &mut rows), Err(NeuralError::Code(CodeError::Target { .. }))));
    let mut small = account.scratch(Place::Host).unwrap().lease(Bytes::new(63)).unwrap();
    assert!(matches!(codec.decode_into(good, &mut small), Err(NeuralError::Code(CodeError::Target { .. }))));
    let mut roomy =
        account.scratch(Place::Host).unwrap().lease_with(LeaseRequest::new(Bytes::kib(1))).unwrap();
    codec.decode_into(good, &mut roomy).unwrap();
}

#[test]
fn shapes_and_weights_are_checked() {
    for (dimension, latent) in [(8, 0), (8, 9), (0, 0), (70_000, 8)] {
        let error = NeuralShape::new(dimension, latent).check().unwrap_err();
        assert!(error.to_string().contains("1 to"), "{error}");
    }
    assert!(NeuralShape::PRESETS.iter().all(|preset| preset.check().is_ok()));
    let shape = NeuralShape::new(4, 2);
    let error = Weights::new(shape, vec![0.0; 8], vec![0.0; 6], vec![0.0; 4]).unwrap_err();
    assert!(error.to_string().contains("the decoder has 6 numbers"), "{error}");
    let mut encoder = vec![0.0; 8];
    encoder[3] = f32::NAN;
    let error = Weights::new(shape, encoder, vec![0.0; 8], vec![0.0; 4]).unwrap_err();
    assert!(matches!(error, NeuralError::NotFinite { tensor: "encoder", at: 3, .. }), "{error}");
}

/// A file of tensors by hand.
fn tensors(list: &[(&str, &str, &[usize], Vec<u8>)], metadata: &str) -> Vec<u8> {
    let (mut header, mut data) = (Vec::new(), Vec::new());
    if !metadata.is_empty() {
        header.push(format!("\"__metadata__\":{metadata}"));
    }
    for (name, dtype, sides, bytes) in list {
        let (from, to) = (data.len(), data.len() + bytes.len());
        header.push(format!(
            "\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{sides:?},\"data_offsets\":[{from},{to}]}}"
        ));
        data.extend_from_slice(bytes);
    }
    let header = format!("{{{}}}", header.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn read(bytes: &[u8]) -> Result<Weights, NeuralError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codec.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let account = account(Bytes::mib(2));
    let read = Weights::read(&path, &account);
    let kept = read.as_ref().map_or(0, |weights| weights.shape().weight_bytes());
    assert_eq!(account.engine().snapshot().place(Place::Host).unwrap().charged, Bytes::new(kept));
    read
}

#[test]
fn weights_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codec.safetensors");
    let weights = some(NeuralShape::new(30, 20).unit()).fact("trained.rows", &7);
    weights.write(&path, false).unwrap();
    let account = account(Bytes::mib(1));
    let read = Weights::read(&path, &account).unwrap();
    assert_eq!(read.shape(), weights.shape());
    assert_eq!((read.encoder(), read.decoder()), (weights.encoder(), weights.decoder()));
    assert_eq!(read.mean(), weights.mean());
    assert_eq!(read.facts()["trained.rows"], "7");
    // What is there is not written over, unless that is wanted.
    let error = weights.write(&path, false).unwrap_err();
    assert!(matches!(error, NeuralError::Exists { .. }), "{error}");
    read.write(&path, true).unwrap();
    assert_eq!(Weights::read(&path, &account).unwrap().facts(), read.facts());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else stays");
    let nowhere = folder.path().join("no/such/folder.safetensors");
    assert!(matches!(weights.write(&nowhere, false), Err(NeuralError::File { .. })));
    assert!(matches!(Weights::read(&nowhere, &account), Err(NeuralError::File { .. })));
}

#[test]
fn halves_and_names_of_other_programs_are_read() {
    let numbers: Vec<f32> = (0..6_u8).map(|x| f32::from(x) * 0.5 - 1.0).collect();
    let half: Vec<u8> = numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
    let upper: Vec<u8> = numbers.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
    let file = tensors(
        &[("decoder.weight", "BF16", &[3, 2], upper), ("encoder.weight", "F16", &[2, 3], half)],
        "{\"format\":\"pt\"}",
    );
    let weights = read(&file).unwrap();
    assert_eq!((weights.encoder(), weights.decoder()), (&numbers[..], &numbers[..]));
    assert_eq!((weights.mean(), weights.shape()), (&[0.0; 3][..], NeuralShape::new(3, 2)));
}

#[test]
fn files_of_another_kind_are_refused_with_the_reason() {
    let zeros = |count: usize| vec![0; count * 4];
    let with = |name: &'static str, sides: &'static [usize], metadata: &str| {
        let count = sides.iter().product();
        let both = [
            ("encoder", "F32", &[2_usize, 3][..], zeros(6)),
            ("decoder", "F32", &[3, 2][..], zeros(6)),
            (name, "F32", sides, zeros(count)),
        ];
        tensors(if name.is_empty() { &both[..2] } else { &both }, metadata)
    };
    let good = with("mean", &[3], "");
    assert!(read(&good).is_ok());
    let mut nan = good.clone();
    let end = nan.len() - 4;
    nan[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    let one = |dtype, sides, bytes| tensors(&[("encoder", dtype, sides, bytes)], "");
    for (bytes, part) in [
        (good[..good.len() - 1].to_vec(), "is cut"),
        (good[..40].to_vec(), "header"),
        (good[..5].to_vec(), "begins with eight"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'".to_vec(), "header"),
        ([&5_u64.to_le_bytes()[..], b"hello"].concat(), "no JSON"),
        (with("encoder.bias", &[2], ""), "\"encoder.bias\""),
        (with("mean", &[2], ""), "mean is [2]"),
        (with("", &[], "{\"format\":\"onnx\"}"), "onnx"),
        (with("", &[], "{\"version\":\"2\"}"), "newer plimsoll"),
        (with("", &[], "{\"version\":2}"), "not text"),
        (one("F32", &[2, 3], zeros(6)), "no tensor \"decoder\""),
        (one("I8", &[2, 3], vec![0; 6]), "F32, F16 and BF16"),
        (one("F32", &[2, 3], zeros(5)), "not so many"),
        (one("F32", &[usize::MAX, usize::MAX], zeros(5)), "not so many"),
        (nan, "number 2 of the mean is NaN"),
    ] {
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let wide = tensors(&[("encoder", "F32", &[3, 2], zeros(6)), ("decoder", "F32", &[2, 3], zeros(6))], "");
    let error = read(&wide).unwrap_err().to_string();
    assert!(error.contains("1 to 2"), "more latent than numbers: {error}");
    let mixed = tensors(&[("encoder", "F32", &[2, 3], zeros(6)), ("decoder", "F32", &[2, 3], zeros(6))], "");
    assert!(read(&mixed).unwrap_err().to_string().contains("not 3 × 2"));
}

#[test]
fn a_codec_of_all_numbers_gives_back_what_int8_would() {
    // The identity: what is lost is the rounding alone, of 1/127 of the largest.
    let dimension = 130;
    let mut unit = vec![0.0; dimension * dimension];
    unit.iter_mut().step_by(dimension + 1).for_each(|x| *x = 1.0);
    let shape = NeuralShape::new(dimension, dimension);
    let weights = Weights::new(shape, unit.clone(), unit, vec![0.0; dimension]).unwrap();
    let codec = NeuralCodec::new(&weights, &account(Bytes::mib(4))).unwrap();
    let vectors = normal(7, 300 * dimension);
    let mut back = vec![0.0; vectors.len()];
    codec.decode_flat(codec.encode(&vectors).unwrap().view(), &mut back).unwrap();
    let found = Fidelity::of(&vectors, &back, dimension).unwrap();
    assert!(found.snr_db() > 42.0 && found.cosine() > 0.9999, "{found:?}");
}
