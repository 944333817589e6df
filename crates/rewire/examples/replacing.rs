//! Runs a program and replaces its functions by their own IR while it runs: at the entries of its
//! functions, on the thread that runs it, and on another thread all the while. Whatever is
//! replaced, the program prints what it prints without.
//!
//! The program has to be built with clang's `-finstrument-functions`, so that each function tells
//! when it is entered. What was done is printed on standard error.
//!
//! ```text
//! clang -O0 -finstrument-functions -c -emit-llvm program.c
//! cargo run -p rewire --example replacing -- program.bc [--eager] [-O LEVEL] [--threads N]
//! ```

use std::error::Error;
use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rewire::{Engine, EntryKind, ExecAddr, Level, OptLevel, Options};

/// A function is replaced at each of the first entries, then at every so manieth.
const DENSE: u64 = 100;
const SPARSE: u64 = 1000;

/// The most replacements of one run: a program that enters millions of functions has to end as
/// well.
const MOST: u64 = 100;

struct Replacer {
    engine: Engine,
    functions: Vec<Arc<str>>,
    entered: AtomicU64,
    replaced: AtomicU64,
    /// Replacements that were refused because another thread was replacing the same function.
    contended: AtomicU64,
    /// The program has returned.
    is_over: AtomicBool,
}

static REPLACER: OnceLock<Replacer> = OnceLock::new();

impl Replacer {
    /// Gives a function the body that it has.
    fn replace(&self, number: u64) {
        let index = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let name = &self.functions[index as usize % self.functions.len()];
        let main = self.engine.main();
        let replaced = main
            .ir(name)
            .and_then(|ir| main.replace(name, ir.as_bytes()));
        match replaced {
            Ok(_) => self.replaced.fetch_add(1, Ordering::Relaxed),
            Err(rewire::Error::Changing { .. }) => self.contended.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                eprintln!("error: {error}");
                std::process::exit(1);
            }
        };
    }

    fn may_go_on(&self) -> bool {
        self.replaced.load(Ordering::Relaxed) < MOST
    }

    /// Replaces one function after another until the program returns.
    fn run(&self) {
        let mut number = 1 << 40;
        while self.may_go_on() && !self.is_over.load(Ordering::Acquire) {
            self.replace(number);
            number += 1;
        }
    }
}

/// Called by each function of the program as it is entered.
unsafe extern "C-unwind" fn entered(_function: *const c_void, _call: *const c_void) {
    if let Some(replacer) = REPLACER.get() {
        let number = replacer.entered.fetch_add(1, Ordering::Relaxed);
        if (number < DENSE || number.is_multiple_of(SPARSE)) && replacer.may_go_on() {
            replacer.replace(number);
        }
    }
}

/// Called by each function of the program as it is left.
unsafe extern "C-unwind" fn left(_function: *const c_void, _call: *const c_void) {}

/// The file, the engine's options, and whether all is compiled before the program runs.
fn arguments() -> Result<(String, Options, bool), Box<dyn Error>> {
    let mut options = Options::default();
    let mut is_eager = false;
    let mut file = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--eager" => is_eager = true,
            "--threads" => {
                options.threads = arguments
                    .next()
                    .ok_or("--threads needs a number")?
                    .parse()?;
            }
            "-O" => {
                options.level = OptLevel::Fixed(match arguments.next().as_deref() {
                    Some("0") => Level::O0,
                    Some("1") => Level::O1,
                    Some("2") => Level::O2,
                    Some("3") => Level::O3,
                    _ => return Err("-O needs a level: 0, 1, 2 or 3".into()),
                });
            }
            _ => file = Some(argument),
        }
    }
    Ok((file.ok_or("no file was named")?, options, is_eager))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (file, options, is_eager) = arguments()?;
    let engine = Engine::new(options)?;
    let main = engine.main();
    let address = |function: unsafe extern "C-unwind" fn(*const c_void, *const c_void)| {
        ExecAddr::new(function as *const () as u64)
    };
    main.define("__cyg_profile_func_enter", address(entered))?;
    main.define("__cyg_profile_func_exit", address(left))?;
    main.add_file(Path::new(&file))?;
    if is_eager {
        engine.compile_all()?;
    }
    let functions = main.names().into_iter();
    let functions = functions.filter(|(name, kind)| {
        *kind == EntryKind::Function && !name.starts_with("__cyg_profile_func")
    });
    let replacer = REPLACER.get_or_init(|| Replacer {
        functions: functions.map(|(name, _)| name).collect(),
        engine,
        entered: AtomicU64::new(0),
        replaced: AtomicU64::new(0),
        contended: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
    });
    let argv = [c"program".as_ptr(), std::ptr::null()];
    let other = std::thread::spawn(|| replacer.run());
    // SAFETY: the arguments are C strings that live as long as the process, and whoever names a
    // file answers for what is in it.
    let code = unsafe {
        replacer
            .engine
            .run_main("main", 1, argv.as_ptr(), argv[1..].as_ptr())?
    };
    replacer.is_over.store(true, Ordering::Release);
    other.join().map_err(|_| "the replacing thread panicked")?;
    eprintln!(
        "{} functions entered, {} replaced, {} attempts refused",
        replacer.entered.load(Ordering::Relaxed),
        replacer.replaced.load(Ordering::Relaxed),
        replacer.contended.load(Ordering::Relaxed),
    );
    std::process::exit(code)
}
