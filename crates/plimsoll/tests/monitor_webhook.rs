//! Webhooks that answer, that refuse, that never answer; none of them delays a sample.
#![cfg(feature = "webhook")]

mod listener;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use listener::Listener;
use plimsoll::monitor::{
    AlertSample, Monitor, PostCounts, PostError, PostSettings, Poster, Sample, Sampler, Severity, Sink,
    Webhook,
};

const LONG: Duration = Duration::from_mins(1);

fn quick() -> PostSettings {
    PostSettings { again_after: Duration::from_millis(1), linger: Duration::ZERO, ..PostSettings::default() }
}

fn sample(subjects: &[&str]) -> Arc<Sample> {
    let alert = |subject: &&str| AlertSample {
        name: "pressure".into(),
        subject: (*subject).into(),
        severity: Severity::Critical,
        text: format!("{subject}: 96% are in use"),
        ..AlertSample::default()
    };
    let source = plimsoll::monitor::SourceSample { program: "test".into(), pid: 7, engine: true };
    Arc::new(Sample { source, alerts: subjects.iter().map(alert).collect(), ..Sample::default() })
}

#[test]
fn news_arrives_as_json_with_a_sentence() {
    let listener = Listener::answering(&["200 OK"]);
    let mut hook = Webhook::start(&listener.url("/alerts"), quick()).unwrap();
    hook.sample(&sample(&["host"]));
    hook.sample(&sample(&["host"]));
    hook.sample(&sample(&[]));
    assert!(hook.poster().flush(LONG));
    let requests: Vec<_> = listener.requests.iter().take(2).collect();
    assert!(requests[0].head.starts_with("POST /alerts HTTP/1.1\r\n"), "{}", requests[0].head);
    assert!(requests[0].head.to_ascii_lowercase().contains("content-type: application/json"));
    let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(body["turn"], "raised");
    assert_eq!(body["text"], "test: critical pressure raised: host: 96% are in use");
    assert_eq!(body["alert"]["subject"], "host");
    assert_eq!(body["pid"], 7);
    let body: serde_json::Value = serde_json::from_str(&requests[1].body).unwrap();
    assert_eq!(body["turn"], "cleared");
    assert_eq!(hook.counts(), PostCounts { delivered: 2, ..PostCounts::default() });
}

#[test]
fn a_server_in_trouble_is_asked_once_more() {
    let listener = Listener::answering(&["500 Oops", "204 Done"]);
    let poster = Poster::start(&listener.url("/"), quick()).unwrap();
    poster.post("{\"n\":1}".to_owned());
    assert!(poster.flush(LONG));
    assert_eq!(poster.counts(), PostCounts { delivered: 1, ..PostCounts::default() });
    let bodies: Vec<_> = listener.requests.iter().take(2).map(|request| request.body).collect();
    assert_eq!(bodies, ["{\"n\":1}", "{\"n\":1}"]);
}

#[test]
fn after_the_second_attempt_it_is_given_up_and_counted() {
    let listener = Listener::answering(&["500 Oops"]);
    let poster = Poster::start(&listener.url("/"), quick()).unwrap();
    poster.post("1".to_owned());
    assert!(poster.flush(LONG));
    assert_eq!(poster.counts(), PostCounts { failed: 1, ..PostCounts::default() });
    assert_eq!(listener.requests.iter().take(2).count(), 2);
}

#[test]
fn a_server_that_refuses_or_points_elsewhere_is_not_asked_again() {
    for refusal in ["404 Not Found", "302 Found\r\nLocation: /elsewhere"] {
        let listener = Listener::answering(&[refusal]);
        let poster = Poster::start(&listener.url("/"), quick()).unwrap();
        poster.post("1".to_owned());
        assert!(poster.flush(LONG));
        assert_eq!(poster.counts(), PostCounts { failed: 1, ..PostCounts::default() }, "{refusal}");
        assert!(listener.requests.recv().is_ok());
        assert!(listener.requests.try_recv().is_err(), "{refusal}");
    }
}

#[test]
fn a_server_that_is_not_there_is_given_up() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let poster = Poster::start(&format!("http://{address}/"), quick()).unwrap();
    poster.post("1".to_owned());
    assert!(poster.flush(LONG));
    assert_eq!(poster.counts(), PostCounts { failed: 1, ..PostCounts::default() });
}

#[test]
fn a_server_that_never_answers_holds_up_neither_samples_nor_the_end() {
    // Accepts (the system does that much) and is never read from.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    // Longer than any test may run: whoever waits for it hangs.
    let patient = PostSettings { timeout: Duration::from_hours(1), queue: 2, ..quick() };
    let mut hook = Webhook::start(&url, patient).unwrap();
    let poster = hook.poster();
    let mut turn = 0_u32;
    let (send, receive) = mpsc::channel();
    let sink = move |_: &Arc<Sample>| {
        // Every sample has news: each time another subject.
        turn += 1;
        let subject = format!("host-{turn}");
        hook.sample(&sample(&[&subject]));
        let _ = send.send(turn);
    };
    let monitor = Monitor::start(Sampler::machine(), Duration::from_millis(1), vec![Box::new(sink)]).unwrap();
    assert_eq!(receive.iter().take(50).count(), 50);
    let counts = poster.counts();
    assert_eq!((counts.delivered, counts.failed), (0, 0));
    assert!(counts.dropped >= 40, "the queue stays at two: {counts:?}");
    assert!(!poster.flush(Duration::from_millis(1)));
    drop(monitor);
}

#[test]
fn an_answer_that_never_ends_is_cut_at_the_time_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let hasty = PostSettings { timeout: Duration::from_millis(50), ..quick() };
    let poster = Poster::start(&url, hasty).unwrap();
    poster.post("1".to_owned());
    assert!(poster.flush(LONG), "two time-outs end it");
    assert_eq!(poster.counts(), PostCounts { failed: 1, ..PostCounts::default() });
}

#[test]
fn a_url_that_cannot_be_posted_to_is_refused_at_once() {
    for url in ["", "localhost", "ftp://host/x", "http://", "/alerts", "http://ho st/"] {
        let error = Poster::start(url, quick()).unwrap_err();
        assert!(matches!(error, PostError::Url { .. }), "{url}: {error}");
        assert!(error.to_string().contains("http://127.0.0.1:9000/alerts"));
    }
    let secure = Poster::start("https://example.org/alerts", quick());
    assert_eq!(secure.is_ok(), cfg!(feature = "https"));
}
