//! A passage as bytes: where it stands, and its text.

use std::ops::Range;

use crate::bytes::{Cut, Take, put_text, put_varint};

/// Where a passage stands in its document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stands<'b> {
    pub(crate) at: Range<u64>,
    pub(crate) page: Option<u32>,
    pub(crate) heading: Option<&'b str>,
    pub(crate) record: Option<&'b str>,
}

/// A passage that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record<'b> {
    pub(crate) stands: Stands<'b>,
    pub(crate) text: &'b str,
}

impl<'b> Record<'b> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let Stands { at, page, heading, record } = &self.stands;
        put_varint(out, at.start);
        put_varint(out, at.end.saturating_sub(at.start));
        put_varint(out, page.map_or(0, |page| u64::from(page) + 1));
        put_text(out, heading.unwrap_or_default());
        put_text(out, record.unwrap_or_default());
        put_text(out, self.text);
    }

    pub(crate) fn take(take: &mut Take<'b>) -> Result<Self, Cut> {
        let (start, len) = (take.varint()?, take.varint()?);
        let page =
            take.varint()?.checked_sub(1).map(|page| u32::try_from(page).map_err(|_| Cut)).transpose()?;
        let some = |text: &'b str| (!text.is_empty()).then_some(text);
        let (heading, record) = (some(take.text()?), some(take.text()?));
        let at = start..start.checked_add(len).ok_or(Cut)?;
        Ok(Self { stands: Stands { at, page, heading, record }, text: take.text()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back() {
        let full = Stands { at: 70..300, page: Some(0), heading: Some("A > B"), record: Some("id-7") };
        for stands in [full, Stands::default()] {
            let record = Record { stands, text: "Ein Satz über 記憶." };
            let mut bytes = Vec::new();
            record.put(&mut bytes);
            assert_eq!(Record::take(&mut Take::new(&bytes)), Ok(record.clone()));
            assert_eq!(Record::take(&mut Take::new(&bytes[..bytes.len() - 1])), Err(Cut));
        }
    }
}
