//! What is to be read: paths to files, and what each of them is.
