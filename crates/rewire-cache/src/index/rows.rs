//! What the index holds: where each entry is, and which entry of each origin is the newest.

use crate::bytes::{Reader, Writer};
use crate::entry::{Body, Damage, Entry, Origin};
use crate::image::unpack;
use crate::key::{Key, Kind};

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) file: Key,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// A row of the index, as bytes.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Whether the row with this key and value stays.
pub(crate) type KeepRow<'a> = dyn Fn(&[u8], &[u8]) -> bool + 'a;

const LOCATION: u8 = b'k';
const NEWEST: u8 = b'n';

impl Location {
    pub(crate) fn row_key(entry: &Key) -> Vec<u8> {
        let mut key = Writer(vec![LOCATION]);
        write_key(&mut key, entry);
        key.0
    }

    fn row(&self, entry: &Key) -> Row {
        let mut value = Writer::default();
        write_key(&mut value, &self.file);
        value.number(self.offset);
        value.number(self.length);
        (Self::row_key(entry), value.0)
    }

    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        let location = Self {
            file: read_key(&mut reader)?,
            offset: reader.number()?,
            length: reader.number()?,
        };
        reader.0.is_empty().then_some(location)
    }
}

/// The key of the row that names the newest entry of an origin.
pub(crate) fn newest_row_key(origin: &Origin) -> Vec<u8> {
    let mut key = Writer(vec![NEWEST]);
    key.array(&origin.hash());
    key.0
}

pub(crate) fn read_newest(value: &[u8]) -> Option<Key> {
    let mut reader = Reader(value);
    let key = read_key(&mut reader)?;
    reader.0.is_empty().then_some(key)
}

/// If a row says where an entry is: which entry, and where.
pub(crate) fn read_location_row(key: &[u8], value: &[u8]) -> Option<(Key, Location)> {
    let mut reader = Reader(key);
    if reader.byte()? != LOCATION {
        return None;
    }
    let entry = read_key(&mut reader)?;
    Some((entry, Location::read(value)?))
}

/// The rows for the entries of a file.
pub(crate) fn rows_of_file(file: &Key, bytes: &Body) -> Result<Vec<Row>, Damage> {
    let mut rows = Vec::new();
    for (key, range) in unpack(file, bytes)? {
        // What a file is named for is found by that name.
        if key == *file {
            continue;
        }
        let sealed = bytes.part(range.clone()).ok_or(Damage::Length)?;
        let origin = Entry::open_checked(&key, sealed)?.origin();
        let location = Location {
            file: *file,
            offset: range.start as u64,
            length: range.len() as u64,
        };
        rows.push(location.row(&key));
        if let Some(origin) = origin {
            let mut value = Writer::default();
            write_key(&mut value, &key);
            rows.push((newest_row_key(&origin), value.0));
        }
    }
    Ok(rows)
}

fn write_key(to: &mut Writer, key: &Key) {
    to.byte(key.kind() as u8);
    to.array(key.hash());
}

fn read_key(from: &mut Reader<'_>) -> Option<Key> {
    Some(Key::from_hash(
        Kind::from_byte(from.byte()?)?,
        from.array()?,
    ))
}
