//! Training, from a file to weights and a verdict.

use std::path::Path;

use plimsoll::{Bytes, EngineAccount, Place};

use super::compare::{Contender, Reduced, Trial, Verdict, planes_width, verdict};
use super::descent::{BATCH, Descent, RATE};
use super::mill::{Mill, transpose};
use super::plan::{LEAST_ROWS, Parts, Plan};
use super::sample::Chance;
use super::{pca, sample};
use crate::Codec;
use crate::code::Shape;
use crate::input::Input;
use crate::neural::site::{charge, standing};
use crate::neural::{Fidelity, NeuralCodec, NeuralError, NeuralShape, Weights};

/// How a codec is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// Numbers of a latent.
    pub latent: usize,
    /// Whether vectors are brought to length one first.
    pub normalized: bool,
    /// The most vectors that are looked at; fewer where the budget has no room.
    pub sample: usize,
    /// How often each is learned from.
    pub epochs: usize,
    /// What chance is made from.
    pub seed: u64,
    /// How many threads.
    pub threads: usize,
}

impl Training {
    /// The usual way to so many numbers.
    pub fn to(latent: usize) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { latent, normalized: false, sample: 100_000, epochs: 10, seed: 1, threads }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// Vectors are read: so many of so many.
    Reading(u64, Option<u64>),
    /// Components are found: so many rounds.
    Components(usize),
    /// So many epochs of so many are done, and what comes back of vectors that are not learned from, in decibels.
    Epoch(usize, usize, f64),
    /// Codecs are compared: so many are done.
    Comparing(usize),
}

/// What came of it.
#[derive(Debug)]
pub struct Trained {
    /// The weights, charged to the account.
    pub weights: Weights,
    /// Vectors that were learned from.
    pub learned: usize,
    /// Vectors that the best weights were chosen by.
    pub chosen: usize,
    /// Vectors that were searched for the report, and how many were asked with.
    pub judged: (usize, usize),
    /// The share of the variance that as many components as the latent has numbers have.
    pub variance: f64,
    /// After which epoch the weights were best; 0 where no step made them better than the start.
    pub best_epoch: usize,
    /// All codecs that were compared, the learned one first.
    pub contenders: Vec<Contender>,
    /// Whether to use it.
    pub verdict: Verdict,
    /// What was predicted of memory.
    pub predicted: Bytes,
    /// The most that there was.
    pub peak: Bytes,
}

/// Learns a codec from the vectors of a file.
pub fn train(
    path: &Path,
    account: &EngineAccount,
    training: &Training,
    mut progress: impl FnMut(Stage),
) -> Result<Trained, NeuralError> {
    let training = Training { threads: training.threads.max(1), ..*training };
    let facts = Input::facts_of(path)?;
    let plan = Plan::new(&training, facts, account)?;
    let shape = plan.shape;
    let before = standing(account);
    let used = before.0.get().saturating_sub(before.1);
    let row_bytes = shape.dimension as u64 * 4;
    let of_rows = plan.rows as u64 * row_bytes;
    let mut chance = Chance(training.seed);
    let paid_rows = charge(account, of_rows)?;
    let reading = charge(account, sample::bytes_for(shape.dimension) + facts.beside.get())?;
    let rows = sample::read(path, account, (plan.rows, shape.normalized), &mut chance, |seen, of| {
        progress(Stage::Reading(seen, of));
    })?;
    drop(reading);
    trim(account)?;
    let count = rows.len() / shape.dimension;
    if count < LEAST_ROWS {
        return Err(NeuralError::FewRows { rows: count as u64, least: LEAST_ROWS as u64 });
    }
    let mill = Mill { pool: account.scratch(Place::Host)?, threads: training.threads };
    let mut school = School { account, shape, training, mill, progress: &mut progress };
    let mut trained = school.learn(&rows, &plan)?;
    drop((rows, paid_rows));
    trained.predicted = Bytes::new(used + of_rows + plan.passing + plan.spare);
    let snapshot = account.engine().snapshot();
    let found = snapshot.place(Place::Host).and_then(|place| place.share(account.path()));
    trained.peak = found.map_or(Bytes::ZERO, |share| share.peak);
    Ok(trained)
}

/// Gives back what the pool keeps of a step that is done: the next leases other sizes.
fn trim(account: &EngineAccount) -> Result<(), NeuralError> {
    account.scratch(Place::Host)?.trim(Bytes::ZERO)?;
    Ok(())
}

/// What learning needs at hand.
struct School<'s> {
    account: &'s EngineAccount,
    shape: NeuralShape,
    training: Training,
    mill: Mill,
    progress: &'s mut dyn FnMut(Stage),
}

/// Encoder and decoder.
type Pair = (Vec<f32>, Vec<f32>);

impl School<'_> {
    fn learn(&mut self, rows: &[f32], plan: &Plan) -> Result<Trained, NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let parts = Parts::of(rows.len() / dimension);
        let (learned, rest) = rows.split_at(parts.learned * dimension);
        let (chosen, rest) = rest.split_at(parts.chosen * dimension);
        let (base, queries) = rest.split_at(parts.base * dimension);
        let _weights =
            charge(self.account, (plan.components * dimension * 4) as u64 + self.shape.weight_bytes() * 3)?;
        let mean = pca::mean(learned, dimension);
        let (components, variance) = self.components(learned, &mean, plan.components)?;
        let start = self.start(&components[..latent * dimension], false);
        let turned = self.start(&components[..latent * dimension], true);
        trim(self.account)?;
        let ((encoder, decoder), best_epoch) = self.descend(learned, chosen, &mean, (&start, &turned))?;
        trim(self.account)?;
        let paid = charge(self.account, self.shape.weight_bytes())?;
        let weights = Weights::new(self.shape, encoder, decoder, mean.clone())?.paid(paid);
        let contenders = self.compare(&weights, (start, turned), (&components, &mean), (base, queries))?;
        let verdict =
            verdict(&contenders).ok_or(NeuralError::FewRows { rows: 0, least: LEAST_ROWS as u64 })?;
        let weights = self.described(weights, parts, best_epoch, &contenders);
        Ok(Trained {
            weights,
            learned: parts.learned,
            chosen: parts.chosen,
            judged: (parts.base, parts.queries),
            variance,
            best_epoch,
            contenders,
            verdict,
            predicted: Bytes::ZERO,
            peak: Bytes::ZERO,
        })
    }

    /// The weights with how they came about.
    fn described(&self, weights: Weights, parts: Parts, best_epoch: usize, all: &[Contender]) -> Weights {
        let Training { epochs, seed, .. } = self.training;
        let weights = weights
            .fact("trained.vectors", &parts.learned)
            .fact("trained.epochs", &epochs)
            .fact("trained.best_epoch", &best_epoch)
            .fact("trained.seed", &seed)
            .fact("trained.metric", &if self.shape.normalized { "cosine" } else { "l2" });
        match all.first() {
            Some(own) => weights
                .fact("heldout.mse", &own.fidelity.mse())
                .fact("heldout.snr_db", &own.fidelity.snr_db())
                .fact("heldout.recall_at_10", &own.recall),
            None => weights,
        }
    }

    fn components(
        &mut self,
        rows: &[f32],
        mean: &[f32],
        count: usize,
    ) -> Result<(Vec<f32>, f64), NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let _paid = charge(self.account, pca::bytes_for(dimension, count, 0))?;
        let progress = &mut self.progress;
        let found =
            pca::components(&self.mill, rows, mean, count, |round| progress(Stage::Components(round)))?;
        Ok((found.rows, found.shares[latent - 1]))
    }

    /// Components as encoder and decoder, with the latent turned so that sizes are spread, or not.
    fn start(&self, components: &[f32], turn: bool) -> Pair {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let mut decoder = vec![0.0; components.len()];
        transpose(components, dimension, &mut decoder);
        if turn {
            let shape = Shape::new(Codec::Planes, crate::Metric::L2);
            for row in decoder.chunks_exact_mut(latent) {
                shape.apply(row);
            }
        }
        let mut encoder = vec![0.0; components.len()];
        transpose(&decoder, latent, &mut encoder);
        (encoder, decoder)
    }

    /// How near vectors come back with weights.
    fn try_out(&self, pair: Pair, mean: &[f32], vectors: &[f32]) -> Result<Fidelity, NeuralError> {
        let weights = Weights::new(self.shape, pair.0, pair.1, mean.to_vec())?;
        let codec = NeuralCodec::new(&weights, self.account)?.threads(self.training.threads);
        drop(weights);
        Trial::fidelity(&codec, vectors)
    }

    /// Steps from the better start; keeps what brings most back of vectors that it does not learn from.
    fn descend(
        &mut self,
        learned: &[f32],
        chosen: &[f32],
        mean: &[f32],
        (start, turned): (&Pair, &Pair),
    ) -> Result<(Pair, usize), NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.shape;
        let epochs = self.training.epochs;
        let _paid = charge(
            self.account,
            Descent::bytes_for(dimension, latent, 0)
                + super::compare::trial_bytes(self.shape, 0)
                + self.shape.weight_bytes() * 2,
        )?;
        let straight = self.try_out(start.clone(), mean, chosen)?;
        let spread = self.try_out(turned.clone(), mean, chosen)?;
        let (mut best, mut found) =
            if spread.mse() < straight.mse() { (turned.clone(), spread) } else { (start.clone(), straight) };
        let mut best_epoch = 0;
        let batches = learned.chunks(BATCH * dimension);
        let mut descent = Descent::new(best.clone(), latent, epochs * batches.len(), RATE);
        for epoch in 1..=epochs {
            for batch in batches.clone() {
                descent.step(&self.mill, batch, mean)?;
            }
            let now = self.try_out(descent.weights(), mean, chosen)?;
            if now.mse() < found.mse() {
                (best, found, best_epoch) = (descent.weights(), now, epoch);
            }
            (self.progress)(Stage::Epoch(epoch, epochs, now.snr_db()));
        }
        Ok((best, best_epoch))
    }

    /// The table.
    fn compare(
        &mut self,
        weights: &Weights,
        (start, turned): (Pair, Pair),
        (components, mean): (&[f32], &[f32]),
        (base, queries): (&[f32], &[f32]),
    ) -> Result<Vec<Contender>, NeuralError> {
        let shape = self.shape;
        let threads = self.training.threads;
        let _paid = charge(
            self.account,
            super::compare::bytes_for(shape, components.len() / shape.dimension, 0)
                + super::compare::trial_bytes(shape, 0),
        )?;
        let trial = Trial::new(shape, base, queries)?;
        let mut all = Vec::new();
        let mut add = |name: String, learned, codec, row_bytes, (fidelity, recall)| {
            all.push(Contender { name, learned, codec, row_bytes, fidelity, recall });
            (self.progress)(Stage::Comparing(all.len()));
        };
        let bytes = shape.row_bytes();
        let latents =
            |weights: &Weights| trial.latents(&NeuralCodec::new(weights, self.account)?.threads(threads));
        let of = |pair: Pair| Weights::new(shape, pair.0, pair.1, mean.to_vec());
        add("neural, trained".to_owned(), true, None, bytes, latents(weights)?);
        add("PCA, int8".to_owned(), false, None, bytes, latents(&of(start)?)?);
        add("PCA, rotated, int8".to_owned(), false, None, bytes, latents(&of(turned)?)?);
        if let Some(width) = planes_width(shape) {
            let components = &components[..width * shape.dimension];
            let by = Reduced { mill: &self.mill, components, mean };
            let row_bytes = Codec::Planes.row_bytes(width);
            add(format!("PCA to {width}, planes"), false, None, row_bytes, trial.reduced(Codec::Planes, by)?);
        }
        for (codec, name) in [
            (Codec::Binary, "binary: rotated signs"),
            (Codec::Planes, "planes: rotated, 4 bits"),
            (Codec::Int8, "int8"),
        ] {
            add(name.to_owned(), false, Some(codec), codec.row_bytes(shape.dimension), trial.codes(codec)?);
        }
        Ok(all)
    }
}
