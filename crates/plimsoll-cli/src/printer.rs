//! The only way out of the program: data to stdout, everything else to stderr.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};

use plimsoll_device::Notice;
use serde::Serialize;

use crate::CliError;
use crate::draw::Pen;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into a pipe.
    Always,
    /// Never.
    Never,
}

/// Without a terminal to ask, lines are laid out for this many columns.
const USUAL_WIDTH: usize = 80;
/// Beyond this, longer lines are harder to read, not easier.
const MOST_WIDTH: usize = 120;
const LEAST_WIDTH: usize = 40;

/// Prints data and errors, in the form that was asked for.
#[derive(Debug)]
pub struct Printer {
    json: bool,
    out: Pen,
    err: Pen,
}

impl Printer {
    /// A printer to this process's stdout and stderr.
    pub fn new(color: Color, json: bool) -> Self {
        let unicode = unicode(|name| std::env::var(name).ok());
        Self {
            json,
            out: Pen { color: wanted(color, io::stdout().is_terminal()), unicode, width: width() },
            err: Pen { color: wanted(color, io::stderr().is_terminal()), unicode, width: width() },
        }
    }

    /// Whether JSON was asked for.
    pub const fn json(&self) -> bool {
        self.json
    }

    /// What the reader of stdout can be shown.
    pub const fn pen(&self) -> &Pen {
        &self.out
    }

    /// Prints a report: its JSON, or what `view` draws of it.
    pub fn report<R: Serialize>(
        &self,
        report: &R,
        view: impl FnOnce(&R, &Pen) -> String,
    ) -> Result<(), CliError> {
        if self.json {
            let mut text = serde_json::to_string_pretty(report).map_err(CliError::Json)?;
            text.push('\n');
            return self.data(&text);
        }
        self.data(&view(report, &self.out))
    }

    /// Prints text as it is.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(CliError::Output)
    }

    /// Says on a terminal what the program is busy with.
    pub fn note(&self, text: &str) {
        if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Where devices tell what they do differently from what was asked: each thing is a line on stderr, whoever reads
    /// it, because it is what figures are explained by.
    pub fn notice() -> Notice {
        Notice::to(Self::remark)
    }

    /// One such line.
    pub fn remark(text: &str) {
        let _ = writeln!(io::stderr().lock(), "note: {text}");
    }

    /// Says on a terminal how far a long command has come, on one line that is overwritten and wiped at the end.
    pub fn progress(&self, what: &str, done: usize, all: usize) {
        if io::stderr().is_terminal() {
            let line = if done < all { format!("\r{what} {done}/{all}") } else { "\r\x1b[K".to_owned() };
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush());
        }
    }

    /// Prints an error with its cause and what to do next. If even stderr is gone, nobody is there to tell.
    pub fn error(&self, error: &CliError) {
        let text = error.render(&self.err);
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Looks for `--color` before the arguments are understood, so that errors about them are coloured as asked.
pub(crate) fn color_among(args: impl IntoIterator<Item = OsString>) -> Color {
    let parse = |text: &str| match text {
        "always" => Color::Always,
        "never" => Color::Never,
        _ => Color::Auto,
    };
    let args: Vec<_> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let joined = args.iter().find_map(|arg| arg.strip_prefix("--color="));
    let apart = || args.iter().skip_while(|arg| *arg != "--color").nth(1).map(String::as_str);
    joined.or_else(apart).map_or(Color::Auto, parse)
}

fn wanted(color: Color, terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !set("NO_COLOR") && !dumb,
    }
}

/// The first locale variable that is set decides; none set is the ordinary case of a container, whose output ends
/// up in a modern terminal all the same.
fn unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_uppercase();
        locale.contains("UTF-8") || locale.contains("UTF8")
    })
}

fn width() -> usize {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal_width().or_else(columns).map_or(USUAL_WIDTH, |width: usize| width.clamp(LEAST_WIDTH, MOST_WIDTH))
}

#[cfg(unix)]
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn terminal_width() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_is_found_before_the_arguments_are_read() {
        let among = |args: &[&str]| color_among(args.iter().map(OsString::from));
        assert_eq!(among(&["plimsoll", "--color", "never"]), Color::Never);
        assert_eq!(among(&["plimsoll", "machine", "--color=always"]), Color::Always);
        assert_eq!(among(&["plimsoll", "--color"]), Color::Auto);
    }

    #[test]
    fn the_first_locale_that_is_set_decides() {
        let with = |set: &'static [(&str, &str)]| {
            unicode(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[]));
        assert!(with(&[("LANG", "en_GB.UTF-8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(with(&[("LC_ALL", ""), ("LANG", "de_DE.utf8")]));
    }
}
