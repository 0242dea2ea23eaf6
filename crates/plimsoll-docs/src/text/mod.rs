//! A file to text, whatever it is, in bounded memory.
