//! Entries: what is kept under a key, and the bytes that they are kept as.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::bytes::{Reader, Writer};
use crate::key::{Key, Kind, Part, Recipe, key_of};

/// Bytes that are shared, not copied: all entries of one file lie in one buffer.
#[derive(Clone)]
pub struct Body {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
    /// Whether they are part of something whose checksum was right.
    checked: bool,
}

impl Body {
    /// The same bytes, when their checksum, or that of what they are part of, was right.
    pub(crate) fn checked(&self) -> Self {
        Self {
            checked: true,
            ..self.clone()
        }
    }

    /// The part of it in `range`, or `None` if that isn't within it.
    pub(crate) fn part(&self, range: Range<usize>) -> Option<Self> {
        self.get(range.clone())?;
        let start = self.range.start;
        let range = start + range.start..start + range.end;
        Some(Self {
            bytes: Arc::clone(&self.bytes),
            range,
            checked: self.checked,
        })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            range: 0..bytes.len(),
            bytes: Arc::new(bytes),
            checked: false,
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Body {}

/// Where a function comes from. `explain` finds the newest entry of an origin, to tell what has
/// changed since.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The file, or the identity of a module that has none.
    pub file: String,
    /// The function's name.
    pub function: String,
    /// The level it was compiled at, or the tier's name.
    pub level: String,
}

impl Origin {
    /// The origin of a function.
    #[must_use]
    pub fn new(file: &str, function: &str, level: &str) -> Self {
        Self {
            file: file.to_owned(),
            function: function.to_owned(),
            level: level.to_owned(),
        }
    }

    fn write(&self, to: &mut Writer) {
        to.bytes(self.file.as_bytes());
        to.bytes(self.function.as_bytes());
        to.bytes(self.level.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self::new(from.text()?, from.text()?, from.text()?))
    }

    /// Identifies the origin in the index.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut written = Writer::default();
        self.write(&mut written);
        blake3::derive_key("rewire-cache 1: origin", &written.0)
    }
}

/// Why bytes aren't the entry that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// They begin with something else, or were written by another version of the format.
    #[error("not an entry of this version")]
    NotAnEntry,
    /// They are fewer or more than the entry says.
    #[error("cut off, or with something behind it")]
    Length,
    /// They were changed after they were written.
    #[error("the checksum doesn't match")]
    Checksum,
    /// They are a whole entry, but another one.
    #[error("the entry of another key")]
    OtherKey,
    /// The parts that the entry states give another key than it states.
    #[error("the parts don't give the key")]
    Parts,
}

const MAGIC: &[u8; 4] = b"RWE1";
const HEADER: usize = 4 + 1 + 32 + 8 + 8 + 32;

/// What is kept under a key: the bytes, and what they were made from.
///
/// As bytes, an entry states its key and a checksum over everything else, so that whatever a store
/// returns is either this entry or recognised as damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    key: Key,
    sealed: Body,
    /// Where in `sealed` the origin and the parts are, and the body.
    about: Range<usize>,
    body: Range<usize>,
}

impl Entry {
    /// An entry with this content.
    #[must_use]
    pub fn new(recipe: &Recipe, origin: Option<&Origin>, body: &[u8]) -> Self {
        let key = recipe.key();
        let mut about = Writer::default();
        about.byte(u8::from(origin.is_some()));
        if let Some(origin) = origin {
            origin.write(&mut about);
        }
        about.number(recipe.parts().len() as u64);
        for part in recipe.parts() {
            part.write(&mut about);
        }
        let mut sealed = Writer(Vec::with_capacity(HEADER + about.0.len() + body.len()));
        sealed.array(MAGIC);
        sealed.byte(key.kind() as u8);
        sealed.array(key.hash());
        sealed.number(about.0.len() as u64);
        sealed.number(body.len() as u64);
        let checksum = checksum(&sealed.0, &about.0, body);
        sealed.array(&checksum);
        sealed.0.extend_from_slice(&about.0);
        sealed.0.extend_from_slice(body);
        let end = HEADER + about.0.len();
        Self {
            key,
            body: end..sealed.0.len(),
            about: HEADER..end,
            sealed: sealed.0.into(),
        }
    }

    /// Checks bytes that a store returned for `key`.
    ///
    /// # Errors
    ///
    /// The bytes aren't the whole, unchanged entry of this key.
    pub fn open(key: &Key, sealed: Body) -> Result<Self, Damage> {
        let entry = Self::open_checked(key, sealed)?;
        if entry.sealed.checked {
            return Ok(entry);
        }
        let (header, stated) = entry.sealed[..HEADER].split_at(HEADER - 32);
        if checksum(header, &entry.sealed[entry.about.clone()], entry.body())[..] != *stated {
            return Err(Damage::Checksum);
        }
        Ok(entry)
    }

    /// As [`open`](Self::open), for bytes that are part of something whose checksum was right.
    pub(crate) fn open_checked(key: &Key, sealed: Body) -> Result<Self, Damage> {
        let mut reader = Reader(&sealed);
        if reader.array() != Some(*MAGIC) {
            return Err(Damage::NotAnEntry);
        }
        let kind = reader
            .byte()
            .and_then(Kind::from_byte)
            .ok_or(Damage::NotAnEntry)?;
        let hash = reader.array().ok_or(Damage::Length)?;
        if Key::from_hash(kind, hash) != *key {
            return Err(Damage::OtherKey);
        }
        let about = reader.size().ok_or(Damage::Length)?;
        let body = reader.size().ok_or(Damage::Length)?;
        let end = HEADER.checked_add(about).ok_or(Damage::Length)?;
        if end.checked_add(body) != Some(sealed.len()) {
            return Err(Damage::Length);
        }
        Ok(Self {
            key: *key,
            about: HEADER..end,
            body: end..sealed.len(),
            sealed,
        })
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The content.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.sealed[self.body.clone()]
    }

    /// The entry as bytes.
    #[must_use]
    pub const fn sealed(&self) -> &Body {
        &self.sealed
    }

    /// What it was made from.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.about().map(|(_, parts)| parts).unwrap_or_default()
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        read_origin(&mut Reader(&self.sealed[self.about.clone()])).flatten()
    }

    /// Whether its parts give its key. They do, in each entry that was made by [`Entry::new`].
    ///
    /// # Errors
    ///
    /// [`Damage::Parts`].
    pub fn check_parts(&self) -> Result<(), Damage> {
        let (_, parts) = self.about().ok_or(Damage::Parts)?;
        if key_of(self.key.kind(), &parts) == self.key {
            Ok(())
        } else {
            Err(Damage::Parts)
        }
    }

    fn about(&self) -> Option<(Option<Origin>, Vec<Part>)> {
        let mut reader = Reader(&self.sealed[self.about.clone()]);
        let origin = read_origin(&mut reader)?;
        let count = reader.number()?;
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(Part::read(&mut reader)?);
        }
        reader.0.is_empty().then_some((origin, parts))
    }
}

fn read_origin(reader: &mut Reader<'_>) -> Option<Option<Origin>> {
    match reader.byte()? {
        0 => Some(None),
        1 => Some(Some(Origin::read(reader)?)),
        _ => None,
    }
}

fn checksum(header: &[u8], about: &[u8], body: &[u8]) -> [u8; 32] {
    // The header states the lengths of what follows.
    *blake3::Hasher::new()
        .update(header)
        .update(about)
        .update(body)
        .finalize()
        .as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{PartKind, Value};

    /// An entry whose checksum is right, but that states other parts than its key was made from.
    #[test]
    fn parts_that_do_not_give_the_key_are_noticed() {
        let recipe =
            |name| Recipe::new(Kind::Function).with(PartKind::Body, name, Value::Number(1));
        let (one, other) = (recipe("f"), recipe("g"));
        let entry = Entry::new(&one, None, b"code");
        assert_eq!(entry.check_parts(), Ok(()));
        let mut sealed = Entry::new(&other, None, b"code").sealed().to_vec();
        sealed[5..37].copy_from_slice(one.key().hash());
        let (header, rest) = sealed.split_at(HEADER);
        let sum = checksum(&header[..HEADER - 32], rest, b"");
        sealed[HEADER - 32..HEADER].copy_from_slice(&sum);
        let forged = Entry::open(&one.key(), sealed.into()).expect("the checksum is right");
        assert_eq!(forged.check_parts(), Err(Damage::Parts));
    }
}
