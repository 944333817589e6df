//! An object's table of names: what it defines, and how the dynamic loader finds it there.

use object::elf::{self, Sym64};
use object::{LittleEndian, pod};

pub(super) const LE: LittleEndian = LittleEndian;

pub(super) type Sym = Sym64<LittleEndian>;
type Word = object::U32<LittleEndian>;
type Half = object::U16<LittleEndian>;

#[derive(Debug)]
pub(super) struct NameTable<'m> {
    pub(super) hash: Hash<'m>,
    pub(super) symbols: &'m [Sym],
    pub(super) strings: &'m [u8],
    pub(super) versions: Option<&'m [Half]>,
}

#[derive(Debug)]
pub(super) enum Hash<'m> {
    Gnu {
        first: usize,
        shift: u32,
        bloom: &'m [object::U64<LittleEndian>],
        buckets: &'m [Word],
        values: &'m [Word],
    },
    Sysv {
        buckets: &'m [Word],
        chains: &'m [Word],
    },
}

/// A name, with its hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'n> {
    bytes: &'n [u8],
    gnu_hash: u32,
}

impl<'n> Name<'n> {
    pub(super) fn new(name: &'n str) -> Self {
        Self {
            bytes: name.as_bytes(),
            gnu_hash: elf::gnu_hash(name.as_bytes()),
        }
    }
}

impl<'m> Hash<'m> {
    pub(super) fn read_gnu(bytes: &'m [u8]) -> Option<Self> {
        let (header, rest) = pod::from_bytes::<elf::GnuHashHeader<LittleEndian>>(bytes).ok()?;
        let bloom = header.bloom_count.get(LE) as usize;
        let (bloom, rest) = pod::slice_from_bytes(rest, bloom).ok()?;
        let buckets = header.bucket_count.get(LE) as usize;
        let (buckets, rest) = pod::slice_from_bytes(rest, buckets).ok()?;
        let (values, _) = pod::slice_from_bytes(rest, rest.len() / 4).ok()?;
        let is_known = bloom.len().is_power_of_two();
        is_known.then_some(Self::Gnu {
            first: header.symbol_base.get(LE) as usize,
            shift: header.bloom_shift.get(LE),
            bloom,
            buckets,
            values,
        })
    }

    pub(super) fn read_sysv(bytes: &'m [u8]) -> Option<Self> {
        let (header, rest) = pod::from_bytes::<elf::HashHeader<LittleEndian>>(bytes).ok()?;
        let buckets = header.bucket_count.get(LE) as usize;
        let (buckets, rest) = pod::slice_from_bytes(rest, buckets).ok()?;
        let chains = header.chain_count.get(LE) as usize;
        let (chains, _) = pod::slice_from_bytes(rest, chains).ok()?;
        Some(Self::Sysv { buckets, chains })
    }

    /// The number of the first symbol that it knows.
    fn first(&self) -> usize {
        match *self {
            Self::Gnu { first, .. } => first,
            Self::Sysv { .. } => 0,
        }
    }

    /// The number behind the last symbol that it knows.
    fn end(&self) -> usize {
        match *self {
            Self::Sysv { chains, .. } => chains.len(),
            Self::Gnu {
                first,
                buckets,
                values,
                ..
            } => {
                let starts = buckets.iter().map(|start| start.get(LE) as usize);
                let last = starts.max().unwrap_or(0);
                let Some(place) = last.checked_sub(first) else {
                    return first;
                };
                let chain = values.iter().skip(place);
                last + 1 + chain.take_while(|value| value.get(LE) & 1 == 0).count()
            }
        }
    }

    /// Calls `visit` with the numbers of symbols that may have a name, in the table's order, until
    /// it has an answer.
    fn visit<T>(&self, name: Name<'_>, mut visit: impl FnMut(usize) -> Option<T>) -> Option<T> {
        match *self {
            Self::Gnu {
                first,
                shift,
                bloom,
                buckets,
                values,
            } => {
                let hash = name.gnu_hash;
                let word = bloom.get((hash / 64) as usize & (bloom.len() - 1))?;
                let bits = 1 << (hash % 64) | 1 << (hash.wrapping_shr(shift) % 64);
                if word.get(LE) & bits != bits {
                    return None;
                }
                let bucket = (hash as usize).checked_rem(buckets.len())?;
                let start = buckets.get(bucket)?.get(LE) as usize;
                let place = start.checked_sub(first)?;
                for (number, value) in (start..).zip(values.get(place..)?) {
                    let value = value.get(LE);
                    if (value ^ hash) >> 1 == 0
                        && let Some(answer) = visit(number)
                    {
                        return Some(answer);
                    }
                    if value & 1 != 0 {
                        break;
                    }
                }
                None
            }
            Self::Sysv { buckets, chains } => {
                let hash = elf::hash(name.bytes) as usize;
                let bucket = hash.checked_rem(buckets.len())?;
                let mut number = buckets.get(bucket)?.get(LE) as usize;
                for _ in 0..chains.len() {
                    if number == 0 {
                        break;
                    }
                    if let Some(answer) = visit(number) {
                        return Some(answer);
                    }
                    number = chains.get(number)?.get(LE) as usize;
                }
                None
            }
        }
    }
}

impl<'m> NameTable<'m> {
    fn name(&self, symbol: &Sym) -> Option<&'m [u8]> {
        string(self.strings, u64::from(symbol.st_name.get(LE)))
    }

    /// The symbol of a name; as glibc's `dlsym`, of the versions that are not hidden, and only if
    /// there is one.
    pub(super) fn find(&self, name: Name<'_>) -> Option<&'m Sym> {
        let mut versioned = 0;
        let mut first = None;
        let unversioned = self.hash.visit(name, |number| {
            let symbol = self.symbols.get(number)?;
            if !could_be_found(symbol) || !self.is_called(symbol, name) {
                return None;
            }
            let version = match self.versions {
                Some(versions) => versions.get(number)?.get(LE),
                None => elf::VER_NDX_GLOBAL.0,
            };
            // The first two numbers mean local and unversioned; the highest bit that only who asks
            // for the version gets it.
            if version & 0x7fff < 2 {
                return Some(symbol);
            }
            if version & 0x8000 == 0 {
                versioned += 1;
                first = first.or(Some(symbol));
            }
            None
        });
        let found = unversioned.or(first.filter(|_| versioned == 1))?;
        is_visible(found).then_some(found)
    }

    fn is_called(&self, symbol: &Sym, name: Name<'_>) -> bool {
        let rest = self.strings.get(symbol.st_name.get(LE) as usize..);
        let rest = rest.and_then(|rest| rest.strip_prefix(name.bytes));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The name of what is at a place, as `dladdr` finds it: of symbols that reach there, the one
    /// that begins last.
    pub(super) fn symbol_at(&self, offset: u64) -> Option<&'m [u8]> {
        let reaches = |symbol: &&Sym| {
            let (start, size) = (symbol.st_value.get(LE), symbol.st_size.get(LE));
            let section = symbol.st_shndx.get(LE);
            let has_size = section != elf::SHN_UNDEF && size > 0;
            let is_candidate = symbol.st_type() != elf::STT_TLS
                && section != elf::SHN_ABS
                && (section != elf::SHN_UNDEF || start != 0);
            is_candidate
                && offset >= start
                && (offset == start && !has_size || offset - start < size)
        };
        let symbols = self.symbols.get(self.hash.first()..self.hash.end())?;
        // Of several that begin there, the first.
        let best = symbols.iter().filter(reaches).rev();
        self.name(best.max_by_key(|symbol| symbol.st_value.get(LE))?)
    }

    /// The names that it defines.
    #[cfg(test)]
    pub(super) fn defined(&self) -> Vec<&'m str> {
        let symbols = self.symbols.iter().take(self.hash.end());
        let defined = symbols.filter(|symbol| symbol.st_value.get(LE) != 0);
        let names = defined.filter_map(|symbol| self.name(symbol));
        names
            .filter_map(|name| std::str::from_utf8(name).ok())
            .collect()
    }
}

/// Whether the loader compares a symbol's name at all.
fn could_be_found(symbol: &Sym) -> bool {
    let kind = symbol.st_type();
    let has_place = symbol.st_value.get(LE) != 0
        || symbol.st_shndx.get(LE) == elf::SHN_ABS
        || kind == elf::STT_TLS;
    let kinds = [
        elf::STT_NOTYPE,
        elf::STT_OBJECT,
        elf::STT_FUNC,
        elf::STT_COMMON,
        elf::STT_TLS,
        elf::STT_GNU_IFUNC,
    ];
    has_place && kinds.contains(&kind)
}

/// Whether a symbol that the loader has found by its name is for others than its own object.
fn is_visible(symbol: &Sym) -> bool {
    let bindings = [elf::STB_GLOBAL, elf::STB_WEAK, elf::STB_GNU_UNIQUE];
    let hidden = [elf::STV_HIDDEN, elf::STV_INTERNAL];
    bindings.contains(&symbol.st_bind()) && !hidden.contains(&symbol.st_visibility())
}

/// The string at a place in a table of strings.
pub(super) fn string(strings: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(offset).ok()?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    rest.get(..end)
}
