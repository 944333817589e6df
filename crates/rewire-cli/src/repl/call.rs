//! `:call`: runs a function, and comes back where it calls something that can't be run.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rewire::{Engine, Failure, Library, Value};

use super::trouble::Trouble;
use super::values::{self, Kept};
use super::words::Word;

thread_local! {
    /// Whether this thread runs a call of the REPL's.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
    /// Why the call on this thread was given up.
    static FAILED: RefCell<Option<Trouble>> = const { RefCell::new(None) };
}

/// What a call that is given up unwinds with.
struct GivenUp;

/// Has calls come back to the REPL when they call a function that can't be compiled or resolved:
/// instead of that function, one runs that panics, and the panic unwinds through compiled frames
/// as an exception does, cleanups included.
///
/// Other threads of the program have nowhere to come back to: there, the process ends.
pub(crate) fn come_back_on_failure(engine: &Engine) {
    engine.on_failure(|failure| {
        if !IS_CALLING.get() {
            return None;
        }
        FAILED.set(Some(trouble(failure)));
        Some((give_up as *const ()).into())
    });
}

/// Runs instead of a function that can't, in its caller's place.
extern "C-unwind" fn give_up() {
    resume_unwind(Box::new(GivenUp));
}

fn trouble(failure: &Failure<'_>) -> Trouble {
    let mut what = failure.error.to_string();
    // Below the gate to the function are the REPL's own frames.
    let callers = failure.callers.iter();
    for caller in callers.take_while(|name| !name.starts_with("gate.")) {
        what.push_str("\n  called by ");
        what.push_str(caller);
    }
    Trouble::Said {
        what,
        help: failure.error.help(),
    }
}

/// Calls a function and returns what the user is shown.
pub(crate) fn call(
    engine: &Engine,
    library: &Library,
    name: &str,
    words: &[Word],
    kept: &mut Kept,
) -> Result<String, Trouble> {
    let arguments = arguments(library, name, words, kept)?;
    // What was printed so far comes before what compiled code prints.
    let _ = std::io::stdout().flush();
    let guard = Calling::begin();
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the user asked for it: what the function does is theirs to know. The types of
        // the arguments are checked.
        unsafe {
            engine.run_constructors()?;
            library.call(name, &arguments)
        }
    }));
    drop(guard);
    flush_stdio();
    match result {
        Ok(value) => Ok(values::show(value?)),
        Err(payload) if payload.is::<GivenUp>() => {
            let failed = FAILED.take();
            Err(failed.unwrap_or_else(|| Trouble::said(format!("{name} was given up"))))
        }
        Err(_) => Err(Trouble::said(format!("a panic came out of {name}"))),
    }
}

/// The words as values of the types that the function takes.
fn arguments(
    library: &Library,
    name: &str,
    words: &[Word],
    kept: &mut Kept,
) -> Result<Vec<Value>, Trouble> {
    let type_name = library.state(name).and_then(|state| state.type_name);
    let Some(type_name) = type_name else {
        return Err(Trouble::with_help(
            format!("nothing defines {name}"),
            "define it, or declare it if the process has it",
        ));
    };
    let Some((_, parameters)) = values::split_type(&type_name) else {
        return Err(Trouble::said(format!(
            "{name} is no function: its type is {type_name}"
        )));
    };
    if let Some(odd) = parameters.iter().find(|one| !values::is_plain(one)) {
        return Err(Trouble::with_help(
            format!("{name} is {type_name}, and {odd} can't be given here"),
            "define a function of plain parameters that calls it",
        ));
    }
    if parameters.len() != words.len() {
        let wanted = parameters.join(", ");
        let given = match words.len() {
            0 => "no argument".to_owned(),
            1 => "1 argument".to_owned(),
            many => format!("{many} arguments"),
        };
        return Err(Trouble::said(format!(
            "{name} takes ({wanted}), and {given} was given"
        )));
    }
    let pairs = words.iter().zip(parameters);
    pairs
        .map(|(word, wanted)| values::parse(word, wanted, library, kept))
        .collect()
}

/// Says that a call is under way, until it is dropped.
struct Calling;

impl Calling {
    fn begin() -> Self {
        FAILED.set(None);
        IS_CALLING.set(true);
        Self
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        IS_CALLING.set(false);
    }
}

/// Writes out what compiled code printed with C's streams, so that it stands before what comes
/// next.
pub(crate) fn flush_stdio() -> c_int {
    // SAFETY: null stands for all output streams (fflush(3)).
    unsafe { libc::fflush(std::ptr::null_mut()) }
}
