//! [`CodeListener`]: how a client is told of code that comes into memory and leaves it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rewire_llvm::Level;
use rewire_memory::ExecAddr;
use rewire_object::{Frame, LinkGraph, Segment, SymbolBinding, SymbolKind};
use rewire_tables::{ExceptionTable, StackMap, TableError, frame_table};

use super::ids::{EntryKind, Generation, UnitId};

/// Is told of each piece of code before it can be run, and after it can no longer be run.
///
/// Registered by [`Engine::listen`](crate::Engine::listen),
/// [`Library::listen`](crate::Library::listen) and
/// [`Engine::listen_to_unit`](crate::Engine::listen_to_unit). Debugger and profiler registrations,
/// and a managed runtime's tables, are made from it. LLVM's counterpart is `JITEventListener`.
///
/// A *piece* is what the engine links in one step: an object file with the functions that were
/// compiled together, or with variables alone. The engine's own pieces (adapters for calls by
/// run-time type, prefixed stubs) are told as well.
///
/// # What is told
///
/// - A piece is told as loaded when its bytes are in memory at their final addresses. No slot leads
///   to it and no other code knows its addresses before all listeners have returned.
/// - A piece is told as unloaded when no call enters it any more and no thread is inside or may
///   return into it, before its memory is used for something else. That is when retired code is
///   freed ([`Engine::reclaim`](crate::Engine::reclaim)), not when it is replaced. A piece whose
///   variables outlive its code is told when the code goes.
/// - A piece may be unloaded without having run: if another thread changed meanwhile what its code
///   names, it is linked again, elsewhere; also if linking fails after all, or if another
///   listener panics.
/// - When an engine is dropped, all of its pieces are told as unloaded, on the thread that leaves
///   it last: a compile thread, perhaps. When the process ends before that, they aren't.
/// - Pieces that were loaded before the listener was registered are told neither as loaded nor as
///   unloaded. While any listener is registered, an image of the program is not restored from the
///   cache as a whole; functions are found in the cache one by one, and told.
///
/// # What a listener may do
///
/// It runs on the thread that loads or frees the code (which may be a compile thread, and for a
/// first call runs on a stack of the engine's with the program's signals blocked), with no lock of
/// the engine's held. Several threads may call it at once. It may call the engine, register and
/// drop listeners, and run compiled code, but not the code that it is told of. What it causes to
/// be loaded is told too, inside of the first call; eight such loads inside one another are
/// possible, then loading fails with [`Error::ListenerDepth`](crate::Error::ListenerDepth). It
/// must not wait for another thread that may be waiting for the code.
///
/// If it panics in [`loaded`](CodeListener::loaded), the piece isn't loaded: the listeners that
/// were told of it are told that it is unloaded, and the load fails with
/// [`Error::ListenerPanicked`](crate::Error::ListenerPanicked); during a first call, the panic
/// resumes in the code that made the call. A panic in [`unloaded`](CodeListener::unloaded) is
/// logged and goes no further.
///
/// A child of a fork keeps its parent's listeners and is told nothing anew.
///
/// It shouldn't own a handle of the engine: see [`Resolver`](crate::Resolver).
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use rewire::{CodeListener, Engine, LoadedCode, Options, UnloadedCode};
///
/// #[derive(Default)]
/// struct Names(Mutex<Vec<String>>);
///
/// impl CodeListener for Names {
///     fn loaded(&self, code: &LoadedCode<'_>) {
///         let names = code.functions().iter().map(|one| one.name.to_string());
///         self.0.lock().unwrap().extend(names);
///     }
///
///     fn unloaded(&self, code: &UnloadedCode) {
///         println!("{} has left", code.unit_name());
///     }
/// }
///
/// let engine = Engine::new(Options::default())?;
/// let names = Arc::new(Names::default());
/// let listening = engine.listen(names.clone());
/// engine.add_ir("one.ll", b"define i32 @one() {\n  ret i32 1\n}")?;
/// engine.compile_all()?;
/// assert_eq!(*names.0.lock().unwrap(), ["one"]);
/// // From here on it is told nothing.
/// drop(listening);
/// # Ok::<(), rewire::Error>(())
/// ```
pub trait CodeListener: Send + Sync {
    /// A piece is in memory and can't be run yet.
    fn loaded(&self, code: &LoadedCode<'_>);

    /// A piece can no longer be run. Its memory is still there and is freed next.
    fn unloaded(&self, code: &UnloadedCode);
}

/// Identifies a piece, uniquely in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeId(pub(crate) u64);

/// A function's body in a piece.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadedFunction {
    /// Its symbol name (mangled).
    pub name: Arc<str>,
    /// The generation of the definition that it is a body of.
    pub generation: Generation,
    /// Its bytes.
    pub code: Range<ExecAddr>,
    /// Which part of the function it is.
    pub part: FunctionPart,
}

/// Which part of a function a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FunctionPart {
    /// All of it.
    Whole,
    /// A continuation: what follows the head of a loop. The frame of another body of the function
    /// calls it in the middle of its own call.
    FromLoopHead(u32),
}

/// How the functions of a piece were compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeTier {
    /// Quickly, for a first call; what is hot is compiled again.
    Quick,
    /// Again, because it was hot.
    Optimised(Level),
    /// Once, at the level that the client chose.
    Fixed(Level),
    /// Not from IR: it is module-level assembly, or a client's object file.
    Given,
}

/// What is known of a piece as long as it is in memory.
#[derive(Clone, Debug)]
pub(crate) struct CodeFacts {
    pub(crate) id: CodeId,
    pub(crate) unit: UnitId,
    pub(crate) unit_name: Arc<str>,
    pub(crate) library: Arc<str>,
    pub(crate) tier: CodeTier,
    pub(crate) functions: Vec<LoadedFunction>,
    /// Code, read-only data, writable data.
    pub(crate) memory: [Range<ExecAddr>; 3],
}

/// A section in memory.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LoadedSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// The address of its first byte.
    pub address: ExecAddr,
    /// Its size in bytes.
    pub size: u64,
    /// The bytes that were written there. Zeros follow up to `size`, as in `.bss`.
    pub bytes: &'a [u8],
    /// The protection of its memory.
    pub segment: Segment,
}

/// A symbol in memory.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LoadedSymbol<'a> {
    /// Its name in the object. A local symbol of the unit has the suffix `.rewire.N`.
    pub name: &'a str,
    /// Its address.
    pub address: ExecAddr,
    /// Its size in bytes; 0 for labels.
    pub size: u64,
    /// Whether only the object knows it.
    pub is_local: bool,
    /// What it names; [`EntryKind::Unknown`] for labels.
    pub kind: EntryKind,
}

/// A piece that was loaded. It borrows what the linker has made, and nothing of it is parsed before
/// it is asked for.
pub struct LoadedCode<'a> {
    pub(crate) facts: &'a CodeFacts,
    pub(crate) graph: &'a LinkGraph<'a>,
    pub(crate) frames: &'a [Frame],
    pub(crate) sections: &'a [LoadedSection<'a>],
    /// The address of each symbol of the graph that is in memory.
    pub(crate) addresses: &'a dyn Fn(usize) -> Option<ExecAddr>,
}

impl<'a> LoadedCode<'a> {
    /// Identifies the piece: [`UnloadedCode::id`] is the same.
    #[must_use]
    pub fn id(&self) -> CodeId {
        self.facts.id
    }

    /// The unit whose IR or assembly it was compiled from.
    #[must_use]
    pub fn unit(&self) -> UnitId {
        self.facts.unit
    }

    /// The unit's name.
    #[must_use]
    pub fn unit_name(&self) -> &'a str {
        &self.facts.unit_name
    }

    /// The name of the unit's library.
    #[must_use]
    pub fn library(&self) -> &'a str {
        &self.facts.library
    }

    /// How it was compiled.
    #[must_use]
    pub fn tier(&self) -> CodeTier {
        self.facts.tier
    }

    /// The functions, by address. Functions of assembly are among them.
    #[must_use]
    pub fn functions(&self) -> &'a [LoadedFunction] {
        &self.facts.functions
    }

    /// The memory that it takes; each range may be empty.
    #[must_use]
    pub fn memory(&self, segment: Segment) -> Range<ExecAddr> {
        self.facts.memory[segment.index()].clone()
    }

    /// The sections, without thread-local ones.
    #[must_use]
    pub fn sections(&self) -> &'a [LoadedSection<'a>] {
        self.sections
    }

    /// The symbols that the object defines and that have addresses: functions, variables, labels of
    /// assembly, local ones too.
    pub fn symbols(&self) -> impl Iterator<Item = LoadedSymbol<'a>> {
        let addresses = self.addresses;
        let symbols = self.graph.symbols.iter().enumerate();
        symbols.filter_map(move |(place, symbol)| {
            let is_named = !symbol.name.is_empty() && symbol.kind != SymbolKind::Section;
            let address = addresses(place).filter(|_| is_named)?;
            Some(LoadedSymbol {
                name: symbol.name,
                address,
                size: symbol.size,
                is_local: symbol.binding == SymbolBinding::Local,
                kind: match symbol.kind {
                    SymbolKind::Func | SymbolKind::Ifunc => EntryKind::Function,
                    SymbolKind::Data => EntryKind::Data,
                    SymbolKind::Tls => EntryKind::ThreadLocal,
                    SymbolKind::None | SymbolKind::Section => EntryKind::Unknown,
                },
            })
        })
    }

    /// The frame descriptions: for each function, where its entry in `.eh_frame` is (LSB core,
    /// section 10.6). They are registered with the unwinder when the listeners have returned.
    #[must_use]
    pub fn unwind_entries(&self) -> &'a [Frame] {
        self.frames
    }

    /// The stack maps: the records of statepoints, stack maps and patch points. Empty without a
    /// section `.llvm_stackmaps`.
    ///
    /// # Errors
    ///
    /// If the section is malformed.
    pub fn stack_maps(&self) -> Result<Vec<StackMap<'a>>, TableError> {
        let maps = self
            .sections
            .iter()
            .find(|one| one.name == ".llvm_stackmaps");
        maps.map_or(Ok(Vec::new()), |section| StackMap::parse_all(section.bytes))
    }

    /// The exception tables of functions that have one, each with the address of its function.
    ///
    /// # Errors
    ///
    /// Each that can't be read is an error.
    pub fn exception_tables(
        &self,
    ) -> impl Iterator<Item = (ExecAddr, Result<ExceptionTable<'a>, TableError>)> {
        let frames = self.frames.iter();
        frames.filter_map(|frame| Some((frame.start, self.exception_table(frame).transpose()?)))
    }

    /// Returns the exception table of a function; `None` if it has none.
    ///
    /// # Errors
    ///
    /// If the frame's description or the table can't be read.
    pub fn exception_table(&self, frame: &Frame) -> Result<Option<ExceptionTable<'a>>, TableError> {
        let Some((frames, at)) = self.bytes_at(frame.description) else {
            return Ok(None);
        };
        let found = frame_table(frames.bytes, frames.address.get(), at)?;
        let place = found.and_then(|address| self.bytes_at(ExecAddr::new(address)));
        let Some((section, at)) = place else {
            return Ok(None);
        };
        let bytes = section.bytes.get(at..).unwrap_or_default();
        let address = (section.address + at as u64).get();
        ExceptionTable::parse(bytes, address, frame.start.get()).map(Some)
    }

    /// Returns a function's machine code.
    pub(crate) fn bytes_of(&self, function: &LoadedFunction) -> Option<&'a [u8]> {
        let (section, from) = self.bytes_at(function.code.start)?;
        let size = function.code.end.offset_from(function.code.start) as usize;
        section.bytes.get(from..from.checked_add(size)?)
    }

    /// The section that an address is in, and where it is there.
    fn bytes_at(&self, address: ExecAddr) -> Option<(&'a LoadedSection<'a>, usize)> {
        let mut sections = self.sections.iter();
        let found = sections.find(|one| {
            let range = one.address..one.address + one.size;
            range.contains(&address)
        })?;
        Some((found, address.offset_from(found.address) as usize))
    }
}

impl fmt::Debug for LoadedCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadedCode").field(self.facts).finish()
    }
}

/// A piece that was unloaded: what was told of it when it was loaded.
#[derive(Debug)]
pub struct UnloadedCode {
    pub(crate) facts: CodeFacts,
}

impl UnloadedCode {
    /// Identifies the piece: [`LoadedCode::id`] was the same.
    #[must_use]
    pub fn id(&self) -> CodeId {
        self.facts.id
    }

    /// The unit that it was compiled from, which may have left.
    #[must_use]
    pub fn unit(&self) -> UnitId {
        self.facts.unit
    }

    /// The unit's name.
    #[must_use]
    pub fn unit_name(&self) -> &str {
        &self.facts.unit_name
    }

    /// The name of the unit's library.
    #[must_use]
    pub fn library(&self) -> &str {
        &self.facts.library
    }

    /// How it was compiled.
    #[must_use]
    pub fn tier(&self) -> CodeTier {
        self.facts.tier
    }

    /// The functions, by address.
    #[must_use]
    pub fn functions(&self) -> &[LoadedFunction] {
        &self.facts.functions
    }

    /// The memory that it took. Of a piece whose variables outlive its code, only the code's is
    /// freed.
    #[must_use]
    pub fn memory(&self, segment: Segment) -> Range<ExecAddr> {
        self.facts.memory[segment.index()].clone()
    }
}
