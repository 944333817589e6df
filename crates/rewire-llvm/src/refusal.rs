//! Why LLVM doesn't read a module, from what it says.

use std::sync::Arc;

use crate::error::LlvmError;
use crate::start;

/// The error for a module that LLVM didn't read; its `text`, if it isn't bitcode.
pub(crate) fn refused(module: Arc<str>, text: Option<&[u8]>, said: String) -> LlvmError {
    if let Some(text) = text
        && let Some(place) = Place::of(&said)
    {
        return LlvmError::Syntax {
            module,
            line: place.line,
            column: place.column,
            reason: place.what.to_owned(),
            is_first: place.is_first(text),
        };
    }
    match producer(&said) {
        Some(version) if version > start::version() => LlvmError::Newer {
            module,
            version,
            reason: said,
        },
        _ if said.is_empty() => LlvmError::Malformed {
            module,
            reason: "LLVM cannot read it".to_owned(),
        },
        _ => LlvmError::Malformed {
            module,
            reason: said,
        },
    }
}

/// An error of the parser of text: `NAME:LINE:COLUMN: error: WHAT`, then the line and a mark.
struct Place<'s> {
    line: u32,
    column: u32,
    what: &'s str,
}

impl<'s> Place<'s> {
    fn of(said: &'s str) -> Option<Self> {
        let (place, what) = said.split_once(": error: ")?;
        let mut numbers = place.rsplitn(3, ':');
        let column = numbers.next()?.parse().ok()?;
        let line = numbers.next()?.parse().ok()?;
        Some(Self { line, column, what })
    }

    /// Whether nothing but blanks and comments stands before it.
    fn is_first(&self, text: &[u8]) -> bool {
        let mut lines = text.split(|byte| *byte == b'\n');
        let before = lines.by_ref().take(self.line as usize - 1);
        let mut all_blank = before
            .map(<[u8]>::trim_ascii)
            .all(|line| line.is_empty() || line.starts_with(b";"));
        if let Some(own) = lines.next() {
            let until = own.len().min(self.column as usize - 1);
            all_blank &= own[..until].trim_ascii().is_empty();
        }
        all_blank
    }
}

/// The major version of the LLVM that wrote bitcode, as the reader quotes it.
fn producer(said: &str) -> Option<u32> {
    let (_, rest) = said.split_once("(Producer: 'LLVM")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str, said: &str) -> LlvmError {
        refused("x.ll".into(), Some(text.as_bytes()), said.to_owned())
    }

    #[test]
    fn place_in_text() {
        let error = of_text(
            "\ndefine\n",
            "text:2:7: error: expected type\ndefine\n      ^",
        );
        assert_eq!(
            error.to_string(),
            "x.ll:2:7: expected type\ndefine\n      ^"
        );
        assert!(matches!(
            error,
            LlvmError::Syntax {
                is_first: false,
                ..
            }
        ));
    }

    #[test]
    fn first_word_of_text() {
        for text in ["hello", "; a comment\n\n  hello"] {
            let line = text.lines().count();
            let column = text.lines().last().unwrap().len() - 4;
            let error = of_text(text, &format!("text:{line}:{column}: error: no"));
            assert!(
                matches!(error, LlvmError::Syntax { is_first: true, .. }),
                "{error:?}"
            );
        }
    }

    #[test]
    fn bitcode_of_a_newer_llvm() {
        let refused = |said: &str| refused("x.bc".into(), None, said.to_owned());
        let newer = refused("Unknown kind (Producer: 'LLVM99.0.1' Reader: 'LLVM 22.1.8')");
        assert!(
            matches!(newer, LlvmError::Newer { version: 99, .. }),
            "{newer:?}"
        );
        let same = refused("Unknown kind (Producer: 'LLVM22.1.8' Reader: 'LLVM 22.1.8')");
        assert!(matches!(same, LlvmError::Malformed { .. }), "{same:?}");
    }
}
