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

#[test]
fn logs_table() {
    let Ok(path) = std::env::var("PLIM_LOGS") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    for row in super::logs(&text) {
        let mib = |b: plimsoll::Bytes| b.get() as f64 / 1048576.0;
        match &row.subject {
            Err(why) => println!("{:3} {:?} {} -- {why}", row.line, row.source, row.name),
            Ok(s) => match Buffers::of(&s.model, &s.options) {
                Err(e) => println!("{:3} {} !! {e}", row.line, row.name),
                Ok(b) => {
                    let kv: f64 = b.cache.iter().map(|b| mib(*b)).sum();
                    let rs: f64 = b.state.iter().map(|b| mib(*b)).sum();
                    let c: Vec<String> = b.compute.iter().map(|b| format!("{:.2}", mib(*b))).collect();
                    let ok = row.measured.cache.is_none_or(|m| m.agrees(kv, 0.2));
                    println!(
                        "{:3} {:?} {} {} kv {kv:.2}/{:?} rs {rs:.2}/{:?} out {:.2}/{:?} comp {c:?} / {:?} host {:?} {:?} {:?}",
                        row.line,
                        row.source,
                        &row.name,
                        if ok { "ok" } else { "KV!" },
                        row.measured.cache.or(row.measured.together).map(|m| m.mib),
                        row.measured.state.map(|m| m.mib),
                        mib(b.output),
                        row.measured.output.map(|m| m.mib),
                        row.measured.compute,
                        row.measured.host_compute,
                        row.compute_lacks,
                        s.options.shares
                    );
                }
            },
        }
    }
}

#[test]
fn oracle_gpu() {
    let Ok(path) = std::env::var("PLIM_GPU") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut n, mut bad) = (0, 0);
    for line in text.lines().skip(1) {
        let c: Vec<_> = line.split(',').collect();
        let Some(mut model) = model_of(c[0], &Notes::parse(c[12])) else {
            println!("no model {line}");
            continue;
        };
        let kind: crate::model::TensorType = c[13].parse().unwrap();
        model.tensors.push(crate::model::Tensor {
            name: "x".into(),
            shape: vec![256, 1 << 40],
            kind,
            bytes: plimsoll::Bytes::new(1 << 46),
        });
        let gpus: usize = c[7].parse().unwrap();
        let nkvo: i64 = c[10].parse().unwrap();
        let options = Options {
            context: c[1].parse().unwrap(),
            sequences: c[2].parse().unwrap(),
            micro_batch: c[3].parse().unwrap(),
            flash_attention: c[4] == "on",
            key_kind: c[5].parse().unwrap(),
            value_kind: c[6].parse().unwrap(),
            shares: vec![1; gpus],
            gpu_layers: Some(c[8].parse().unwrap()),
            host_experts: c[9].parse().unwrap(),
            kv_offload: nkvo != 1,
            outputs_max: (nkvo < 0).then_some((-nkvo) as u64),
            ..Options::default()
        };
        let got = match Buffers::of(&model, &options) {
            Ok(b) => b,
            Err(e) => {
                println!("{e} {line}");
                continue;
            }
        };
        let want: Vec<(String, u64)> = c[11]
            .split('|')
            .map(|p| {
                let (a, b) = p.split_once('=').unwrap();
                (a.to_string(), b.parse().unwrap())
            })
            .collect();
        n += 1;
        let have: Vec<u64> = got.compute.iter().map(|b| b.get()).collect();
        if want.iter().map(|w| w.1).ne(have.iter().copied()) {
            bad += 1;
            let mib = |b: u64| format!("{:.2}", b as f64 / 1048576.0);
            println!(
                " 1% have {:?} want {:?} | {}",
                have.iter().map(|b| mib(*b)).collect::<Vec<_>>(),
                want.iter().map(|w| mib(w.1)).collect::<Vec<_>>(),
                c[..11].join(",")
            );
        }
    }
    println!("{n} rows, {bad} off");
}

#[test]
fn dump_graph() {
    let Ok(text) = std::env::var("PLIM_DUMP") else { return };
    let c: Vec<_> = text.split(',').collect();
    let mut model = model_of(c[0], &Notes::parse(c[12])).unwrap();
    let kind: crate::model::TensorType = c[13].parse().unwrap();
    model.tensors.push(crate::model::Tensor {
        name: "x".into(),
        shape: vec![256, 1 << 40],
        kind,
        bytes: plimsoll::Bytes::new(1 << 46),
    });
    let options = Options {
        context: c[1].parse().unwrap(),
        sequences: c[2].parse().unwrap(),
        micro_batch: c[3].parse().unwrap(),
        flash_attention: c[4] == "on",
        key_kind: c[5].parse().unwrap(),
        value_kind: c[6].parse().unwrap(),
        shares: vec![1; c[7].parse().unwrap()],
        gpu_layers: Some(c[8].parse().unwrap()),
        host_experts: c[9].parse().unwrap(),
        ..Options::default()
    };
    let setup = crate::llama::setup::Setup::new(&model.hyper, &options).unwrap();
    let (graph, _) = crate::llama::decoder::graph_of(&model, &setup);
    for line in crate::llama::graph::dump(graph, &setup.devices()) {
        println!("NODE {line}");
    }
}

#[test]
fn counted() {
    let dir = "/work/shared/data/plan-truth";
    let dry = std::fs::read_to_string(format!("{dir}/llamacpp_dryrun.csv")).unwrap();
    let logs = std::fs::read_to_string(format!("{dir}/llamacpp_logs.csv")).unwrap();
    let rows: Vec<_> = super::dry_runs(&dry).into_iter().chain(super::logs(&logs)).collect();
    let check = super::check(&rows);
    for r in &check.remarks {
        println!("~{} {}: {}", r.line, r.name, r.text);
    }
    println!("~{:?}\n~{:?}\n~{:?}\n~{:?}", check.cache, check.compute, check.gpu, check.fork);
}

#[test]
fn outputs_either() {
    let text = std::fs::read_to_string("/work/shared/data/plan-truth/llamacpp_logs.csv").unwrap();
    for row in super::logs(&text) {
        let Ok(s) = &row.subject else { continue };
        if row.source != super::Source::Mainline
            || s.options.era == crate::llama::Era::Early
            || s.options.shares.is_empty()
        {
            continue;
        }
        let m = |o: Option<u64>| {
            let b = Buffers::of(&s.model, &Options { outputs_max: o, ..s.options.clone() }).unwrap();
            b.compute.iter().map(|b| format!("{:.2}", b.get() as f64 / 1048576.0)).collect::<Vec<_>>()
        };
        println!(
            "~{} {} {:?} {:?} all {:?} few {:?} set {:?}",
            row.line,
            row.name,
            row.measured.compute,
            row.measured.host_compute,
            m(None),
            m(Some(s.options.sequences)),
            s.options.outputs_max
        );
    }
}
