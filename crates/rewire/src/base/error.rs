//! [`Error`]: every error that the engine returns to its clients, with a message and a hint what to
//! do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rewire_llvm::LlvmError;
use rewire_memory::{ExecAddr, MemoryError};
use rewire_object::{LinkError, ObjectError};

use super::demangle::{demangle, is_of_rust};
use super::escape::escape_path;
use super::recovery::Stopped;

/// An error of the engine. Its message says what is wrong and where; [`Error::help`] says what to
/// do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: Arc<io::Error>,
    },
    /// LLVM rejected a module.
    #[error("{0}")]
    Llvm(#[from] LlvmError),
    /// One function could not be compiled.
    #[error("cannot compile {function}: {source}")]
    Compile {
        /// The function.
        function: Arc<str>,
        /// Why.
        source: LlvmError,
    },
    /// An object could not be read.
    #[error("{0}")]
    Object(#[from] ObjectError),
    /// An object could not be linked.
    #[error("{0}")]
    Link(#[from] LinkError),
    /// Memory for code or data could not be reserved, mapped or written.
    #[error("{0}")]
    Memory(#[from] MemoryError),
    /// Two units define the same name, and neither definition is weak.
    #[error("{name} is defined in {first} and in {second}")]
    Duplicate {
        /// The name.
        name: Arc<str>,
        /// The unit that was added first.
        first: Arc<str>,
        /// The unit that was added second.
        second: Arc<str>,
    },
    /// Code refers to a variable that nothing defines.
    #[error("{unit}: {name} is used and nothing defines it")]
    MissingData {
        /// The unit whose code refers to the variable.
        unit: Arc<str>,
        /// The variable.
        name: Arc<str>,
    },
    /// A function that nothing defines was called, or was asked for.
    #[error("{name} is called and nothing defines it")]
    MissingFunction {
        /// The function.
        name: Arc<str>,
    },
    /// A function was called after it was removed.
    #[error("{name} is called and was removed")]
    Removed {
        /// The function.
        name: Arc<str>,
    },
    /// The main library was to be removed; it lives as long as its engine.
    #[error("the main library stays as long as its engine")]
    MainLibrary,
    /// The library was removed.
    #[error("the library was removed")]
    NoLibrary,
    /// The unit was removed.
    #[error("the unit was removed")]
    NoUnit,
    /// A reload was requested in another library than the unit's own.
    #[error("{unit} is a unit of the library {library}: its new version goes there")]
    OtherLibrary {
        /// The unit.
        unit: Arc<str>,
        /// The library that the unit belongs to.
        library: Arc<str>,
    },
    /// A name that other code uses was to be removed.
    #[error("{name} is used by {}", list(users))]
    InUse {
        /// The name.
        name: Arc<str>,
        /// The functions and variables that use the name.
        users: Vec<String>,
    },
    /// A new definition breaks what the users of the name rely on: its type, or its contract (the
    /// attributes of the function and its parameters).
    #[error("{name} cannot be replaced: {reason}; it is used by {}", list(users))]
    Contract {
        /// The name.
        name: Arc<str>,
        /// What differs from the definition in force.
        reason: String,
        /// The functions and variables that use the name.
        users: Vec<String>,
    },
    /// Two units define the same variable, and the copy that is in memory can't serve as the later
    /// unit's: it is too small, or not aligned as the later unit's code relies on.
    #[error("{unit} defines {name} as well: {reason}")]
    Room {
        /// The name.
        name: Arc<str>,
        /// The unit that was loaded later.
        unit: Arc<str>,
        /// How the memory falls short.
        reason: String,
    },
    /// A change of this name is under way, and this operation can't wait for it: a change or undo
    /// that the same thread began meanwhile (in a resolver or constructor, say), an addition of IR
    /// while another thread changes the name, or a refresh while any thread does. A change or undo
    /// of another thread waits instead (see [`Change`](crate::Change)), unless the thread that it
    /// would wait for waits for it.
    #[error("{name} is being changed by a change that is not finished")]
    Changing {
        /// The name.
        name: Arc<str>,
    },
    /// No change is left that can be undone.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// A closure of the client (a resolver, or one that makes IR) panicked. During a first call,
    /// the panic resumes in the code that made the call instead.
    #[error("a resolver panicked as it was asked for {name}")]
    Panicked {
        /// The name.
        name: Arc<str>,
    },
    /// A listener panicked as it was told of code, which therefore wasn't loaded. During a first
    /// call, the panic resumes in the code that made the call instead.
    #[error("a listener panicked as code of {unit} was loaded")]
    ListenerPanicked {
        /// The unit of the code.
        unit: Arc<str>,
    },
    /// Listeners had code loaded as they were told of code, which had listeners told, and so on.
    #[error("listeners had code loaded, {depth} times inside one another; the last is of {unit}")]
    ListenerDepth {
        /// The unit of the code.
        unit: Arc<str>,
        /// How many loads were under way.
        depth: u32,
    },
    /// A function could not be compiled or resolved during a call that the client made
    /// ([`Library::call`](crate::Library::call)). The engine abandoned the call: it unwound the
    /// frames in between.
    #[error("{error}{}", led_there(callers))]
    Call {
        /// The function that can't run; `None` if the engine doesn't know which it is.
        function: Option<Arc<str>>,
        /// Why it can't run.
        #[source]
        error: Arc<Error>,
        /// The chain of callers that led to the function, innermost first.
        callers: Vec<Arc<str>>,
    },
    /// A call of compiled code crashed, or the user interrupted it, and the engine returned to the
    /// client without unwinding the call (see [`Recovery`](crate::Recovery)).
    #[error("{stopped}")]
    Stopped {
        /// Where the call was stopped, and why.
        stopped: Box<Stopped>,
    },
    /// A lookup asked for a name that nothing defines.
    #[error("nothing defines {name}")]
    Unknown {
        /// The name.
        name: Arc<str>,
    },
    /// The function to start with doesn't have the type of a main function.
    #[error("{name} has the type {found}, which is not that of a main function")]
    Signature {
        /// The function.
        name: Arc<str>,
        /// Its type.
        found: Arc<str>,
    },
    /// A replacement doesn't fit the function that it is meant to replace.
    #[error("{name} cannot be replaced: {reason}")]
    Replace {
        /// The function.
        name: Arc<str>,
        /// Why.
        reason: String,
    },
    /// A new unit defines a function that frozen code already calls directly in the host.
    #[error("{unit}: {name} cannot be defined any more: frozen code calls the host's directly")]
    Frozen {
        /// The function.
        name: Arc<str>,
        /// The unit that defines the name.
        unit: Arc<str>,
    },
    /// The library defines the name already.
    #[error("{name} is defined already")]
    AlreadyDefined {
        /// The name.
        name: Arc<str>,
    },
    /// A library of this name exists already.
    #[error("there is a library {name} already")]
    LibraryExists {
        /// Its name.
        name: Arc<str>,
    },
    /// A library or unit of one engine was passed to another engine.
    #[error("a library or unit of another engine")]
    OtherEngine,
    /// A name has another type than the one it was asked for as.
    #[error("{name} has the type {found}, and {wanted} was asked for")]
    WrongType {
        /// The name.
        name: Arc<str>,
        /// Its type as IR writes it.
        found: Arc<str>,
        /// The type that was asked for.
        wanted: String,
    },
    /// A function was called with arguments that don't fit its parameters.
    #[error("{name} takes ({wanted}), and ({given}) was given")]
    WrongArguments {
        /// The function.
        name: Arc<str>,
        /// The types of its parameters.
        wanted: String,
        /// The types of the arguments.
        given: String,
    },
    /// A function that only compiled code can call, because LLVM can't compile a call adapter for
    /// its type or calling convention.
    #[error("{name} can't be called from outside of compiled code: {reason}")]
    Uncallable {
        /// The function.
        name: Arc<str>,
        /// LLVM's message.
        reason: String,
    },
    /// Several symbols have the same demangled name.
    #[error("{name} may be {}", .candidates.join(", "))]
    Ambiguous {
        /// The demangled name that was asked for.
        name: Arc<str>,
        /// The mangled names that it may stand for.
        candidates: Vec<Arc<str>>,
    },
    /// A client's closure could not make the IR of a function, or made IR that doesn't define it.
    #[error("{name} has no IR: {reason}")]
    NotGenerated {
        /// The function.
        name: Arc<str>,
        /// The reason that the closure gave.
        reason: String,
    },
    /// An alias or an indirect function (`ifunc`) doesn't resolve to one definition plus a constant
    /// offset.
    #[error("{unit}: {name} is no constant offset from one definition")]
    Alias {
        /// The unit that defines the name.
        unit: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// A shared library could not be loaded.
    #[error("cannot load the library {name}: {reason}")]
    Library {
        /// The library's name, as it was asked for.
        name: String,
        /// The dynamic loader's message.
        reason: String,
    },
    /// The process has as many engines as it can have.
    #[error("there are {limit} engines in this process already, which is the most")]
    TooManyEngines {
        /// The maximum number of engines.
        limit: usize,
    },
    /// An invariant of the engine was violated. This is a bug of the engine; it continues to run.
    #[error("internal error: {0}")]
    Internal(String),
    /// A definition could not be compiled, resolved or made when it was first needed. The engine
    /// doesn't try again, and repeats that error.
    #[error("{0}")]
    Again(Arc<Error>),
}

/// The part of a message that lists the callers of a function that can't run.
fn led_there(callers: &[Arc<str>]) -> String {
    let callers: Vec<String> = callers.iter().map(|it| demangle(it)).collect();
    match callers.as_slice() {
        [] => String::new(),
        some => format!("; called by {}", some.join(", called by ")),
    }
}

/// The first few names of a list, and how many more there are.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|it| demangle(it)).collect();
    match names.len() {
        0 => "nobody that is compiled".to_owned(),
        few if few <= SHOWN => shown.join(", "),
        many => format!("{} and {} more", shown.join(", "), many - SHOWN),
    }
}

impl Error {
    /// Returns the original error, if this one repeats or wraps it: what a function failed with
    /// when it was first called, or what ended a call.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Again(error) | Self::Call { error, .. } => error.cause(),
            other => other,
        }
    }

    /// Returns one sentence that says what to do about the error. Every error has one today; the
    /// `Option` leaves room for errors about which nothing can be done.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let fixed = match self {
            Self::Again(error) | Self::Call { error, .. } => return error.help(),
            Self::Llvm(error) | Self::Compile { source: error, .. } => return Some(of_llvm(error)),
            Self::Read { source, .. } => of_reading(source.kind()),
            Self::Object(_) => {
                "give what the message names another size, alignment or section, or leave it out"
            }
            Self::Link(error) => of_link(error),
            Self::Memory(error) => return Some(of_memory(error)),
            Self::Duplicate { name, .. } => {
                return Some(format!(
                    "load only one of them, or make {name} static in one"
                ));
            }
            Self::MissingData { name, .. } | Self::MissingFunction { name } => {
                return Some(of_missing(name));
            }
            Self::Removed { .. } => "define it again, or replace the functions that call it",
            Self::MainLibrary => "remove its units (Engine::remove_unit), or drop the engine",
            Self::NoLibrary => "use another library, or make a new one (Engine::new_library)",
            Self::NoUnit => "add it again; Engine::units lists those that are loaded",
            Self::OtherLibrary { library, .. } => {
                return Some(format!("reload it with Library::change of {library}"));
            }
            Self::InUse { .. } => {
                "remove or replace its users first, or use Change::force, after which calls of it \
                 fail"
            }
            Self::Contract { .. } => {
                "keep what its users rely on, or have them compiled again \
                 (Change::on_type_change with TypeChange::Recompile)"
            }
            Self::Room { name, .. } => {
                return Some(format!(
                    "give {name} the same type, alignment and section in both units"
                ));
            }
            Self::Changing { .. } => "make this change when the other is done",
            Self::NothingToUndo => {
                "a change can be undone once, and only the latest ones: Options::undo_depth says \
                 how many"
            }
            Self::Panicked { .. } | Self::ListenerPanicked { .. } => {
                "correct the closure: the panic's message says where it failed"
            }
            Self::ListenerDepth { .. } => {
                "have the listener call only functions that are loaded, and not what it is told of"
            }
            Self::Stopped { .. } => {
                "the call was left as it was: what it holds (memory, locks, objects) it keeps"
            }
            Self::Unknown { .. } => "check its spelling, or load what defines it",
            Self::Signature { .. } => {
                "it has to return i32 or void and to take nothing, (i32), (i32, ptr) or \
                 (i32, ptr, ptr)"
            }
            Self::Replace { .. } => {
                "leave it as it is, or remove its unit and load a new version of the whole unit"
            }
            Self::Frozen { unit, .. } => {
                return Some(format!("load {unit} before any frozen code runs"));
            }
            Self::AlreadyDefined { .. } => {
                "choose another name, or replace what has it (Library::replace, Change::define)"
            }
            Self::LibraryExists { .. } => {
                "choose another name, or use that library (Engine::libraries)"
            }
            Self::OtherEngine => "use libraries and units only with the engine that made them",
            Self::WrongType { found, .. } => {
                return Some(format!(
                    "ask for it as the Rust type that stands for {found}"
                ));
            }
            Self::WrongArguments { .. } => "give one value for each parameter, of its type",
            Self::Uncallable { .. } => {
                "define a function that calls it, if its calling convention lets compiled code do that"
            }
            Self::Ambiguous { .. } => "ask for one of these names (Library::lookup)",
            Self::NotGenerated { name, .. } => {
                return Some(format!("have the closure return IR that defines {name}"));
            }
            Self::Alias { .. } => {
                "make it an alias of one function or variable, at a constant offset"
            }
            Self::Library { .. } => OF_LIBRARY,
            Self::TooManyEngines { .. } => OF_TOO_MANY_ENGINES,
            Self::Internal(_) => "report it with what led to it: the engine itself is wrong here",
        };
        Some(fixed.to_owned())
    }
}

const OF_LIBRARY: &str = "check its name and folder (-L DIR for -l NAME); ldd lists the libraries \
                          that it needs itself";

const OF_TOO_MANY_ENGINES: &str = "drop an engine that isn't used any more, with all handles to it; \
                                   what has to be kept apart may be libraries of one engine \
                                   (Engine::new_library)";

fn of_llvm(error: &LlvmError) -> String {
    match error {
        LlvmError::OtherTarget { .. } => {
            "compile it for x86_64-unknown-linux-gnu, or leave the triple out"
        }
        LlvmError::Syntax { is_first: true, .. } => {
            "give bitcode or text of LLVM 22 or earlier, such as clang -c -emit-llvm makes"
        }
        LlvmError::Newer { .. } => "make it again with tools of LLVM 22 or earlier",
        LlvmError::Malformed { .. } => "make it again: the file is damaged or not complete",
        LlvmError::Syntax { .. } => {
            "correct the text there, or make it again with tools of LLVM 22"
        }
        LlvmError::Invalid { .. } | LlvmError::Body { .. } => {
            "correct the IR, or what made it: LLVM's own tools, such as opt, refuse it too"
        }
        LlvmError::Codegen { .. } => {
            "use only attributes, intrinsics and inline assembly that x86-64 has"
        }
        LlvmError::UnknownCpu { .. } => "`KnownCpus::list` has all names",
        LlvmError::Passes { .. } => {
            "write passes as `opt -passes=` takes them; `opt -print-passes` lists them"
        }
        LlvmError::Transform { .. } => {
            "correct the transform: what it makes must be well-formed, and define the same names"
        }
        LlvmError::NoTarget { .. } => "link the program with an LLVM that has the X86 target",
    }
    .to_owned()
}

fn of_reading(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "check its name, and the folder that the name starts from",
        io::ErrorKind::PermissionDenied => "allow this user to read it (chmod, chown)",
        io::ErrorKind::IsADirectory => "give the files in it",
        _ => "give a file that can be read",
    }
}

fn of_link(error: &LinkError) -> &'static str {
    match error {
        LinkError::TooLarge { .. } => {
            "divide the unit into smaller ones, or make its variables smaller"
        }
        LinkError::StaticThread { .. } => {
            "compile the object with -fPIC, which makes it ask for each thread's variables"
        }
        _ => "change the assembly, section or code model that asks for this relocation",
    }
}

fn of_memory(error: &MemoryError) -> String {
    let help = match error {
        MemoryError::Reserve { .. } => "raise the limit of address space (ulimit -v)",
        MemoryError::Full { .. } => "remove code that isn't needed any more, or load less of it",
        MemoryError::Protect { .. } | MemoryError::Write { .. } => {
            "raise the limits of memory (ulimit -v and -d), or free some of it"
        }
        MemoryError::NotInUse { .. } => {
            "report it with what led to it: the engine itself is wrong here"
        }
        MemoryError::Proc { .. } => "mount /proc: the engine reads there where threads' stacks are",
    };
    let mut help = help.to_owned();
    if help.contains("ulimit") {
        for (name, bytes) in rewire_memory::memory_limits() {
            help.push_str(&format!("; {name} is {} KiB", bytes / 1024));
        }
    }
    help
}

fn of_missing(name: &str) -> String {
    if is_of_rust(name) {
        return format!(
            "load what defines {name}; what is Rust's own is in libstd-HASH.so in the folder that \
             `rustc --print target-libdir` says: -L FOLDER -l std-HASH"
        );
    }
    format!("load the file, or the library (-l), that defines {name}")
}

/// Describes a function that could not be compiled or resolved when it was called; passed to the
/// handler of [`Engine::on_failure`](crate::Engine::on_failure).
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// The function that was called; `None` if the engine doesn't know which it is.
    pub function: Option<&'a str>,
    /// Why it can't run.
    pub error: &'a Error,
    /// The chain of callers that led to the call, innermost first.
    pub callers: &'a [String],
}

/// Several lines for people to read; functions appear under their demangled names.
impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.error)?;
        if let Some(function) = self.function {
            writeln!(f, "  in the first call of {}", demangle(function))?;
        }
        for caller in self.callers {
            writeln!(f, "  called by {}", demangle(caller))?;
        }
        if let Some(help) = self.error.help() {
            writeln!(f, "help: {help}")?;
        }
        Ok(())
    }
}

/// Returns the address of a function to run instead of one that failed; see
/// [`Engine::on_failure`](crate::Engine::on_failure).
pub(crate) type FailureHandler = dyn Fn(&Failure<'_>) -> Option<ExecAddr> + Send + Sync;

#[cfg(test)]
mod tests;
