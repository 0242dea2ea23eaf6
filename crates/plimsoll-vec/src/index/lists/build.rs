//! Building by lists: middles are learned, each vector is put to its list, and lists are coded one after the other.

use std::sync::Arc;
use std::time::Instant;

use plimsoll::Bytes;

use super::Division;
use super::division::NOWHERE;
use super::gather::{Gather, Waiting, ranges};
use super::kmeans::middles;
use super::parts::Parts;
use super::sample::{Draw, Sample};
use super::sink::Sink;
use super::truth::Truth;
use super::way::{Learning, Task, Way, ring_bytes, too_little};
use crate::index::books::Learnt;
use crate::index::build::{BuildReport, Built, Doing};
use crate::index::dead::Dead;
use crate::index::encode::threads;
use crate::index::index::Writer;
use crate::index::manifest::{Entry, Learned};
use crate::index::view::View;
use crate::index::{Index, Shape, VecError};
use crate::input::{Input, InputFacts, Origin};
use crate::segment::{ROWS_MAX, SegmentWriter, WrittenIds, numbered};

/// Chunks in which the vectors of a text are counted.
const COUNTED: u64 = 64 << 10;

/// What was learned, on its way into the index.
struct Fresh {
    division: Arc<Division>,
    truth: Option<Truth>,
    /// Vectors of the sample in each list.
    counts: Vec<u32>,
    /// Where they were not learned now, the charge of middles is the index's already.
    charge: Option<plimsoll::governor::Charge>,
}

/// Vectors that were put to their lists.
struct Divided {
    waiting: Waiting,
    /// The list of each.
    lists: Vec<u32>,
    /// The row at which each list begins, and the end.
    starts: Vec<u32>,
    /// Ids that they brought.
    ids: Vec<u64>,
}

impl Index {
    /// A build for an index that is divided into lists.
    pub(in crate::index) fn build_lists(
        &self,
        writer: &mut Writer,
        origin: Origin<'_>,
        facts: &InputFacts,
        ids: Option<Vec<u64>>,
        learnt: Learnt,
        progress: &mut dyn FnMut(Built),
    ) -> Result<BuildReport, VecError> {
        let began = Instant::now();
        let shape = self.shape();
        let before = self.budget().standing().used();
        let rows = Input::count(origin, &self.budget().streaming("input"), Bytes::new(COUNTED))?;
        if rows > ROWS_MAX {
            return Err(VecError::TooMany { rows, most: ROWS_MAX });
        }
        let task = Task { shape, rows, threads: threads(), ids: facts.ids || ids.is_some() };
        let mut task = task.frugal(self.budget().standing().room);
        let mut report = BuildReport::nothing(before);
        if rows == 0 {
            return Ok(report);
        }
        let mut told = |doing, vectors| {
            let bytes = Bytes::new(vectors * shape.dimension as u64 * 4).min(facts.bytes);
            progress(Built { doing, vectors, of: Some(rows), bytes });
        };
        let (mut fresh, learning) = self.divided_how(&mut task, origin, &mut told)?;
        let held_out = fresh.truth.as_ref().map_or(0, Truth::count);
        let standing = self.budget().standing();
        let lists = fresh.division.count();
        let way = task.fitted(|task| task.way(lists, held_out, standing.room));
        let way =
            way.map_err(|least| too_little(standing.limit, standing.used(), least, "to divide and code in"))?;
        let _charge = self.budget().charge(way.bytes)?;
        let dividing = standing.used() + way.bytes + ring_bytes(way.chunk);
        let learned = learning.map_or(0, |learning| before + learning.bytes + ring_bytes(learning.chunk));
        report.predicted = Bytes::new(dividing.max(learned)).max(learnt.predicted);

        let mut divided = self.divide(writer, origin, (&task, way), &mut fresh, &mut told)?;
        let expected = match fresh.truth.take() {
            Some(truth) => {
                let list_of = |row: u64| {
                    let row = usize::try_from(row).unwrap_or(usize::MAX);
                    divided.lists.get(row).map_or(u64::MAX, |list| u64::from(*list))
                };
                truth.expected(&fresh.division, list_of, task.threads)?
            }
            None => Vec::new(),
        };
        let brought = std::mem::take(&mut divided.ids);
        let ids = self.ids_of(rows, ids, brought, writer.manifest.next_id)?;
        let number = self.code(writer, (&task, way), divided, (&ids, &learnt), &mut told)?;
        self.keep_lists(writer, (number, rows), &ids, (fresh, learnt), expected, &mut report)?;
        report.took = began.elapsed();
        report.vectors = rows;
        report.lists = lists;
        report.peak = self.budget().standing().peak;
        Ok(report)
    }

    /// The middles that there are, or new ones.
    fn divided_how(
        &self,
        task: &mut Task,
        origin: Origin<'_>,
        told: &mut dyn FnMut(Doing, u64),
    ) -> Result<(Fresh, Option<Learning>), VecError> {
        if let Some(division) = &self.view().division {
            let division = Arc::clone(division);
            let counts = vec![1; division.count()];
            return Ok((Fresh { division, truth: None, counts, charge: None }, None));
        }
        told(Doing::Learning, 0);
        let asked = task.shape.lists.unwrap_or(super::Lists::Auto);
        let lists = asked.of(task.rows)?;
        let standing = self.budget().standing();
        let fewer = asked == super::Lists::Auto;
        let learning = task.fitted(|task| task.learning(lists, fewer, standing.room));
        let learning = learning
            .map_err(|least| too_little(standing.limit, standing.used(), least, "to learn lists in"))?;
        let charge = self.budget().charge(learning.bytes)?;
        let view = self.view();
        let Shape { metric, dimension, .. } = task.shape.coded();
        let kind = (metric, dimension);
        let streaming = self.budget().streaming("sample");
        let draw = Draw { rows: task.rows, learn: learning.sample, hold: learning.hold };
        let sample = Sample::draw(origin, &streaming, Bytes::new(learning.chunk), &view, draw)?;
        let found = middles(&sample.vectors, kind, learning.lists, task.threads)?;
        let Sample { vectors, held, held_rows } = sample;
        drop(vectors);
        drop(charge);
        // Sizes are estimated anew as vectors come: files may be cut unevenly, and are read more often then.
        let counts = vec![1; learning.lists];
        let charge = self.budget().charge(Division::heap_bytes(learning.lists, dimension))?;
        let division = Division::new(kind.0, kind.1, &found);
        let truth =
            if held.is_empty() { None } else { Some(Truth::new(kind, held, held_rows, task.threads)?) };
        Ok((Fresh { division: Arc::new(division), truth, counts, charge: Some(charge) }, Some(learning)))
    }

    /// Puts each vector to its list.
    fn divide(
        &self,
        writer: &mut Writer,
        origin: Origin<'_>,
        (task, way): (&Task, Way),
        fresh: &mut Fresh,
        told: &mut dyn FnMut(Doing, u64),
    ) -> Result<Divided, VecError> {
        let dimension = task.shape.dimension;
        let streaming = self.budget().streaming("input");
        let mut input = Input::open(origin, &streaming, Bytes::new(way.chunk))?;
        let all = usize::try_from(task.rows).unwrap_or(usize::MAX);
        let mut waiting = if way.files == 0 {
            Waiting::Memory(Vec::with_capacity(all * dimension))
        } else {
            let paths: Vec<_> =
                (0..way.files).map(|_| numbered(self.folder(), writer.manifest.number(), "part")).collect();
            let ranges = ranges(&fresh.counts, way.files);
            Waiting::Files(Parts::create(paths.into_iter(), ranges.into_iter(), dimension)?)
        };
        let lists = fresh.division.count();
        let mut divided = (Vec::with_capacity(all), vec![0_u32; lists + 1]);
        let mut ids = Vec::with_capacity(if input.facts().ids { all } else { 0 });
        let mut vectors = vec![0.0; way.batch * dimension];
        let mut hits = vec![NOWHERE; way.batch];
        let view = self.view();
        loop {
            let count = input.read(&mut vectors, &mut ids)?;
            let first = divided.0.len();
            // What was added to the file since it was counted has no place.
            let count = count.min(all - first);
            if count == 0 {
                break;
            }
            let part = &vectors[..count * dimension];
            let coded = view.as_coded(part, task.threads).map_err(|error| error.after(first))?;
            if let Some(truth) = &mut fresh.truth {
                truth.look(&coded, first as u64).map_err(|error| error.after(first))?;
            }
            let hits = &mut hits[..count];
            fresh.division.lists_of(&coded, task.threads, hits).map_err(|error| error.after(first))?;
            for hit in &*hits {
                let list = u32::try_from(hit.row).unwrap_or_default();
                divided.0.push(list);
                divided.1[list as usize + 1] += 1;
            }
            match &mut waiting {
                Waiting::Memory(all) => all.extend_from_slice(part),
                Waiting::Files(parts) => {
                    parts.put(part, u32::try_from(first).unwrap_or(u32::MAX), &divided.0[first..])?;
                }
            }
            told(Doing::Dividing, divided.0.len() as u64);
        }
        let (of, mut starts) = divided;
        for list in 0..lists {
            starts[list + 1] += starts[list];
        }
        if of.len() != all {
            let (rows, found) = (task.rows, of.len() as u64);
            return Err(VecError::Changed { path: origin.path.to_owned(), rows, found });
        }
        Ok(Divided { waiting, lists: of, starts, ids })
    }

    /// Codes vectors list after list into a segment, and says which.
    fn code(
        &self,
        writer: &mut Writer,
        (task, way): (&Task, Way),
        divided: Divided,
        (ids, learnt): (&WrittenIds, &Learnt),
        told: &mut dyn FnMut(Doing, u64),
    ) -> Result<u64, VecError> {
        let shape = task.shape;
        let number = writer.manifest.number();
        let out = SegmentWriter::create(self.folder(), number, shape.kind(), shape.kept())?;
        let Divided { waiting, lists: mut places, starts, .. } = divided;
        let gather = Gather { starts: &starts, dimension: shape.dimension, held: way.held };
        let order = if way.files == 0 { gather.order(&places) } else { Vec::new() };
        let mut done = |rows| told(Doing::Coding, rows);
        let coding = self.view().coding_with(learnt.books.clone())?;
        let mut sink =
            Sink::new((out, coding, shape.dimension), (way.batch, task.threads), ids, &mut places, &mut done);
        match waiting {
            Waiting::Memory(vectors) => gather.memory(&vectors, &order, &mut sink)?,
            Waiting::Files(mut parts) => gather.files(&mut parts, &mut sink)?,
        }
        sink.finish(&starts)?;
        Ok(number)
    }

    /// Makes a segment that was written a part of the index, with the middles if they are new.
    fn keep_lists(
        &self,
        writer: &mut Writer,
        (number, rows): (u64, u64),
        ids: &WrittenIds,
        (fresh, learnt): (Fresh, Learnt),
        expected: Vec<super::Expected>,
        report: &mut BuildReport,
    ) -> Result<(), VecError> {
        let shape = self.shape();
        let mut division = fresh.division;
        let mut next = writer.manifest.clone();
        if fresh.charge.is_some() {
            let centroids = next.number();
            division.write(self.folder(), centroids, shape.coded())?;
            next.division = Some(Learned { centroids, lists: division.count(), expected: expected.clone() });
            division = Arc::new(division.expecting(expected));
        }
        let entry = Entry { number, rows, first_id: None, lists: true };
        let segment = self.opened_segment(&entry, Some(division.count()))?;
        report.disk = Bytes::new(segment.disk_bytes(self.folder()));
        let view = self.view();
        let mut segments = view.segments.clone();
        segments.push((segment, Dead::default()));
        next.segments.push(entry);
        next.next_id = next.next_id.max(ids.end(rows));
        let (division, books) = (Some(division), learnt.books);
        let view = View { segments, young: Vec::new(), division, books, ..View::clone(&view) };
        self.put(writer, next, view)?;
        for charge in fresh.charge.into_iter().chain(learnt.charge) {
            self.charged(charge);
        }
        Ok(())
    }
}
