//! Why a function would or wouldn't be found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::state::Disk;
use crate::entry::{Entry, Origin};
use crate::index::{newest_row_key, read_newest};
use crate::key::{Key, Part, PartKind, Recipe};
use crate::trouble::Trouble;

/// Why a function would or wouldn't be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// It would be found.
    Found {
        /// How long its code is.
        bytes: u64,
        /// The file that it is in.
        file: PathBuf,
    },
    /// It was never compiled at this level, or so long ago that this isn't known any more.
    Unknown,
    /// It was kept, and has been forgotten since, or was damaged.
    Forgotten,
    /// What it is made from has changed since it was last kept.
    Changed(Vec<Difference>),
}

/// One difference between what was kept and what was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub kind: PartKind,
    /// Its name.
    pub name: String,
    /// What was kept: its value, if that is short. `None` if it wasn't part of it.
    pub was: Option<Option<String>>,
    /// What was looked for. `None` if it isn't part of it.
    pub is: Option<Option<String>>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, " `{}`", self.name)?;
        }
        match (&self.was, &self.is) {
            (Some(Some(was)), Some(Some(is))) => write!(f, " was `{was}` and is `{is}`"),
            (None, Some(Some(is))) => write!(f, " `{is}` is new"),
            (None, _) => f.write_str(" is new"),
            (_, None) => f.write_str(" is no longer there"),
            _ => f.write_str(" changed"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { bytes, file } => {
                write!(f, "found: {bytes} bytes in `{}`", file.display())
            }
            Self::Unknown => f.write_str("not found: never kept"),
            Self::Forgotten => f.write_str("not found: it was kept, and is forgotten"),
            Self::Changed(differences) => {
                f.write_str("not found: ")?;
                for (at, difference) in differences.iter().enumerate() {
                    let separator = if at == 0 { "" } else { "; " };
                    write!(f, "{separator}{difference}")?;
                }
                Ok(())
            }
        }
    }
}

impl Disk {
    /// Why the function of this origin would or wouldn't be found, when it is made from `recipe`.
    ///
    /// # Errors
    ///
    /// The folder isn't used, or can't be read.
    pub fn explain(&self, origin: &Origin, recipe: &Recipe) -> Result<Explanation, Trouble> {
        self.usable()?;
        // What others have kept counts as well.
        self.index.forget_pages();
        let key = recipe.key();
        if let Some((entry, file)) = self.entry(&key)? {
            return Ok(Explanation::Found {
                bytes: entry.body().len() as u64,
                file,
            });
        }
        let Some(row) = self.index.find(&self.folder, &newest_row_key(origin))? else {
            return Ok(Explanation::Unknown);
        };
        let Some(newest) = read_newest(&row) else {
            return Ok(Explanation::Unknown);
        };
        match self.entry(&newest)? {
            Some((kept, _)) if newest != key => Ok(Explanation::Changed(differences(
                &kept.parts(),
                recipe.parts(),
            ))),
            _ => Ok(Explanation::Forgotten),
        }
    }

    fn entry(&self, key: &Key) -> Result<Option<(Entry, PathBuf)>, Trouble> {
        let Some(sealed) = self.function(key)? else {
            return Ok(None);
        };
        let Ok(entry) = Entry::open(key, sealed) else {
            return Ok(None);
        };
        let file = self
            .locate(key)?
            .map(|location| self.folder.file(&location.file));
        Ok(Some((entry, file.unwrap_or_default())))
    }
}

/// Parts of one kind and name belong together. There is usually one in each recipe.
fn differences(was: &[Part], is: &[Part]) -> Vec<Difference> {
    let mut named: BTreeMap<(PartKind, &str), [Vec<&Part>; 2]> = BTreeMap::new();
    for (side, parts) in [was, is].into_iter().enumerate() {
        for part in parts {
            named.entry((part.kind, &part.name)).or_default()[side].push(part);
        }
    }
    let mut found = Vec::new();
    for ((kind, name), [mut was, mut is]) in named {
        // Those that are on both sides don't differ.
        was.retain(
            |part| match is.iter().position(|other| other.hash == part.hash) {
                Some(at) => {
                    is.swap_remove(at);
                    false
                }
                None => true,
            },
        );
        for at in 0..was.len().max(is.len()) {
            let shown = |side: &[&Part]| side.get(at).map(|part| part.shown.clone());
            let (was, is) = (shown(&was), shown(&is));
            found.push(Difference {
                kind,
                name: name.to_owned(),
                was,
                is,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Value;

    fn parts(parts: &[(PartKind, &str, &str)]) -> Vec<Part> {
        let part = |(kind, name, text): &(_, &str, &str)| Part::new(*kind, name, Value::Text(text));
        parts.iter().map(part).collect()
    }

    fn told(was: &[(PartKind, &str, &str)], is: &[(PartKind, &str, &str)]) -> Vec<String> {
        differences(&parts(was), &parts(is))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    const CPU: (PartKind, &str, &str) = (PartKind::Cpu, "", "x86-64");
    const BODY: (PartKind, &str, &str) = (PartKind::ImportedBody, "g", "ret 1");

    #[test]
    fn equal_recipes_have_no_difference() {
        assert_eq!(told(&[CPU, BODY], &[BODY, CPU]), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_told_in_words() {
        let cpu = (PartKind::Cpu, "", "znver4");
        assert_eq!(
            told(&[CPU, BODY], &[cpu, BODY]),
            ["CPU was `x86-64` and is `znver4`"]
        );
        assert_eq!(
            told(&[CPU, BODY], &[CPU]),
            ["imported body `g` is no longer there"]
        );
        assert_eq!(
            told(&[CPU], &[CPU, BODY]),
            ["imported body `g` `ret 1` is new"]
        );
        let hashed = |bytes: &[u8]| vec![Part::new(BODY.0, "g", Value::Bytes(bytes))];
        let changed = differences(&hashed(b"1"), &hashed(b"2"));
        assert_eq!(changed[0].to_string(), "imported body `g` changed");
    }

    #[test]
    fn parts_that_are_there_twice_are_compared_one_by_one() {
        let other = (PartKind::ImportedBody, "g", "ret 2");
        assert_eq!(
            told(&[BODY, other], &[other]),
            ["imported body `g` is no longer there"]
        );
        assert_eq!(told(&[BODY, BODY], &[BODY, other]).len(), 1);
    }
}
