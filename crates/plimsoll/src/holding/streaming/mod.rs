pub mod align;
pub mod readahead;
