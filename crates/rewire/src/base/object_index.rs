//! The index of an object file: what it defines and uses, in the terms in which the ledger knows
//! units of IR.
//!
//! The globals are the object's symbols that other objects see, in the order of its symbol table.
//! Local symbols concern nobody else, so they have no number.

use std::sync::Arc;

use rewire_llvm::{
    Contract, Global, GlobalKind, Linkage, ModuleIndex, ObjectTraits, Ordinal, TypeId, Visibility,
};
use rewire_object::{
    Formula, LinkGraph, ObjectError, Section, SectionId, SectionRole, Segment, Symbol,
    SymbolBinding, SymbolId, SymbolKind, SymbolPlace, called_symbols,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::ids::EntryId;

/// The numbers that the symbols of an object have in its index.
pub(crate) struct Numbering {
    /// By symbol; `None` for local ones.
    ordinals: Vec<Option<Ordinal>>,
    /// The functions that choose what indirect functions stand for. Each has the place of its
    /// indirect function, and no name.
    resolvers: Vec<(SymbolId, Ordinal)>,
    /// The number of each symbol that is another name of a function, and that of the function.
    aliases: FxHashMap<u32, Ordinal>,
}

impl Numbering {
    /// Numbers the symbols of an object. As in a module of IR, aliases and indirect functions come
    /// last.
    pub(crate) fn new(graph: &LinkGraph<'_>) -> Self {
        let first = first_names(graph);
        let is_alias = |id: SymbolId, symbol: &Symbol<'_>| {
            let place = function_place(graph, symbol);
            place.is_some_and(|place| first.get(&place) != Some(&id))
        };
        let mut next = 0;
        let mut number = || {
            next += 1;
            Ordinal::new(next - 1)
        };
        let mut ordinals = vec![None; graph.symbols.len()];
        let globals: Vec<(SymbolId, &Symbol<'_>)> =
            graph.symbol_ids().filter(|it| is_global(it.1)).collect();
        let (ifuncs, others): (Vec<_>, Vec<_>) = globals
            .into_iter()
            .partition(|(_, symbol)| symbol.kind == SymbolKind::Ifunc);
        let (seconds, plain): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|(id, symbol)| is_alias(*id, symbol));
        for (id, _) in plain {
            ordinals[id.index()] = Some(number());
        }
        let resolvers = ifuncs.iter().map(|(id, _)| (*id, number())).collect();
        for (id, _) in ifuncs {
            ordinals[id.index()] = Some(number());
        }
        let mut aliases = FxHashMap::default();
        for (id, symbol) in seconds {
            ordinals[id.index()] = Some(number());
            let place = function_place(graph, symbol);
            let of = place.and_then(|place| ordinals[first.get(&place)?.index()]);
            aliases.extend(of.map(|of| (id.0, of)));
        }
        Self {
            ordinals,
            resolvers,
            aliases,
        }
    }

    /// Returns the number of each symbol.
    pub(crate) fn ordinals(&self) -> impl Iterator<Item = Option<Ordinal>> {
        self.ordinals.iter().copied()
    }

    /// Returns the symbol of each function that isn't called by the symbol's name: those that
    /// choose what indirect functions stand for, and `own` copies of functions.
    pub(crate) fn unnamed<'a>(
        &'a self,
        own: &'a [(Ordinal, EntryId)],
    ) -> impl Iterator<Item = (SymbolId, Ordinal)> + 'a {
        let copies = own.iter().filter_map(|(copy, _)| {
            let is_it = |one: &Option<Ordinal>| one.is_some_and(|one| one.own_copy() == *copy);
            let place = self.ordinals.iter().position(is_it)?;
            Some((SymbolId(place as u32), *copy))
        });
        self.resolvers.iter().copied().chain(copies)
    }
}

/// Returns the place of a function that other objects see.
fn function_place(graph: &LinkGraph<'_>, symbol: &Symbol<'_>) -> Option<(SectionId, u64)> {
    match symbol.place {
        SymbolPlace::Defined { section, offset }
            if symbol.kind == SymbolKind::Func
                && is_global(symbol)
                && graph.section(section)?.segment == Segment::Code =>
        {
            Some((section, offset))
        }
        _ => None,
    }
}

/// Returns the name of each function that others are aliases of: the first that no other object's
/// definition may take the place of, or else the first.
fn first_names(graph: &LinkGraph<'_>) -> FxHashMap<(SectionId, u64), SymbolId> {
    let mut first = FxHashMap::default();
    for is_weak in [false, true] {
        for (id, symbol) in graph.symbol_ids() {
            if (symbol.binding == SymbolBinding::Weak) == is_weak
                && let Some(place) = function_place(graph, symbol)
            {
                first.entry(place).or_insert(id);
            }
        }
    }
    first
}

/// Reads the index of an object.
///
/// # Errors
///
/// Two global symbols of one name; functions whose checks read what lies in front of them.
pub(crate) fn index(graph: &LinkGraph<'_>) -> Result<ModuleIndex, ObjectError> {
    let called = called_symbols(graph);
    let numbering = Numbering::new(graph);
    let contract = Arc::new(Contract::default());
    let unknown: Arc<str> = "".into();
    let mut seen = FxHashSet::default();
    let mut globals = Vec::with_capacity(graph.symbols.len());
    let symbols = graph.symbol_ids().zip(called).zip(numbering.ordinals());
    for (((id, symbol), is_called), ordinal) in symbols {
        let refuse = |reason: &str| ObjectError::Symbol {
            object: graph.name.clone(),
            symbol: symbol.name.to_owned(),
            index: symbol.elf_index,
            reason: reason.to_owned(),
        };
        if symbol.name.starts_with(KCFI) && symbol.place != SymbolPlace::Undefined {
            return Err(refuse(
                "the checks of -fsanitize=kcfi read what lies in front of a function, which isn't \
                 there if the function can be replaced; compile without it",
            ));
        }
        let Some(ordinal) = ordinal else {
            continue;
        };
        if symbol.binding != SymbolBinding::Local && !seen.insert(symbol.name) {
            return Err(refuse(
                "the symbol table has another global symbol of this name",
            ));
        }
        let section = section_of(graph, symbol);
        let group = section.and_then(|section| graph.groups.get(section.group? as usize));
        let resolver = numbering.resolvers.iter().find(|one| one.0 == id);
        let kind = match (numbering.aliases.get(&id.0), resolver) {
            (Some(of), _) => GlobalKind::Alias {
                target: Some((*of, 0)),
            },
            (None, Some((_, resolver))) => GlobalKind::Ifunc {
                resolver: Some(*resolver),
            },
            (None, None) => kind(symbol, section, is_called),
        };
        let global = Global {
            name: symbol.name.into(),
            is_definition: symbol.place != SymbolPlace::Undefined,
            linkage: linkage(symbol, section),
            visibility: match symbol.visibility {
                rewire_object::Visibility::Default => Visibility::Default,
                rewire_object::Visibility::Protected => Visibility::Protected,
                _ => Visibility::Hidden,
            },
            type_name: unknown.clone(),
            type_id: TypeId::UNKNOWN,
            comdat: group.map(|group| group.signature.into()),
            contract: contract.clone(),
            has_front: false,
            coroutine: None,
            is_inlined_away: false,
            kind,
        };
        if let Some((_, resolver)) = resolver {
            let chooser = Global {
                name: unknown.clone(),
                linkage: Linkage::Local,
                comdat: None,
                kind: GlobalKind::Function,
                ..global.clone()
            };
            globals.push((*resolver, chooser));
        }
        globals.push((ordinal, global));
    }
    globals.sort_unstable_by_key(|one| one.0);
    Ok(ModuleIndex {
        globals: globals.into_iter().map(|one| one.1).collect(),
        object: Some(ObjectTraits {
            has_tables: graph.sections.iter().any(is_table),
            is_tied: is_tied(graph),
        }),
        ..ModuleIndex::default()
    })
}

/// How the names of the symbols begin by which clang marks where a function's type is written.
const KCFI: &str = "__cfi_";

/// Whether other objects see a symbol.
fn is_global(symbol: &Symbol<'_>) -> bool {
    // What an indirect function stands for is known to the ledger alone. Each object has its own
    // pointer to a personality function, whoever else has one.
    (symbol.binding != SymbolBinding::Local || symbol.kind == SymbolKind::Ifunc)
        && !symbol.name.is_empty()
        && symbol.place != SymbolPlace::GotBase
        && !symbol.name.starts_with("DW.ref.")
}

/// Whether a section is walked as a whole, so that it must be in memory before code runs.
pub(crate) fn is_table(section: &Section<'_>) -> bool {
    section.size > 0
        && match section.role {
            SectionRole::InitArray | SectionRole::FiniArray => true,
            SectionRole::Plain => is_identifier(section.name),
            _ => false,
        }
}

/// Whether a section's name can be part of `__start_NAME` in C.
pub(crate) fn is_identifier(section: &str) -> bool {
    let mut bytes = section.bytes();
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(starts) && bytes.all(|byte| starts(byte) || byte.is_ascii_digit())
}

fn section_of<'g, 'd>(graph: &'g LinkGraph<'d>, symbol: &Symbol<'_>) -> Option<&'g Section<'d>> {
    match symbol.place {
        SymbolPlace::Defined { section, .. } => graph.section(section),
        _ => None,
    }
}

fn linkage(symbol: &Symbol<'_>, section: Option<&Section<'_>>) -> Linkage {
    match symbol.binding {
        SymbolBinding::Local => Linkage::Local,
        SymbolBinding::Weak if symbol.place == SymbolPlace::Undefined => Linkage::ExternWeak,
        SymbolBinding::Weak => Linkage::Weak,
        _ if section.is_some_and(|section| section.role == SectionRole::Common) => Linkage::Common,
        _ => Linkage::External,
    }
}

fn kind(symbol: &Symbol<'_>, section: Option<&Section<'_>>, is_called: bool) -> GlobalKind {
    let is_code = section.is_some_and(|section| section.segment == Segment::Code);
    let is_undefined = symbol.place == SymbolPlace::Undefined;
    match symbol.kind {
        SymbolKind::Func if is_code || is_undefined => return GlobalKind::Function,
        // If nothing defines a name that is only called, that is an error when it is called.
        SymbolKind::None if is_undefined && is_called && symbol.binding != SymbolBinding::Weak => {
            return GlobalKind::Function;
        }
        SymbolKind::None if is_undefined => return GlobalKind::Untyped,
        _ => {}
    }
    GlobalKind::Variable {
        size: symbol.size,
        align: section.map_or(1, |section| match symbol.place {
            SymbolPlace::Defined { offset, .. } if offset > 0 => {
                section.align.min(1 << offset.trailing_zeros())
            }
            _ => section.align,
        }),
        thread_local: symbol.kind == SymbolKind::Tls,
        constant: section.is_some_and(|section| section.segment != Segment::Data),
        section: "".into(),
    }
}

/// Whether gcc may have compiled functions with knowledge of what others of the object do to
/// registers and the stack (its option `-fipa-ra`, which is on when it optimises). It doesn't for
/// functions that another definition may take the place of (`-fPIC`); only such code reaches what
/// it defines through the GOT.
fn is_tied(graph: &LinkGraph<'_>) -> bool {
    let is_of_gcc = memchr::memmem::find(graph.comment, b"GCC: (").is_some();
    let is_replaceable = |symbol: &Symbol<'_>| {
        symbol.binding == SymbolBinding::Global
            && symbol.visibility == rewire_object::Visibility::Default
            && matches!(symbol.place, SymbolPlace::Defined { .. })
    };
    let mut relocations = graph.sections.iter().flat_map(|one| &one.relocations);
    is_of_gcc
        && !relocations.any(|one| {
            matches!(
                one.kind.formula(),
                Formula::GotEntryPc | Formula::ThreadPairPc
            ) && graph.symbol(one.symbol).is_some_and(is_replaceable)
        })
}
