//! What an element means to a reader. Pure.

/// What an element does to the text in it and around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    Inline,
    /// Stands apart as a paragraph.
    Block,
    /// Stands in a line of its own.
    Line,
    /// Stands apart from the cell before.
    Cell,
    /// A heading of this level; 0 is the page's title.
    Heading(u8),
    /// Every blank counts.
    Preformatted,
    /// Is not read, nor is markup in it markup.
    Raw,
    /// Is not read, with all that is in it.
    Left,
}

/// The longest name that means anything.
pub const LONGEST: usize = 12;

/// By an element's name in small letters.
pub fn role(name: &str) -> Role {
    match name {
        "script" | "style" | "iframe" | "noembed" | "noframes" | "xmp" => Role::Raw,
        "nav" | "svg" | "template" | "noscript" | "canvas" | "object" | "math" => Role::Left,
        "title" => Role::Heading(0),
        "h1" => Role::Heading(1),
        "h2" => Role::Heading(2),
        "h3" => Role::Heading(3),
        "h4" => Role::Heading(4),
        "h5" => Role::Heading(5),
        "h6" => Role::Heading(6),
        "pre" | "listing" | "textarea" => Role::Preformatted,
        "td" | "th" => Role::Cell,
        "br" | "li" | "tr" | "dt" | "dd" | "option" | "caption" | "thead" | "tbody" | "tfoot" | "summary" => {
            Role::Line
        }
        "p" | "div" | "section" | "article" | "aside" | "header" | "footer" | "main" | "blockquote"
        | "figure" | "figcaption" | "table" | "ul" | "ol" | "dl" | "form" | "fieldset" | "details" | "hr"
        | "address" | "body" | "head" | "html" | "center" | "dialog" | "menu" | "search" | "hgroup" => {
            Role::Block
        }
        _ => Role::Inline,
    }
}

/// Whether a tag shows that an element that is left was never ended: it cannot stand in one.
pub fn shows_end(left: &str, name: &str, closing: bool) -> bool {
    let after = matches!(name, "body" | "html") && closing;
    match left {
        "nav" => after || matches!(name, "main" | "article" | "h1") || (closing && name == "header"),
        "svg" | "math" => {
            after || (!closing && matches!(name, "p" | "div" | "h1" | "h2" | "h3" | "table" | "ul" | "body"))
        }
        _ => after,
    }
}
