//! Machines by name and by file.

use plimsoll::{Bytes, Place};
use plimsoll_plan::machine::{Machine, MachineError, MachineFileError, catalogue, file};

fn machine(text: &str) -> Machine {
    Machine::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_name_reads_back_as_its_machine_and_adds_up() {
    let names = catalogue::names();
    let mut seen = std::collections::BTreeSet::new();
    for name in &names {
        assert!(seen.insert(name.clone()), "{name} stands twice");
        let found = machine(name);
        assert!(found.name.starts_with(name.as_str()), "{name} became {}", found.name);
        assert_eq!(machine(&found.name), machine(&machine(&found.name).name), "{name}");
        assert!(found.processor.usable < found.processor.memory);
        assert!(found.processor.bandwidth.is_some() && found.processor.flops.is_some());
        for gpu in &found.gpus {
            assert!(gpu.usable < gpu.memory && gpu.bandwidth.is_some() && gpu.flops.is_some());
            assert_eq!(gpu.link.is_none(), found.unified, "{name}");
            assert!(!found.unified || gpu.usable < found.processor.memory);
        }
    }
    println!("{} machines", names.len());
    assert!(names.len() > 120);
}

#[test]
fn apple_machines_have_the_limits_that_the_system_sets() {
    for (name, gb_per_s, gpu) in [
        ("m1-16g", 68.0, Bytes::new(Bytes::gib(16).get() / 3 * 2)),
        ("m1-ultra-128g", 800.0, Bytes::gib(96)),
        ("m2-max-96g", 400.0, Bytes::gib(72)),
        ("m3-max-36g", 300.0, Bytes::gib(27)),
        ("m3-max-96g", 300.0, Bytes::gib(72)),
        ("m3-max-128g", 400.0, Bytes::gib(96)),
        ("m3-ultra-512g", 819.0, Bytes::gib(384)),
        ("m4-pro-24g", 273.0, Bytes::gib(16)),
        ("m4-max-36g", 410.0, Bytes::gib(27)),
        ("M4 Max 128GB", 546.0, Bytes::gib(96)),
        ("Apple M5 32 GB", 153.6, Bytes::new(Bytes::gib(32).get() / 3 * 2)),
    ] {
        let found = machine(name);
        let rate = found.gpus[0].bandwidth.unwrap().get() / 1e9;
        assert!((rate - gb_per_s).abs() < 0.05, "{name}: {rate}");
        assert_eq!(found.gpus[0].usable, gpu - Bytes::gib(2), "{name}");
        assert!(found.unified);
    }
    assert!(machine("m1-max-24c-32g").gpus[0].flops < machine("m1-max-32g").gpus[0].flops);
    assert!(Machine::parse("m4-ultra-128g").is_err(), "there is none");
}

#[test]
fn cards_and_hosts_are_found_as_people_write_them() {
    for (text, name, cards, gib) in [
        ("rtx-4090+64g", "rtx-4090+64g", 1, 24),
        ("RTX 4090", "rtx-4090+32g", 1, 24),
        ("NVIDIA GeForce RTX 4090", "rtx-4090+32g", 1, 24),
        ("rtx4090-24g", "rtx-4090+32g", 1, 24),
        ("2x rtx-3090+128g", "2x rtx-3090+128g", 2, 24),
        ("2 × RTX 3090 + 128 GB DDR4", "2x rtx-3090+128g-ddr4", 2, 24),
        ("4070ti", "rtx-4070-ti+32g", 1, 12),
        ("h100", "h100-sxm+128g", 1, 80),
        ("a100-40g", "a100-40g+64g", 1, 40),
        ("8x h100-sxm+2048g-12ch-96c", "8x h100-sxm+2048g-12ch-96c", 8, 80),
        ("rtx-3060+rtx-3090+64g", "rtx-3060+rtx-3090+64g", 2, 12),
        ("RX 7900 XTX+64g", "rx-7900-xtx+64g", 1, 24),
        ("Ryzen AI Max+ 395", "ryzen-ai-max-395", 1, 128),
        ("strix halo", "ryzen-ai-max-395", 1, 128),
        ("dgx-spark", "dgx-spark", 1, 128),
        ("l40s", "l40s+64g", 1, 48),
        ("rtx a6000+256g", "rtx-a6000+256g", 1, 48),
        ("rtx 6000 ada", "rtx-6000-ada+64g", 1, 48),
        ("rtx pro 6000 blackwell", "rtx-pro-6000+128g", 1, 96),
    ] {
        let found = machine(text);
        assert_eq!(found.name, name, "{text}");
        assert_eq!((found.gpus.len(), found.gpus[0].memory), (cards, Bytes::gib(gib)), "{text}");
    }
    let amd = machine("rx-7900-xtx+rtx-3090+64g");
    assert_eq!(amd.gpus.iter().map(|gpu| gpu.place).collect::<Vec<_>>(), [Place::Gpu(0), Place::Cuda(0)]);
    let server = machine("cpu-512g-ddr5-12ch-96c");
    assert_eq!((server.processor.cores, server.gpus.len()), (96, 0));
    assert!((server.processor.bandwidth.unwrap().get() / 1e9 - 460.8).abs() < 0.1);
}

#[test]
fn what_is_no_machine_is_told_what_to_write() {
    let error = |text: &str| Machine::parse(text).unwrap_err();
    assert!(error("m3-max").to_string().contains("m3-max-128g"));
    assert!(error("rtx-4091").to_string().contains("rtx-4090"), "{}", error("rtx-4091"));
    assert!(matches!(error("rtx-4090+64q"), MachineError::Host(_)), "{}", error("rtx-4090+64q"));
    assert!(matches!(error("99x rtx-4090"), MachineError::Cards(99)));
    assert!(matches!(error("0x rtx-4090"), MachineError::Cards(0)));
    assert!(matches!(error("dgx-spark+64g"), MachineError::Unified(_)));
    assert!(matches!(error("2x m3-max-64g"), MachineError::Unified(_)));
    for text in ["", "+", "++", "x", "cpu-", "cpu-0g", "m9-8g", "4294967296x rtx-4090"] {
        error(text);
    }
}

#[test]
fn a_file_gives_what_it_says_and_the_rest_of_what_it_is_like() {
    let found = file::read(
        "name = \"workshop\"\nlike = \"rtx-4090+64g\"\n[host]\nusable = \"50GiB\"\n[[gpu]]\nusable = \"20GiB\"\n\
         [disk]\nusable = \"800GiB\"\ngb_per_s = 6.5\n",
    )
    .unwrap();
    assert_eq!(found.name, "workshop");
    assert_eq!((found.processor.usable, found.processor.memory), (Bytes::gib(50), Bytes::gib(64)));
    assert_eq!((found.gpus[0].usable, found.gpus[0].memory), (Bytes::gib(20), Bytes::gib(24)));
    assert_eq!(found.usable(Place::Disk), Some(Bytes::gib(800)));
    let bare = file::read("[host]\nmemory = \"8GiB\"\n").unwrap();
    assert!(bare.gpus.is_empty() && bare.processor.bandwidth.is_none());
}

#[test]
fn a_file_that_does_not_add_up_is_refused_with_what_to_write() {
    let error = |text: &str| file::read(text).unwrap_err();
    assert!(matches!(error(""), MachineFileError::Missing(_)));
    let unknown = error("[host]\nmemory = \"8GiB\"\nspeed = 3\n").to_string();
    assert!(unknown.contains("speed") && unknown.contains("gb_per_s"), "{unknown}");
    assert!(matches!(error("[host]\nmemory = \"8\"\n"), MachineFileError::Size { .. }));
    assert!(matches!(
        error("[host]\nmemory = \"8GiB\"\nusable = \"9GiB\"\n"),
        MachineFileError::Usable { .. }
    ));
    assert!(matches!(error("[host]\nmemory = \"8GiB\"\ngb_per_s = -1.0\n"), MachineFileError::Number(_)));
    assert!(matches!(error("[host]\nmemory = \"8GiB\"\ngb_per_s = nan\n"), MachineFileError::Number(_)));
    let twice = "[host]\nmemory = \"8GiB\"\n[[gpu]]\nlike = \"rtx-3090\"\nplace = \"cuda:0\"\n[[gpu]]\nlike = \"rtx-3090\"\nplace = \"cuda:0\"\n";
    assert!(matches!(error(twice), MachineFileError::NoGpuPlace { .. }));
    assert!(matches!(error("like = \"rtx-4091\"\n"), MachineFileError::Like(_)));
    assert!(matches!(
        error("[host]\nmemory = \"8GiB\"\n[[gpu]]\nplace = \"disk\"\nmemory = \"1GiB\"\n"),
        MachineFileError::NoGpuPlace { .. }
    ));
    assert!(matches!(error(&" ".repeat(70000)), MachineFileError::Long(70000)));
}

#[test]
fn a_machine_written_to_a_file_reads_back_the_same() {
    for name in catalogue::names() {
        let mut found = machine(&name);
        found.title = "with \"quotes\" and \n lines".to_owned();
        let text = file::write(&found);
        assert_eq!(file::read(&text), Ok(found), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in "\\PC{0,60}") {
        let _ = Machine::parse(&text);
        let _ = file::read(&text);
    }

    #[test]
    fn nor_do_texts_that_are_nearly_machines(
        count in "[0-9]{0,12}", sign in "[x ×*]{0,2}", card in "(rtx|m3|h100|cpu|max|-|4090){0,4}", rest in "[+0-9gchdr-]{0,16}"
    ) {
        let _ = Machine::parse(&format!("{count}{sign}{card}{rest}"));
    }
}

#[test]
fn gpus_are_known_by_what_their_drivers_call_them() {
    use plimsoll::Bytes;
    use plimsoll_plan::machine::catalogue::known_gpu;
    for (name, gib, gb_per_s) in [
        ("NVIDIA H100 80GB HBM3", 80, 3350.0),
        ("NVIDIA H200", 141, 4800.0),
        ("NVIDIA A100-SXM4-80GB", 80, 2039.0),
        ("NVIDIA GeForce RTX 4090", 24, 1008.0),
        ("AMD Radeon RX 7900 XTX (RADV NAVI31)", 24, 960.0),
        ("Apple M3 Max", 128, 400.0),
    ] {
        let gpu = known_gpu(name, Bytes::gib(gib)).unwrap_or_else(|| panic!("{name}"));
        let rate = gpu.bandwidth.unwrap().get() / 1e9;
        assert!((rate / gb_per_s - 1.0).abs() < 0.06, "{name}: {rate}");
    }
    for nothing in ["", "llvmpipe (LLVM 19.1.7, 256 bits)", "(R)", "- -"] {
        assert!(known_gpu(nothing, Bytes::gib(8)).is_none(), "{nothing}");
    }
}
