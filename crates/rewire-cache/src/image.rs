//! Images: many entries in one file, which are read and checked together.

use std::collections::HashMap;
use std::ops::Range;

use crate::bytes::{Reader, Writer};
use crate::entry::{Body, Damage, Entry};
use crate::key::{Key, Kind};

const MAGIC: &[u8; 4] = b"RWP1";
/// Magic, kind and hash of the key, length of the whole, number of entries, checksum.
const HEADER: usize = 4 + 1 + 32 + 8 + 8 + 32;
const ROW: usize = 1 + 32 + 8;

/// Many entries that are read together.
///
/// The end state of a program is an image: its [`head`](Image::head) is the entry under whose key
/// the image is found and holds what only makes sense for the whole, and its other entries are the
/// program's functions. Each of these is found by its own key, too.
#[derive(Debug, Clone)]
pub struct Image {
    head: Entry,
    bytes: Body,
    entries: HashMap<Key, Range<usize>>,
    order: Vec<Key>,
}

impl Image {
    /// An image of these entries. Of two entries with one key, the later one is kept.
    #[must_use]
    pub fn new(head: Entry, entries: &[Entry]) -> Self {
        let bytes = pack(head.key(), &[std::slice::from_ref(&head), entries].concat());
        let table = rows(&bytes).unwrap_or_default();
        Self::with(head, bytes, table)
    }

    /// Checks bytes that a store returned for `key`: the whole of them by one checksum.
    ///
    /// # Errors
    ///
    /// The bytes aren't the whole, unchanged image of this key.
    pub fn open(key: &Key, bytes: Body) -> Result<Self, Damage> {
        let table = unpack(key, &bytes)?;
        let (first, range) = table.first().ok_or(Damage::NotAnEntry)?;
        if first != key {
            return Err(Damage::OtherKey);
        }
        let head = entry(first, &bytes, range)?;
        for (key, range) in &table {
            entry(key, &bytes, range)?;
        }
        Ok(Self::with(head, bytes, table))
    }

    fn with(head: Entry, bytes: Body, table: Vec<(Key, Range<usize>)>) -> Self {
        let order = table.iter().skip(1).map(|(key, _)| *key).collect();
        Self {
            head,
            bytes,
            entries: table.into_iter().skip(1).collect(),
            order,
        }
    }

    /// The entry under whose key the image is found.
    #[must_use]
    pub const fn head(&self) -> &Entry {
        &self.head
    }

    /// The entries, the head not among them, in the order in which they were given.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.order.iter().filter_map(|key| self.get(key))
    }

    /// The entry with this key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Entry> {
        entry(key, &self.bytes, self.entries.get(key)?).ok()
    }

    /// The image as bytes.
    #[must_use]
    pub const fn sealed(&self) -> &Body {
        &self.bytes
    }
}

fn entry(key: &Key, bytes: &Body, range: &Range<usize>) -> Result<Entry, Damage> {
    Entry::open_checked(key, bytes.part(range.clone()).ok_or(Damage::Length)?)
}

/// The bytes of a file with these entries.
pub(crate) fn pack(name: &Key, entries: &[Entry]) -> Body {
    let length = |entry: &Entry| entry.sealed().len();
    let total = HEADER
        + entries
            .iter()
            .map(|entry| ROW + length(entry))
            .sum::<usize>();
    let mut bytes = Writer(Vec::with_capacity(total));
    bytes.array(MAGIC);
    bytes.byte(name.kind() as u8);
    bytes.array(name.hash());
    bytes.number(total as u64);
    bytes.number(entries.len() as u64);
    bytes.array(&[0; 32]);
    for entry in entries {
        bytes.byte(entry.key().kind() as u8);
        bytes.array(entry.key().hash());
        bytes.number(length(entry) as u64);
    }
    for entry in entries {
        bytes.0.extend_from_slice(entry.sealed());
    }
    let checksum = checksum(&bytes.0);
    bytes.0[HEADER - 32..HEADER].copy_from_slice(&checksum);
    bytes.0.into()
}

/// Checks the bytes of a file, and returns where its entries are.
pub(crate) fn unpack(name: &Key, bytes: &[u8]) -> Result<Vec<(Key, Range<usize>)>, Damage> {
    let rows = rows(bytes)?;
    if stated_name(bytes) != Some(*name) {
        return Err(Damage::OtherKey);
    }
    if checksum(bytes)[..] != bytes[HEADER - 32..HEADER] {
        return Err(Damage::Checksum);
    }
    Ok(rows)
}

/// Where the entries are, as the file states it. The checksum isn't looked at.
fn rows(bytes: &[u8]) -> Result<Vec<(Key, Range<usize>)>, Damage> {
    let mut reader = Reader(bytes);
    if reader.array() != Some(*MAGIC) {
        return Err(Damage::NotAnEntry);
    }
    read_rows(&mut reader, bytes.len()).ok_or(Damage::Length)
}

fn read_rows(reader: &mut Reader<'_>, length: usize) -> Option<Vec<(Key, Range<usize>)>> {
    reader.take(33)?;
    if reader.size()? != length {
        return None;
    }
    let count = reader.size()?;
    reader.take(32)?;
    let mut table = Reader(reader.take(count.checked_mul(ROW)?)?);
    let mut start = length - reader.0.len();
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        let key = Key::from_hash(Kind::from_byte(table.byte()?)?, table.array()?);
        let end = start.checked_add(table.size()?)?;
        rows.push((key, start..end));
        start = end;
    }
    (start == length).then_some(rows)
}

fn stated_name(bytes: &[u8]) -> Option<Key> {
    let mut reader = Reader(bytes.get(4..)?);
    Some(Key::from_hash(
        Kind::from_byte(reader.byte()?)?,
        reader.array()?,
    ))
}

/// Over all but the checksum itself.
fn checksum(bytes: &[u8]) -> [u8; 32] {
    let (header, rest) = bytes.split_at(HEADER);
    *blake3::Hasher::new()
        .update(&header[..HEADER - 32])
        .update(rest)
        .finalize()
        .as_bytes()
}
