//! What a model needs under llama.cpp with given options, part by part.

use plimsoll::Bytes;

use super::cache::{checkpoint_bytes, layer_cache, output_bytes, state_bytes};
use super::decoder::graph_of;
use super::graph::compute_bytes;
use super::options::Options;
use super::setup::{LlamaError, Setup};
use crate::model::Model;

/// The bytes of llama.cpp's buffers, by device: the GPUs in their order, the host last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// Keys and values.
    pub cache: Vec<Bytes>,
    /// Recurrent state.
    pub state: Vec<Bytes>,
    /// What is there only while a batch is computed.
    pub compute: Vec<Bytes>,
    /// What the server keeps in host memory for one checkpoint of one sequence: what cannot be cut back token by token,
    /// recurrent state and the caches of layers with a window. It keeps up to 32 of them for each sequence.
    pub checkpoint: Bytes,
    /// Logits that are handed out, in host memory.
    pub output: Bytes,
    /// Whether the compute buffers follow the rules of an architecture that was checked against llama.cpp.
    pub checked: bool,
}

impl Buffers {
    /// What each buffer takes.
    pub fn of(model: &Model, options: &Options) -> Result<Self, LlamaError> {
        let setup = Setup::new(&model.hyper, options)?;
        let devices = usize::from(setup.host) + 1;
        let (mut cache, mut state) = (vec![Bytes::ZERO; devices], vec![Bytes::ZERO; devices]);
        for (index, layer) in model.hyper.layers.iter().enumerate() {
            let device = usize::from(setup.cache_device(index));
            let own = layer_cache(&model.hyper, layer, &setup).map_or(0, |cache| cache.bytes(&setup));
            add(&mut cache, device, own);
            add(&mut state, device, state_bytes(&model.hyper, layer, &setup));
        }
        let checkpoint = Bytes::new(checkpoint_bytes(&model.hyper, &setup));
        let (graph, style) = graph_of(model, &setup);
        let compute = compute_bytes(graph, &setup.devices()).into_iter().map(Bytes::new).collect();
        let output = Bytes::new(output_bytes(&model.hyper, &setup));
        Ok(Self { cache, state, compute, checkpoint, output, checked: style.known })
    }
}

fn add(sums: &mut [Bytes], device: usize, bytes: u64) {
    if let Some(sum) = sums.get_mut(device) {
        *sum = sum.saturating_add(Bytes::new(bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::llama::Era;
    use crate::model::{
        Attention, Experts, Ffn, Hyper, Layer, Mla, Origin, Recurrent, RecurrentKind, TensorType,
    };

    fn model(hyper: Hyper) -> Model {
        Model {
            name: String::new(),
            hyper,
            tensors: Vec::new(),
            origin: Origin::Catalogue,
            doubts: Vec::new(),
        }
    }

    fn llama_8b() -> Model {
        let attention =
            Attention { heads: 32, kv_heads: 8, key_width: 128, value_width: 128, ..Attention::default() };
        let ffn = Ffn::Dense { width: 14336, gated: true };
        let layer = Layer { attention: Some(attention), recurrent: None, ffn };
        model(Hyper {
            architecture: "llama".to_owned(),
            context_trained: 131_072,
            width: 4096,
            vocabulary: 128_256,
            layers: vec![layer; 32],
            rope_width: 128,
            ..Hyper::default()
        })
    }

    #[test]
    fn a_known_model_takes_what_llama_cpp_says() {
        let options = Options { context: 8192, ..Options::default() };
        let buffers = Buffers::of(&llama_8b(), &options).unwrap();
        assert_eq!(buffers.cache, [Bytes::gib(1)]);
        assert_eq!(buffers.compute, [Bytes::new(279_447_552)]);
        assert_eq!(buffers.output, Bytes::new(4 * 128_256));
        assert!(buffers.checked);
    }

    #[test]
    fn what_llama_cpp_refuses_is_refused() {
        let options = Options { flash_attention: false, value_kind: TensorType::Q8_0, ..Options::default() };
        let refused = Buffers::of(&llama_8b(), &options).unwrap_err().to_string();
        assert!(refused.contains("-fa on"), "{refused}");
        let empty = Buffers::of(&model(Hyper::default()), &Options::default()).unwrap_err();
        assert_eq!(empty, LlamaError::Missing("layers"));
        let far = Options { context: u64::MAX, ..Options::default() };
        assert!(Buffers::of(&llama_8b(), &far).unwrap_err().to_string().contains("beyond"));
    }

    #[test]
    fn with_fewer_rows_of_logits_the_buffer_shrinks_to_what_layers_need() {
        let all = Options { context: 8192, ..Options::default() };
        let one = Options { outputs_max: Some(1), ..all.clone() };
        let compute = |options| Buffers::of(&llama_8b(), options).unwrap().compute[0];
        assert!(compute(&one) < Bytes::mib(150) && compute(&all) > Bytes::mib(250));
    }

    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), 1..200_u64, Just(4096), any::<u32>().prop_map(u64::from), any::<u64>()]
    }

    fn attention() -> impl Strategy<Value = Attention> {
        let mla = proptest::option::of((size(), size(), proptest::option::of(size())));
        (size(), size(), size(), size(), proptest::option::of(size()), mla, any::<bool>()).prop_map(
            |(heads, kv_heads, key_width, value_width, window, mla, borrows_kv)| Attention {
                heads,
                kv_heads,
                key_width,
                value_width,
                window,
                mla: mla.map(|(kv_rank, rope_width, query_rank)| Mla { kv_rank, rope_width, query_rank }),
                borrows_kv,
            },
        )
    }

    fn recurrent() -> impl Strategy<Value = Recurrent> {
        let kind = prop_oneof![
            Just(RecurrentKind::Mamba),
            Just(RecurrentKind::Mamba2),
            Just(RecurrentKind::DeltaNet),
            Just(RecurrentKind::Rwkv7),
            Just(RecurrentKind::ShortConv)
        ];
        (kind, size(), size(), size(), size(), size()).prop_map(
            |(kind, inner_width, state_width, taps, groups, heads)| Recurrent {
                kind,
                inner_width,
                state_width,
                taps,
                groups,
                heads,
            },
        )
    }

    fn ffn() -> impl Strategy<Value = Ffn> {
        prop_oneof![
            Just(Ffn::None),
            (size(), any::<bool>()).prop_map(|(width, gated)| Ffn::Dense { width, gated }),
            (size(), size(), size(), size()).prop_map(|(count, used, width, shared_width)| Ffn::Experts(
                Experts { count, used, width, shared_width }
            )),
        ]
    }

    fn hyper() -> impl Strategy<Value = Hyper> {
        let names =
            ["llama", "gemma4", "deepseek2", "qwen3next", "gpt-oss", "gptneox", "mamba2", "no such name"];
        let layer = (proptest::option::of(attention()), proptest::option::of(recurrent()), ffn())
            .prop_map(|(attention, recurrent, ffn)| Layer { attention, recurrent, ffn });
        let layers = proptest::collection::vec(layer, 0..4);
        (proptest::sample::select(names.to_vec()), size(), size(), size(), size(), layers).prop_map(
            |(name, context_trained, width, vocabulary, rope_width, layers)| Hyper {
                architecture: name.to_owned(),
                context_trained,
                width,
                vocabulary,
                layers,
                rope_width,
                ..Hyper::default()
            },
        )
    }

    fn options() -> impl Strategy<Value = Options> {
        let kinds = [TensorType::F16, TensorType::F32, TensorType::Q8_0, TensorType::Q4_0, TensorType::I8];
        let kind = || proptest::sample::select(kinds.to_vec());
        let era = proptest::sample::select(vec![Era::Early, Era::Late2025, Era::Early2026, Era::Now]);
        let sizes = (size(), size(), size(), size(), size(), size());
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (sizes, flags, kind(), kind(), era, proptest::collection::vec(size(), 0..4)).prop_map(
            |((context, sequences, batch, micro_batch, layers, rollback), flags, key, value, era, shares)| {
                Options {
                    context,
                    sequences,
                    unified: flags.0,
                    batch,
                    micro_batch,
                    flash_attention: flags.1,
                    kv_offload: flags.2,
                    key_kind: key,
                    value_kind: value,
                    gpu_layers: Some(layers),
                    rollback,
                    shares,
                    era,
                    ..Options::default()
                }
            },
        )
    }

    proptest! {
        #[test]
        fn no_shape_and_no_options_are_a_panic(hyper in hyper(), options in options()) {
            let _ = Buffers::of(&model(hyper), &options);
        }

        #[test]
        fn longer_contexts_never_take_less(tokens in 1..40_000_u64, more in 0..40_000_u64, flash: bool) {
            let options = |context| Options { context, flash_attention: flash, ..Options::default() };
            let (short, long) =
                (Buffers::of(&llama_8b(), &options(tokens))?, Buffers::of(&llama_8b(), &options(tokens + more))?);
            prop_assert!(short.cache[0] <= long.cache[0]);
        }
    }
}
