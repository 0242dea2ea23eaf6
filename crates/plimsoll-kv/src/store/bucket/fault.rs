//! What an object store's errors mean to us.

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::store::StoreError;

/// What became of a request that did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no such object.
    Missing,
    /// There is one already.
    There,
    /// It was refused, and nothing changed.
    Refused,
    /// The range is beyond the object's end.
    Short,
    /// The service could not be reached, and nothing changed.
    Unreached,
    /// No answer, or none that says what happened.
    Unknown,
}

impl Fault {
    /// What an error means.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::Missing,
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Self::There,
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::UnknownConfigurationKey { .. } => Self::Refused,
            _ if http(error) == Some(HttpErrorKind::Connect) => Self::Unreached,
            _ if invalid_range(error) => Self::Short,
            _ => match status(error) {
                Some(404) => Self::Missing,
                Some(409 | 412) => Self::There,
                Some(416) => Self::Short,
                Some(408 | 429) => Self::Unknown,
                Some(400..=499) => Self::Refused,
                _ => Self::Unknown,
            },
        }
    }

    /// Whether it says that the service does not work, and not that it works and said no.
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::Unreached | Self::Unknown)
    }
}

/// As a sentence for people.
pub(super) fn remote(name: &str, error: &Error) -> StoreError {
    let said = innermost(error);
    let why = match Fault::of(error) {
        Fault::Missing => {
            format!("there is no such bucket or folder ({said}); create it or correct the address")
        }
        Fault::Refused if denied(error) => {
            format!(
                "access is refused ({said}); give credentials that may list, read, write and delete there"
            )
        }
        Fault::Unreached => format!("it cannot be reached ({said}); check the endpoint and the network"),
        Fault::Unknown => {
            format!("it does not answer as it should ({said}); blocks are computed again meanwhile")
        }
        Fault::Refused => format!("it refuses the request ({said}); check the options"),
        Fault::There | Fault::Short => said,
    };
    StoreError::Remote { name: name.to_owned(), why }
}

/// As a sentence for people, of what is not the service's doing.
pub(super) fn because(name: &str, why: impl Into<String>) -> StoreError {
    StoreError::Remote { name: name.to_owned(), why: why.into() }
}

fn http(error: &Error) -> Option<HttpErrorKind> {
    chain(error).find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind)
}

fn denied(error: &Error) -> bool {
    matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        || matches!(status(error), Some(401 | 403))
}

/// The status in the text: the type that has it is not public.
fn status(error: &Error) -> Option<u16> {
    chain(error).find_map(|cause| {
        let text = cause.to_string();
        let (_, after) = text.split_once("status code: ")?;
        after.get(..3)?.parse().ok()
    })
}

/// Likewise: each kind of store says it in its own words.
fn invalid_range(error: &Error) -> bool {
    chain(error).any(|cause| {
        let text = cause.to_string();
        ["Wanted range", "range was invalid", "InvalidRange"].iter().any(|words| text.contains(words))
    })
}

fn chain(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |cause| cause.source())
}

/// The last cause says the most; what an XML answer says in its message is the best of it.
fn innermost(error: &Error) -> String {
    const MOST: usize = 200;
    let text = chain(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let between = |from: &str, to: &str| {
        let (_, after) = text.split_once(from)?;
        after.split_once(to).map(|(inside, _)| inside.to_owned())
    };
    let said = between("<Code>", "</Code>").unwrap_or_else(|| text.clone());
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect()
}
