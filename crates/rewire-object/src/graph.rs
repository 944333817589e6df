//! The link graph: what an object file holds, as far as linking is concerned.
//!
//! Sections and symbols are numbered densely and named by those numbers everywhere, so that no
//! later step needs a map. Only what is loaded at run time is here: string and symbol tables,
//! debug information that isn't loaded, and marker sections were left out by the parser.

use std::fmt;
use std::sync::Arc;

use crate::reloc::RelocKind;

/// So many sections, and so many symbols, are kept track of without allocating memory: an object
/// that holds one function seldom has more.
pub(crate) const FEW: usize = 4;

/// The processor that an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// x86-64 (AMD64), 64-bit pointers.
    X86_64,
}

/// The number of a section in its [`LinkGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(pub u32);

impl SectionId {
    /// The section's index in [`LinkGraph::sections`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of a symbol in its [`LinkGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub u32);

impl SymbolId {
    /// The symbol's index in [`LinkGraph::symbols`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One of the three stretches of memory that a linked object occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Executable, not writable.
    Code,
    /// Neither writable nor executable once linked; constants, tables, relocated constants
    /// (`.data.rel.ro`), the GOT.
    ReadOnly,
    /// Writable.
    Data,
}

impl Segment {
    /// All segments, in the order of their indices.
    pub const ALL: [Self; 3] = [Self::Code, Self::ReadOnly, Self::Data];

    /// The most bytes that a segment can have: what a 32-bit displacement spans.
    pub const MAX_SIZE: u64 = i32::MAX as u64;

    /// 0, 1 or 2: the segment's place in arrays with an element for each.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "code",
            Self::ReadOnly => "read-only",
            Self::Data => "data",
        })
    }
}

/// What a section is for, where linking or loading treats it specially.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SectionRole {
    /// Nothing special.
    Plain,
    /// `.eh_frame`: call frame information.
    EhFrame,
    /// `.gcc_except_table*`: language-specific data that `.eh_frame` points to.
    ExceptionTable,
    /// `SHT_INIT_ARRAY`, `SHT_PREINIT_ARRAY`, `.ctors`: pointers to constructors.
    InitArray,
    /// `SHT_FINI_ARRAY`, `.dtors`: pointers to destructors.
    FiniArray,
    /// `.llvm_stackmaps`.
    StackMaps,
    /// Initialised thread-local data; laid out into the thread image, not into a segment.
    ThreadData,
    /// Zeroed thread-local data; laid out into the thread image, not into a segment.
    ThreadBss,
    /// Debug information that is loaded (`.debug_gdb_scripts`, say).
    Debug,
    /// `SHT_NOTE`.
    Note,
    /// The memory of one common symbol; [`LinkGraph::is_common`].
    Common,
}

impl SectionRole {
    /// Whether the section is thread-local.
    #[must_use]
    pub const fn is_thread(self) -> bool {
        matches!(self, Self::ThreadData | Self::ThreadBss)
    }

    /// Whether the section describes the very body of a function, so that a symbol bound to a
    /// canonical address means the body here ([`Binding::Canonical`](crate::Binding::Canonical)).
    #[must_use]
    pub const fn describes_bodies(self) -> bool {
        matches!(
            self,
            Self::EhFrame | Self::ExceptionTable | Self::StackMaps | Self::Debug
        )
    }
}

/// One section of an object.
#[derive(Clone, Debug)]
pub struct Section<'data> {
    /// The section's name; `COMMON` for the memory of a common symbol.
    pub name: &'data str,
    /// Where it goes. Thread-local sections have [`Segment::Data`] here but are not laid out
    /// into it.
    pub segment: Segment,
    /// What it is for.
    pub role: SectionRole,
    /// Whether it has no bytes in the file and starts as zeros. Then `data` is empty and there
    /// are no relocations.
    pub zero_fill: bool,
    /// Its bytes in the file; zeros follow up to `size`. None if `zero_fill`.
    pub data: &'data [u8],
    /// Its size in bytes at run time.
    pub size: u64,
    /// Its alignment in bytes: a power of two.
    pub align: u64,
    /// The places in it to be fixed up, sorted by offset.
    pub relocations: Vec<Relocation>,
    /// The COMDAT group it belongs to: an index into [`LinkGraph::groups`].
    pub group: Option<u32>,
    /// The section that this one is about (`SHF_LINK_ORDER`): they are kept or discarded together.
    pub linked_to: Option<SectionId>,
    /// Its index in the file's section table; `SHN_COMMON` for a common symbol's.
    pub elf_index: usize,
}

/// A set of sections of which a program keeps one copy among all objects that have it
/// (`SHT_GROUP` with `GRP_COMDAT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComdatGroup<'data> {
    /// The name by which copies in other objects are recognised.
    pub signature: &'data str,
    /// The members that are in the graph.
    pub sections: Vec<SectionId>,
}

/// Who can see a symbol's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolBinding {
    /// Only this object.
    Local,
    /// Everyone; a second definition is an error.
    Global,
    /// Everyone; any other definition will do as well. `STB_GNU_UNIQUE` counts as this: its
    /// copies merge.
    Weak,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolKind {
    /// A function.
    Func,
    /// A variable.
    Data,
    /// A section of this object.
    Section,
    /// A thread-local variable.
    Tls,
    /// Nothing said, as for assembler labels and undefined symbols.
    None,
    /// A resolver function whose result is the symbol's address (`STT_GNU_IFUNC`).
    Ifunc,
}

/// The visibility of a symbol outside the object's component (gABI, `st_other`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// As the binding says.
    Default,
    /// Not outside.
    Hidden,
    /// As hidden, and no pointer to it is handed out.
    Internal,
    /// Visible outside, not replaceable from there.
    Protected,
}

/// Where a symbol's definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolPlace {
    /// In this object.
    Defined {
        /// The section that holds it.
        section: SectionId,
        /// Bytes from the section's start; may lie outside of the section where the assembler
        /// was told so.
        offset: u64,
    },
    /// Not in this object.
    Undefined,
    /// A number, not a place.
    Absolute(u64),
    /// The start of the object's GOT, which the layout supplies (`_GLOBAL_OFFSET_TABLE_`).
    GotBase,
}

/// One symbol of an object.
#[derive(Clone, Debug)]
pub struct Symbol<'data> {
    /// Its name; empty for section symbols. [`LinkGraph::symbol_label`] always has something to
    /// print.
    pub name: &'data str,
    /// Who sees it.
    pub binding: SymbolBinding,
    /// What it names.
    pub kind: SymbolKind,
    /// Its visibility.
    pub visibility: Visibility,
    /// Where it is defined.
    pub place: SymbolPlace,
    /// Its size in bytes, where known, else 0.
    pub size: u64,
    /// Its index in the file's symbol table.
    pub elf_index: usize,
}

/// One place to be fixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// The field's offset in its section, in bytes. The whole field lies in the section.
    pub offset: u64,
    /// The formula.
    pub kind: RelocKind,
    /// The symbol that the formula calls S.
    pub symbol: SymbolId,
    /// The number that the formula calls A.
    pub addend: i64,
}

/// What an object file holds, as far as linking is concerned.
#[derive(Clone, Debug)]
pub struct LinkGraph<'data> {
    /// The object's name, for messages.
    pub name: Arc<str>,
    /// The processor it is for.
    pub arch: Arch,
    /// Its loaded sections.
    pub sections: Vec<Section<'data>>,
    /// Its symbols; file symbols and those of sections that are left out are not among them.
    pub symbols: Vec<Symbol<'data>>,
    /// Its COMDAT groups.
    pub groups: Vec<ComdatGroup<'data>>,
    /// The bytes of `.comment`, in which compilers write their names; empty if there is none.
    pub comment: &'data [u8],
}

impl<'data> LinkGraph<'data> {
    /// The section with this number, if there is one.
    #[must_use]
    pub fn section(&self, id: SectionId) -> Option<&Section<'data>> {
        self.sections.get(id.index())
    }

    /// The symbol with this number, if there is one.
    #[must_use]
    pub fn symbol(&self, id: SymbolId) -> Option<&Symbol<'data>> {
        self.symbols.get(id.index())
    }

    /// Has a variable take at least `size` bytes, zeros at its end, and be aligned to at least
    /// `align`: others of its definitions may ask for more than this one. One that shares its
    /// section keeps its size, and its alignment unless it comes first.
    pub fn make_room(&mut self, variable: SymbolId, size: u64, align: u64) {
        let Some(symbol) = self.symbols.get_mut(variable.index()) else {
            return;
        };
        let SymbolPlace::Defined { section, offset: 0 } = symbol.place else {
            return;
        };
        if let Some(section) = self.sections.get_mut(section.index()) {
            section.align = section.align.max(align);
            if section.size == symbol.size {
                symbol.size = symbol.size.max(size);
                section.size = symbol.size;
            }
        }
    }

    /// All sections with their numbers.
    pub fn section_ids(&self) -> impl Iterator<Item = (SectionId, &Section<'data>)> {
        (0..).map(SectionId).zip(&self.sections)
    }

    /// All symbols with their numbers.
    pub fn symbol_ids(&self) -> impl Iterator<Item = (SymbolId, &Symbol<'data>)> {
        (0..).map(SymbolId).zip(&self.symbols)
    }

    /// A name to print for a symbol: its own, or its section's.
    #[must_use]
    pub fn symbol_label(&self, id: SymbolId) -> &'data str {
        match self.symbol(id) {
            Some(symbol) if !symbol.name.is_empty() => symbol.name,
            Some(Symbol {
                place: SymbolPlace::Defined { section, .. },
                ..
            }) => self.section(*section).map_or("", |section| section.name),
            _ => "*ABS*",
        }
    }

    /// Whether the symbol is a common one (a C tentative definition). Of several, the largest
    /// wins; any other definition wins over it.
    #[must_use]
    pub fn is_common(&self, id: SymbolId) -> bool {
        match self.symbol(id).map(|symbol| symbol.place) {
            Some(SymbolPlace::Defined { section, .. }) => self
                .section(section)
                .is_some_and(|section| section.role == SectionRole::Common),
            _ => false,
        }
    }

    /// Which symbols relocations of kept sections refer to, by their numbers. `discarded` tells
    /// which sections aren't kept. Costs O(relocations).
    pub fn referenced_symbols(&self, discarded: impl Fn(SectionId) -> bool) -> Vec<bool> {
        let mut referenced = vec![false; self.symbols.len()];
        for (id, section) in self.section_ids() {
            if discarded(id) {
                continue;
            }
            for relocation in &section.relocations {
                if let Some(referenced) = referenced.get_mut(relocation.symbol.index()) {
                    *referenced = true;
                }
            }
        }
        referenced
    }

    /// The symbols that the caller has to bind: referred to by a kept section and defined
    /// nowhere in the object. In the order of their numbers; costs O(relocations).
    pub fn undefined_references(
        &self,
        discarded: impl Fn(SectionId) -> bool,
    ) -> impl Iterator<Item = SymbolId> {
        let referenced = self.referenced_symbols(discarded);
        self.symbol_ids()
            .zip(referenced)
            .filter_map(|((id, symbol), is_referenced)| {
                (is_referenced && symbol.place == SymbolPlace::Undefined).then_some(id)
            })
    }
}
