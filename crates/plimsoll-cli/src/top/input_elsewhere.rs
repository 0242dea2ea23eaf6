//! Keys where there are no signals: as crossterm reads them.

use std::io;
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::came::Input;
use super::key::Key;

/// Starts a thread that reads keys.
pub fn listen(tell: impl Fn(Input) -> bool + Clone + Send + 'static) -> io::Result<()> {
    let read = move || {
        loop {
            let input = match event::read() {
                Ok(Event::Key(pressed)) if pressed.kind != KeyEventKind::Release => {
                    key(pressed.code, pressed.modifiers).map(Input::Key)
                }
                Ok(Event::Resize(..)) => Some(Input::Resized),
                Ok(_) => None,
                Err(_) => Some(Input::Leave),
            };
            if input.is_some_and(|input| !tell(input) || input == Input::Leave) {
                return;
            }
        }
    };
    thread::Builder::new().name("plimsoll-keys".to_owned()).spawn(read)?;
    Ok(())
}

/// There is no such thing here.
pub fn suspend() -> io::Result<()> {
    Ok(())
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    Some(match code {
        KeyCode::Char(letter) if modifiers.contains(KeyModifiers::CONTROL) => Key::Control(letter),
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        _ => return None,
    })
}
