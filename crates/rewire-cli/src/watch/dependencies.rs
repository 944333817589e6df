//! What a source includes.

use std::path::{Path, PathBuf};

use crate::source_language::Language;
use crate::sources::{self, SourceOptions};

/// Returns the absolute paths of a C or C++ source and of what it includes, files of the system
/// apart; none if it is something else, or if its compiler refuses it.
pub(super) fn of(path: &Path, how: SourceOptions<'_>) -> Vec<PathBuf> {
    let language = match crate::input::language_of(path) {
        Some(language @ (Language::C | Language::Cxx)) => language,
        _ => return Vec::new(),
    };
    let rule = sources::dependencies(path, language, how);
    let files = in_rule(&rule.unwrap_or_default()).into_iter();
    // The program may change its working folder.
    files.flat_map(std::path::absolute).collect()
}

/// The files behind the colon of a rule in a makefile, as compilers write it: blanks in names
/// follow a backslash, as does the end of a line that goes on; a dollar is doubled.
fn in_rule(rule: &str) -> Vec<PathBuf> {
    let Some((_, files)) = rule.split_once(": ") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut name = String::new();
    let mut rest = files.chars().peekable();
    while let Some(one) = rest.next() {
        match (one, rest.peek()) {
            ('\\', Some(' ' | '#')) | ('$', Some('$')) => name.extend(rest.next()),
            ('\\', Some('\n')) | (' ' | '\n', _) => {
                if !name.is_empty() {
                    found.push(PathBuf::from(std::mem::take(&mut name)));
                }
            }
            _ => name.push(one),
        }
    }
    if !name.is_empty() {
        found.push(PathBuf::from(name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read() {
        let rule = "main.o: main.c a\\ b.h \\\n  c$$d.h e\\\\f.h\n";
        let expected = ["main.c", "a b.h", "c$d.h", "e\\\\f.h"].map(PathBuf::from);
        assert_eq!(in_rule(rule), expected);
        assert!(in_rule("").is_empty());
    }
}
