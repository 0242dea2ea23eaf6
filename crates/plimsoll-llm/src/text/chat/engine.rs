//! The language of templates, as the library that models are trained with speaks it.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

use super::json;

/// Why a template refuses a conversation, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub(super) String);

/// An engine without templates. It reaches no file, no clock and no network.
pub(super) fn engine() -> Result<Environment<'static>, Error> {
    let mut engine = Environment::new();
    engine.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    engine.set_formatter(written);
    engine.add_filter("tojson", json::filter);
    engine.add_function("raise_exception", raise);
    Ok(engine)
}

fn raise(what: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, what.clone()).with_source(Raised(what)))
}

/// Python has names of its own for these.
fn written(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let name = match value.kind() {
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        ValueKind::None => "None",
        _ => return escape_formatter(out, state, value),
    };
    out.write_str(name).map_err(Error::from)
}
