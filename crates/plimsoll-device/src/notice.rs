//! What a device does differently from what was asked, told once.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a device tells that it had to do something else than it was asked, and went on: page-locked memory that
/// the system refused, say. Each kind of thing is told once. Without a listener nothing is printed.
///
/// ```
/// use plimsoll_device::Notice;
/// use std::sync::{Arc, Mutex};
/// let told = Arc::new(Mutex::new(Vec::new()));
/// let sink = Arc::clone(&told);
/// let notice = Notice::to(move |text| sink.lock().unwrap().push(text.to_owned()));
/// notice.tell("pageable", "pinned memory was refused");
/// notice.tell("pageable", "pinned memory was refused again");
/// assert_eq!(told.lock().unwrap().len(), 1);
/// ```
#[derive(Clone, Default)]
pub struct Notice(Option<Arc<Listener>>);

struct Listener {
    told: Mutex<HashSet<&'static str>>,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

impl Notice {
    /// Tells this function.
    pub fn to(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Listener { told: Mutex::default(), tell: Box::new(tell) })))
    }

    /// Tells `text`, unless something of this kind was told before.
    pub fn tell(&self, kind: &'static str, text: &str) {
        if let Some(listener) = &self.0 {
            let new = listener.told.lock().unwrap_or_else(PoisonError::into_inner).insert(kind);
            if new {
                (listener.tell)(text);
            }
        }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notice").field(&self.0.is_some()).finish()
    }
}
