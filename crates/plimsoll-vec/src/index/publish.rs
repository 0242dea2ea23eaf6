//! Making young rows a segment, and putting segments together.

use std::sync::Arc;

use super::build::sums_bytes;
use super::dead::{self, Dead};
use super::index::Writer;
use super::log::Log;
use super::manifest::{Entry, Manifest};
use super::view::View;
use super::young::Batch;
use super::{Index, VecError};
use crate::segment::{Segment, SegmentWriter, Starts, WrittenIds, numbered};

impl Index {
    /// Makes a segment of what was added since the last one, and begins a new log.
    pub fn publish(&self) -> Result<(), VecError> {
        let mut writer = self.writer()?;
        self.publish_with(&mut writer)
    }

    pub(super) fn publish_with(&self, writer: &mut Writer) -> Result<(), VecError> {
        let view = self.view();
        if writer.log.bytes() == 0 {
            return Ok(());
        }
        let mut next = writer.manifest.clone();
        let mut segments = view.segments.clone();
        let living: u64 = view.young.iter().map(|(batch, dead)| batch.rows() - dead.count()).sum();
        if living > 0 {
            let parts: Vec<(&Batch, &Dead)> =
                view.young.iter().map(|(batch, dead)| (&**batch, dead)).collect();
            // One batch that lives is written as it is: there may be no room for another.
            let joined = match parts.as_slice() {
                [(_, dead)] if dead.count() == 0 => None,
                _ => Some(Batch::joined(&view.coding()?, &view.shape, &parts, self.budget())?),
            };
            let batch = joined.as_ref().unwrap_or(parts[0].0);
            let number = next.number();
            let kind = view.shape.kind();
            let divided = self.by_lists(&view, batch)?;
            let (batch, starts) =
                divided.as_ref().map_or((batch, None), |(batch, starts)| (batch, Some(starts)));
            let mut out = SegmentWriter::create(self.folder(), number, kind, view.shape.kept())?;
            out.append(&batch.blocks, &batch.vectors, batch.ids.len())?;
            let first_id = out.finish(&WrittenIds::These(batch.ids.clone()), starts.map(Vec::as_slice))?;
            let entry = Entry { number, rows: batch.rows(), first_id, lists: starts.is_some() };
            let segment = self.opened_segment(&entry, starts.map(|starts| starts.len() - 1))?;
            next.segments.push(entry);
            segments.push((segment, Dead::default()));
        }
        let view = View { segments, young: Vec::new(), ..View::clone(&view) };
        self.put(writer, next, view)
    }

    /// Opens a segment that was just written, and pays for what it keeps in memory.
    pub(super) fn opened_segment(
        &self,
        entry: &Entry,
        lists: Option<usize>,
    ) -> Result<Arc<Segment>, VecError> {
        let shape = self.shape();
        let starts = lists.map_or(0, Starts::heap_bytes);
        let charge = self.budget().charge(sums_bytes(&shape, entry.rows) + entry.rows / 8 + starts)?;
        let kind = shape.kind();
        let segment = Segment::open(self.folder(), entry.number, kind, entry.first_id, shape.kept(), lists)?;
        Ok(Arc::new(segment.paid(charge)))
    }

    /// Puts a manifest and a view in place of the last: the folder first. Until the manifest is there nothing has
    /// changed; after that, what the last one named and this one does not is removed.
    pub(super) fn put(&self, writer: &mut Writer, mut next: Manifest, view: View) -> Result<(), VecError> {
        if let Some(books) = view.books.as_ref().filter(|_| next.books.is_none()) {
            self.write_books(books, &mut next)?;
        }
        let any = view.segments.iter().any(|(_, dead)| dead.count() > 0);
        next.dead = if any {
            let number = next.number();
            let all: Vec<(Dead, u64)> =
                view.segments.iter().map(|(segment, dead)| (dead.clone(), segment.rows())).collect();
            dead::write(self.folder(), number, &all)?;
            Some(number)
        } else {
            None
        };
        next.log = next.number();
        let log = Log::create(self.folder(), next.log)?;
        next.write(self.folder())?;
        writer.log = log;
        writer.manifest = next;
        self.replace(view);
        self.sweep(&writer.manifest);
        Ok(())
    }

    /// Removes files of an index that its manifest does not name: what was left by who was killed, and what was replaced.
    /// What is not called like a file of ours is left alone.
    pub(super) fn sweep(&self, manifest: &Manifest) {
        let Ok(entries) = std::fs::read_dir(self.folder()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((number, end)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            let Some(number) = Some(number).filter(|number| number.len() == 10).and_then(|n| n.parse().ok())
            else {
                continue;
            };
            let named = match end {
                "log" => manifest.log == number,
                "dead" => manifest.dead == Some(number),
                "centroids" => manifest.division.as_ref().is_some_and(|learned| learned.centroids == number),
                "books" => manifest.books == Some(number),
                "reduction" => manifest.reduction == Some(number),
                // Vectors on their way into lists: of nobody who lives.
                "part" => false,
                "codes" | "lower" | "originals" | "ids" | "lookup" | "lists" => {
                    manifest.segments.iter().any(|entry| entry.number == number)
                }
                _ => true,
            };
            if !named {
                // What cannot be removed now is tried again next time.
                let _ = std::fs::remove_file(numbered(self.folder(), number, end));
            }
        }
    }
}
