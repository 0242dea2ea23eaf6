//! What a segment's file holds: by its footer, or by looking at all of it.

use std::io::{self, IoSliceMut};

use super::disk::{Disk, File, How};
use super::format::{
    Footer, Grave, HEAD_BYTES, Head, Header, Kept, PREFIX_BYTES, TRAILER_BYTES, Trailer, Unread,
    section_check,
};
use super::segment;

/// How much is looked at once while looking for a record.
const WINDOW_BYTES: u64 = 64 << 10;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Recovered {
    pub number: u64,
    pub salt: u64,
    /// Where its records end, in blocks.
    pub end: u32,
    pub trailer: Option<Trailer>,
    /// What lives, with the number of its grave.
    pub kept: Vec<(Kept, Option<u32>)>,
    /// Runs of blocks whose records were removed.
    pub dead: Vec<(u32, u32)>,
    /// Records and sections that its footer has or will have.
    pub records: u64,
    pub sections: u64,
    /// The file's length, and the space that it takes.
    pub bytes: u64,
    pub allocated: u64,
    /// Blocks that hold neither a record nor nothing: what was torn, or is damaged.
    pub torn_blocks: u64,
    /// Of them, those that stand before a whole record, and so were not left by the last write.
    pub damaged_blocks: u64,
    /// Whether what stands behind the records was a footer once.
    pub spoiled_footer: bool,
}

/// Why a file could not be made out.
#[derive(Debug)]
pub(super) enum Lost {
    /// Not even its beginning and its end can be read, but one of them shows that it was a segment of this folder, or
    /// nothing ever stood there.
    Damaged { allocated: u64 },
    /// Nothing shows that it was: somebody gave a file of his own such a name.
    Strange { allocated: u64 },
    /// Another version, or made for other blocks.
    Foreign(String),
    /// The system failed.
    System(io::Error),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Reads what a segment holds.
pub(super) fn recover(disk: &dyn Disk, number: u64) -> Result<Recovered, Lost> {
    let file = disk.open(&segment::name(number), How::ReadOnly)?;
    let facts = file.facts()?;
    let block_bytes = disk.block_bytes();
    let (trailer, mut spoiled) = trailer(&*file, facts.bytes)?;
    let mut found = match trailer {
        Some(trailer) if trailer.number == number => {
            if trailer.block_bytes != block_bytes {
                return Err(other_blocks(trailer.block_bytes, block_bytes));
            }
            by_footer(&*file, facts.bytes, trailer)?
        }
        _ => None,
    };
    if found.is_none() {
        spoiled |= trailer.is_some();
        found = by_scan(&*file, facts.bytes, number, block_bytes)?;
    }
    let Some(mut found) = found else {
        let allocated = facts.allocated;
        // What is whole and has another number is a copy that somebody made.
        let copy = trailer.is_some_and(|trailer| trailer.number != number);
        let ours = !copy && (spoiled || was_ours(&*file, facts.bytes, number)?);
        return Err(if ours { Lost::Damaged { allocated } } else { Lost::Strange { allocated } });
    };
    (found.bytes, found.allocated) = (facts.bytes, facts.allocated);
    found.spoiled_footer = spoiled;
    Ok(found)
}

/// Whether a file that cannot be made out was a segment of this number once, by how it begins. One that begins with
/// nothing is what a loss of power leaves of a segment that was just made.
fn was_ours(file: &dyn File, bytes: u64, number: u64) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    let there = usize::try_from(bytes).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
    file.read_at(0, &mut [IoSliceMut::new(&mut head[..there])])?;
    let other = Head::read(&head).is_ok_and(|head| head.number != number);
    Ok(!other && (Head::began(&head) || head.iter().all(|&byte| byte == 0)))
}

fn other_blocks(theirs: u32, ours: u32) -> Lost {
    Lost::Foreign(format!("it was made for a disk with blocks of {theirs} bytes, and this one has {ours}"))
}

fn foreign(version: u32) -> Lost {
    let ours = super::format::VERSION;
    Lost::Foreign(format!(
        "it has format {version}, and this program reads {ours}; use a newer program or another folder"
    ))
}

/// The trailer, if there is a whole one, and whether there was one that is damaged.
fn trailer(file: &dyn File, bytes: u64) -> Result<(Option<Trailer>, bool), Lost> {
    let Some(at) = bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok((None, false)) };
    let mut end = [0; TRAILER_BYTES];
    file.read_at(at, &mut [IoSliceMut::new(&mut end)])?;
    match Trailer::read(&end, bytes) {
        Ok(trailer) => Ok((Some(trailer), false)),
        Err(Unread::Version(version)) => Err(foreign(version)),
        Err(Unread::Damaged) => Ok((None, Trailer::began(&end))),
    }
}

/// What the footer says; nothing if it is damaged.
fn by_footer(file: &dyn File, bytes: u64, trailer: Trailer) -> Result<Option<Recovered>, Lost> {
    // The trailer has checked that both are within the file.
    let (at, length) = (trailer.footer_at, trailer.footer_bytes);
    let graves = trailer.graves_bytes();
    let Some(whole) = length.next_multiple_of(8).checked_add(graves).filter(|&whole| whole <= bytes) else {
        return Ok(None);
    };
    let Ok(whole) = usize::try_from(whole) else { return Ok(None) };
    let mut all = vec![0; whole];
    file.read_at(at, &mut [IoSliceMut::new(&mut all)])?;
    let Some((footer, graves)) = usize::try_from(length)
        .ok()
        .and_then(|length| Some((all.get(..length)?, all.get(length.checked_next_multiple_of(8)?..)?)))
    else {
        return Ok(None);
    };
    let Ok(footer) = Footer::read(footer, &trailer) else { return Ok(None) };
    let end = u32::try_from(at / u64::from(trailer.block_bytes)).unwrap_or(u32::MAX);
    let graves = trailer.graves(graves, &footer.kept);
    let sections = footer.kept.iter().map(|kept| kept.sections.len() as u64).sum();
    let mut found = Recovered {
        number: trailer.number,
        salt: trailer.salt,
        end,
        trailer: Some(trailer),
        records: footer.kept.len() as u64,
        sections,
        ..Recovered::empty()
    };
    for (index, (kept, grave)) in footer.kept.into_iter().zip(graves).enumerate() {
        let blocks = kept.blocks(trailer.block_bytes);
        let within = kept.block >= 1 && kept.block.checked_add(blocks).is_some_and(|last| last <= end);
        match grave {
            Grave::Lives if within => found.kept.push((kept, u32::try_from(index).ok())),
            Grave::Dead if within => found.dead.push((kept.block, blocks)),
            _ => {}
        }
    }
    Ok(Some(found))
}

/// What is found by looking at the beginning of every block; nothing if the file does not begin as it must.
fn by_scan(file: &dyn File, bytes: u64, number: u64, block_bytes: u32) -> Result<Option<Recovered>, Lost> {
    let mut head = [0; HEAD_BYTES];
    if bytes < HEAD_BYTES as u64 {
        return Ok(None);
    }
    file.read_at(0, &mut [IoSliceMut::new(&mut head)])?;
    let head = match Head::read(&head) {
        Ok(head) if head.number == number => head,
        Ok(_) | Err(Unread::Damaged) => return Ok(None),
        Err(Unread::Version(version)) => return Err(foreign(version)),
    };
    if head.block_bytes != block_bytes {
        return Err(other_blocks(head.block_bytes, block_bytes));
    }
    let mut found = Recovered { number, salt: head.salt, end: 1, ..Recovered::empty() };
    let mut scan = Scan { file, bytes, block_bytes, window: Vec::new(), window_at: 0 };
    let mut block = 1_u32;
    while u64::from(block) * u64::from(block_bytes) < bytes {
        let Some(header) = scan.record(block, number, head.salt)? else {
            found.torn_blocks += u64::from(!scan.empty(block));
            block = block.saturating_add(1);
            continue;
        };
        let kept = kept(&header, block);
        let blocks = kept.blocks(block_bytes);
        found.records += 1;
        found.sections += kept.sections.len() as u64;
        if header.dead {
            found.dead.push((block, blocks));
        } else {
            found.kept.push((kept, None));
        }
        block = block.saturating_add(blocks.max(1));
        found.end = block;
        found.damaged_blocks = found.torn_blocks;
    }
    Ok(Some(found))
}

/// What an index keeps of a header.
pub(super) fn kept(header: &Header, block: u32) -> Kept {
    Kept {
        id: header.id,
        parent: header.parent,
        root: header.root,
        form: header.form,
        tokens: u32::try_from(header.tokens.len()).unwrap_or(u32::MAX),
        worth: header.worth,
        block,
        header_bytes: header.own_bytes,
        sections: header.sections.clone().into_boxed_slice(),
    }
}

impl Recovered {
    const fn empty() -> Self {
        Self {
            number: 0,
            salt: 0,
            end: 1,
            trailer: None,
            kept: Vec::new(),
            dead: Vec::new(),
            records: 0,
            sections: 0,
            bytes: 0,
            allocated: 0,
            torn_blocks: 0,
            damaged_blocks: 0,
            spoiled_footer: false,
        }
    }
}

struct Scan<'a> {
    file: &'a dyn File,
    bytes: u64,
    block_bytes: u32,
    window: Vec<u8>,
    window_at: u64,
}

impl Scan<'_> {
    /// Whether nothing stands at the beginning of a block that was looked at: its record was given back.
    fn empty(&self, block: u32) -> bool {
        let at = u64::from(block) * u64::from(self.block_bytes);
        let from = usize::try_from(at.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        let prefix = self.window.get(from..from.saturating_add(PREFIX_BYTES)).unwrap_or_default();
        prefix.iter().all(|&byte| byte == 0)
    }

    /// The record that begins at a block, if a whole one does.
    fn record(&mut self, block: u32, number: u64, salt: u64) -> io::Result<Option<Header>> {
        let at = u64::from(block) * u64::from(self.block_bytes);
        self.look(at)?;
        let from = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        let prefix = self.window.get(from..from.saturating_add(PREFIX_BYTES)).unwrap_or_default();
        let Some(length) = Header::length(prefix) else { return Ok(None) };
        if u64::from(length) > self.bytes - at {
            return Ok(None);
        }
        let mut head = vec![0; length as usize];
        self.file.read_at(at, &mut [IoSliceMut::new(&mut head)])?;
        let Ok(header) = Header::read(&head, number, salt, block) else { return Ok(None) };
        let mut at = at + u64::from(length);
        if header.data_bytes() > self.bytes - at {
            return Ok(None);
        }
        // What was removed is not worth reading, and may be gone.
        if header.dead {
            return Ok(Some(header));
        }
        let mut section = Vec::new();
        for (index, (&bytes, &check)) in header.sections.iter().zip(&header.checks).enumerate() {
            section.resize(bytes as usize, 0);
            self.file.read_at(at, &mut [IoSliceMut::new(&mut section)])?;
            if section_check(header.id, index, &section) != check {
                return Ok(None);
            }
            at += u64::from(bytes);
        }
        Ok(Some(header))
    }

    /// Sees to it that the window covers a block's beginning.
    fn look(&mut self, at: u64) -> io::Result<()> {
        let covered = self.window_at + self.window.len() as u64;
        if at >= self.window_at && at.saturating_add(u64::from(self.block_bytes)) <= covered {
            return Ok(());
        }
        let bytes = (self.bytes - at).min(WINDOW_BYTES.max(self.block_bytes.into()));
        self.window.resize(usize::try_from(bytes).unwrap_or(0), 0);
        self.window_at = at;
        self.file.read_at(at, &mut [IoSliceMut::new(&mut self.window)])
    }
}
