//! Makes text from outside safe to print. Names of files and symbols may contain any bytes, and a
//! terminal obeys some of them.

use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns a text without control characters, to be written to a terminal. Line ends and tabs stay.
/// Other control characters, and those that change the direction of the text after them, are
/// written as Rust's escapes.
///
/// ```
/// let name = "a\u{1b}[31mb\tc";
/// assert_eq!(rewire::escape_control(name).to_string(), "a\\u{1b}[31mb\tc");
/// ```
pub fn escape_control(text: &str) -> impl fmt::Display + '_ {
    Escaped(text)
}

struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| is_control(*c)) {
            f.write_str(&rest[..at])?;
            write!(f, "{}", control.escape_default())?;
            rest = &rest[at + control.len_utf8()..];
        }
        f.write_str(rest)
    }
}

fn is_control(c: char) -> bool {
    // Directional formatting characters: Unicode, Annex 9, section 2.
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() && !matches!(c, '\n' | '\t')
}

/// Converts a file name to text. Bytes that aren't UTF-8 become `\xNN`. The result may still
/// contain control characters: see [`escape_control`].
///
/// ```
/// use std::os::unix::ffi::OsStrExt;
///
/// let name = std::ffi::OsStr::from_bytes(b"caf\xe9.ll");
/// assert_eq!(rewire::escape_path(name.as_ref()), r"caf\xe9.ll");
/// ```
#[must_use]
pub fn escape_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
