//! Keys and signals, each on a thread of its own.
//!
//! The terminal is read here and not through crossterm: its reader spins for ever when the terminal has gone away.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use super::came::Input;
use super::key::Keys;

/// The rest of a sequence comes at once; over a network a little later.
const REST: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Starts both threads. They end when nobody listens, or with the process.
pub fn listen(tell: impl Fn(Input) -> bool + Clone + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGWINCH, SIGCONT])?;
    let of_signals = tell.clone();
    thread::Builder::new().name("plimsoll-signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let input = match signal {
                SIGWINCH => Input::Resized,
                SIGCONT => Input::Woken,
                _ => Input::Leave,
            };
            if !of_signals(input) {
                return;
            }
        }
    })?;
    let terminal = terminal()?;
    thread::Builder::new().name("plimsoll-keys".to_owned()).spawn(move || read(&terminal, &tell))?;
    Ok(())
}

/// Stops the process as Ctrl-Z does where nobody reads keys.
pub fn suspend() -> io::Result<()> {
    rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
    // The signal may reach another thread first.
    thread::sleep(Duration::from_millis(10));
    Ok(())
}

/// Keys come from the terminal even where stdin is something else.
fn terminal() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if rustix::termios::isatty(&stdin) {
        return stdin.as_fd().try_clone_to_owned();
    }
    Ok(std::fs::File::open("/dev/tty")?.into())
}

fn read(terminal: &OwnedFd, tell: &impl Fn(Input) -> bool) {
    let mut keys = Keys::default();
    let mut bytes = [0; 256];
    loop {
        let came = match next(terminal, &mut bytes, keys.is_waiting()) {
            Ok(Some(0)) | Err(_) => {
                // Nobody is there any more; that nobody listens here either changes nothing.
                let _ = tell(Input::Leave);
                return;
            }
            Ok(Some(read)) => keys.take(&bytes[..read]),
            Ok(None) => keys.settle().into_iter().collect(),
        };
        for key in came {
            if !tell(Input::Key(key)) {
                return;
            }
        }
    }
}

/// What the terminal sends next, for ever or for as long as the rest of a sequence takes; 0 is the end.
fn next(terminal: &OwnedFd, bytes: &mut [u8], is_waiting: bool) -> Result<Option<usize>, Errno> {
    loop {
        let mut ready = [PollFd::new(terminal, PollFlags::IN)];
        match poll(&mut ready, is_waiting.then_some(&REST)) {
            Ok(0) => return Ok(None),
            // A terminal that hung up is ready as well: reading it tells.
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        match rustix::io::read(terminal, &mut *bytes) {
            Ok(read) => return Ok(Some(read)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
    }
}
