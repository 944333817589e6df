//! What each symbol stands for in a link.

use std::cell::OnceCell;

use object::elf;

use crate::error::CheckError;
use crate::linked::{Linked, Meaning};
use crate::object::{Object, Place, Section};

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// An address, and where calls may go instead.
    Address {
        address: u64,
        call: Option<u64>,
    },
    /// An undefined weak symbol.
    Null,
    /// The GOT itself, at an address that isn't known yet.
    GotBase,
    Thread {
        module: u64,
        offset: u64,
    },
    ThreadOffset(i64),
    /// Code or data of a section that isn't loaded.
    Discarded,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// The symbols of one object in one link.
#[derive(Debug)]
pub(crate) struct Symbols<'a> {
    object: &'a Object<'a>,
    linked: &'a Linked<'a>,
    /// All symbols that have an address; sorted. Most links are right and never ask for it.
    by_address: OnceCell<Vec<Placed>>,
}

/// A symbol at an address.
#[derive(Clone, Copy, Debug)]
struct Placed {
    address: u64,
    /// Only calls of the symbol may go there.
    is_call: bool,
    symbol: usize,
}

impl<'a> Symbols<'a> {
    pub(crate) fn new(object: &'a Object<'a>, linked: &'a Linked<'a>) -> Result<Self, CheckError> {
        if let Some((&symbol, _)) = linked.symbols.range(object.symbols.len()..).next() {
            return Err(CheckError::Symbol {
                symbol,
                reason: "the object has no such symbol".to_owned(),
            });
        }
        Ok(Self {
            object,
            linked,
            by_address: OnceCell::new(),
        })
    }

    /// The symbol's name, for people.
    pub(crate) fn name(&self, symbol: usize) -> &str {
        self.object.symbols.get(symbol).map_or("", |s| &s.name)
    }

    pub(crate) fn is_section(&self, symbol: usize) -> bool {
        let symbol = self.object.symbols.get(symbol);
        symbol.is_some_and(|symbol| symbol.kind == elf::STT_SECTION)
    }

    /// The symbol's size, if the object defines it.
    pub(crate) fn size(&self, symbol: usize) -> Option<u64> {
        let symbol = self.object.symbols.get(symbol)?;
        (symbol.place != Place::Nowhere).then_some(symbol.size)
    }

    /// What the symbol stands for where `user` names it.
    pub(crate) fn stands(&self, symbol: usize, user: &Section<'_>) -> Stands {
        self.meaning(
            symbol,
            describes_bodies(user) && self.is_own_function(symbol),
        )
    }

    /// What its GOT entry is about: the same for all sections.
    pub(crate) fn stands_in_got(&self, symbol: usize) -> Stands {
        self.meaning(symbol, false)
    }

    /// What the symbol stands for; with `body`, whatever it is bound to, its own definition.
    fn meaning(&self, symbol: usize, body: bool) -> Stands {
        match self.linked.symbols.get(&symbol) {
            Some(meaning) if !body => self.bound(symbol, *meaning),
            None if !body && self.is_indirect(symbol) && self.own(symbol) != Stands::Discarded => {
                Stands::Nothing("the address that the indirect function's resolver returned")
            }
            _ => self.own(symbol),
        }
    }

    /// The symbol at an address, or else the one whose size spans it.
    pub(crate) fn at(&self, address: u64) -> Option<usize> {
        let table = self.by_address.get_or_init(|| self.sort());
        let end = table.partition_point(|one| one.address <= address);
        let start = table.get(end.checked_sub(1)?)?.address;
        let first = table.partition_point(|one| one.address < start);
        table.get(first..end)?.iter().find_map(|one| {
            let size = self.object.symbols.get(one.symbol)?.size;
            (address == start || address - start < size).then_some(one.symbol)
        })
    }

    /// The symbol, other than a section's, that lies exactly at an address; with `calls`, also the
    /// one whose calls may go there.
    pub(crate) fn exactly_at(&self, address: u64, calls: bool) -> Option<usize> {
        let table = self.by_address.get_or_init(|| self.sort());
        let first = table.partition_point(|one| one.address < address);
        let here = table.get(first..)?.iter();
        let mut here = here.take_while(|one| one.address == address);
        let found = here.find(|one| calls || !one.is_call)?.symbol;
        (!self.is_section(found)).then_some(found)
    }

    /// The thread-local symbol that a test on its meaning finds.
    pub(crate) fn thread(&self, test: impl Fn(&Meaning) -> bool) -> Option<usize> {
        let mut symbols = self.linked.symbols.iter();
        symbols.find_map(|(symbol, meaning)| test(meaning).then_some(*symbol))
    }

    fn sort(&self) -> Vec<Placed> {
        let mut table = Vec::new();
        for symbol in 1..self.object.symbols.len() {
            let stands = match self.linked.symbols.get(&symbol) {
                Some(meaning) => self.bound(symbol, *meaning),
                None => self.own(symbol),
            };
            if let Stands::Address { address, call } = stands {
                let placed = |is_call| {
                    move |address| Placed {
                        address,
                        is_call,
                        symbol,
                    }
                };
                table.push(placed(false)(address));
                table.extend(call.map(placed(true)));
            }
        }
        // Of several at one address, section symbols come last and named ones first.
        table.sort_by_key(|one| {
            let nameless = self.is_section(one.symbol) || self.name(one.symbol).is_empty();
            (one.address, nameless, one.symbol)
        });
        table
    }

    fn bound(&self, symbol: usize, meaning: Meaning) -> Stands {
        match meaning {
            Meaning::Address { address, call } => Stands::Address { address, call },
            Meaning::Null => Stands::Null,
            Meaning::Thread { module, offset } => Stands::Thread { module, offset },
            Meaning::ThreadOffset(offset) => Stands::ThreadOffset(offset),
            // Its section says more about why.
            Meaning::Unbound if self.own(symbol) == Stands::Discarded => Stands::Discarded,
            Meaning::Unbound => Stands::Nothing("a symbol that is bound to something"),
        }
    }

    fn own(&self, symbol: usize) -> Stands {
        let Some(symbol) = self.object.symbols.get(symbol) else {
            // The null symbol of an object that has no symbol table.
            return Stands::Address {
                address: 0,
                call: None,
            };
        };
        let address = |address| Stands::Address {
            address,
            call: None,
        };
        match symbol.place {
            Place::Nowhere | Place::Common => {
                Stands::Nothing("a symbol that is bound to something")
            }
            Place::GotBase => Stands::GotBase,
            Place::Absolute(value) => address(value),
            Place::Section { section, offset } => {
                let thread = self
                    .object
                    .sections
                    .get(section)
                    .is_some_and(|section| section.has(elf::SHF_TLS));
                match self.linked.sections.get(&section) {
                    _ if thread => Stands::Nothing("a thread-local symbol whose place is known"),
                    None => Stands::Discarded,
                    Some(start) => address(start.wrapping_add(offset)),
                }
            }
        }
    }

    fn is_indirect(&self, symbol: usize) -> bool {
        let symbol = self.object.symbols.get(symbol);
        symbol.is_some_and(|symbol| symbol.kind == elf::STT_GNU_IFUNC)
    }

    /// Whether the symbol is a function whose body is in this object and loaded.
    fn is_own_function(&self, symbol: usize) -> bool {
        let Some(symbol) = self.object.symbols.get(symbol) else {
            return false;
        };
        let Place::Section { section, .. } = symbol.place else {
            return false;
        };
        let code = self
            .object
            .sections
            .get(section)
            .is_some_and(|section| section.has(elf::SHF_EXECINSTR));
        code && self.linked.sections.contains_key(&section)
    }
}

/// Whether the section describes the bodies of functions: a body's frame must be unwound by the
/// rules of that body, whatever is called by its name.
fn describes_bodies(section: &Section<'_>) -> bool {
    let name: &str = &section.name;
    name == ".eh_frame"
        || name == ".llvm_stackmaps"
        || name == ".gcc_except_table"
        || name.starts_with(".gcc_except_table.")
        || name.starts_with(".debug_")
}
