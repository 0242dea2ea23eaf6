//! Why a file was not read as a model, where, and what to do about it.

use std::io;
use std::path::PathBuf;

use plimsoll::Bytes;

/// Why a file was not read as a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be opened.
    #[error("{}: cannot be opened ({source}); check the path and who may read it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It was opened, but not read.
    #[error("{}: reading at byte {offset} failed ({source}); check the disk, and copy or download the file again", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It has no bytes.
    #[error("{}: the file is empty; download it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It stands for a file that Git LFS keeps elsewhere.
    #[error(
        "{}: this is a Git LFS pointer, not the model itself; run `git lfs pull` there, or download the file",
        path.display()
    )]
    Pointer {
        /// The file.
        path: PathBuf,
    },
    /// It is none of the formats that are read.
    #[error(
        "{}: neither GGUF nor safetensors nor a config.json (it begins with {found}); give a model file, or a folder \
         with config.json and safetensors",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What stands at its beginning.
        found: String,
    },
    /// A version of GGUF that is not read.
    #[error("{}: GGUF version {version} is not read, only 2 and 3; convert the model anew with a current llama.cpp", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It ends within its header.
    #[error(
        "{}: the file ends within its header: at byte {offset} another {wanted} bytes should follow, and the file has \
         {len}; download it again",
        path.display()
    )]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Where the bytes should be.
        offset: u64,
        /// How many.
        wanted: u64,
        /// How many the file has in all.
        len: u64,
    },
    /// It asks for more than any real model has.
    #[error("{}: at byte {offset}: {found} {what}, and no model needs more than {most}; the file is damaged or made to harm", path.display())]
    Excess {
        /// The file.
        path: PathBuf,
        /// Where it says so.
        offset: u64,
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// The most that is read.
        most: u64,
    },
    /// It contradicts itself or its format.
    #[error("{}: at byte {offset}: {fault}; the file is damaged: download or convert it again", path.display())]
    Fault {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// In what way.
        fault: Fault,
    },
    /// Parts of a split model are not there.
    #[error("{}: of {count} parts these are missing: {missing}; put all parts into one folder", path.display())]
    Parts {
        /// The part that was opened.
        path: PathBuf,
        /// How many parts there should be.
        count: u64,
        /// Names of those that are missing, or of the first of them.
        missing: String,
    },
    /// A part's own count contradicts the others or its name.
    #[error(
        "{}: the file is one of {count} parts, but its name does not end in -00001-of-{count:05}.gguf; give it its \
         name back",
        path.display()
    )]
    PartName {
        /// The part.
        path: PathBuf,
        /// How many parts it says there are.
        count: u64,
    },
    /// JSON that cannot be read.
    #[error("{}: {source}; compare it with the original, or download it again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It says too little of the model.
    #[error("{}: {missing} is not said, and it does not follow from the tensors either; the file is no language model, or its converter is too old", path.display())]
    Silent {
        /// The file.
        path: PathBuf,
        /// What is not said.
        missing: &'static str,
    },
    /// It is something else than a model.
    #[error("{}: this is {kind}, not a model; give the model that it belongs to", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: String,
    },
    /// A folder that has no model, or several.
    #[error("{}: {found}; name one file", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What there is.
        found: String,
    },
}

/// In what way a file contradicts itself or its format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A key of metadata stands twice.
    #[error("the key {0:?} stands twice")]
    DuplicateKey(String),
    /// A tensor stands twice.
    #[error("the tensor {0:?} stands twice")]
    DuplicateTensor(String),
    /// A value of no known type.
    #[error("the value of {key:?} has type {kind}, which does not exist")]
    ValueType {
        /// Its key.
        key: String,
        /// The number of the type.
        kind: u32,
    },
    /// Arrays within arrays.
    #[error("the value of {0:?} is an array of arrays of arrays")]
    Nesting(String),
    /// A key or name without letters.
    #[error("a name is empty")]
    Nameless,
    /// An alignment that aligns nothing.
    #[error("the alignment {0} is not a power of two")]
    Alignment(u64),
    /// More sides than four.
    #[error("the tensor {name:?} has {sides} sides, and there are at most {most}")]
    Sides {
        /// Its name.
        name: String,
        /// How many it has.
        sides: u64,
        /// The most there are.
        most: u64,
    },
    /// Sides whose product cannot be written.
    #[error("the sides of the tensor {0:?} multiply to more than any memory holds")]
    Overflow(String),
    /// Rows that are no whole number of blocks.
    #[error("the rows of the tensor {name:?} have {row} numbers, which are no whole blocks of {block}")]
    Row {
        /// Its name.
        name: String,
        /// Numbers in a row.
        row: u64,
        /// Numbers in a block.
        block: u64,
    },
    /// An offset off its alignment.
    #[error("the tensor {name:?} begins at {offset}, which is no multiple of {alignment}")]
    Unaligned {
        /// Its name.
        name: String,
        /// Its offset in the data.
        offset: u64,
        /// What it should be a multiple of.
        alignment: u64,
    },
    /// Two tensors share bytes.
    #[error("the tensors {first:?} and {second:?} share {shared} of their bytes")]
    Overlap {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// How many.
        shared: Bytes,
    },
    /// A range that does not fit the tensor's shape.
    #[error("the tensor {name:?} takes {shape} by its shape and {range} by its offsets")]
    Range {
        /// Its name.
        name: String,
        /// By its shape.
        shape: Bytes,
        /// By its offsets.
        range: Bytes,
    },
    /// A header whose length is no length.
    #[error("the header's length of {0} bytes is more than the file has")]
    HeaderLength(u64),
    /// A name that leads out of the folder.
    #[error("{0:?} is no name of a file in the same folder")]
    Name(String),
    /// A part says that it is another.
    #[error("this is part {found} of {count}, but its name says {named}")]
    Part {
        /// What it says.
        found: u64,
        /// How many it says there are.
        count: u64,
        /// What its name says.
        named: u64,
    },
    /// Not as many tensors as the first part says.
    #[error("the parts together have {found} tensors, and the first says {stated}")]
    TensorCount {
        /// How many there are.
        found: u64,
        /// How many there should be.
        stated: u64,
    },
}
