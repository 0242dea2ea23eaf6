//! Predictions beside what llama.cpp itself said: its logs, and its dry runs on headers alone.

mod shape;

#[cfg(test)]
mod dev;
