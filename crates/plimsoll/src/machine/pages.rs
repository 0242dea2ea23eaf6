//! Pages on Linux: ordinary, transparent huge and reserved huge ones.

use super::{HugePages, Pages, Root, Transparent, calls, cores};
use crate::Bytes;

const POOLS: &str = "/sys/kernel/mm/hugepages";
const TRANSPARENT: &str = "/sys/kernel/mm/transparent_hugepage";

pub(super) fn read(root: &Root) -> Pages {
    let pools = root.names(POOLS).into_iter();
    let mut huge: Vec<_> = pools.filter_map(|name| pool(root, &name)).collect();
    huge.sort_by_key(|pool| pool.size);
    Pages {
        page: calls::page(),
        cache_line: cores::cache_line(root),
        transparent: root.text(format!("{TRANSPARENT}/enabled")).as_deref().and_then(chosen),
        transparent_size: root.value(format!("{TRANSPARENT}/hpage_pmd_size")).map(Bytes::new),
        huge,
    }
}

/// "always [madvise] never"
fn chosen(text: &str) -> Option<Transparent> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "always" => Some(Transparent::Always),
        "madvise" => Some(Transparent::OnRequest),
        "never" => Some(Transparent::Never),
        _ => None,
    }
}

/// "hugepages-2048kB"
fn pool(root: &Root, name: &str) -> Option<HugePages> {
    let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(HugePages {
        size: Bytes::new(kib.checked_mul(1024)?),
        total: root.value(format!("{POOLS}/{name}/nr_hugepages"))?,
        free: root.value(format!("{POOLS}/{name}/free_hugepages"))?,
    })
}
