//! Writing one object: what may become of it, and finding out which it was.

use bytes::Bytes as Piece;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, PutMode, PutOptions};

use super::bucket::Inside;
use super::fault::Fault;
use super::gets::Looked;
use super::head::{Head, likely_bytes};
use super::tally::Tally;

/// What became of an object.
pub(super) enum Landed {
    /// It was written, by this call or by one that this machine had given up.
    Ours(Head),
    /// Another machine's is there, and says the same.
    Theirs(Head, u64),
    /// Another block is there, under the same hash. It stays.
    Other,
    /// It is not there.
    Failed(Error),
    /// It may be there.
    Unsure(Error),
}

impl Inside {
    /// Writes an object unless there is one already; one that is damaged is replaced.
    pub async fn fly(&self, key: &Path, mine: Head, object: Piece, damaged: bool) -> Landed {
        let mut mode = if damaged { PutMode::Overwrite } else { PutMode::Create };
        // Twice at most: what stood in the way may be damaged, or gone a moment later.
        for _ in 0..2 {
            let error = match self.send(key, &object, mode.clone()).await {
                Ok(()) => return Landed::Ours(mine),
                Err(error) => error,
            };
            let fault = Fault::of(&error);
            if !matches!(fault, Fault::There | Fault::Unknown) {
                return Landed::Failed(error);
            }
            let found = self.look(key, likely_bytes(mine.tokens.len(), mine.sections.len())).await;
            match (found, fault) {
                (Ok(Looked::Head(head, version)), _) => return self.compare(&mine, head, version),
                (Ok(Looked::Missing), Fault::There) => {}
                (Ok(Looked::Damaged), Fault::There) => mode = PutMode::Overwrite,
                (Ok(Looked::Missing), _) => return Landed::Failed(error),
                (Ok(Looked::Damaged) | Err(_), _) => return Landed::Unsure(error),
            }
        }
        let why = "it is written and deleted by others all the time".into();
        Landed::Unsure(Error::Generic { store: "bucket", source: why })
    }

    async fn send(&self, key: &Path, object: &Piece, mode: PutMode) -> Result<(), Error> {
        Tally::add(&self.tally.puts, 1);
        Tally::add(&self.tally.sent, object.len() as u64);
        let options = PutOptions::from(mode);
        self.address.store.put_opts(key, object.clone().into(), options).await.map(|_| ())
    }

    fn compare(&self, mine: &Head, there: Head, version: u64) -> Landed {
        let same = (mine.id, mine.parent, mine.root) == (there.id, there.parent, there.root);
        if !same || mine.tokens != there.tokens {
            Landed::Other
        } else if there.writer == self.writer {
            Landed::Ours(there)
        } else {
            Landed::Theirs(there, version)
        }
    }
}
