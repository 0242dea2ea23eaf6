//! Any bytes are a folder's files: it opens and reads right bytes or none, or says why not.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use plimsoll::Bytes;
use plimsoll_kv::block::{BlockId, Root};
use plimsoll_kv::store::folder::sim::SimDisk;
use plimsoll_kv::store::folder::{Folder, FolderSettings, verify_on};
use plimsoll_kv::store::{Expect, Found, Record, Store as _, Worth};

const SEGMENT: &str = "0000000000000001.segment";
const TOKENS: [u32; 3] = [1, 2, 3];

fuzz_target!(|bytes: &[u8]| {
    let disk = SimDisk::new(1024);
    let settings = FolderSettings::new("fuzz", Bytes::mib(1));
    let root = Root::from_bytes([7; 32]);
    let sections: [&[u8]; 2] = [&[1; 100], &[2; 700]];
    // Half of the inputs change bytes of a whole store, the others are a file of their own.
    if bytes.first().is_some_and(|first| first % 2 == 0) {
        let Ok((folder, _)) = Folder::open_on(Arc::new(disk.clone()), &settings) else { return };
        for number in 1..4_u128 {
            let id = BlockId::new(number);
            let (worth, tokens) = (Worth::default(), &TOKENS[..]);
            let record =
                Record { id, parent: None, root: &root, tokens, form: 1, worth, sections: &sections };
            folder.put(&[record]).expect("there is room");
        }
        drop(folder);
        let mut file = disk.contents(SEGMENT).expect("it was written");
        for change in bytes[1..].chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
            file[at] = change[2];
        }
        disk.place(SEGMENT, &file);
    } else {
        disk.place(SEGMENT, bytes.get(1..).unwrap_or_default());
    }
    let _ = verify_on(&disk);
    let Ok((folder, _)) = Folder::open_on(Arc::new(disk.clone()), &settings) else { return };
    let mut listed = Vec::new();
    folder.list(&mut |one| listed.push(one)).expect("it lists");
    for one in listed {
        let bytes: usize = one.sections.iter().map(|&bytes| bytes as usize).sum();
        if bytes > 1 << 20 {
            continue;
        }
        let mut into = vec![0; bytes];
        let expect = Expect { parent: None, root: &root, tokens: &TOKENS, form: 1 };
        let all = 0..one.sections.len();
        if let Ok(Found::Yes) = folder.read(one.id, &expect, all, &mut into) {
            assert_eq!(into, sections.concat());
        }
    }
    assert!(disk.allocated() <= folder.room().used.get());
    assert!(folder.room().used <= settings.max_bytes);
});
