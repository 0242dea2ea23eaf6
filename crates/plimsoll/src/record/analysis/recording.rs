//! What can be asked of a recording.

use super::survey::survey;
use super::{Atlas, Peak, PeakByTag, Study, StudySettings, Summary};
use crate::record::{Recording, RecordingError};

impl Recording {
    /// Everything that it says, for pictures and tables: two passes over its events.
    pub fn study(&self, settings: &StudySettings) -> Result<Study, RecordingError> {
        Study::of(self, settings)
    }

    /// It in numbers: one pass over its events.
    pub fn summary(&self) -> Result<Summary, RecordingError> {
        let atlas = Atlas::new(self.facts(), self.names());
        Ok(survey(self, &atlas, 1)?.summary)
    }

    /// What was live at each place when it had most.
    pub fn peak(&self) -> Result<Vec<Peak>, RecordingError> {
        let settings = StudySettings { points: 1, ..StudySettings::default() };
        Ok(self.study(&settings)?.peaks)
    }

    /// Each place's peak by tag (else scope); prints as a table. A recording that cannot be read to its end says so in
    /// the table, because this is for people.
    ///
    /// ```
    /// use plimsoll::record::{Event, Facts, Kind, Names, Recording, Source};
    /// use plimsoll::{Bytes, Place};
    ///
    /// let names = Names {
    ///     sources: vec![Source { account: "train".into(), place: Place::Host, align: Bytes::new(64) }],
    ///     tags: vec!["".into(), "attention".into()],
    ///     ..Names::default()
    /// };
    /// let lease = Event { bytes: 3 << 20, tag: 1, ..Event::new(Kind::Lease) };
    /// let recording = Recording::from_events(Facts::default(), names, vec![lease]);
    /// let table = recording.peak_by_tag().to_string();
    /// assert!(table.contains("attention    3.00 MiB  100.0%  1 lease"), "{table}");
    /// ```
    pub fn peak_by_tag(&self) -> PeakByTag {
        let dropped = self.facts().dropped;
        match self.peak() {
            Ok(peaks) => PeakByTag {
                places: peaks.into_iter().map(|peak| (peak.place, peak.requested, peak.by_label)).collect(),
                dropped,
                trouble: None,
            },
            Err(error) => PeakByTag { places: Vec::new(), dropped, trouble: Some(error.to_string()) },
        }
    }
}
