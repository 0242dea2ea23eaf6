//! Latents that are read back on a device (the simulated one) are what the host reads.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::sync::Arc;

use bed::{account, vectors};
use plimsoll::governor::Governor;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Pool, PoolSettings};
use plimsoll::{Bytes, Place};
use plimsoll_device::{SimDevice, SimSettings, StorageMode};
use plimsoll_vec::neural::{DeviceDecoder, LatentRows, NeuralCodec, NeuralError, NeuralShape, Weights};

const PLACE: Place = Place::Sim(0);

fn pool(kernels: bool, mode: StorageMode, line: Bytes) -> Pool {
    let settings = SimSettings { place: PLACE, kernels, ..SimSettings::default() };
    let governor = Governor::open(&LedgerSettings {
        places: vec![LineSettings::new(PLACE, line)],
        accounts: vec![AccountSettings::new("vec").share(PLACE, Bytes::ZERO, line)],
    })
    .unwrap();
    let device = Arc::new(SimDevice::new(settings).unwrap());
    let settings = PoolSettings { mode: Some(mode), ..PoolSettings::default() };
    Pool::new(&governor.account("vec").unwrap(), device, settings).unwrap()
}

fn weights(dimension: usize, latent: usize) -> Weights {
    let matrix = |seed| vectors(seed, dimension * latent);
    Weights::new(NeuralShape::new(dimension, latent), matrix(1), matrix(2), vectors(3, dimension)).unwrap()
}

#[test]
fn rows_are_those_of_the_host_here_and_there() {
    for (dimension, latent, rows) in [(48, 16, 100), (33, 7, 50)] {
        let weights = weights(dimension, latent);
        let codec = NeuralCodec::new(&weights, &account(Bytes::mib(16))).unwrap();
        let latents = codec.encode(&vectors(4, rows * dimension)).unwrap();
        let mut wanted = vec![0.0; rows * dimension];
        codec.decode_flat(latents.view(), &mut wanted).unwrap();

        let device = pool(true, StorageMode::Shared, Bytes::mib(200));
        let mut decoder = DeviceDecoder::new(&weights, &device).unwrap();
        let bytes = Bytes::new(rows as u64 * dimension as u64 * 4);
        let mut there = decoder.room(rows).unwrap();
        decoder.put(latents.view(), &mut there).unwrap();
        let (mut one, mut other) = (device.lease(bytes).unwrap(), device.lease(bytes).unwrap());
        let fence = decoder.decode(&mut there, rows, &mut one).unwrap().unwrap();
        device.device().wait(fence, std::time::Duration::from_secs(10)).unwrap();
        decoder.decode_to(latents.view(), &mut other).unwrap();
        for lease in [&one, &other] {
            let found = lease.as_slice().unwrap().as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x));
            for (at, (found, wanted)) in found.zip(&wanted).enumerate() {
                assert!(
                    (found - wanted).abs() < 1e-4,
                    "{dimension}<-{latent}, number {at}: {found} {wanted}"
                );
            }
        }
        drop((decoder, there, one, other));
        device.settle().unwrap();
        assert_eq!(device.stats().live, Bytes::ZERO);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let weights = weights(24, 8);
    let bare = pool(false, StorageMode::Private, Bytes::mib(4));
    let none = DeviceDecoder::new(&weights, &bare).unwrap_err();
    assert!(
        matches!(none, NeuralError::NoKernels { .. }) && none.to_string().contains("on the host"),
        "{none}"
    );
    let tiny = pool(true, StorageMode::Private, Bytes::kib(64));
    let mut decoder = DeviceDecoder::new(&weights, &tiny).unwrap();
    let (levels, scales) = (vec![1; 80], vec![1.0; 10]);
    let latents = LatentRows::new(&levels, &scales, 8).unwrap();
    let mut small = decoder.room(9).unwrap();
    assert!(matches!(decoder.put(latents, &mut small), Err(NeuralError::Latents { .. })));
    let mut short = tiny.lease(Bytes::new(10 * 24 * 4 - 4)).unwrap();
    assert!(matches!(decoder.decode_to(latents, &mut short), Err(NeuralError::Code(_))));
    let mut enough = tiny.lease(Bytes::new(10 * 24 * 4)).unwrap();
    let refused = decoder.decode_to(latents, &mut enough).unwrap_err();
    assert!(matches!(refused, NeuralError::Lease(_)), "the ring does not fit: {refused}");
}
