//! Measured peaks from a table, and how far predictions are off.

use super::network::Network;
use super::parse::{attention, optimizer, weights};
use super::rival::{RIVALS, Rival, rivals};
use super::training::{Companions, Method, Shape, Training};
use super::walk::Walk;

/// A row of such a table: what was trained, and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file.
    pub line: usize,
    /// What was trained.
    pub training: Training,
    /// Its parameters, where the table says.
    pub parameters: Option<u64>,
    /// Those that were trained.
    pub trained: Option<u64>,
    /// What was allocated after the forward pass.
    pub after_forward: Option<u64>,
    /// The peak of what was allocated.
    pub peak: u64,
    /// The peak of what the allocator held.
    pub reserved: Option<u64>,
}

/// A row that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its line in the file.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// Reads a table with a line of names; what begins with # is a comment. Columns are found by their names: `model`,
/// `method`, `rank`, `targets`, `weights_dtype`, `optimizer`, `batch`, `shape`, `checkpointing`, `attn`,
/// `accumulation`, `peak_allocated`; only `model`, `shape` and `peak_allocated` must be there.
pub fn read(text: &str) -> (Vec<Row>, Vec<Skipped>) {
    let mut lines = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let names: Vec<&str> = match lines.next() {
        Some((_, line)) => line.trim_start_matches('\u{feff}').split(',').map(str::trim).collect(),
        None => return Default::default(),
    };
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for (index, line) in lines {
        let cells = Cells { names: &names, cells: line.split(',').map(str::trim).collect() };
        match row(index + 1, &cells) {
            Ok(row) => rows.push(row),
            Err(reason) => skipped.push(Skipped { line: index + 1, reason }),
        }
    }
    (rows, skipped)
}

struct Cells<'t> {
    names: &'t [&'t str],
    cells: Vec<&'t str>,
}

impl<'t> Cells<'t> {
    /// The cell of a column; a blank one is none.
    fn text(&self, name: &str) -> Option<&'t str> {
        let at = self.names.iter().position(|other| other.eq_ignore_ascii_case(name))?;
        self.cells.get(at).copied().filter(|cell| !cell.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(cell) = self.text(name) else { return Ok(None) };
        cell.parse().map(Some).map_err(|_| format!("{name} is {cell:?}, not a number"))
    }

    /// One of a few words; what is not there is the usual.
    fn choice<T>(&self, name: &str, usual: T, read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        match self.text(name) {
            None => Ok(usual),
            Some(cell) => read(cell).ok_or_else(|| format!("{name} {cell:?} is not known")),
        }
    }
}

fn row(line: usize, cells: &Cells<'_>) -> Result<Row, String> {
    let name = cells.text("model").ok_or("there is no model")?;
    let peak =
        cells.number("peak_allocated")?.filter(|peak| *peak > 0).ok_or("there is no peak_allocated")?;
    let network = Network::named(name).ok_or_else(|| format!("the network {name:?} is not known"))?;
    let usual = Training::of(name, network);
    let shape = cells.text("shape").ok_or("there is no shape")?;
    let mut training = Training {
        method: method(cells, &usual)?,
        weights: cells.choice("weights_dtype", usual.weights, weights)?,
        optimizer: cells.choice("optimizer", usual.optimizer, optimizer)?,
        batch: cells.number("batch")?.unwrap_or(1),
        shape: read_shape(shape)
            .ok_or_else(|| format!("the shape {shape:?} is neither seq2048 nor 1024px"))?,
        checkpointing: cells.choice("checkpointing", false, on_or_off)?,
        accumulation: cells.number("accumulation")?.unwrap_or(1),
        attention: cells.choice("attn", usual.attention, attention)?,
        companions: Companions::Cached,
        ..usual
    };
    let parameters = cells.number("params")?;
    if let Some(parameters) = parameters {
        fit_vocabulary(&mut training, parameters);
    }
    training.check().map_err(|error| error.to_string())?;
    let (trained, after_forward) = (cells.number("trainable")?, cells.number("after_forward_bytes")?);
    let reserved = cells.number("peak_reserved")?;
    Ok(Row { line, training, parameters, trained, after_forward, peak, reserved })
}

fn method(cells: &Cells<'_>, usual: &Training) -> Result<Method, String> {
    match cells.text("method").unwrap_or("lora") {
        "full" => Ok(Method::Full),
        "lora" | "qlora" => {
            let (rank, targets) = match &usual.method {
                Method::Lora { rank, targets } => (*rank, targets.clone()),
                Method::Full => (16, Vec::new()),
            };
            let rank = cells.number("rank")?.filter(|rank| *rank > 0).unwrap_or(rank);
            let named = |cell: &str| cell.split('|').map(|target| target.trim().to_owned()).collect();
            Ok(Method::Lora { rank, targets: cells.text("targets").map_or(targets, named) })
        }
        other => Err(format!("the method {other:?} is neither full nor lora")),
    }
}

fn on_or_off(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Some(true),
        "0" | "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// "seq2048", "1024px", "1344x768px".
fn read_shape(cell: &str) -> Option<Shape> {
    if let Some(tokens) = cell.strip_prefix("seq") {
        return tokens.parse().ok().map(Shape::Tokens);
    }
    let sides = cell.strip_suffix("px")?;
    let (width, height) = sides.split_once('x').unwrap_or((sides, sides));
    Some(Shape::Pixels(width.parse().ok()?, height.parse().ok()?))
}

/// Versions of one model differ in their vocabulary, and a table that tells the parameters tells which it was.
fn fit_vocabulary(training: &mut Training, parameters: u64) {
    let Network::Decoder(shape) = &mut training.network else { return };
    let tables = shape.width.saturating_mul(if shape.tied { 1 } else { 2 });
    let vocabulary = shape.vocabulary.saturating_mul(tables);
    let rest = shape.parameters().saturating_sub(vocabulary);
    let wanted = parameters.saturating_sub(rest);
    if tables > 0 && wanted > 0 && wanted.is_multiple_of(tables) {
        shape.vocabulary = wanted / tables;
    }
}

/// One prediction beside what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What was trained and measured.
    pub row: Row,
    /// What was predicted.
    pub walk: Walk,
    /// The share that the prediction is above what was measured; below zero, under it.
    pub off: f64,
    /// What others would have said.
    pub rivals: [Rival; 3],
}

/// How far predictions are off, over a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Rows that were compared.
    pub rows: usize,
    /// The largest share that one is off by.
    pub max_abs: f64,
    /// The share that half of them are off by at most.
    pub median_abs: f64,
    /// The largest share that one is under what was measured.
    pub max_under: f64,
}

/// A table held against the planner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Each row.
    pub rows: Vec<Compared>,
    /// Rows that could not be read or planned.
    pub skipped: Vec<Skipped>,
}

/// Holds a table against the planner.
pub fn compare(text: &str) -> Comparison {
    let (rows, skipped) = read(text);
    let mut comparison = Comparison { rows: Vec::new(), skipped };
    for row in rows {
        match Walk::of(&row.training) {
            Ok(walk) => comparison.rows.push(Compared {
                off: off(walk.peak.bytes, row.peak),
                rivals: rivals(&row.training, &walk),
                walk,
                row,
            }),
            Err(error) => {
                comparison.skipped.push(Skipped { line: row.line, reason: error.to_string() });
            }
        }
    }
    comparison
}

impl Comparison {
    /// How far this planner is off.
    pub fn summary(&self) -> Summary {
        summary(self.rows.iter().map(|row| row.off))
    }

    /// How far others are, by name.
    pub fn rivals(&self) -> Vec<(&'static str, Summary)> {
        let one = |(index, name): (usize, &&'static str)| {
            let offs = self.rows.iter().map(|row| off(row.rivals[index].bytes, row.row.peak));
            (*name, summary(offs))
        };
        RIVALS.iter().enumerate().map(one).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of bytes needs no more than a double holds")]
fn off(predicted: u64, measured: u64) -> f64 {
    predicted as f64 / measured.max(1) as f64 - 1.0
}

fn summary(offs: impl Iterator<Item = f64>) -> Summary {
    let offs: Vec<f64> = offs.collect();
    let mut sizes: Vec<f64> = offs.iter().map(|off| off.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let middle = sizes.len() / 2;
    let median = match (sizes.len() % 2, sizes.get(middle)) {
        (_, None) => 0.0,
        (1, Some(one)) => *one,
        (_, Some(upper)) => f64::midpoint(*upper, sizes[middle - 1]),
    };
    Summary {
        rows: sizes.len(),
        max_abs: sizes.last().copied().unwrap_or(0.0),
        median_abs: median,
        max_under: offs.iter().fold(0.0, |most, off| most.max(-off)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_names_and_what_cannot_be_read_says_why() {
        let text = "# a comment\nshape,peak_allocated,model,extra,method\n\
                    seq512,5000000000,llama-3.2-1b,?,lora\n\
                    512px,1,gpt-17,?,lora\n\
                    512px,,sdxl-unet,?,lora\n\
                    512px,12,sdxl-unet,?,dora\n\
                    big,12,sdxl-unet,?,full\n\
                    seq12,12,sdxl-unet,?,full\n";
        let (rows, skipped) = read(text);
        assert_eq!((rows.len(), rows[0].line, rows[0].peak), (1, 3, 5_000_000_000));
        let reasons: Vec<_> = skipped.iter().map(|row| row.reason.as_str()).collect();
        for (reason, says) in reasons.iter().zip(["gpt-17", "peak_allocated", "dora", "big", "px=1024"]) {
            assert!(reason.contains(says), "{reason}");
        }
        assert_eq!(read(""), (Vec::new(), Vec::new()));
    }

    #[test]
    fn the_parameters_tell_which_vocabulary_it_was() {
        let text = "model,params,shape,peak_allocated\nmistral-7b,7241732096,seq512,5\n";
        let Network::Decoder(shape) = &read(text).0[0].training.network else { panic!() };
        assert_eq!(shape.vocabulary, 32000);
    }

    #[test]
    fn a_summary_counts_both_sides_and_the_middle() {
        let found = summary([0.01, -0.03, 0.02, 0.0].into_iter());
        assert_eq!((found.rows, found.max_abs, found.max_under), (4, 0.03, 0.03));
        assert!((found.median_abs - 0.015).abs() < 1e-12);
        assert_eq!(summary(std::iter::empty()), Summary::default());
    }
}
