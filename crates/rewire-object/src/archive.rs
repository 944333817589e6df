//! Reads archives (`ar`), regular and thin.

use std::ops::Range;

use object::read::archive::ArchiveFile;

use crate::error::ObjectError;

/// What an archive holds.
#[derive(Clone, Debug, Default)]
pub struct ArchiveContents {
    /// The members, in their order. Names may occur several times.
    pub members: Vec<ArchiveMember>,
    /// The names that members define, in the order of the archive's symbol table, each with the
    /// index of its member; `None` if the archive has no such table.
    pub symbols: Option<Vec<(String, usize)>>,
}

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveMember {
    /// Its name; in a thin archive, its path as seen from the archive's folder.
    pub name: String,
    /// Where its bytes lie in the archive; `None` if the archive is thin, so that the member is a
    /// file of its own.
    pub bytes: Option<Range<usize>>,
}

/// Reads an archive's headers and symbol table. `name` is for messages. Costs O(members + symbols).
///
/// # Errors
///
/// The bytes are no archive, a header is damaged, or the symbol table leads to no member.
pub fn read_archive(name: &str, bytes: &[u8]) -> Result<ArchiveContents, ObjectError> {
    let fail = |reason: String| ObjectError::Format {
        object: name.into(),
        reason,
    };
    let broken = |error: object::Error| fail(error.to_string());
    let file = ArchiveFile::parse(bytes).map_err(broken)?;
    let mut contents = ArchiveContents::default();
    // The places of the members' headers, in their order.
    let mut headers = Vec::new();
    for member in file.members() {
        let member = member.map_err(broken)?;
        let (start, size) = member.file_range();
        let is_within = !member.is_thin();
        let range = usize::try_from(start).ok().and_then(|start| {
            let end = start.checked_add(usize::try_from(size).ok()?)?;
            (!is_within || end <= bytes.len()).then_some(start..end)
        });
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let range = range.ok_or_else(|| fail(format!("member {name} exceeds the archive")))?;
        let header = member.header().map_or(0, |header| {
            let at: *const _ = header;
            at.addr() - bytes.as_ptr().addr()
        });
        headers.push(header as u64);
        contents.members.push(ArchiveMember {
            name,
            bytes: is_within.then_some(range),
        });
    }
    if let Some(symbols) = file.symbols().map_err(broken)? {
        let mut table = Vec::new();
        for symbol in symbols {
            let symbol = symbol.map_err(broken)?;
            let name = String::from_utf8_lossy(symbol.name()).into_owned();
            let member = headers.binary_search(&symbol.offset().0).map_err(|_| {
                fail(format!(
                    "the symbol table has {name} in a member that doesn't exist"
                ))
            })?;
            table.push((name, member));
        }
        contents.symbols = Some(table);
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member with its header.
    fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
        let size = bytes.len();
        let mut member = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
        if size % 2 == 1 {
            member.push(' ');
        }
        let tail = member.split_off(60);
        [member.as_bytes(), bytes, tail.replace(' ', "\n").as_bytes()].concat()
    }

    #[test]
    fn members_of_one_name_are_told_apart_by_their_place() {
        // The table: how many symbols, the places of their members' headers, their names.
        let table = |first: u32, second: u32| {
            let mut table = 2u32.to_be_bytes().to_vec();
            table.extend(first.to_be_bytes());
            table.extend(second.to_be_bytes());
            table.extend(b"one\0two\0");
            member("/", &table)
        };
        let first = 8 + table(0, 0).len();
        let second = first + member("a.o/", b"abc").len();
        let archive = [
            b"!<arch>\n".to_vec(),
            table(second as u32, first as u32),
            member("a.o/", b"abc"),
            member("a.o/", b"defg"),
        ];
        let archive = archive.concat();
        let contents = read_archive("lib.a", &archive).unwrap();
        let bytes = contents.members.iter().map(|one| {
            assert_eq!(one.name, "a.o");
            &archive[one.bytes.clone().unwrap()]
        });
        assert_eq!(bytes.collect::<Vec<_>>(), [&b"abc"[..], b"defg"]);
        let symbols = contents.symbols.unwrap();
        assert_eq!(symbols, [("one".to_owned(), 1), ("two".to_owned(), 0)]);
        for end in 9..archive.len() {
            // Whatever is cut off, nothing panics, and no member exceeds what there is.
            if let Ok(contents) = read_archive("lib.a", &archive[..end]) {
                let mut ranges = contents.members.iter().filter_map(|one| one.bytes.clone());
                assert!(ranges.all(|range| range.end <= end));
            }
        }
    }
}
