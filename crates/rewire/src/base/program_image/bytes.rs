//! [`ProgramImage`] as bytes: little-endian numbers, and lists that follow their length.

use std::ops::Range;

use rewire_cache::Entry;

use super::{
    BoundField, ImageBlock, ImageBound, ImageBytes, ImageDefinition, ImageFrame, ImageName,
    ImageUse, NameIdentity, NameStanding, ProgramImage,
};

/// Stands for what isn't there, where a number is expected.
const NONE: u32 = u32::MAX;

impl ProgramImage {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(self.code.len() * 2));
        out.wide(self.range);
        out.number(self.slots);
        out.list(&self.names, |out, name| {
            match &name.what {
                NameIdentity::Global { unit, ordinal } => {
                    out.number(*unit);
                    out.number(*ordinal);
                }
                NameIdentity::Named(name) => {
                    out.number(NONE);
                    out.bytes(name.as_bytes());
                }
            }
            out.number(name.slot.unwrap_or(NONE));
            out.byte(name.expected as u8);
        });
        out.list(&self.blocks, Writer::block);
        for (start, bytes) in [
            (self.code_start, &self.code),
            (self.read_only_start, &self.read_only),
        ] {
            out.number(start);
            out.bytes(bytes);
        }
        out.0
    }

    /// The image that an entry holds; `None` if it holds none. Places are checked by whoever
    /// restores it.
    pub(crate) fn of_entry(entry: &Entry) -> Option<Self> {
        let mut reader = Reader {
            rest: entry.body(),
            entry,
        };
        let image = Self {
            range: reader.wide()?,
            slots: reader.number()?,
            names: reader.list(|reader| {
                Some(ImageName {
                    what: match reader.number()? {
                        NONE => {
                            NameIdentity::Named(std::str::from_utf8(&reader.bytes()?).ok()?.into())
                        }
                        unit => NameIdentity::Global {
                            unit,
                            ordinal: reader.number()?,
                        },
                    },
                    slot: reader.optional()?,
                    expected: match reader.byte()? {
                        0 => NameStanding::Global,
                        1 => NameStanding::Outside,
                        2 => NameStanding::Nothing,
                        3 => NameStanding::Slot,
                        _ => return None,
                    },
                })
            })?,
            blocks: reader.list(Reader::block)?,
            code_start: reader.number()?,
            code: reader.bytes()?,
            read_only_start: reader.number()?,
            read_only: reader.bytes()?,
        };
        reader.rest.is_empty().then_some(image)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn wide(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn range(&mut self, range: &Range<u32>) {
        self.number(range.start);
        self.number(range.end);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u32);
        self.0.extend(bytes);
    }

    fn list<T>(&mut self, list: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.number(list.len() as u32);
        for one in list {
            item(self, one);
        }
    }

    fn block(&mut self, block: &ImageBlock) {
        self.number(block.unit);
        self.byte(block.tier);
        self.byte(block.is_joined.into());
        self.range(&block.code);
        self.range(&block.read_only);
        self.range(&block.data);
        self.number(block.stale_byte.unwrap_or(NONE));
        let (start, count) = block.loop_words.unwrap_or((NONE, 0));
        self.number(start);
        self.number(count);
        self.bytes(&block.data_bytes);
        self.list(&block.definitions, |out, one| {
            out.number(one.name);
            out.number(one.start);
            out.number(one.size);
            out.wide(one.frame);
            out.byte(one.is_in_force.into());
        });
        self.list(&block.uses, |out, one| {
            out.number(one.name);
            out.number(one.at);
            out.number(one.symbol);
            out.byte(one.kind);
            out.byte(one.aspect);
        });
        self.list(&block.folds, |out, one| out.number(*one));
        self.list(&block.frames, |out, one| {
            out.number(one.start);
            out.number(one.size);
            out.number(one.description);
        });
        self.list(&block.moved, |out, one| out.number(*one));
        self.list(&block.bound, |out, one| {
            out.number(one.name);
            out.number(one.at);
            out.wide(one.addend as u64);
            out.byte(one.field as u8);
        });
    }
}

struct Reader<'e> {
    rest: &'e [u8],
    entry: &'e Entry,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn wide(&mut self) -> Option<u64> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn optional(&mut self) -> Option<Option<u32>> {
        let number = self.number()?;
        Some((number != NONE).then_some(number))
    }

    fn range(&mut self) -> Option<Range<u32>> {
        let range = self.number()?..self.number()?;
        (range.start <= range.end).then_some(range)
    }

    fn bytes(&mut self) -> Option<ImageBytes> {
        let length = self.number()? as usize;
        let start = self.entry.body().len() - self.rest.len();
        let (_, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(ImageBytes::Kept(self.entry.clone(), start..start + length))
    }

    /// A number of items, and the items; each takes four bytes at least.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        if count > self.rest.len() / 4 {
            return None;
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(item(self)?);
        }
        Some(list)
    }

    fn block(&mut self) -> Option<ImageBlock> {
        Some(ImageBlock {
            unit: self.number()?,
            tier: self.byte()?,
            is_joined: self.byte()? != 0,
            code: self.range()?,
            read_only: self.range()?,
            data: self.range()?,
            stale_byte: self.optional()?,
            loop_words: {
                let (start, count) = (self.optional()?, self.number()?);
                start.map(|start| (start, count))
            },
            data_bytes: self.bytes()?,
            definitions: self.list(|reader| {
                Some(ImageDefinition {
                    name: reader.number()?,
                    start: reader.number()?,
                    size: reader.number()?,
                    frame: reader.wide()?,
                    is_in_force: reader.byte()? != 0,
                })
            })?,
            uses: self.list(|reader| {
                Some(ImageUse {
                    name: reader.number()?,
                    at: reader.number()?,
                    symbol: reader.number()?,
                    kind: reader.byte()?,
                    aspect: reader.byte()?,
                })
            })?,
            folds: self.list(Self::number)?,
            frames: self.list(|reader| {
                Some(ImageFrame {
                    start: reader.number()?,
                    size: reader.number()?,
                    description: reader.number()?,
                })
            })?,
            moved: self.list(Self::number)?,
            bound: self.list(|reader| {
                Some(ImageBound {
                    name: reader.number()?,
                    at: reader.number()?,
                    addend: reader.wide()? as i64,
                    field: match reader.byte()? {
                        0 => BoundField::Word,
                        1 => BoundField::Distance,
                        _ => return None,
                    },
                })
            })?,
        })
    }
}
