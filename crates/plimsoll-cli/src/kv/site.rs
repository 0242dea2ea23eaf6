//! Where a store of attention state is: a folder, or an object store's address.

use std::path::Path;

/// What was typed for DIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site<'a> {
    /// A folder of this machine.
    Folder(&'a Path),
    /// An address with a scheme.
    Address(&'a str),
}

impl<'a> Site<'a> {
    /// An address is whatever has a scheme of letters and digits before `://`; everything else is a path, and so is
    /// `./s3://x`.
    pub fn of(typed: &'a Path) -> Self {
        let scheme = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match typed.to_str() {
            Some(text) if text.split_once("://").is_some_and(|(before, _)| scheme(before)) => {
                Self::Address(text)
            }
            _ => Self::Folder(typed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_path_has_none() {
        for text in ["s3://bucket/prefix", "az://c", "file:///folder", "odd://x"] {
            assert_eq!(Site::of(Path::new(text)), Site::Address(text));
        }
        for text in ["/var/cache/kv", "cold", "./s3://x", "://x", "s3:/x", "a b://x", ""] {
            assert_eq!(Site::of(Path::new(text)), Site::Folder(Path::new(text)), "{text}");
        }
    }
}
