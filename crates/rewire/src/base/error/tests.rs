//! Each error says what to do.

use std::io::{Error as IoError, ErrorKind};

use rewire_object::Segment;

use super::*;

/// Lists an example of each variant. A variant that isn't here doesn't compile: the list is
/// matched against the type.
macro_rules! examples {
    ($name:ident: $type:ident, $($variant:ident { $($field:tt: $value:expr),* $(,)? })*) => {
        fn $name() -> Vec<$type> {
            /// Whether the list has the error's variant, which it has.
            fn is_listed(error: &$type) -> bool {
                match error {
                    $($type::$variant { .. } => true,)*
                }
            }
            let all = vec![$($type::$variant { $($field: $value),* }),*];
            assert!(all.iter().all(is_listed));
            all
        }
    };
}

fn name() -> Arc<str> {
    "name".into()
}

fn io() -> Arc<IoError> {
    Arc::new(ErrorKind::NotFound.into())
}

fn stopped() -> Stopped {
    Stopped {
        signal: libc::SIGINT,
        what: String::new(),
        at: ExecAddr::new(0),
        outside: None,
        frames: Vec::new(),
        more: 0,
    }
}

examples! { llvm_errors: LlvmError,
    Syntax { module: name(), line: 1, column: 1, reason: String::new(), is_first: false }
    Newer { module: name(), version: 99, reason: String::new() }
    Malformed { module: name(), reason: String::new() }
    Invalid { module: name(), reason: String::new() }
    OtherTarget { module: name(), found: String::new(), host: String::new() }
    Body { module: name(), reason: String::new() }
    Codegen { module: name(), reason: String::new() }
    UnknownCpu { what: "processor", name: String::new() }
    Passes { text: String::new(), reason: String::new() }
    Transform { module: name(), transform: name(), reason: String::new() }
    NoTarget { reason: String::new() }
}

examples! { memory_errors: MemoryError,
    Reserve { size: 1, source: io() }
    Full { region: rewire_memory::RegionKind::Code, size: 1, wanted: 2 }
    Protect { address: ExecAddr::new(0), size: 1, source: io() }
    Write { address: ExecAddr::new(0), size: 1, source: io() }
    NotInUse {
        region: rewire_memory::RegionKind::Code,
        start: ExecAddr::new(0),
        end: ExecAddr::new(1),
    }
    Proc { path: "/proc/self/maps", source: io() }
}

examples! { errors: Error,
    Read { path: "name".into(), source: io() }
    Llvm { 0: LlvmError::Malformed { module: name(), reason: String::new() } }
    Compile {
        function: name(),
        source: LlvmError::Codegen { module: name(), reason: String::new() },
    }
    Object { 0: ObjectError::Format { object: name(), reason: String::new() } }
    Link { 0: LinkError::TooLarge { object: name(), segment: Segment::Code, limit: 1 } }
    Memory { 0: MemoryError::Reserve { size: 1, source: io() } }
    Duplicate { name: name(), first: name(), second: name() }
    MissingData { unit: name(), name: name() }
    MissingFunction { name: name() }
    Removed { name: name() }
    MainLibrary {}
    NoLibrary {}
    NoUnit {}
    OtherLibrary { unit: name(), library: name() }
    InUse { name: name(), users: Vec::new() }
    Contract { name: name(), reason: String::new(), users: Vec::new() }
    Room { name: name(), unit: name(), reason: String::new() }
    Changing { name: name() }
    NothingToUndo {}
    Panicked { name: name() }
    ListenerPanicked { unit: name() }
    ListenerDepth { unit: name(), depth: 8 }
    Call { function: None, error: Arc::new(Error::NoUnit), callers: Vec::new() }
    Stopped { stopped: Box::new(stopped()) }
    Unknown { name: name() }
    Signature { name: name(), found: name() }
    Replace { name: name(), reason: String::new() }
    Frozen { name: name(), unit: name() }
    AlreadyDefined { name: name() }
    LibraryExists { name: name() }
    OtherEngine {}
    WrongType { name: name(), found: name(), wanted: String::new() }
    WrongArguments { name: name(), wanted: String::new(), given: String::new() }
    Uncallable { name: name(), reason: String::new() }
    Ambiguous { name: name(), candidates: Vec::new() }
    NotGenerated { name: name(), reason: String::new() }
    Alias { unit: name(), name: name() }
    Library { name: String::new(), reason: String::new() }
    TooManyEngines { limit: 1 }
    Internal { 0: String::new() }
    Again { 0: Arc::new(Error::NoUnit) }
}

/// One sentence that begins and ends as the others do.
fn check(error: &Error) {
    let help = error.help().unwrap_or_default();
    assert!(!help.is_empty(), "no help for {error:?}");
    assert!(help.len() < 200, "{help}");
    let ends_plainly = !help.ends_with(['.', '!', ' ']) && !help.contains(['\n', '\t']);
    assert!(ends_plainly && !help.contains(". "), "{help}");
    let first = help.chars().next().unwrap_or_default();
    assert!(!first.is_uppercase(), "{help}");
}

#[test]
fn each_says_what_to_do() {
    errors().iter().for_each(check);
    llvm_errors()
        .into_iter()
        .map(Error::from)
        .for_each(|error| check(&error));
    memory_errors()
        .into_iter()
        .map(Error::from)
        .for_each(|error| check(&error));
}

#[test]
fn a_repeated_error_has_the_help_of_the_first() {
    let missing = Arc::new(Error::MissingFunction { name: name() });
    let call = Error::Call {
        function: None,
        error: Arc::clone(&missing),
        callers: Vec::new(),
    };
    assert_eq!(call.help(), missing.help());
    assert_eq!(Error::Again(missing).help(), call.help());
}

#[test]
fn a_file_that_cannot_be_read() {
    let of = |kind: ErrorKind| {
        let error = Error::Read {
            path: "x".into(),
            source: Arc::new(kind.into()),
        };
        check(&error);
        error.help()
    };
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::IsADirectory,
    ];
    let mut all: Vec<_> = kinds
        .into_iter()
        .chain([ErrorKind::Other])
        .map(of)
        .collect();
    all.dedup();
    assert_eq!(all.len(), 4);
}

#[test]
fn a_path_that_is_no_text() {
    use std::os::unix::ffi::OsStringExt;
    let path = std::ffi::OsString::from_vec(b"caf\xe9.ll".to_vec()).into();
    let error = Error::Read { path, source: io() };
    assert!(error.to_string().contains("caf\\xe9.ll"), "{error}");
}
