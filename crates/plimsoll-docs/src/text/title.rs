//! Titles as they are told.

/// The longest that is told.
const LONGEST: usize = 200;

/// One line of it, not too long.
pub fn title(text: &str) -> Box<str> {
    let mut title = String::with_capacity(text.len().min(LONGEST));
    for word in text.split_whitespace() {
        if title.len() + word.len() >= LONGEST {
            let room = LONGEST.saturating_sub(title.len());
            title.push_str(&word[..word.floor_char_boundary(room)]);
            title.push('…');
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
    }
    title.into()
}
