//! The whole engine at work: language models and search on one machine inside one line, behind an OpenAI-compatible API.
//!
//! * [`Service`]: everything that is open: the line, the models, the listener. Begin here.
//! * [`engine`]: what computes a model, behind one trait; the native one.
//! * [`model`]: which models there are, loaded when they are asked for and given up by value.
//! * [`batch`]: one thread a model, which steps all sequences together and lets each come and go.
//! * [`shelf`]: libraries of documents, whose passages are found and answered from.
//! * [`examine`]: what would come of settings, before anything is opened.
//! * [`seats`]: admission: a request has a seat when its worst case fits, or waits with its place told.
//! * [`api`] and [`http`]: what is asked and answered, and the connections it comes through; a page at `/` shows it.
//!
//! # What it is not
//! It picks no models and no back ends: whoever opens it passes them. It keeps no text of anybody but in the cache of keys and
//! values, whose blocks carry tokens.

pub mod api;
pub mod batch;
pub mod engine;
mod error;
mod examine;
mod house;
pub mod http;
pub mod model;
mod page;
pub mod seats;
mod service;
mod settings;
pub mod shelf;

pub use error::ServeError;
pub use examine::{Examination, LibraryState, ModelNeeds, examine};
pub use service::{Running, Service};
pub use settings::{DeviceSettings, Limits, ServeSettings};
