//! What is asked and answered, as OpenAI's clients expect it.

mod common;

use common::{get, post, settings, start};
use serde_json::json;

#[test]
fn a_text_goes_on_the_same_whether_it_comes_whole_or_in_pieces() {
    let running = start(settings());
    let at = running.address();
    let ask = json!({"prompt": "Returns the number of", "max_tokens": 24, "temperature": 0});
    let whole = post(at, "/v1/completions", &ask);
    assert_eq!(whole.status, 200, "{}", whole.body);
    let whole = whole.json();
    assert_eq!(whole["object"], "text_completion");
    assert_eq!(whole["model"], "tiny");
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    assert_eq!(whole["usage"]["completion_tokens"], 24);
    let text = whole["choices"][0]["text"].as_str().expect("a text");

    let mut streamed = ask.clone();
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({"include_usage": true});
    let answer = post(at, "/v1/completions", &streamed);
    assert!(answer.headers.contains("text/event-stream"), "{}", answer.headers);
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
    let pieces = answer.pieces();
    let joined: String = pieces.iter().filter_map(|piece| piece["choices"][0]["text"].as_str()).collect();
    assert_eq!(joined, text);
    let last = pieces.last().expect("pieces");
    assert_eq!(last["usage"]["completion_tokens"], 24);
    assert_eq!(last["usage"]["prompt_tokens"], whole["usage"]["prompt_tokens"]);
    assert!(pieces.iter().all(|piece| piece["id"] == pieces[0]["id"]));
}

#[test]
fn a_conversation_is_answered_whole_and_in_pieces() {
    let running = start(settings());
    let at = running.address();
    let messages = json!([
        {"role": "system", "content": "Documentation."},
        {"role": "user", "content": [{"type": "text", "text": "Returns the number of elements"}]}
    ]);
    let mut ask =
        json!({"model": "tiny", "messages": messages, "max_completion_tokens": 12, "temperature": 0});
    let whole = post(at, "/v1/chat/completions", &ask).json();
    let said = &whole["choices"][0]["message"];
    assert_eq!((&whole["object"], &said["role"]), (&json!("chat.completion"), &json!("assistant")));
    ask["stream"] = json!(true);
    let pieces = post(at, "/v1/chat/completions", &ask).pieces();
    assert_eq!(pieces[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(pieces[0]["object"], "chat.completion.chunk");
    let text: String =
        pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, said["content"].as_str().expect("text"));
    assert_eq!(pieces.last().expect("pieces")["choices"][0]["finish_reason"], "length");
}

#[test]
fn several_prompts_and_answers_stand_in_their_order() {
    let running = start(settings());
    let at = running.address();
    let ask = json!({"prompt": ["Creates a new", "Returns the"], "n": 2, "max_tokens": 6, "temperature": 0, "echo": true});
    let answer = post(at, "/v1/completions", &ask).json();
    let choices = answer["choices"].as_array().expect("choices");
    let texts: Vec<&str> = choices.iter().map(|choice| choice["text"].as_str().expect("text")).collect();
    assert_eq!(choices.len(), 4);
    assert_eq!((texts[0], texts[2]), (texts[1], texts[3]), "the likeliest is the same each time");
    assert!(texts[0].starts_with("Creates a new") && texts[2].starts_with("Returns the"));
    // Counted once for all answers, whole and in pieces.
    let mut ask = json!({"prompt": "Returns the", "n": 3, "max_tokens": 3});
    let whole = post(at, "/v1/completions", &ask).json();
    ask["stream"] = json!(true);
    ask["stream_options"] = json!({"include_usage": true});
    let pieces = post(at, "/v1/completions", &ask).pieces();
    assert_eq!(pieces.last().expect("pieces")["usage"]["prompt_tokens"], whole["usage"]["prompt_tokens"]);
    // Other seeds for other answers.
    let ask = json!({"prompt": "Returns the", "n": 4, "max_tokens": 12, "temperature": 2.0, "seed": 7});
    let first = post(at, "/v1/completions", &ask).json();
    let again = post(at, "/v1/completions", &ask).json();
    assert_eq!(first["choices"], again["choices"], "the same seed writes the same");
    let texts: Vec<&str> =
        first["choices"].as_array().expect("choices").iter().filter_map(|c| c["text"].as_str()).collect();
    assert!(texts.iter().any(|text| *text != texts[0]), "{texts:?}");
}

#[test]
fn an_end_that_was_asked_for_ends_it_and_json_is_json() {
    let running = start(settings());
    let at = running.address();
    let ask =
        json!({"prompt": "Returns the number of", "max_tokens": 60, "temperature": 0, "stop": [".", "\n\n"]});
    let answer = post(at, "/v1/completions", &ask).json();
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(!answer["choices"][0]["text"].as_str().expect("text").contains('.'));
    for seed in 0..4 {
        let ask = json!({
            "messages": [{"role": "user", "content": "An object"}], "max_tokens": 400, "seed": seed,
            "response_format": {"type": "json_object"}
        });
        let answer = post(at, "/v1/chat/completions", &ask).json();
        let choice = &answer["choices"][0];
        if choice["finish_reason"] == "stop" {
            let text = choice["message"]["content"].as_str().expect("text");
            let value: serde_json::Value =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert!(value.is_object());
        }
    }
}

#[test]
fn what_was_read_is_not_read_again() {
    let running = start(settings());
    let at = running.address();
    let said = "Returns an iterator over the elements of the slice, in order. ".repeat(8);
    let mut messages = vec![json!({"role": "user", "content": said})];
    let mut before = 0;
    for turn in 0..4 {
        let ask = json!({"messages": messages, "max_tokens": 8, "temperature": 0});
        let answer = post(at, "/v1/chat/completions", &ask).json();
        let usage = &answer["usage"];
        let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a count");
        if turn > 0 {
            assert!(
                cached + 16 > before,
                "turn {turn} computes its new tokens only: {usage}, {before} stood there"
            );
        }
        before = usage["prompt_tokens"].as_u64().expect("a count");
        messages.push(answer["choices"][0]["message"].clone());
        messages.push(json!({"role": "user", "content": "And then?"}));
    }
}

#[test]
fn facts_are_told() {
    let running = start(settings());
    let at = running.address();
    let idle = get(at, "/v1/models").json();
    assert_eq!((&idle["data"][0]["id"], &idle["data"][0]["state"]), (&json!("tiny"), &json!("idle")));
    assert_eq!(post(at, "/v1/completions", &json!({"prompt": "a", "max_tokens": 2})).status, 200);
    assert_eq!(get(at, "/v1/models/tiny").json()["state"], "loaded");
    assert_eq!(get(at, "/v1/models/other").code(), "model_not_found");
    let activity = || get(at, "/activity").json();
    assert_eq!(activity()["models"][0]["tokens_written"], 2);
    // The model's thread gives a seat back after the answer has gone.
    for _ in 0..100 {
        if activity()["seats"]["taken_bytes"] == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(activity()["seats"]["taken_bytes"], 0);
    assert_eq!(get(at, "/health").json()["status"], "ok");
    let metrics = get(at, "/metrics").body;
    assert!(metrics.contains("plimsoll_serve_tokens_written_total{model=\"tiny\"} 2"), "{metrics}");
    // The first sample comes within a second.
    for _ in 0..100 {
        if get(at, "/memory").status == 200 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let memory = get(at, "/memory").json();
    assert!(memory["places"].as_array().is_some_and(|places| !places.is_empty()), "{memory}");
    assert_eq!(get(at, "/nothing").code(), "not_found");
    assert_eq!(post(at, "/health", &json!({})).code(), "method_not_allowed");
}

#[test]
fn texts_become_vectors_whose_nearest_are_alike() {
    let running = start(settings());
    let at = running.address();
    let texts = [
        "Returns the number of elements in the vector.",
        "Returns the number of items in the slice.",
        "Opens a TCP connection to a remote host.",
    ];
    let answer = post(at, "/v1/embeddings", &json!({"input": texts, "model": "tiny"})).json();
    let vector = |index: usize| -> Vec<f64> {
        let numbers = answer["data"][index]["embedding"].as_array().expect("numbers");
        numbers.iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    let (first, second, third) = (vector(0), vector(1), vector(2));
    assert!((product(&first, &first) - 1.0).abs() < 1e-5);
    assert!(product(&first, &second) > product(&first, &third) + 0.05);
    // Packed they are the same, and so they are one by one.
    let packed = post(at, "/v1/embeddings", &json!({"input": texts[0], "encoding_format": "base64"})).json();
    let text = packed["data"][0]["embedding"].as_str().expect("base64");
    assert_eq!(text.len(), (first.len() * 4).div_ceil(3) * 4);
    assert_eq!(packed["usage"]["prompt_tokens"].as_u64().map(|count| count > 5), Some(true));
    let one = post(at, "/v1/embeddings", &json!({"input": [texts[0]]})).json();
    assert_eq!(one["data"][0]["embedding"], answer["data"][0]["embedding"]);
    for (ask, param) in [
        (json!({}), "input"),
        (json!({"input": "a", "encoding_format": "hex"}), "encoding_format"),
        (json!({"input": "a", "dimensions": 7}), "dimensions"),
        (json!({"input": vec!["a"; 3000]}), "input"),
    ] {
        let refused = post(at, "/v1/embeddings", &ask);
        assert_eq!(
            (refused.status, &refused.json()["error"]["param"]),
            (400, &json!(param)),
            "{}",
            refused.body
        );
    }
    // Nothing of them is kept.
    let seats = get(at, "/activity").json();
    assert_eq!(
        (&seats["seats"]["taken_bytes"], &seats["models"][0]["tiers"][0]["blocks"]),
        (&json!(0), &json!(0))
    );
}
