//! Compacting an index.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::Bytes;

use super::cursor::Cursor;
use super::group::{self, Stock};
use super::moves::Moves;
use super::order::Order;
use super::sink::Sink;
use super::way::{Task, Way};
use crate::index::build::{Built, Doing};
use crate::index::dead::Dead;
use crate::index::manifest::{Entry, Manifest};
use crate::index::view::View;
use crate::index::{Index, VecError};
use crate::segment::{Ids, Segment, SegmentWriter, WrittenIds};

/// What a compaction will do and take, known before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Segments that are written anew.
    pub segments: usize,
    /// How many become of them.
    pub into: usize,
    /// Rows that are copied.
    pub rows: u64,
    /// Dead rows that are left behind.
    pub dead: u64,
    /// What it needs on disk until the old segments are gone.
    pub needs: Bytes,
    /// What the disk has back in the end.
    pub wins: Bytes,
    /// What it takes of memory, with what was there before.
    pub peak: Bytes,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactReport {
    /// What was said beforehand; none where there was nothing to win.
    pub forecast: Option<Compaction>,
    /// Segments before.
    pub before: usize,
    /// Segments now.
    pub after: usize,
    /// How long it took.
    pub took: Duration,
    /// What was written.
    pub written: Bytes,
    /// What the disk has back.
    pub won: Bytes,
    /// The most memory that there was.
    pub peak: Bytes,
}

/// Segments that become one.
struct Job {
    places: Vec<usize>,
    task: Task,
    way: Way,
    /// The first id, where ids are one after the other.
    first_id: Option<u64>,
}

/// All that is to be done.
struct Plan {
    jobs: Vec<Job>,
    said: Compaction,
}

/// A segment that was written; none where no row lived.
type Fresh = Option<(Entry, Arc<Segment>)>;

impl Index {
    /// What compacting would do now; none where nothing would be won by it. What is young becomes a segment first, and is
    /// not counted here.
    pub fn compaction(&self) -> Result<Option<Compaction>, VecError> {
        Ok(self.plan(&self.view())?.map(|plan| plan.said))
    }

    /// Puts segments together and leaves dead rows behind. Ids, vectors and answers stay what they are; searches go on
    /// meanwhile, adds and deletes wait. Killed or failed at any moment, the index is what it was.
    pub fn compact(&self, mut progress: impl FnMut(Built)) -> Result<CompactReport, VecError> {
        let began = Instant::now();
        let mut writer = self.writer()?;
        self.publish_with(&mut writer)?;
        let view = self.view();
        let disk = |view: &View| -> u64 {
            view.segments.iter().map(|(segment, _)| segment.disk_bytes(self.folder())).sum()
        };
        let (before, old) = (view.segments.len(), disk(&view));
        let plan = self.plan(&view)?;
        let mut report = CompactReport {
            forecast: plan.as_ref().map(|plan| plan.said),
            before,
            after: before,
            took: Duration::ZERO,
            written: Bytes::ZERO,
            won: Bytes::ZERO,
            peak: Bytes::ZERO,
        };
        if let Some(plan) = plan {
            self.check_disk(plan.said.needs)?;
            // Codes that searches kept are of segments that go.
            self.forget();
            let mut next = writer.manifest.clone();
            let fresh = self.merge_all(&view, &plan, &mut next, &mut progress)?;
            let written = fresh.iter().flatten().map(|(_, segment)| segment.disk_bytes(self.folder())).sum();
            let (entries, segments) = exchanged(&view, &writer.manifest.segments, &plan.jobs, &fresh);
            next.segments = entries;
            let view = View { segments, ..View::clone(&view) };
            report.after = view.segments.len();
            report.written = Bytes::new(written);
            report.won = Bytes::new(old.saturating_sub(disk(&view)));
            self.put(&mut writer, next, view)?;
            // A search may have begun before and kept something since.
            self.forget();
        }
        report.took = began.elapsed();
        report.peak = self.budget().standing().peak;
        Ok(report)
    }

    /// What is to be done, with the memory that there is.
    fn plan(&self, view: &View) -> Result<Option<Plan>, VecError> {
        let stock: Vec<Stock> = (view.segments.iter())
            .map(|(segment, dead)| Stock {
                rows: segment.rows(),
                dead: dead.count(),
                lists: segment.lists().is_some(),
            })
            .collect();
        let groups = group::groups(&stock);
        if groups.is_empty() {
            return Ok(None);
        }
        let standing = self.budget().standing();
        // What searches kept is let go of before anything is charged.
        let kept = self.keep().bytes() + self.pages().bytes() + self.shelf().bytes();
        let (used, room) = (standing.used().saturating_sub(kept), standing.room + kept);
        let shape = view.shape;
        let zero = Bytes::ZERO;
        let mut said =
            Compaction { segments: 0, into: 0, rows: 0, dead: 0, needs: zero, wins: zero, peak: zero };
        let (mut jobs, mut stays, mut most, mut old) = (Vec::new(), 0, 0, 0);
        for places in groups {
            let rows = places.iter().map(|place| stock[*place].rows).sum();
            let dead: u64 = places.iter().map(|place| stock[*place].dead).sum();
            let lists = view.segments[places[0]].0.lists().map(crate::segment::Starts::count);
            let task = Task { shape, segments: places.len(), rows, living: rows - dead, lists };
            let way = task.way(room.saturating_sub(stays)).map_err(|least| VecError::Budget {
                budget: standing.limit,
                what: "to compact in",
                needed: Bytes::new(least + stays + used),
            })?;
            let first_id = if lists.is_some() { None } else { run(view, &places) };
            most = most.max(stays + way.bytes.max(task.stays()));
            said.segments += places.len();
            said.rows += task.living;
            said.dead += dead;
            if task.living > 0 {
                stays += task.stays();
                said.into += 1;
                let kind = shape.kind();
                let stored = first_id.is_none();
                let bytes = Segment::file_bytes(kind, task.living, shape.kept(), stored, lists);
                said.needs += Bytes::new(bytes);
            }
            old += places.iter().map(|place| view.segments[*place].0.disk_bytes(self.folder())).sum::<u64>();
            jobs.push(Job { places, task, way, first_id });
        }
        said.wins = Bytes::new(old.saturating_sub(said.needs.get()));
        said.peak = Bytes::new(used + most);
        Ok(Some(Plan { jobs, said }))
    }

    /// Refuses beforehand what the disk has no room for.
    fn check_disk(&self, needed: Bytes) -> Result<(), VecError> {
        let failed = |source| VecError::Folder { path: self.folder().to_owned(), source };
        let facts = rustix::fs::statvfs(self.folder()).map_err(|error| failed(error.into()))?;
        enough(self.folder(), needed, Bytes::new(facts.f_bavail.saturating_mul(facts.f_frsize)))
    }

    /// Writes all new segments. If one fails, none stays.
    fn merge_all(
        &self,
        view: &View,
        plan: &Plan,
        next: &mut Manifest,
        progress: &mut dyn FnMut(Built),
    ) -> Result<Vec<Fresh>, VecError> {
        let mut fresh: Vec<Fresh> = Vec::new();
        let mut done = 0;
        for job in &plan.jobs {
            let mut told = |rows: u64| {
                let vectors = done + rows;
                let bytes = Bytes::new(vectors * view.shape.dimension as u64 * 4);
                progress(Built { doing: Doing::Compacting, vectors, of: Some(plan.said.rows), bytes });
            };
            let merged = if job.task.living == 0 {
                Ok(None)
            } else {
                self.merge(view, job, next.number(), &mut told).map(Some)
            };
            match merged {
                Ok(merged) => fresh.push(merged),
                Err(error) => {
                    for (entry, _) in fresh.iter().flatten() {
                        Segment::remove(self.folder(), entry.number);
                    }
                    return Err(error);
                }
            }
            done += job.task.living;
        }
        Ok(fresh)
    }

    /// Writes what lives of some segments into one.
    fn merge(
        &self,
        view: &View,
        job: &Job,
        number: u64,
        told: &mut dyn FnMut(u64),
    ) -> Result<(Entry, Arc<Segment>), VecError> {
        let Job { places, task, way, first_id } = job;
        let shape = view.shape;
        let charge = self.budget().charge(way.bytes)?;
        let from: Vec<&(Arc<Segment>, Dead)> =
            places.iter().filter_map(|place| view.segments.get(*place)).collect();
        let (moves, starts) = moves(&from, task.lists.unwrap_or(1));
        let kind = shape.kind();
        let out = SegmentWriter::create(self.folder(), number, kind, shape.kept())?;
        let mut sink = Sink::new(out, &shape, *way, first_id.is_none());
        let mut cursors: Vec<Option<Cursor<'_>>> = from.iter().map(|_| None).collect();
        for list in 0..starts.len() - 1 {
            for (((segment, _), moves), cursor) in from.iter().zip(&moves).zip(&mut cursors) {
                let window = cursor.get_or_insert_with(|| Cursor::new(segment, &shape, *way));
                for row in rows_of(segment, list).filter(|row| moves.lives(*row)) {
                    if sink.take(window.row(row)?)? {
                        told(sink.written());
                    }
                }
                if task.lists.is_none() {
                    // Its only rows are done: the next one takes its room.
                    *cursor = None;
                }
            }
        }
        drop(cursors);
        let out = sink.end()?;
        let begins = task.lists.map(|_| starts.as_slice());
        if let Some(first) = first_id {
            out.finish(&WrittenIds::From(*first), begins)?;
        } else {
            let segments = from.iter().map(|(segment, _)| &**segment).zip(&moves);
            out.finish_ordered(begins, Order::new(segments, way.entries))?;
        }
        drop(charge);
        told(task.living);
        let entry = Entry { number, rows: task.living, first_id: *first_id, lists: task.lists.is_some() };
        let segment = self.opened_segment(&entry, task.lists);
        let segment = segment.inspect_err(|_| Segment::remove(self.folder(), number))?;
        Ok((entry, segment))
    }
}

/// The rows of a list; all of a segment that has none.
fn rows_of(segment: &Segment, list: usize) -> std::ops::Range<u64> {
    segment.lists().map_or(0..segment.rows(), |lists| lists.rows(list))
}

/// Where all rows go: list by list, and within one segment by segment. Where the new lists begin comes with it, and their end.
fn moves(from: &[&(Arc<Segment>, Dead)], lists: usize) -> (Vec<Moves>, Vec<u32>) {
    let mut moves: Vec<Moves> =
        from.iter().map(|(segment, dead)| Moves::new(segment.rows(), dead, lists)).collect();
    let mut starts = Vec::with_capacity(lists + 1);
    let mut at = 0;
    for list in 0..lists {
        starts.push(at);
        for ((segment, _), moves) in from.iter().zip(&mut moves) {
            at = moves.place(&rows_of(segment, list), at);
        }
    }
    starts.push(at);
    (moves, starts)
}

/// The first id of what lives in some segments, if their ids are one after the other.
fn run(view: &View, places: &[usize]) -> Option<u64> {
    let (mut first, mut next) = (None, None);
    for (segment, dead) in places.iter().filter_map(|place| view.segments.get(*place)) {
        let living = segment.rows() - dead.count();
        if living == 0 {
            continue;
        }
        let Ids::Range { first: id, rows } = *segment.ids() else { return None };
        let from = (0..rows).find(|row| !dead.has(*row))?;
        let to = (0..rows).rev().find(|row| !dead.has(*row))? + 1;
        if to - from != living || next.is_some_and(|next| next != id + from) {
            return None;
        }
        first.get_or_insert(id + from);
        next = Some(id + to);
    }
    first
}

/// Entries and segments with what is new in the places of what it was made of.
fn exchanged(
    view: &View,
    entries: &[Entry],
    jobs: &[Job],
    fresh: &[Fresh],
) -> (Vec<Entry>, Vec<(Arc<Segment>, Dead)>) {
    let (mut new, mut segments) = (Vec::new(), Vec::new());
    for (place, (entry, old)) in entries.iter().zip(&view.segments).enumerate() {
        match jobs.iter().position(|job| job.places.contains(&place)) {
            None => {
                new.push(*entry);
                segments.push(old.clone());
            }
            Some(job) if jobs[job].places.first() == Some(&place) => {
                if let Some((entry, segment)) = &fresh[job] {
                    new.push(*entry);
                    segments.push((Arc::clone(segment), Dead::default()));
                }
            }
            Some(_) => {}
        }
    }
    (new, segments)
}

/// Whether so much is free.
fn enough(folder: &std::path::Path, needed: Bytes, free: Bytes) -> Result<(), VecError> {
    if free < needed { Err(VecError::Disk { folder: folder.to_owned(), needed, free }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_beforehand() {
        let folder = std::path::Path::new("index");
        assert!(enough(folder, Bytes::mib(5), Bytes::mib(5)).is_ok());
        let said = enough(folder, Bytes::mib(5), Bytes::mib(4)).unwrap_err().to_string();
        assert!(said.contains("5.00 MiB") && said.contains("4.00 MiB"), "{said}");
    }
}
