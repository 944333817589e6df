//! What is loaded, for people who want to see it: units, names, sizes, and who names whom.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::{
    Contents, Global, GlobalKind, Linkage, Module, Ordinal, Structor as IndexedStructor,
};
use rustc_hash::FxHashMap;

use crate::base::error::Error;
use crate::base::ids::{UnitId, UnitKey};
use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryId, Ledger};

/// What an engine held when it was asked ([`Engine::inspect`](crate::Engine::inspect)).
///
/// ```
/// let engine = rewire::Engine::new(rewire::Options::default())?;
/// engine.add_ir("f.ll", b"
///     declare i32 @puts(ptr)
///     @text = constant [3 x i8] c\"hi\\00\"
///     define i32 @f() {
///       %r = call i32 @puts(ptr @text)
///       ret i32 %r
///     }")?;
/// let seen = engine.inspect()?;
/// let (_, f) = seen.find("f").unwrap();
/// assert_eq!(f.home, rewire::Home::Unit(0));
/// let called: Vec<&str> = f.callees().map(|used| &*seen.symbol(used.symbol).name).collect();
/// assert_eq!(called, ["puts"]);
/// assert_eq!(engine.report().functions_compiled, 0);
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The units, in the order of loading.
    pub units: Vec<InspectedUnit>,
    /// Everything that the units name, each once however many units name it; LLVM's own
    /// functions and variables (`llvm.memcpy...`) are left out. Those that a unit defines come in
    /// the order of the units.
    pub symbols: Vec<Symbol>,
}

impl Inspection {
    /// The symbol with this number.
    ///
    /// # Panics
    ///
    /// The number is another inspection's.
    #[must_use]
    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }

    /// The global symbol of this name, else the first local one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(SymbolId, &Symbol)> {
        let named = self.all().filter(|(_, symbol)| &*symbol.name == name);
        named.min_by_key(|(_, symbol)| symbol.linkage == Linkage::Local)
    }

    /// All symbols with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        let ids = (0..).map(SymbolId);
        ids.zip(&self.symbols)
    }
}

/// A unit, as it was loaded.
#[derive(Clone, Debug)]
pub struct InspectedUnit {
    /// Its number.
    pub id: UnitId,
    /// Its name: a path mostly.
    pub name: Arc<str>,
    /// How many definitions of it gave way to others of their names (`weak`, `linkonce`, COMDAT).
    pub left_out: usize,
    /// What runs before the program, in the order in which it stands in the unit.
    pub constructors: Vec<Structor>,
    /// What runs after the program.
    pub destructors: Vec<Structor>,
    /// It has module-level assembly.
    pub has_assembly: bool,
}

/// A constructor or destructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structor {
    /// The function.
    pub function: SymbolId,
    /// Constructors with lower ones run first, destructors last; 65535 is the usual one.
    pub priority: u32,
}

/// The number of a symbol in its [`Inspection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(u32);

impl SymbolId {
    /// Its place in [`Inspection::symbols`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Something that has a name.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its name, empty for unnamed ones.
    pub name: Arc<str>,
    /// The linkage of its definition, else of a declaration.
    pub linkage: Linkage,
    /// Its type, as IR writes it.
    pub type_name: Arc<str>,
    /// Where its definition is.
    pub home: Home,
    /// What it is.
    pub kind: SymbolKind,
    /// What its definition names, each once.
    pub uses: Vec<SymbolUse>,
    /// Whose definitions name it, each once.
    pub users: Vec<SymbolUse>,
}

impl Symbol {
    /// What it calls by name. What it calls through pointers isn't known.
    pub fn callees(&self) -> impl Iterator<Item = &SymbolUse> {
        self.uses.iter().filter(|used| used.calls > 0)
    }

    /// Who calls it by name.
    pub fn callers(&self) -> impl Iterator<Item = &SymbolUse> {
        self.users.iter().filter(|user| user.calls > 0)
    }

    /// Whether a unit defines it.
    #[must_use]
    pub fn is_defined(&self) -> bool {
        matches!(self.home, Home::Unit(_) | Home::Assembly(_))
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.name.is_empty() {
            "(unnamed)"
        } else {
            &self.name
        }
    }
}

/// Where a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// In this unit's IR; an index into [`Inspection::units`].
    Unit(usize),
    /// In this unit's module-level assembly.
    Assembly(usize),
    /// Outside of what was loaded: the process, a library that it has loaded, or the engine
    /// has it.
    Host,
    /// Nowhere.
    Nowhere,
}

/// What a symbol is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SymbolKind {
    /// A function.
    Function(FunctionSize),
    /// A variable.
    Variable {
        /// Bytes.
        size: u64,
        /// Each thread has its own.
        thread_local: bool,
        /// It is never written.
        constant: bool,
        /// The section that the source asked for; empty when none.
        section: Box<str>,
    },
    /// Another name for a place in another symbol.
    Alias {
        /// The other symbol.
        of: SymbolId,
        /// Bytes from its start.
        offset: i64,
    },
    /// A function that is chosen by a resolver when it is first needed.
    Ifunc {
        /// The resolver.
        resolver: SymbolId,
    },
}

/// How large a function's IR is; all 0 where no unit's IR defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionSize {
    /// Basic blocks.
    pub blocks: usize,
    /// Instructions, without debug records.
    pub instructions: usize,
    /// Calls of what a pointer leads to.
    pub indirect_calls: usize,
}

/// How one symbol's definition names another symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolUse {
    /// The other one.
    pub symbol: SymbolId,
    /// How many places call it.
    pub calls: usize,
    /// Whether a place names it in another way: takes its address, reads or writes it.
    pub refers: bool,
}

/// See [`Engine::inspect`](crate::Engine::inspect).
pub(crate) fn inspect(core: &Core) -> Result<Inspection, Error> {
    let mut builder = Builder::default();
    let units = {
        let ledger = core.ledger();
        let units = ledger.units();
        builder.places = (0..)
            .zip(&units)
            .map(|(place, unit)| (unit.id, place))
            .collect();
        for (place, unit) in units.iter().enumerate() {
            builder.enter_definitions(&ledger, place, unit);
        }
        for unit in &units {
            builder.enter_declarations(&ledger, unit);
        }
        for unit in &units {
            builder.describe(&ledger, unit);
        }
        units
    };
    for (place, unit) in units.iter().enumerate() {
        builder.read_bodies(core, place, unit)?;
    }
    builder.ask_host();
    builder.find_users();
    Ok(builder.inspection)
}

#[derive(Default)]
struct Builder {
    inspection: Inspection,
    ids: FxHashMap<EntryId, SymbolId>,
    /// The place of each unit among those that are inspected.
    places: FxHashMap<UnitKey, usize>,
    /// The definitions of each unit that stand for their names.
    elected: Vec<Vec<(Ordinal, SymbolId)>>,
}

impl Builder {
    fn enter_definitions(&mut self, ledger: &Ledger, place: usize, unit: &Unit) {
        let mut elected = Vec::new();
        let mut left_out = 0;
        for (ordinal, global, id) in globals(unit) {
            if !global.is_definition {
                continue;
            }
            if ledger.entry(id).elected == Some((unit.id, ordinal)) {
                let home = Home::Unit(place);
                elected.push((ordinal, self.enter(ledger, id, global, home)));
            } else {
                left_out += 1;
            }
        }
        self.elected.push(elected);
        self.inspection.units.push(InspectedUnit {
            id: unit.number(),
            name: unit.name.clone(),
            left_out,
            constructors: Vec::new(),
            destructors: Vec::new(),
            has_assembly: unit.index.has_assembly,
        });
    }

    /// What no unit's IR defines.
    fn enter_declarations(&mut self, ledger: &Ledger, unit: &Unit) {
        for (_, global, id) in globals(unit) {
            if self.ids.contains_key(&id) {
                continue;
            }
            let home = match ledger.entry(id).definition {
                Definition::Engine => Home::Host,
                Definition::Assembly(unit) => match self.places.get(&unit) {
                    Some(place) => Home::Assembly(*place),
                    None => Home::Nowhere,
                },
                _ => Home::Nowhere,
            };
            self.enter(ledger, id, global, home);
        }
    }

    fn enter(&mut self, ledger: &Ledger, id: EntryId, global: &Global, home: Home) -> SymbolId {
        let symbol = SymbolId(self.inspection.symbols.len() as u32);
        self.ids.insert(id, symbol);
        self.inspection.symbols.push(Symbol {
            name: global.name.clone(),
            linkage: ledger.entry(id).linkage,
            type_name: global.type_name.clone(),
            home,
            kind: kind(global),
            uses: Vec::new(),
            users: Vec::new(),
        });
        symbol
    }

    /// Fills in what leads to other symbols.
    fn describe(&mut self, ledger: &Ledger, unit: &Unit) {
        let place = self.places.get(&unit.id).copied().unwrap_or_default();
        let elected = self.elected.get(place).cloned().unwrap_or_default();
        for (ordinal, symbol) in elected {
            let id = unit.entry(ordinal);
            let kind = match id.map(|id| ledger.entry(id).definition) {
                Some(Definition::Alias(target, offset)) => self
                    .ids
                    .get(&target)
                    .map(|of| SymbolKind::Alias { of: *of, offset }),
                Some(Definition::Ifunc(resolver)) => {
                    let resolver = self.ids.get(&resolver);
                    resolver.map(|resolver| SymbolKind::Ifunc {
                        resolver: *resolver,
                    })
                }
                _ => None,
            };
            if let Some(kind) = kind {
                self.inspection.symbols[symbol.index()].kind = kind;
            }
        }
        let structors = |list: &[IndexedStructor]| -> Vec<Structor> {
            let found = list.iter().filter_map(|one| {
                let function = self.ids.get(&unit.entry(one.function)?)?;
                Some(Structor {
                    function: *function,
                    priority: one.priority,
                })
            });
            found.collect()
        };
        let (before, after) = (
            structors(&unit.index.constructors),
            structors(&unit.index.destructors),
        );
        if let Some(inspected) = self.inspection.units.get_mut(place) {
            inspected.constructors = before;
            inspected.destructors = after;
        }
    }

    /// Reads and verifies all of a unit, and looks at the definitions that count.
    fn read_bodies(&mut self, core: &Core, place: usize, unit: &Unit) -> Result<(), Error> {
        let _guard = core.guard_reading(&unit.name);
        let module = unit.whole_module()?;
        for (ordinal, symbol) in self.elected.get(place).into_iter().flatten() {
            let known = &mut self.inspection.symbols[symbol.index()];
            let contents = module.contents(*ordinal);
            if let SymbolKind::Function(size) = &mut known.kind {
                *size = size_of(&contents);
            }
            let uses = contents.uses.iter().filter_map(|used| {
                let symbol = self.ids.get(&unit.entry(used.target)?)?;
                Some(SymbolUse {
                    symbol: *symbol,
                    calls: used.calls,
                    refers: used.refers,
                })
            });
            known.uses = uses.collect();
        }
        self.note_assembly(place, &module);
        Ok(())
    }

    /// What a unit's assembly defines, the ledger learns when it is linked.
    fn note_assembly(&mut self, place: usize, module: &Module) {
        let names = module.assembly_names();
        if names.is_empty() {
            return;
        }
        let by_name: HashMap<Arc<str>, usize> = self
            .inspection
            .symbols
            .iter()
            .enumerate()
            .filter(|(_, symbol)| symbol.home == Home::Nowhere)
            .map(|(id, symbol)| (symbol.name.clone(), id))
            .collect();
        for name in names {
            if let Some(id) = by_name.get(&name) {
                self.inspection.symbols[*id].home = Home::Assembly(place);
            }
        }
    }

    fn ask_host(&mut self) {
        for symbol in &mut self.inspection.symbols {
            if symbol.home != Home::Nowhere || symbol.name.is_empty() {
                continue;
            }
            let thread_local = matches!(
                symbol.kind,
                SymbolKind::Variable {
                    thread_local: true,
                    ..
                }
            );
            if crate::process::host_symbol(&symbol.name, thread_local).is_some() {
                symbol.home = Home::Host;
            }
        }
    }

    fn find_users(&mut self) {
        let mut users: Vec<Vec<SymbolUse>> = vec![Vec::new(); self.inspection.symbols.len()];
        for (id, symbol) in self.inspection.all() {
            for used in &symbol.uses {
                users[used.symbol.index()].push(SymbolUse {
                    symbol: id,
                    ..*used
                });
            }
        }
        for (symbol, users) in self.inspection.symbols.iter_mut().zip(users) {
            symbol.users = users;
        }
    }
}

/// The globals of a unit that the ledger knows.
fn globals(unit: &Unit) -> impl Iterator<Item = (Ordinal, &Global, EntryId)> {
    let numbered = (0..).map(Ordinal::new).zip(&unit.index.globals);
    numbered.filter_map(|(ordinal, global)| Some((ordinal, global, unit.entry(ordinal)?)))
}

fn kind(global: &Global) -> SymbolKind {
    match &global.kind {
        GlobalKind::Variable {
            size,
            thread_local,
            constant,
            section,
            ..
        } => SymbolKind::Variable {
            size: *size,
            thread_local: *thread_local,
            constant: *constant,
            section: section.clone(),
        },
        // What aliases and indirect functions lead to is filled in once all is entered.
        _ => SymbolKind::Function(FunctionSize::default()),
    }
}

fn size_of(contents: &Contents) -> FunctionSize {
    FunctionSize {
        blocks: contents.blocks,
        instructions: contents.instructions,
        indirect_calls: contents.indirect_calls,
    }
}
