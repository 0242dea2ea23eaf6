//! The loop: what is said goes into the state, and the state onto the screen.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::app::{App, Wish};
use super::args::TopArgs;
use super::came::Input;
use super::feed::{self, Said};
use super::input;
use super::look::Look;
use super::screen::Screen;
use super::{draw, list};
use crate::{CliError, Printer};

/// Ages on the screen ("12 s ago") go on when nothing else happens.
const TICK: Duration = Duration::from_secs(1);

/// What can happen.
enum Happening {
    Input(Input),
    Said(Said),
}

/// Shows the screen until the user leaves it.
pub fn run(args: &TopArgs, printer: &Printer) -> Result<(), CliError> {
    if args.list {
        return list::run(printer);
    }
    if printer.json() || !io::stdout().is_terminal() {
        return Err(CliError::NoScreen);
    }
    let attached = if args.alone { None } else { feed::find(args.attach.as_ref())? };
    let terminal = std::env::var("TERM").ok();
    let look = Look::new(printer.pen(), terminal.as_deref());
    let (tell, told) = mpsc::channel();

    // Signals are caught before the terminal is taken: none can come between and leave it as it is.
    let of_input = tell.clone();
    input::listen(move |input| of_input.send(Happening::Input(input)).is_ok()).map_err(CliError::Output)?;
    let mut screen = Screen::take(look.color).map_err(CliError::Output)?;
    let (target, alone) = (args.attach.clone(), args.alone);
    let say = move |said| tell.send(Happening::Said(said)).is_ok();
    let feed = move || if alone { feed::run_alone(say) } else { feed::run(attached, target.as_ref(), say) };
    thread::Builder::new().name("plimsoll-feed".to_owned()).spawn(feed).map_err(CliError::Output)?;
    match show(&mut screen, App::new(look), &told) {
        // The terminal went away while it was drawn on: there is nobody to tell.
        Err(error) if has_gone(&error) => Ok(()),
        shown => shown.map_err(CliError::Output),
    }
}

fn show(screen: &mut Screen, mut app: App, told: &Receiver<Happening>) -> io::Result<()> {
    let began = Instant::now();
    loop {
        screen.draw(|frame| draw(frame, &app))?;
        let mut next = match told.recv_timeout(TICK) {
            Ok(happening) => Some(happening),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        app.tick(began.elapsed());
        // All that has happened meanwhile is one picture.
        while let Some(happening) = next {
            match take(&mut app, happening) {
                Turn::Stay => {}
                Turn::Leave => return Ok(()),
                Turn::Redraw => screen.again()?,
                Turn::Suspend => {
                    screen.leave();
                    input::suspend()?;
                    screen.again()?;
                }
            }
            next = told.try_recv().ok();
        }
        if Screen::has_panicked() {
            return Err(io::Error::other("a part of it panicked"));
        }
    }
}

/// What the loop does after something happened.
enum Turn {
    Stay,
    Leave,
    Redraw,
    Suspend,
}

fn take(app: &mut App, happening: Happening) -> Turn {
    match happening {
        Happening::Said(Said::Link(link)) => app.linked(link),
        Happening::Said(Said::Sample(sample)) => app.told(*sample),
        // Drawing asks for the size each time.
        Happening::Input(Input::Resized) => {}
        Happening::Input(Input::Woken) => return Turn::Redraw,
        Happening::Input(Input::Leave) => return Turn::Leave,
        Happening::Input(Input::Key(key)) => match app.key(key) {
            Wish::Stay => {}
            Wish::Quit => return Turn::Leave,
            Wish::Suspend => return Turn::Suspend,
        },
    }
    Turn::Stay
}

/// Whether the terminal is no longer there.
fn has_gone(error: &io::Error) -> bool {
    #[cfg(unix)]
    let gone = error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    #[cfg(not(unix))]
    let gone = false;
    gone || error.kind() == io::ErrorKind::BrokenPipe
}
