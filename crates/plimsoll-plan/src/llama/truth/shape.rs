//! A model's shape from the numbers that logs print: `arch=llama;n_layer=32;n_embd=4096;…`.

use std::collections::BTreeMap;

use plimsoll::Bytes;

use crate::catalogue::Scheme;
use crate::model::{
    Attention, Experts, Ffn, Hyper, Layer, Mla, Model, Origin, Recurrent, RecurrentKind, Tensor, TensorType,
};

/// Names and numbers, as a row's notes list them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notes {
    pairs: BTreeMap<String, String>,
}

impl Notes {
    /// Reads `name=value` pairs between semicolons; anything else is left out.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split(';').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = name.trim().rsplit(' ').next()?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        Self { pairs: pairs.collect() }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// The number that a value begins with.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse().ok()
    }

    fn or(&self, name: &str, fallback: u64) -> u64 {
        self.number(name).unwrap_or(fallback)
    }

    /// Whether they tell a whole shape.
    pub(crate) fn tell_shape(&self) -> bool {
        ["n_layer", "n_embd", "n_head", "n_vocab"]
            .iter()
            .all(|name| self.number(name).is_some_and(|number| number > 0))
            && self.number("n_embd_head_k").or(self.number("head_dim")).is_some()
    }
}

/// The model of the catalogue that a name means, where it agrees with what the notes tell of its shape.
pub(crate) fn found(name: &str, quant: &str, notes: &Notes) -> Option<Model> {
    let Ok((entry, scheme)) = crate::catalogue::model(name) else { return mamba(name) };
    let scheme = scheme_of(quant).or(scheme).unwrap_or(Scheme::Q4_K_M);
    let model = entry.model(scheme);
    let hyper = &model.hyper;
    let agrees = |name: &str, own: u64| notes.number(name).is_none_or(|number| number == own);
    let heads =
        hyper.layers.iter().find_map(|layer| layer.attention.as_ref()).map_or(0, |attention| attention.heads);
    (agrees("n_layer", hyper.layers.len() as u64)
        && agrees("n_embd", hyper.width)
        && agrees("n_vocab", hyper.vocabulary)
        && (heads == 0 || agrees("n_head", heads)))
    .then_some(model)
}

/// Mamba's published sizes: all that is told of them is a number of parameters.
fn mamba(name: &str) -> Option<Model> {
    let small = name.to_ascii_lowercase();
    let size = small.strip_prefix("mamba-")?;
    let (layers, width) = match size.split(['-', ' ']).next()? {
        "130m" => (24, 768),
        "370m" => (48, 1024),
        "790m" => (48, 1536),
        "1.4b" => (48, 2048),
        "2.8b" => (64, 2560),
        _ => return None,
    };
    let rank = width / 16;
    let notes = format!(
        "arch=mamba;n_layer={layers};n_embd={width};n_vocab=50280;n_head=1;head_dim=64;tied=1;ssm_d_conv=4;\
         ssm_d_inner={};ssm_d_state=16;ssm_dt_rank={rank}",
        2 * width
    );
    model_of(name, &Notes::parse(&notes))
}

fn scheme_of(quant: &str) -> Option<Scheme> {
    Scheme::find(&quant.replace(" - ", "_")).map(|(scheme, _)| scheme)
}

/// A model whose weights are all of the type that a quantization's name says, where it has no list of its own.
pub(crate) fn with_kind(mut model: Model, quant: &str) -> Model {
    if let Some(scheme) = scheme_of(quant) {
        let (name, kind) = ("weights".to_owned(), scheme.default_type());
        model.tensors.push(Tensor { name, shape: Vec::new(), kind, bytes: Bytes::gib(1) });
    }
    model
}

/// The model that notes describe.
pub(crate) fn model_of(name: &str, notes: &Notes) -> Option<Model> {
    if !notes.tell_shape() {
        return None;
    }
    let architecture = notes.text("arch").unwrap_or("llama").to_owned();
    let count = usize::try_from(notes.number("n_layer")?).ok().filter(|count| *count <= 1024)?;
    let layers = (0..count).map(|index| layer_of(&architecture, index as u64, notes)).collect();
    let rope_width = notes.or("n_rot", notes.or("n_embd_head_k", notes.or("head_dim", 0)));
    let hyper = Hyper {
        context_trained: notes.or("n_ctx_train", 0),
        width: notes.number("n_embd")?,
        vocabulary: notes.number("n_vocab")?,
        layers,
        rope_width,
        tied_embedding: notes.or("tied", 0) > 0,
        attention_softcap: architecture == "gemma2" || notes.or("softcap", 0) > 0,
        logits_softcap: matches!(architecture.as_str(), "gemma2" | "gemma4")
            || notes.or("logits_softcap", 0) > 0,
        architecture,
    };
    let embedding = notes.number("n_embd_per_layer").map(|width| own_embedding(width, &hyper));
    let factors = notes.number("rope_freqs").map(|_| rope_factors(&hyper));
    let tensors = embedding.into_iter().chain(factors).collect();
    Some(Model { name: name.to_owned(), hyper, tensors, origin: Origin::Catalogue, doubts: Vec::new() })
}

/// The table of embeddings that each layer has of its own.
fn own_embedding(width: u64, hyper: &Hyper) -> Tensor {
    let shape = vec![width.saturating_mul(hyper.layers.len() as u64), hyper.vocabulary];
    let name = "per_layer_token_embd.weight".to_owned();
    let elements = shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side));
    let bytes = TensorType::F16.size(elements).unwrap_or(Bytes::MAX);
    Tensor { name, shape, kind: TensorType::F16, bytes }
}

/// Factors of rotation, one for each pair that is rotated.
fn rope_factors(hyper: &Hyper) -> Tensor {
    let count = hyper.rope_width / 2;
    let bytes = Bytes::new(count.saturating_mul(4));
    Tensor { name: "rope_freqs.weight".to_owned(), shape: vec![count], kind: TensorType::F32, bytes }
}

fn layer_of(architecture: &str, index: u64, notes: &Notes) -> Layer {
    let recurrent = recurrent_of(architecture, index, notes);
    let both = architecture == "falcon-h1";
    let attention = (recurrent.is_none() || both).then(|| attention_of(architecture, index, notes));
    Layer { attention, recurrent, ffn: ffn_of(architecture, index, notes) }
}

/// Of each so many layers the last sees everything, the others a window.
fn window_period(architecture: &str) -> u64 {
    match architecture {
        "gemma3" | "gemma4" => 6,
        "gemma2" | "gpt-oss" => 2,
        "cohere2" => 4,
        _ => 1,
    }
}

fn attention_of(architecture: &str, index: u64, notes: &Notes) -> Attention {
    let head = notes.or("head_dim", notes.or("n_embd_head_k", 0));
    let heads = notes.or("n_head", 1);
    let period = notes.or("swa_period", window_period(architecture)).max(1);
    let window = notes.number("n_swa").filter(|window| *window > 0 && index % period < period - 1);
    let windowed = |name: &str, fallback: u64| {
        let own = window.and_then(|_| notes.number(&format!("{name}_swa")));
        own.unwrap_or_else(|| notes.or(name, fallback))
    };
    let head = if window.is_some() { windowed("head_dim", head) } else { head };
    let mla = notes.number("kv_lora_rank").map(|kv_rank| Mla {
        kv_rank,
        rope_width: notes.or("n_rot", 64),
        query_rank: notes.number("q_lora_rank").filter(|rank| *rank > 0),
    });
    Attention {
        heads,
        kv_heads: windowed("n_head_kv", heads),
        key_width: notes.or("n_embd_head_k", head),
        value_width: notes.or("n_embd_head_v", head),
        window,
        mla,
        borrows_kv: index >= notes.or("n_layer", 0).saturating_sub(notes.or("kv_shared", 0)),
    }
}

fn ffn_of(architecture: &str, index: u64, notes: &Notes) -> Ffn {
    let width = notes.or("n_ff", 0);
    let (count, lead) = (
        notes.or("n_expert", 0),
        notes.or("n_layer_dense_lead", if architecture == "deepseek2" { 3 } else { 0 }),
    );
    if matches!(architecture, "mamba" | "mamba2") {
        return Ffn::None;
    }
    if count == 0 || index < lead {
        let gated = !matches!(architecture, "gptneox" | "starcoder2" | "gpt2" | "phi2" | "falcon");
        return Ffn::Dense { width, gated };
    }
    let used = notes.or("n_expert_used", 8.min(count));
    // Where nobody states an expert's width: Qwen's dense width is that of all experts of a token, DeepSeek has experts of
    // 2048 and a shared one, and elsewhere an expert is as wide as a dense part would be.
    let deepseek = architecture == "deepseek2";
    let fallback = match architecture {
        _ if deepseek => 2048.min(width),
        _ if architecture.starts_with("qwen") => width / used.max(1),
        _ => width,
    };
    let expert = notes.or("n_ff_exp", fallback);
    let shared_width = notes.or("n_ff_shexp", if deepseek { expert } else { 0 });
    Ffn::Experts(Experts { count, used, width: expert, shared_width })
}

fn recurrent_of(architecture: &str, index: u64, notes: &Notes) -> Option<Recurrent> {
    let kind = match architecture {
        "mamba" => RecurrentKind::Mamba,
        "mamba2" | "falcon-h1" => RecurrentKind::Mamba2,
        "qwen3next" | "qwen35" | "qwen35moe" => RecurrentKind::DeltaNet,
        "rwkv6" => RecurrentKind::Rwkv6,
        "rwkv7" => RecurrentKind::Rwkv7,
        _ => return None,
    };
    let period = notes.or("full_attention_interval", 4).max(1);
    if kind == RecurrentKind::DeltaNet && index % period == period - 1 {
        return None;
    }
    Some(Recurrent {
        kind,
        inner_width: notes.or("ssm_d_inner", 0),
        state_width: notes.or("ssm_d_state", notes.or("wkv_head_size", 0)),
        taps: notes.or("ssm_d_conv", 4),
        groups: notes.or("ssm_n_group", 0),
        heads: notes.or("ssm_dt_rank", 0),
    })
}
