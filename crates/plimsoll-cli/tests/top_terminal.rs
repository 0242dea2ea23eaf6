//! `plimsoll top` on a real terminal: that it draws, follows the terminal's size, and gives it back however it ends.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot open a terminal fails")]

mod top_support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use plimsoll::monitor::socket::Publisher;
use plimsoll_cli::top::Screen;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// What takes the terminal over, and what gives it back.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";
const CURSOR_SHOWN: &str = "\u{1b}[?25h";

/// A terminal with a program on it.
struct Session {
    ours: Option<OwnedFd>,
    /// Keeps the terminal's settings readable when the program has ended.
    theirs: File,
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    more: Receiver<()>,
}

/// As a shell starts it, the terminal controls the program and hangs it up; as some other parents do, it does not.
#[derive(Clone, Copy, PartialEq)]
enum Controls {
    Yes,
    No,
}

impl Session {
    fn top(args: &[&str], size: (u16, u16)) -> Self {
        Self::start(env!("CARGO_BIN_EXE_plimsoll"), &[&["top"], args].concat(), size, Controls::Yes, &[])
    }

    fn start(
        program: &str,
        args: &[&str],
        size: (u16, u16),
        controls: Controls,
        set: &[(&str, &str)],
    ) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        resize(&ours, size);
        let mut command = match controls {
            Controls::Yes => {
                let mut command = Command::new("setsid");
                command.arg("--ctty").arg(program);
                command
            }
            Controls::No => Command::new(program),
        };
        let stdio = || Stdio::from(theirs.try_clone().unwrap());
        command.args(args).stdin(stdio()).stdout(stdio()).stderr(stdio());
        command.env_remove("NO_COLOR").env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        command.envs(set.iter().copied());
        let child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (tell, more) = mpsc::channel();
        let (mut reader, kept) = (File::from(ours.try_clone().unwrap()), Arc::clone(&output));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read) = reader.read(&mut bytes)
                && read > 0
            {
                kept.lock().unwrap().extend_from_slice(&bytes[..read]);
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        Self { ours: Some(ours), theirs, child, output, more }
    }

    /// All that was written, as it was written.
    fn written(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    /// Waits until this stands on the screen.
    fn expect(&self, text: &str) {
        self.until(text, |written| on_screen(written).contains(text));
    }

    /// Waits until this was written so often.
    fn expect_code(&self, code: &str, times: usize) {
        self.until(code, |written| written.matches(code).count() >= times);
    }

    /// Waits for what the program does; a program that goes on and never does it fails the test in the end.
    fn until(&self, what: &str, done: impl Fn(&str) -> bool) {
        for _ in 0..600 {
            if done(&self.written()) {
                return;
            }
            if self.more.recv_timeout(Duration::from_secs(30)).is_err() {
                break;
            }
        }
        let written = self.written();
        assert!(done(&written), "{what:?} did not come; there was\n{}\n{written:?}", on_screen(&written));
    }

    fn press(&self, keys: &str) {
        let mut ours = File::from(self.ours.as_ref().unwrap().try_clone().unwrap());
        ours.write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn resize(&self, size: (u16, u16)) {
        resize(self.ours.as_ref().unwrap(), size);
    }

    fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Whether keys are shown and lines are edited, as before the program.
    fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &OwnedFd, (columns, rows): (u16, u16)) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// What a terminal would show: characters where the cursor was put, and nothing where it was cleared.
fn on_screen(written: &str) -> String {
    let mut cells: BTreeMap<(usize, usize), char> = BTreeMap::new();
    let (mut row, mut column) = (0, 0);
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                let mut code = String::new();
                for letter in letters.by_ref() {
                    code.push(letter);
                    if letter.is_ascii_alphabetic() {
                        break;
                    }
                }
                match code.strip_suffix('H').and_then(|at| at.strip_prefix('[')) {
                    Some(at) => {
                        let mut at = at.split(';').map(|number| number.parse::<usize>().unwrap_or(1) - 1);
                        (row, column) = (at.next().unwrap_or(0), at.next().unwrap_or(0));
                    }
                    None if code == "[2J" || code == "[?1049h" => cells.clear(),
                    None => {}
                }
            }
            '\n' => row += 1,
            '\r' => column = 0,
            letter => {
                cells.insert((row, column), letter);
                column += 1;
            }
        }
    }
    let last = cells.keys().map(|(row, _)| row + 1).max().unwrap_or(0);
    let line = |row| {
        let of_row = cells.range((row, 0)..(row + 1, 0));
        let mut text = String::new();
        for (&(_, column), &letter) in of_row {
            text.extend(std::iter::repeat_n(' ', column.saturating_sub(text.chars().count())));
            text.push(letter);
        }
        text
    };
    (0..last).map(line).collect::<Vec<_>>().join("\n")
}

fn publisher(folder: &Path) -> Publisher {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    Publisher::open_in(folder, "engine_at_work").unwrap()
}

#[test]
fn it_draws_the_machine_and_q_gives_the_terminal_back() {
    let mut session = Session::top(&["--alone"], (80, 24));
    session.expect("No engine is running");
    session.expect_code(TAKEN, 1);
    assert!(!session.is_as_before(), "keys are not echoed into the picture");
    session.press("?");
    session.expect("Shift-Tab");
    session.press("x");
    session.press("q");
    assert_eq!(session.ended().code(), Some(0));
    session.expect_code(GIVEN_BACK, 1);
    session.expect_code(CURSOR_SHOWN, 1);
    assert!(session.is_as_before());
}

#[test]
fn it_follows_an_engine_to_its_end_and_finds_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = publisher(folder.path());
    first.tell(&Arc::new(top_support::engine(1)));
    let path = first.path().display().to_string();
    let mut session = Session::top(&["--attach", &path], (120, 40));
    session.expect("engine_at_work 4242");
    session.expect("models");
    drop(first);
    session.expect("ENDED");
    session.expect("looking for it again");
    let second = publisher(folder.path());
    assert_eq!(second.path().display().to_string(), path);
    second.tell(&Arc::new(top_support::engine(7_200)));
    session.expect("2:00:00");
    session.press("\u{3}");
    assert_eq!(session.ended().code(), Some(0), "Ctrl-C is a key here");
    assert!(session.is_as_before());
}

#[test]
fn another_size_is_another_picture() {
    let mut session = Session::top(&["--alone"], (80, 24));
    session.expect("No engine is running");
    session.resize((200, 60));
    session.expect("page cache");
    session.resize((30, 5));
    session.expect("Enlarge the window");
    session.resize((80, 24));
    session.expect("No engine is running");
    session.resize((1, 1));
    session.resize((80, 24));
    session.press("q");
    assert_eq!(session.ended().code(), Some(0));
}

#[test]
fn signals_end_it_and_the_terminal_is_given_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut session = Session::top(&["--alone"], (80, 24));
        session.expect("No engine is running");
        session.signal(signal);
        assert_eq!(session.ended().code(), Some(0), "{signal:?}");
        session.expect_code(GIVEN_BACK, 1);
        assert!(session.is_as_before(), "{signal:?}");
    }
}

#[test]
fn a_terminal_that_closes_ends_it() {
    for controls in [Controls::Yes, Controls::No] {
        let program = env!("CARGO_BIN_EXE_plimsoll");
        let mut session = Session::start(program, &["top", "--alone"], (80, 24), controls, &[]);
        session.expect("No engine is running");
        // The reading thread holds the terminal open as well: it ends when something comes and nobody listens.
        let (_, nobody) = mpsc::channel();
        session.more = nobody;
        session.theirs = File::open("/dev/null").unwrap();
        drop(session.ours.take());
        let status = session.ended();
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }
}

#[test]
fn it_sleeps_and_wakes_with_its_shell() {
    let mut session = Session::top(&["--alone"], (80, 24));
    session.expect("No engine is running");
    // The session that setsid made has no shell to stop it for, so the system ignores the stop and it goes on at once.
    session.press("\u{1a}");
    session.expect_code(GIVEN_BACK, 1);
    session.expect_code(TAKEN, 2);
    session.expect("No engine is running");
    session.signal(Signal::CONT);
    session.expect_code(TAKEN, 3);
    session.expect("No engine is running");
    session.press("q");
    assert_eq!(session.ended().code(), Some(0));
}

#[test]
fn colours_are_left_out_when_they_are_not_wanted() {
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let folder = tempfile::tempdir().unwrap();
    let engine = publisher(folder.path());
    engine.tell(&Arc::new(top_support::engine(1)));
    let path = engine.path().display().to_string();
    let shown = |args: &[&str], set: &[(&str, &str)]| {
        let args = [&["top", "--attach", &path], args].concat();
        let mut session = Session::start(program, &args, (80, 24), Controls::Yes, set);
        session.expect("features");
        session.press("q");
        assert_eq!(session.ended().code(), Some(0));
        session.expect_code(GIVEN_BACK, 1);
        session.written()
    };
    let colored = |output: &str| ["\u{1b}[36", "\u{1b}[38;"].iter().any(|code| output.contains(code));
    let bold = |output: &str| output.contains("\u{1b}[1m");
    assert!(colored(&shown(&[], &[])));
    assert!(colored(&shown(&["--color", "always"], &[("NO_COLOR", "1")])));
    for (args, set) in [(&[][..], &[("NO_COLOR", "1")][..]), (&["--color", "never"], &[])] {
        let output = shown(args, set);
        assert!(!colored(&output) && bold(&output));
    }
    let dumb = shown(&[], &[("TERM", "dumb")]);
    assert!(!colored(&dumb) && !bold(&dumb));
    let ascii = shown(&[], &[("LC_ALL", "C")]);
    assert!(ascii.is_ascii(), "{ascii}");
}

/// Run by the test below, on a terminal.
#[test]
#[ignore = "it panics: the test below runs it"]
fn panics_on_the_screen() {
    let mut screen = Screen::take(false).unwrap();
    screen.draw(|frame| frame.render_widget("a picture", frame.area())).unwrap();
    panic!("as it should");
}

#[test]
fn a_panic_is_read_on_a_terminal_that_was_given_back() {
    let program = std::env::current_exe().unwrap().display().to_string();
    let args = ["--ignored", "--exact", "panics_on_the_screen", "--nocapture"];
    let mut session = Session::start(&program, &args, (80, 24), Controls::Yes, &[]);
    session.expect("as it should");
    assert!(!session.ended().success());
    let output = session.written();
    let at = |text: &str| output.find(text).unwrap();
    assert!(at(TAKEN) < at(GIVEN_BACK) && at(GIVEN_BACK) < at("as it should"), "{output}");
    assert!(session.is_as_before());
}

#[test]
fn without_a_terminal_it_names_what_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_plimsoll")).arg("top").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("plimsoll watch --json"), "{said}");
}

#[test]
fn an_engine_that_is_not_there_is_an_error_before_the_terminal_is_taken() {
    for (target, expected) in [("/no/such.sock", "no engine listens at"), ("4294967295", "shows no engine")] {
        let mut session = Session::top(&["--attach", target], (80, 24));
        session.expect(expected);
        session.expect("--list");
        assert_eq!(session.ended().code(), Some(1));
        assert!(!session.written().contains(TAKEN));
    }
}

#[test]
fn running_engines_are_listed_for_programs() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_plimsoll")).args(["top", "--list", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["engines"].is_array(), "{report}");
}
