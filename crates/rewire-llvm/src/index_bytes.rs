//! [`ModuleIndex`] as bytes, so that a module whose index is known need not be read before
//! something of it is compiled.
//!
//! Numbers are little-endian. Type names with their identities, contracts and COMDATs are each
//! written once, in tables, and globals refer to them by number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::contract::Contract;
use crate::index::{CoroutinePart, Global, GlobalKind, Linkage, ModuleIndex, Structor, Visibility};
use crate::ordinal::Ordinal;
use crate::type_id::TypeId;

/// Identifies the format.
const MAGIC: &[u8; 4] = b"RWX1";

/// Stands for what isn't there, where a number is expected.
const NONE: u32 = u32::MAX;

impl ModuleIndex {
    /// The index as bytes, for [`ModuleIndex::from_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut types = Table::default();
        let mut contracts = Table::default();
        let mut comdats = Table::default();
        let mut globals = IndexWriter::default();
        for global in &self.globals {
            globals.text(&global.name);
            globals.number(types.number((global.type_name.clone(), global.type_id)));
            globals.number(contracts.number(ByAddress(global.contract.clone())));
            let comdat = global.comdat.clone();
            globals.number(comdat.map_or(NONE, |comdat| comdats.number(comdat)));
            globals.byte(linkage_to_byte(global.linkage));
            globals.byte(match global.visibility {
                Visibility::Default => 0,
                Visibility::Hidden => 1,
                Visibility::Protected => 2,
            });
            let coroutine = match global.coroutine {
                None => 0,
                Some(CoroutinePart::Counted) => 1,
                Some(CoroutinePart::Uncounted) => 2,
            };
            let flags = u8::from(global.is_definition)
                | u8::from(global.has_front) << 1
                | u8::from(global.is_inlined_away) << 2;
            globals.byte(flags | coroutine << 4);
            globals.kind(&global.kind);
        }
        let mut out = IndexWriter::default();
        out.0.extend(MAGIC);
        out.number(types.list.len() as u32);
        for (name, id) in &types.list {
            out.text(name);
            out.0.extend(id.bytes());
        }
        out.number(contracts.list.len() as u32);
        for contract in &contracts.list {
            out.text(&contract.0.to_text());
        }
        out.number(comdats.list.len() as u32);
        for comdat in &comdats.list {
            out.text(comdat);
        }
        out.number(self.globals.len() as u32);
        out.0.extend(globals.0);
        out.structors(&self.constructors);
        out.structors(&self.destructors);
        out.number(self.used.len() as u32);
        for one in &self.used {
            out.number(one.bits() as u32);
        }
        out.byte(self.has_assembly.into());
        out.0
    }

    /// The index that these bytes were made from; `None` if they weren't made from one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = IndexReader(bytes.strip_prefix(MAGIC)?);
        let types = reader.list(|reader| {
            let name: Arc<str> = reader.text()?.into();
            let (id, rest) = reader.0.split_first_chunk()?;
            reader.0 = rest;
            Some((name, TypeId::new(*id)))
        })?;
        let contracts = reader.list(|reader| Some(Arc::new(Contract::parse(reader.text()?))))?;
        let comdats: Vec<Arc<str>> = reader.list(|reader| Some(reader.text()?.into()))?;
        let globals = reader.list(|reader| {
            let name = reader.text()?.into();
            let (type_name, type_id) = types.get(reader.number()? as usize)?.clone();
            let contract = contracts.get(reader.number()? as usize)?.clone();
            let comdat = match reader.number()? {
                NONE => None,
                place => Some(comdats.get(place as usize)?.clone()),
            };
            let linkage = linkage_from_byte(reader.byte()?)?;
            let visibility = match reader.byte()? {
                0 => Visibility::Default,
                1 => Visibility::Hidden,
                2 => Visibility::Protected,
                _ => return None,
            };
            let flags = reader.byte()?;
            Some(Global {
                name,
                is_definition: flags & 1 != 0,
                linkage,
                visibility,
                type_name,
                type_id,
                comdat,
                contract,
                has_front: flags & 2 != 0,
                coroutine: match flags >> 4 {
                    0 => None,
                    1 => Some(CoroutinePart::Counted),
                    2 => Some(CoroutinePart::Uncounted),
                    _ => return None,
                },
                is_inlined_away: flags & 4 != 0,
                kind: reader.kind()?,
            })
        })?;
        let index = Self {
            globals,
            constructors: reader.structors()?,
            destructors: reader.structors()?,
            used: reader.list(|reader| Some(Ordinal::new(reader.number()?)))?,
            has_assembly: reader.byte()? != 0,
            object: None,
        };
        (reader.0.is_empty() && index.is_consistent()).then_some(index)
    }

    /// Whether all ordinals in it are those of its globals.
    fn is_consistent(&self) -> bool {
        let is_there = |ordinal: &Ordinal| ordinal.index() < self.globals.len();
        let structors = self.constructors.iter().chain(&self.destructors);
        let mut named = structors.flat_map(|one| [Some(one.function), one.associated]);
        named.all(|one| one.is_none_or(|one| is_there(&one)))
            && self.used.iter().all(is_there)
            && self.globals.iter().all(|global| match &global.kind {
                GlobalKind::Alias { target } => {
                    target.as_ref().is_none_or(|(target, _)| is_there(target))
                }
                GlobalKind::Ifunc { resolver } => resolver.as_ref().is_none_or(is_there),
                _ => true,
            })
    }
}

fn linkage_to_byte(linkage: Linkage) -> u8 {
    match linkage {
        Linkage::External => 0,
        Linkage::Local => 1,
        Linkage::LinkOnce => 2,
        Linkage::Weak => 3,
        Linkage::Common => 4,
        Linkage::ExternWeak => 5,
        Linkage::Appending => 6,
    }
}

fn linkage_from_byte(byte: u8) -> Option<Linkage> {
    Some(match byte {
        0 => Linkage::External,
        1 => Linkage::Local,
        2 => Linkage::LinkOnce,
        3 => Linkage::Weak,
        4 => Linkage::Common,
        5 => Linkage::ExternWeak,
        6 => Linkage::Appending,
        _ => return None,
    })
}

/// Contracts that globals share are one value; whether others are equal doesn't matter.
#[derive(Clone)]
struct ByAddress(Arc<Contract>);

impl PartialEq for ByAddress {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ByAddress {}

impl Hash for ByAddress {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Values in the order in which they were first met.
struct Table<T> {
    list: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn number(&mut self, value: T) -> u32 {
        let next = self.list.len() as u32;
        let number = *self.numbers.entry(value.clone()).or_insert(next);
        if number == next {
            self.list.push(value);
        }
        number
    }
}

#[derive(Default)]
struct IndexWriter(Vec<u8>);

impl IndexWriter {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn wide(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
    }

    fn kind(&mut self, kind: &GlobalKind) {
        match kind {
            GlobalKind::Function => self.byte(0),
            // Only of IR are indices kept.
            GlobalKind::Intrinsic | GlobalKind::Untyped => self.byte(1),
            GlobalKind::Variable {
                size,
                align,
                thread_local,
                constant,
                section,
            } => {
                self.byte(2);
                self.wide(*size);
                self.wide(*align);
                self.byte(u8::from(*thread_local) | u8::from(*constant) << 1);
                self.text(section);
            }
            GlobalKind::Alias { target } => {
                self.byte(3);
                let (ordinal, offset) = target.map_or((NONE, 0), |(ordinal, offset)| {
                    (ordinal.bits() as u32, offset)
                });
                self.number(ordinal);
                self.wide(offset as u64);
            }
            GlobalKind::Ifunc { resolver } => {
                self.byte(4);
                self.number(resolver.map_or(NONE, |one| one.bits() as u32));
            }
        }
    }

    fn structors(&mut self, list: &[Structor]) {
        self.number(list.len() as u32);
        for one in list {
            self.number(one.priority);
            self.number(one.function.bits() as u32);
            self.number(one.associated.map_or(NONE, |one| one.bits() as u32));
        }
    }
}

struct IndexReader<'b>(&'b [u8]);

impl<'b> IndexReader<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn wide(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(bytes).ok()
    }

    /// A number of items, and the items; each takes a byte at least.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        if count > self.0.len() {
            return None;
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(item(self)?);
        }
        Some(list)
    }

    fn ordinal(&mut self) -> Option<Option<Ordinal>> {
        Some(match self.number()? {
            NONE => None,
            number => Some(Ordinal::new(number)),
        })
    }

    fn kind(&mut self) -> Option<GlobalKind> {
        Some(match self.byte()? {
            0 => GlobalKind::Function,
            1 => GlobalKind::Intrinsic,
            2 => {
                let (size, align, flags) = (self.wide()?, self.wide()?, self.byte()?);
                GlobalKind::Variable {
                    size,
                    align,
                    thread_local: flags & 1 != 0,
                    constant: flags & 2 != 0,
                    section: self.text()?.into(),
                }
            }
            3 => {
                let (ordinal, offset) = (self.ordinal()?, self.wide()? as i64);
                GlobalKind::Alias {
                    target: ordinal.map(|ordinal| (ordinal, offset)),
                }
            }
            4 => GlobalKind::Ifunc {
                resolver: self.ordinal()?,
            },
            _ => return None,
        })
    }

    fn structors(&mut self) -> Option<Vec<Structor>> {
        self.list(|reader| {
            Some(Structor {
                priority: reader.number()?,
                function: Ordinal::new(reader.number()?),
                associated: reader.ordinal()?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Module;
    use crate::source::Source;

    const TEXT: &str = r#"
        target triple = "x86_64-unknown-linux-gnu"
        %pair = type { i32, ptr }
        $group = comdat any
        module asm "nothing:"
        @value = thread_local global i64 5, align 16
        @table = private constant [2 x i8] c"ab", section "words"
        @named = linkonce_odr hidden constant i8 1, comdat($group)
        @second = alias i8, getelementptr (i8, ptr @table, i64 1)
        @chosen = ifunc i32 (), ptr @choose
        @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }]
            [{ i32, ptr, ptr } { i32 7, ptr @begin, ptr @named }]
        @llvm.used = appending global [1 x ptr] [ptr @value]
        declare fastcc void @passes(ptr byval(%pair) align 8, i32 signext)
        declare extern_weak void @may_be_missing()
        define internal ptr @choose() {
          ret ptr @begin
        }
        define void @begin() nounwind willreturn prefix i32 3 {
          call void @llvm.donothing()
          ret void
        }
        declare void @llvm.donothing()
    "#;

    fn index() -> ModuleIndex {
        let module = Module::read(&Source::new("test", TEXT.as_bytes())).expect("correct IR");
        module.index().expect("names are UTF-8")
    }

    #[test]
    fn what_was_written_is_read() {
        let index = index();
        let read = ModuleIndex::from_bytes(&index.to_bytes()).expect("it was just written");
        assert_eq!(format!("{read:?}"), format!("{index:?}"));
        let contracts = |index: &ModuleIndex| -> Vec<Arc<Contract>> {
            index
                .globals
                .iter()
                .map(|one| one.contract.clone())
                .collect()
        };
        assert_eq!(contracts(&read), contracts(&index));
    }

    #[test]
    fn what_is_cut_off_or_changed_is_no_index_or_a_consistent_one() {
        let bytes = index().to_bytes();
        for cut in 0..bytes.len() {
            assert!(ModuleIndex::from_bytes(&bytes[..cut]).is_none(), "{cut}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x80;
            // It need not be noticed, but nothing may go wrong.
            let read = ModuleIndex::from_bytes(&changed);
            assert!(read.is_none_or(|read| read.is_consistent()));
        }
    }
}
