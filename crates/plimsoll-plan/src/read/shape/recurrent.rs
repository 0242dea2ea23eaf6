//! Which layers carry state from token to token, and how much.

use crate::model::{Recurrent, RecurrentKind};
use crate::read::keys::{Keys, PerLayer};

/// Which layers do.
enum Which {
    None,
    All,
    /// Those without heads of keys.
    Headless,
    /// Those without heads of keys and without a feed-forward part.
    HeadlessAlone,
    /// As listed.
    Listed(Vec<u64>),
    /// All but the last of so many.
    Interval(u64),
}

/// The recurrent layers of a model.
pub(super) struct Recurrence {
    which: Which,
    state: Option<Recurrent>,
    /// Whether such a layer attends as well.
    pub(super) beside_attention: bool,
}

impl Recurrence {
    pub(super) fn of(keys: &Keys, width: u64, heads: u64) -> Self {
        let state = state(keys, width, heads);
        let which = if state.is_some() { which(keys) } else { Which::None };
        Self { which, state, beside_attention: keys.architecture() == "falcon-h1" }
    }

    /// The state of a layer, given its heads of keys and its feed-forward width.
    pub(super) fn layer(&self, layer: usize, kv_heads: u64, ffn: Option<&PerLayer>) -> Option<Recurrent> {
        let has = match &self.which {
            Which::None => false,
            Which::All => true,
            Which::Headless => kv_heads == 0,
            Which::HeadlessAlone => kv_heads == 0 && ffn.is_none_or(|ffn| ffn.of(layer) == 0),
            Which::Listed(list) => list.get(layer).is_some_and(|flag| *flag != 0),
            Which::Interval(interval) => !(layer as u64 + 1).is_multiple_of(*interval),
        };
        if has { self.state.clone() } else { None }
    }
}

fn which(keys: &Keys) -> Which {
    let listed = || keys.list("attention.recurrent_layers").map(|list| Which::Listed(list.to_vec()));
    let interval = |usual| {
        let stated = keys.positive("full_attention_interval").unwrap_or(usual);
        listed().unwrap_or(Which::Interval(stated))
    };
    match keys.architecture() {
        "mamba" | "mamba2" | "rwkv6" | "rwkv6qwen2" | "rwkv7" | "arwkv7" | "falcon-h1" => Which::All,
        "nemotron_h" | "nemotron_h_moe" => Which::HeadlessAlone,
        "qwen3next" | "qwen35" | "qwen35moe" | "qwen4exp" => interval(4),
        "minimax-01" => interval(8),
        "jamba" | "granitehybrid" | "plamo2" | "lfm2" | "lfm2moe" | "kimi-linear" | "kimi-k3"
        | "bailingmoe3" | "glm5-next" => Which::Headless,
        // Of an unknown one: what it says itself, then whether some layers have heads and others none.
        _ if keys.has("full_attention_interval") => interval(4),
        _ => listed().unwrap_or_else(|| {
            let heads =
                keys.per_layer("attention.head_count_kv").or_else(|| keys.per_layer("attention.head_count"));
            if heads.is_some_and(|heads| heads.most() > 0) { Which::Headless } else { Which::All }
        }),
    }
}

fn state(keys: &Keys, width: u64, heads: u64) -> Option<Recurrent> {
    let taps = keys.number("ssm.conv_kernel").unwrap_or(0);
    if let Some(size) = keys.positive("wkv.head_size") {
        let newer = keys.architecture().contains("rwkv7");
        let kind = if newer { RecurrentKind::Rwkv7 } else { RecurrentKind::Rwkv6 };
        let taps = keys.number("token_shift_count").unwrap_or(2);
        return Some(Recurrent {
            kind,
            inner_width: width,
            state_width: size,
            taps,
            groups: 0,
            heads: width / size,
        });
    }
    if let Some(taps) = keys.positive("shortconv.l_cache") {
        let kind = RecurrentKind::ShortConv;
        return Some(Recurrent { kind, inner_width: width, state_width: 0, taps, groups: 0, heads: 0 });
    }
    if let Some(size) = keys.positive("kda.head_dim") {
        let (kind, inner_width) = (RecurrentKind::Kda, heads.saturating_mul(size));
        let taps = if taps > 0 { taps } else { 4 };
        return Some(Recurrent { kind, inner_width, state_width: size, taps, groups: heads, heads });
    }
    if keys.architecture() == "minimax-01" {
        // A square of state for each head, and no convolution.
        let size = keys.positive("attention.key_length").or_else(|| width.checked_div(heads))?;
        let (kind, inner_width) = (RecurrentKind::DeltaNet, heads.saturating_mul(size));
        return Some(Recurrent { kind, inner_width, state_width: size, taps: 1, groups: heads, heads });
    }
    let inner_width = keys.positive("ssm.inner_size")?;
    let state_width = keys.number("ssm.state_size").unwrap_or(0);
    let groups = keys.number("ssm.group_count").unwrap_or(0);
    let kind = match keys.architecture() {
        "qwen3next" | "qwen35" | "qwen35moe" | "qwen4exp" => RecurrentKind::DeltaNet,
        "mamba" | "jamba" => RecurrentKind::Mamba,
        _ if groups == 0 => RecurrentKind::Mamba,
        _ => RecurrentKind::Mamba2,
    };
    let heads = keys.number("ssm.time_step_rank").unwrap_or(0);
    Some(Recurrent { kind, inner_width, state_width, taps, groups, heads })
}
