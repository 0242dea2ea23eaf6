//! Latent attention (DeepSeek): one vector a token is cached, and queries are brought into its space.

use super::graph::{Home, Id};
use super::net::{Net, flat};
use crate::model::{Attention, Mla, TensorType};

impl Net<'_> {
    /// Attention over latent vectors; the result has a row for each token.
    pub(crate) fn attend_latent(&mut self, layer: usize, attention: &Attention, mla: Mla, of: Id) -> Id {
        let tokens = self.tokens();
        let nope = attention.key_width.saturating_sub(mla.rope_width).max(1);
        let queries = attention.heads.saturating_mul(attention.key_width);
        let query = match mla.query_rank {
            Some(rank) => {
                let low = self.project(layer, "attn_q_a", of, rank);
                let low = self.norm_rms(Some(layer), low);
                self.project(layer, "attn_q_b", low, queries)
            }
            None => self.project(layer, "attn_q", of, queries),
        };
        let query = self.graph.reshape(query, [attention.key_width, attention.heads, tokens, 1]);
        let (latent, turned) = self.latent(layer, mla, of);
        let query = self.latent_query(layer, attention, mla, (query, nope));
        let latent = self.graph.reshape(latent, [mla.kv_rank, 1, tokens, 1]);
        let key = self.graph.concat(latent, turned, 0);
        let input = self.cache_input(layer);
        self.graph.expand(query);
        self.graph.expand(latent);
        self.graph.expand(key);
        let Some((keys, values)) = self.cache_tensors(layer) else { return query };
        self.store_keys(keys, key, input);
        let key = self.read_keys(keys, attention, input);
        let unpack = [mla.kv_rank, attention.value_width, attention.heads, 1];
        if self.setup.options.latent_values {
            self.store_values(values, latent, input);
            let value = self.read_values(values, mla.kv_rank, 1, input);
            let unpack = self.weight(layer, "attn_v_b", unpack);
            return self.mix(layer, query, key, value, input, Some(unpack));
        }
        // Values are the keys' first numbers.
        let (s, t) = (self.graph.get(key).sides, self.graph.get(key).strides);
        let value = self.graph.view(key, [mla.kv_rank, s[1], s[2], s[3]], [t[1], t[2], t[3]]);
        let unpack = self.weight(layer, "attn_v_b", unpack);
        self.mix(layer, query, key, value, input, Some(unpack))
    }

    /// The latent vector of each token, and the part of its key that is rotated.
    fn latent(&mut self, layer: usize, mla: Mla, of: Id) -> (Id, Id) {
        let tokens = self.tokens();
        let both = self.project(layer, "attn_kv_a_mqa", of, mla.kv_rank.saturating_add(mla.rope_width));
        let tensor = self.graph.get(both);
        let row = tensor.strides[1];
        let all = row.saturating_mul(tokens);
        let latent = self.graph.view(both, flat(mla.kv_rank, tokens), [row, all, all]);
        let turned = self.graph.view(both, [mla.rope_width, 1, tokens, 1], [row, row, all]);
        let turned = self.rope_bare(turned);
        (self.norm_rms(Some(layer), latent), turned)
    }

    /// Queries in the space of the latent vectors.
    fn latent_query(&mut self, layer: usize, attention: &Attention, mla: Mla, query: (Id, u64)) -> Id {
        let ((query, nope), tokens) = (query, self.tokens());
        let t = self.graph.get(query).strides;
        let plain = self.graph.view(query, [nope, attention.heads, tokens, 1], [t[1], t[2], t[3]]);
        let turned = self.graph.view(query, [mla.rope_width, attention.heads, tokens, 1], [t[1], t[2], t[3]]);
        let turned = self.rope_bare(turned);
        let plain = self.graph.permute(plain, [0, 2, 1, 3]);
        let down = self.weight(layer, "attn_k_b", [nope, mla.kv_rank, attention.heads, 1]);
        let plain = self.graph.matmul(down, plain);
        let plain = self.graph.permute(plain, [0, 2, 1, 3]);
        self.graph.concat(plain, turned, 0)
    }

    fn rope_bare(&mut self, of: Id) -> Id {
        let positions = self.positions();
        self.graph.rope(of, positions, None)
    }

    /// Embeddings of their own for each layer (Gemma's small models): made from the token and the first embedding.
    pub(crate) fn layer_embeddings(&mut self, embedding: Id, width: u64) -> Id {
        let (tokens, layers) = (self.tokens(), self.hyper.layers.len() as u64);
        let all = width.saturating_mul(layers);
        let host = Home::Weight(self.setup.host);
        let kind = self.kind("per_layer_token_embd.weight");
        let table = self.graph.weight(kind, flat(all, self.hyper.vocabulary), host);
        let numbers = self.graph.input(TensorType::I32, flat(tokens, 1));
        let rows = self.graph.get_rows(table, numbers);
        let own = self.graph.reshape(rows, [width, layers, tokens, 1]);
        let own = self.graph.each(&[own]);
        self.graph.expand(own);
        let kind = self.kind("per_layer_model_proj.weight");
        let matrix = self.graph.weight(kind, flat(self.hyper.width, all), host);
        let projected = self.graph.matmul(matrix, embedding);
        let projected = self.graph.each(&[projected]);
        let projected = self.graph.reshape(projected, [width, layers, tokens, 1]);
        let bare = self.graph.each(&[projected]);
        let weight = self.graph.weight(TensorType::F32, flat(width, 1), host);
        let normed = self.graph.each(&[bare, weight]);
        let sum = self.graph.each(&[normed, own]);
        let sum = self.graph.each(&[sum]);
        let turned = self.graph.permute(sum, [0, 2, 1, 3]);
        self.graph.packed(turned)
    }
}
