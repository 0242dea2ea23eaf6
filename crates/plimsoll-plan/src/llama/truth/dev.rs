//! Scratch.
use super::shape::{Notes, model_of};
use crate::llama::{Buffers, Options};

#[test]
fn oracle() {
    let Ok(path) = std::env::var("PLIM_CSV") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.next();
    let (mut n, mut bad) = (0, 0);
    for line in lines {
        let c: Vec<_> = line.split(',').collect();
        let notes = Notes::parse(c[12]);
        let Some(model) = model_of(c[0], &notes) else {
            println!("no model {line}");
            continue;
        };
        let options = Options {
            context: c[1].parse().unwrap(),
            sequences: c[2].parse().unwrap(),
            micro_batch: c[3].parse().unwrap(),
            batch: c[3].parse::<u64>().unwrap().max(2048),
            flash_attention: c[4] == "on",
            key_kind: c[5].parse().unwrap(),
            value_kind: c[6].parse().unwrap(),
            unified: c[11] == "kvu",
            ..Options::default()
        };
        let got = match Buffers::of(&model, &options) {
            Ok(b) => b,
            Err(e) => {
                println!("{e} {line}");
                continue;
            }
        };
        let want: f64 = c[8].parse().unwrap();
        let kv: f64 = c[7].parse().unwrap();
        let rs: f64 = c[10].parse().unwrap_or(0.0);
        let mib = |b: u64| b as f64 / 1048576.0;
        let have = mib(got.compute[0].get());
        let hkv = mib(got.cache[0].get());
        let hrs = mib(got.state[0].get());
        let out: f64 = c[9].parse().unwrap();
        n += 1;
        let off = (have - want) / want;
        if off.abs() > 1e-6
            || (hkv - kv).abs() > 0.1
            || (hrs - rs).abs() > 0.02
            || (mib(got.output.get()) - out).abs() > 0.01
        {
            bad += 1;
            println!(
                "{:6.2}% have {have:10.3} want {want:10.3} kv {hkv:.2}/{kv:.2} rs {hrs:.2}/{rs:.2} | {}",
                off * 100.0,
                c[..7].join(",") + "," + c[11]
            );
        }
    }
    println!("{n} rows, {bad} off");
}
