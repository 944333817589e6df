//! Objects as data. Whatever the numbers are, they stand for a well-formed object: indices are
//! taken modulo what there is.

use arbitrary::Arbitrary;
use rewire_fuzz::list;

/// A relocatable object, and what a link makes of it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Object {
    #[arbitrary(with = list::<_, 8>)]
    pub(crate) sections: Vec<Section>,
    #[arbitrary(with = list::<_, 16>)]
    pub(crate) symbols: Vec<Symbol>,
    #[arbitrary(with = list::<_, 32>)]
    pub(crate) relocations: Vec<Relocation>,
    #[arbitrary(with = list::<_, 4>)]
    pub(crate) frames: Vec<Frame>,
    pub(crate) spread: Spread,
}

/// Where the segments lie.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Spread {
    /// All within 1 GiB, far from the first 4 GiB.
    Near,
    /// All within the first GiB.
    Low,
    /// So far apart that no displacement of 32 bits leads from one to another.
    Wide,
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    /// The logarithm of its alignment.
    pub(crate) align: u8,
    pub(crate) size: u8,
    pub(crate) fill: u8,
    /// The COMDAT group.
    pub(crate) group: Option<u8>,
    /// One in eight is discarded; of a group, all if the first is.
    pub(crate) discard: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub(crate) enum SectionKind {
    Text,
    ReadOnly,
    Strings,
    RelRo,
    Data,
    Bss,
    ThreadData,
    ThreadBss,
    InitArray,
    FiniArray,
    Debug,
    StackMaps,
    ExceptionTable,
    Note,
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) place: Place,
    pub(crate) kind: SymbolKind,
    pub(crate) linkage: Linkage,
    /// Default, internal, hidden, protected.
    pub(crate) visibility: u8,
    pub(crate) size: u16,
    pub(crate) bound: Bound,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Place {
    In { section: u8, offset: u8 },
    SectionItself { section: u8 },
    Undefined,
    Absolute(Number),
    Common { size: u8, align: u8 },
    GotBase,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub(crate) enum SymbolKind {
    Unknown,
    Function,
    Variable,
    Indirect,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Linkage {
    Local,
    Global,
    Weak,
    Unique,
}

/// A number of 64 bits: near a power of two.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) power: u8,
    pub(crate) add: i16,
}

/// What the caller answers for a symbol, as far as it fits.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Bound {
    Own,
    /// Near the segments.
    Near(u32),
    At(Number),
    Foreign {
        address: Number,
        call: u32,
    },
    FixedSlot {
        slot: u32,
        function: u32,
    },
    FixedSlotOfFar {
        slot: u32,
        function: Number,
    },
    Null,
    Thread {
        other_module: bool,
        offset: u16,
    },
    ThreadOffset(i16),
    Unbound,
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Relocation {
    pub(crate) section: u8,
    /// Bytes between it and the one before.
    pub(crate) gap: u8,
    pub(crate) prefix: Prefix,
    pub(crate) operation: Operation,
    /// Which kind, of those that fit the symbol; one in sixteen need not.
    pub(crate) kind: u8,
    pub(crate) need_not_fit: u8,
    pub(crate) symbol: u8,
    pub(crate) addend: Addend,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Prefix {
    None,
    Rex(u8),
    Rex2(u8),
    AsKind(u8),
}

/// The instruction that the field belongs to.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Operation {
    None,
    Call,
    Jump,
    DirectCall,
    Load { register: u8 },
    Lea { register: u8 },
    Arithmetic { which: u8, register: u8 },
    Test { register: u8 },
    Push,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Addend {
    /// -4: the field is the last of its instruction.
    Usual,
    Small(i8),
    Any(Number),
}

/// A description in `.eh_frame`.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) function: u8,
    pub(crate) size: u8,
    pub(crate) table: Option<u8>,
}

impl Number {
    pub(crate) fn get(self) -> u64 {
        (1_u64 << (self.power % 64)).wrapping_add_signed(self.add.into())
    }
}

impl Addend {
    pub(crate) fn get(self) -> i64 {
        match self {
            Self::Usual => -4,
            Self::Small(number) => number.into(),
            Self::Any(number) => number.get() as i64,
        }
    }
}

impl SectionKind {
    pub(crate) fn is_thread(self) -> bool {
        matches!(self, Self::ThreadData | Self::ThreadBss)
    }

    pub(crate) fn is_zero_fill(self) -> bool {
        matches!(self, Self::Bss | Self::ThreadBss)
    }
}

impl Object {
    /// The number of a section; `None` if there are none.
    pub(crate) fn section(&self, index: u8) -> Option<usize> {
        usize::from(index).checked_rem(self.sections.len())
    }

    /// The group of a section.
    fn group(&self, section: usize) -> Option<u8> {
        self.sections[section].group.map(|group| group % 3)
    }

    /// The sections of a group.
    pub(crate) fn members(&self, group: u8) -> impl Iterator<Item = usize> {
        (0..self.sections.len()).filter(move |section| self.group(*section) == Some(group))
    }

    pub(crate) fn is_discarded(&self, section: usize) -> bool {
        let decides = match self.group(section) {
            Some(group) => self.members(group).next().unwrap_or(section),
            None => section,
        };
        self.sections[decides].discard % 8 == 7
    }

    /// The section that a symbol is in.
    pub(crate) fn section_of(&self, symbol: &Symbol) -> Option<usize> {
        match symbol.place {
            Place::In { section, .. } | Place::SectionItself { section } => self.section(section),
            _ => None,
        }
    }

    pub(crate) fn is_thread(&self, symbol: &Symbol) -> bool {
        match self.section_of(symbol) {
            Some(section) => self.sections[section].kind.is_thread(),
            None => {
                matches!(symbol.place, Place::Undefined)
                    && matches!(symbol.bound, Bound::Thread { .. } | Bound::ThreadOffset(_))
            }
        }
    }
}
