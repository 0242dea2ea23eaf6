//! A service whose models a GPU computes: its ledger, its answers, and what becomes of it when the GPU is lost. Where there is no
//! GPU the tests say so and end.

#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

mod common;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{get, model, post, settings, start};
use plimsoll::{Bytes, Place};
use plimsoll_cuda::{Cuda, CudaSettings};
use plimsoll_device::programs::{Argument, Source, Threads};
use plimsoll_device::{Device, SimDevice, SimSettings};
use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, DeviceRoom};
use plimsoll_serve::model::ModelSource;
use plimsoll_serve::{DeviceSettings, ServeSettings, Service, examine};
use serde_json::{Value, json};

/// Tests take turns: what one measures of the GPU's memory would be another's.
static TURNS: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gpu() -> Option<Arc<dyn Device>> {
    match Cuda::load(CudaSettings::default()) {
        Ok(cuda) => Some(cuda.device(0).expect("it is there")),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn on(device: &Arc<dyn Device>) -> ServeSettings {
    let mut settings = settings();
    settings.device = Some(DeviceSettings::new(Arc::clone(device), Bytes::gib(2)));
    settings
}

fn ask(tokens: usize) -> Value {
    json!({"model": "tiny", "prompt": "Returns the number of elements in the", "max_tokens": tokens, "temperature": 0})
}

fn text(answer: &Value) -> String {
    answer["choices"][0]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_device_that_computes_nothing_is_refused_when_the_service_opens() {
    let sim = SimDevice::new(SimSettings::default()).expect("settings");
    let refused = Service::open(on(&(Arc::new(sim) as Arc<dyn Device>))).err().expect("it has no programs");
    assert!(refused.to_string().contains("compute on the host"), "{refused}");
}

#[test]
fn answers_are_the_hosts_and_every_byte_is_charged_where_it_is() {
    let _turn = turn();
    let Some(device) = gpu() else { return };
    let place = device.facts().place;
    let here = start(settings());
    let wanted = text(&post(here.address(), "/v1/completions", &ask(12)).json());
    here.stop();
    let before = device.memory().expect("it answers").free;
    let there = start(on(&device));
    let at = there.address();
    let answer = post(at, "/v1/completions", &ask(12));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(text(&answer.json()), wanted, "greedy");
    let again = post(at, "/v1/completions", &ask(12)).json();
    assert_eq!(text(&again), wanted);
    let vectors = post(at, "/v1/embeddings", &json!({"model": "tiny", "input": ["one", "two"]}));
    assert_eq!(vectors.status, 200, "{}", vectors.body);
    let snapshot = there.engine().snapshot();
    let book = snapshot.place(place).expect("it has a line");
    let charged = |path: &str| book.share(path).map_or(Bytes::ZERO, |share| share.charged);
    assert!(charged("models/tiny") > Bytes::mib(7), "weights: {}", charged("models/tiny"));
    assert!(charged("kv/tiny/hot") > Bytes::ZERO, "pages");
    assert!(book.peak <= Bytes::gib(2));
    let taken = before.saturating_sub(device.memory().expect("it answers").free);
    println!("charged {} at {place}, taken {taken}", book.charged);
    assert!(taken <= book.charged, "{taken} of {}", book.charged);
    let memory = get(at, "/memory").json();
    assert!(memory.to_string().contains(&place.to_string()), "{memory}");
    there.stop();
    let left = before.saturating_sub(device.memory().expect("it answers").free);
    println!("left {left}");
}

#[test]
fn texts_that_are_drawn_by_lot_are_the_same_for_the_same_seed_and_bring_no_rows() {
    let Some(device) = gpu() else { return };
    let service = start(on(&device));
    let at = service.address();
    let brought = || get(at, "/activity").json()["models"][0]["logits_brought"].as_u64().expect("a count");
    let ways = [
        json!({}),
        json!({"temperature": 0.7, "top_p": 0.9}),
        json!({"top_k": 40, "min_p": 0.05}),
        json!({"frequency_penalty": 0.5, "presence_penalty": 0.3, "logit_bias": {"7": 2.0}}),
    ];
    for way in ways {
        let mut asked = ask(12);
        asked["temperature"] = json!(1.0);
        asked["seed"] = json!(5);
        for (name, value) in way.as_object().expect("settings") {
            asked[name] = value.clone();
        }
        let answer = post(at, "/v1/completions", &asked);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let again = post(at, "/v1/completions", &asked).json();
        assert_eq!(text(&again), text(&answer.json()), "{way}");
    }
    assert_eq!(brought(), 0);
    let mut many = ask(12);
    (many["temperature"], many["top_k"]) = (json!(1.0), json!(1000));
    assert_eq!(post(at, "/v1/completions", &many).status, 200);
    assert!(brought() > 0);
}

#[test]
fn a_model_too_large_for_the_device_is_refused_with_its_numbers() {
    let _turn = turn();
    let Some(device) = gpu() else { return };
    let mut settings = on(&device);
    settings.device = Some(DeviceSettings::new(device, Bytes::mib(768 + 100)));
    settings.kv = Some(Bytes::mib(64));
    let service = start(settings);
    let refused = post(service.address(), "/v1/completions", &ask(4));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("all there is for it"), "{}", refused.body);
}

/// A GPU and page-locked memory, and settings with the least line there that the model takes.
fn below_the_model() -> Option<ServeSettings> {
    let cuda = Cuda::load(CudaSettings::default()).ok()?;
    let device: Arc<dyn Device> = cuda.device(0).expect("it is there");
    let decoder = Decoder::open(model()).expect("it is a model");
    let layout = decoder.layout(16, Element::F16);
    let room = |bytes| DeviceRoom { bytes, workings: 2, granule: device.facts().granule };
    let whole = decoder.split_within(&layout, &room(u64::MAX)).expect("there is no end of room");
    let floor = decoder.split_within(&layout, &room(0)).expect_err("there is no room");
    assert!(floor.least < whole.bytes(2), "{floor:?}, {whole:?}");
    let kv = Bytes::mib(64);
    let line = Bytes::new(floor.least) + kv + Bytes::mib(768);
    let mut settings = settings();
    settings.kv = Some(kv);
    let pinned: Arc<dyn Device> = cuda.pinned().expect("some memory");
    settings.device = Some(DeviceSettings { pinned: Some(pinned), ..DeviceSettings::new(device, line) });
    Some(settings)
}

#[test]
fn a_model_larger_than_its_line_there_answers_the_same() {
    let _turn = turn();
    let Some(settings) = below_the_model() else { return };
    let device = Arc::clone(&settings.device.as_ref().expect("one").device);
    let place = device.facts().place;
    let whole = start(on(&device));
    let wanted = text(&post(whole.address(), "/v1/completions", &ask(24)).json());
    assert!(
        get(whole.address(), "/v1/models").json()["data"][0]["layers"].is_null(),
        "all of them are there"
    );
    whole.stop();
    let needs = examine(&settings).expect("it adds up").models.remove(0).1.expect("it fits");
    let split = needs.split.expect("it is divided");
    assert!(split.come > 2 && needs.place == place, "{needs:?}");
    let there = start(settings.clone());
    let at = there.address();
    for _ in 0..2 {
        let answer = post(at, "/v1/completions", &ask(24));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(text(&answer.json()), wanted, "greedy");
    }
    let vectors = post(at, "/v1/embeddings", &json!({"model": "tiny", "input": ["one", "two"]}));
    assert_eq!(vectors.status, 200, "{}", vectors.body);
    let layers = get(at, "/v1/models").json()["data"][0]["layers"].clone();
    assert_eq!(layers, json!({"stay": split.stay(), "come": split.come, "pinned_bytes": split.pinned_bytes}));
    assert_eq!(get(at, "/activity").json()["models"][0]["layers"], layers);
    let memory = get(at, "/memory").json();
    assert!(memory.to_string().contains("pinned"), "{memory}");
    let snapshot = there.engine().snapshot();
    let charged = |place| {
        let share = snapshot.place(place).expect("it has a line").share("models/tiny").expect("an account");
        share.charged.get()
    };
    assert_eq!((charged(place), charged(Place::Pinned)), (split.bytes(2), split.pinned_bytes), "to the byte");
    there.stop();
    // Page-locked memory that is not allowed is not taken: the refusal says how much it would be.
    let mut without = settings;
    without.device.as_mut().expect("one").away = Some(Bytes::ZERO);
    let service = start(without);
    let refused = post(service.address(), "/v1/completions", &ask(4));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("--away"), "{}", refused.body);
}

/// Ends everything on a device: a program that writes where nothing is.
fn lose(device: &Arc<dyn Device>) {
    const TEXT: &str = "extern \"C\" __global__ void lose(int *at) { *at = 1; }";
    let programs = device.programs().expect("it has some");
    let source = Source { name: "lose.cu", text: TEXT, entries: &[("lose", 0)] };
    let entry = programs.load(&source).expect("it compiles")[0];
    let stream = device.stream().expect("a stream");
    let threads = Threads { blocks: [1, 1, 1], each: 1, shared: 0 };
    // SAFETY: nothing but the device's own state is at stake, and that it fails is what is wanted.
    unsafe { programs.launch(stream, entry, threads, &[Argument::Long(8)]) }
        .expect("it is put on the stream");
    let fence = device.fence(stream).expect("a fence");
    assert!(device.wait(fence, Duration::from_secs(10)).is_err(), "it wrote where nothing is");
}

#[test]
fn a_gpu_that_is_lost_ends_nothing_but_its_answers_and_the_host_goes_on() {
    if !is_alone("a_gpu_that_is_lost_ends_nothing_but_its_answers_and_the_host_goes_on") {
        return;
    }
    let Some(device) = gpu() else { return };
    lost_while_it_serves(on(&device), &device);
}

#[test]
fn a_gpu_that_is_lost_while_layers_come_ends_nothing_more() {
    if !is_alone("a_gpu_that_is_lost_while_layers_come_ends_nothing_more") {
        return;
    }
    let Some(settings) = below_the_model() else { return };
    let device = Arc::clone(&settings.device.as_ref().expect("one").device);
    lost_while_it_serves(settings, &device);
}

/// Whether this is a process of its own for a test, which is begun otherwise: a context that is lost takes all of its process's work
/// there along.
fn is_alone(name: &str) -> bool {
    const WHERE: &str = "PLIMSOLL_LOSE_GPU";
    if std::env::var_os(WHERE).is_some() {
        return true;
    }
    let _turn = turn();
    if gpu().is_some() {
        let own = std::env::current_exe().expect("this test");
        let status = std::process::Command::new(own)
            .args(["--exact", name, "--nocapture"])
            .env(WHERE, "1")
            .status()
            .expect("it starts");
        assert!(status.success());
    }
    false
}

fn lost_while_it_serves(mut settings: ServeSettings, device: &Arc<dyn Device>) {
    settings.models.push(ModelSource { name: "other".to_owned(), ..ModelSource::at(model()) });
    let service = start(settings);
    let at = service.address();
    let wanted = text(&post(at, "/v1/completions", &ask(12)).json());
    assert!(!wanted.is_empty());
    let seats = || get(at, "/activity").json()["seats"]["bytes"].as_u64().expect("a number");
    let there = seats();
    lose(device);
    // Whoever asks is told, or answered by the host; nobody gets a wrong answer, and soon everybody is answered.
    let began = Instant::now();
    loop {
        let answer = post(at, "/v1/completions", &ask(12));
        if answer.status == 200 {
            assert_eq!(text(&answer.json()), wanted);
            break;
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(["device_lost", "model_unavailable"].contains(&answer.code().as_str()), "{}", answer.body);
        assert!(began.elapsed() < Duration::from_mins(1), "{}", answer.body);
        std::thread::sleep(Duration::from_millis(200));
    }
    // Models that were never loaded go to the host at once.
    let other = json!({"model": "other", "prompt": "Creates a new", "max_tokens": 8});
    assert_eq!(post(at, "/v1/completions", &other).status, 200);
    let snapshot = service.engine().snapshot();
    let host = snapshot.place(Place::Host).expect("it has a line");
    // What is promised from here on is what the host has for keys and values.
    let most = host.share("kv").expect("it has an account").limit.get();
    assert!(seats() < most && seats() != there, "{} of {most}, {there} before", seats());
    assert!(host.share("models/tiny").is_some_and(|share| share.charged > Bytes::mib(7)));
    service.stop();
}
