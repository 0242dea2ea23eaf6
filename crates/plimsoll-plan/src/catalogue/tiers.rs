//! What a table of tiers is made of: machines that stand for many, and models from small to large.

use super::Scheme;

/// Machines of the table for language models, smallest first within each sort.
pub const MACHINES: &[&str] = &[
    "m1-8g",
    "m2-16g",
    "m4-16g",
    "m3-24g",
    "m4-32g",
    "m5-32g",
    "m3-pro-36g",
    "m4-max-36g",
    "m4-pro-48g",
    "m4-pro-64g",
    "m5-max-64g",
    "m2-max-96g",
    "m3-max-128g",
    "m4-max-128g",
    "m5-max-128g",
    "m2-ultra-192g",
    "m3-ultra-256g",
    "m3-ultra-512g",
    "rtx-3060+32g",
    "rtx-4060-ti-16g+32g",
    "rtx-5070-ti+64g",
    "rtx-3090+64g",
    "rtx-4090+64g",
    "rtx-5090+96g",
    "2x rtx-3090+128g",
    "rtx-a6000+128g",
    "rtx-pro-6000+192g",
    "rx-7900-xtx+64g",
    "arc-pro-b60+64g",
    "ryzen-ai-max-395",
    "dgx-spark",
    "a100-80g+256g",
    "h100-sxm+512g",
    "h200+1024g",
    "instinct-mi300x+1024g",
    "8x h100-sxm+2048g",
    "cpu-32g",
    "cpu-64g",
    "cpu-256g-8ch",
    "cpu-768g-12ch",
];

/// Models of the table, from small to large.
pub const MODELS: &[&str] = &[
    "Llama 3.2 1B",
    "Llama 3.2 3B",
    "Qwen3 4B",
    "Llama 3.1 8B",
    "Gemma 3 12B",
    "Qwen3 14B",
    "gpt-oss 20B",
    "Mistral Small 24B",
    "Gemma 3 27B",
    "Qwen3 30B A3B",
    "Qwen3 32B",
    "Llama 3.3 70B",
    "Qwen 2.5 72B",
    "Qwen3 Next 80B A3B",
    "gpt-oss 120B",
    "Mistral Large 123B",
    "Qwen3 235B A22B",
    "Llama 3.1 405B",
    "Qwen3 Coder 480B A35B",
    "DeepSeek V3",
];

/// Tokens of context that each cell is asked for.
pub const CONTEXTS: &[u64] = &[8192, 32768];

/// The quantizations a cell may name, best first: below the last a smaller model is the better choice.
pub const SCHEMES: &[Scheme] = &[
    Scheme::Q8_0,
    Scheme::Q6_K,
    Scheme::Q5_K_M,
    Scheme::Q4_K_M,
    Scheme::IQ4_XS,
    Scheme::Q3_K_M,
    Scheme::IQ2_M,
];

/// The quantizations of a model in the table: models that come in four bits are offered as they come.
pub fn schemes(model: &str) -> &'static [Scheme] {
    if model.starts_with("gpt-oss") { &[Scheme::MXFP4] } else { SCHEMES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::model;
    use crate::machine::Machine;

    #[test]
    fn every_machine_and_model_of_the_table_is_known() {
        for name in MACHINES {
            let machine = Machine::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(machine.name, *name);
        }
        let sizes = MODELS.iter().map(|name| {
            let entry = model(name).unwrap_or_else(|error| panic!("{name}: {error}")).0;
            entry.model(schemes(name)[0]).weights()
        });
        assert!(sizes.collect::<Vec<_>>().is_sorted(), "from small to large");
    }
}
