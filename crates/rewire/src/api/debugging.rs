//! Listeners that make compiled code known to debuggers and profilers.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rewire_debug::jitdump::JitDump;
use rewire_debug::perf_map::PerfMap;
use rewire_debug::{EhFrame, Function, gdb};
use rewire_sync::Mutex;
use rustc_hash::FxHashMap;

use crate::base::demangle::demangle;
use crate::base::listener::{CodeId, CodeListener, FunctionPart, LoadedCode, UnloadedCode};
use crate::base::sync::lock;

/// Makes compiled functions known to gdb and lldb, for as long as they are in memory: breakpoints
/// by name, names in back-traces, and unwinding through them.
///
/// It uses gdb's JIT interface (gdb's manual, "JIT Compilation Interface"), whose list of code is
/// the process's, so one listener for each engine is enough. With a debugger attached, each piece
/// of code that is loaded takes half a millisecond more; without one, some microseconds.
///
/// ```
/// use std::sync::Arc;
/// use rewire::{DebuggerListener, Engine, Options};
///
/// let engine = Engine::new(Options::default())?;
/// let _listening = engine.listen(Arc::new(DebuggerListener::default()));
/// engine.add_ir("one.ll", b"define i32 @one() {\n  ret i32 1\n}")?;
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Default)]
pub struct DebuggerListener {
    known: Mutex<FxHashMap<CodeId, gdb::Registration>>,
}

impl DebuggerListener {
    /// Whether a debugger is attached to this process.
    #[must_use]
    pub fn is_wanted() -> bool {
        gdb::is_attached()
    }
}

impl fmt::Debug for DebuggerListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = lock(&self.known).len();
        f.debug_struct("DebuggerListener")
            .field("pieces", &pieces)
            .finish()
    }
}

impl CodeListener for DebuggerListener {
    fn loaded(&self, code: &LoadedCode<'_>) {
        // Debuggers demangle names by themselves.
        let functions = functions(code, |name| name.to_owned());
        let functions: Vec<Function<'_>> = functions.iter().map(NamedFunction::view).collect();
        if !functions.is_empty() {
            let registration = gdb::register(&functions);
            lock(&self.known).insert(code.id(), registration);
        }
    }

    fn unloaded(&self, code: &UnloadedCode) {
        let registration = lock(&self.known).remove(&code.id());
        drop(registration);
    }
}

/// Makes compiled functions known to perf: a jitdump for `perf inject --jit`, which tells code that
/// lay at one place at different times apart, and a map for `perf report`.
///
/// perf looks into its map only where code lies in no file, so for that the engine needs
/// [`CodeMapping::Anonymous`](crate::CodeMapping::Anonymous). The jitdump needs `perf record -k 1`.
///
/// ```no_run
/// use std::sync::Arc;
/// use rewire::{CodeMapping, Engine, Options, PerfListener};
///
/// let engine = Engine::new(Options {
///     code_mapping: CodeMapping::Anonymous,
///     ..Options::default()
/// })?;
/// let perf = PerfListener::create(".".as_ref())?;
/// let _listening = engine.listen(Arc::new(perf));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PerfListener {
    dump: JitDump,
    map: PerfMap,
    has_failed: AtomicBool,
}

impl PerfListener {
    /// Begins the files `jit-PROCESS.dump` in `folder` and `/tmp/perf-PROCESS.map`.
    ///
    /// # Errors
    ///
    /// One of them can't be written; or the jitdump can't be mapped as code, which is how perf
    /// finds it.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            dump: JitDump::create(folder)?,
            map: PerfMap::create()?,
            has_failed: AtomicBool::new(false),
        })
    }

    /// The jitdump's file.
    #[must_use]
    pub fn dump(&self) -> &Path {
        self.dump.path()
    }

    fn write(&self, functions: &[Function<'_>]) -> io::Result<()> {
        self.map.add(functions)?;
        functions
            .iter()
            .try_for_each(|function| self.dump.add(function))
    }
}

impl CodeListener for PerfListener {
    fn loaded(&self, code: &LoadedCode<'_>) {
        let functions = functions(code, |name| demangle(name).to_string());
        let functions: Vec<Function<'_>> = functions.iter().map(NamedFunction::view).collect();
        if functions.is_empty() {
            return;
        }
        if let Err(error) = self.write(&functions)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "what perf reads can't be written any more");
        }
    }

    fn unloaded(&self, _: &UnloadedCode) {}
}

/// A function of a piece of code, with the name that it is told by.
struct NamedFunction<'a> {
    name: String,
    start: u64,
    code: &'a [u8],
    frames: Option<EhFrame<'a>>,
}

impl NamedFunction<'_> {
    fn view(&self) -> Function<'_> {
        Function {
            name: &self.name,
            start: self.start,
            code: self.code,
            frames: self.frames,
        }
    }
}

/// The functions of a piece of code whose bytes are known.
fn functions<'a>(code: &LoadedCode<'a>, named: impl Fn(&str) -> String) -> Vec<NamedFunction<'a>> {
    let frames = code
        .sections()
        .iter()
        .find(|section| section.name == ".eh_frame");
    let frames = frames.map(|section| EhFrame {
        address: section.address.get(),
        bytes: section.bytes,
    });
    let with_code = code.functions().iter().filter_map(|function| {
        let name = named(&function.name);
        Some(NamedFunction {
            name: match function.part {
                FunctionPart::FromLoopHead(head) => format!("{name} [loop {head}]"),
                FunctionPart::Whole => name,
            },
            start: function.code.start.get(),
            code: code.bytes_of(function)?,
            frames,
        })
    });
    with_code.collect()
}
