//! Hard cases of changes: what is replaced or removed is being used in some special way at that
//! moment.

mod cycles;
mod entries;
mod forking;
mod leaving;
pub(crate) mod registered;
mod resolvers;
mod throwing;

use std::ffi::c_void;
use std::process::Command;
use std::time::Duration;

use rewire::{CodeMapping, Engine, Level, OptLevel, Options, Reclaimed, RetiredCode, UnitId};

use crate::support::on_fresh_stack;

pub(crate) type Plain = extern "C-unwind" fn() -> i32;
pub(crate) type WithData = extern "C-unwind" fn(*mut c_void) -> i32;

/// The levels, each without undoing and with it.
const CASES: [Case; 4] = [
    Case::new(Level::O0, 0),
    Case::new(Level::O2, 0),
    Case::new(Level::O0, 8),
    Case::new(Level::O2, 8),
];

/// What a test is run with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) level: Level,
    pub(crate) undo_depth: usize,
    pub(crate) threads: usize,
}

impl Case {
    pub(crate) const fn new(level: Level, undo_depth: usize) -> Self {
        Self {
            level,
            undo_depth,
            threads: 0,
        }
    }

    pub(crate) fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// An engine that knows [`act`] and [`say`].
    pub(crate) fn engine(self) -> Engine {
        let engine = Engine::new(Options {
            level: OptLevel::Fixed(self.level),
            threads: self.threads,
            undo_depth: self.undo_depth,
            // Each kind of code memory has its turn.
            code_mapping: match self.level {
                Level::O0 => CodeMapping::Mirrored,
                _ => CodeMapping::Anonymous,
            },
            ..Options::default()
        })
        .unwrap();
        let main = engine.main();
        main.define("act", (act as *const ()).into()).unwrap();
        main.define("say", (say as *const ()).into()).unwrap();
        engine
    }

    /// Whether changes can be undone.
    pub(crate) fn undoes(self) -> bool {
        self.undo_depth > 0
    }
}

/// What a child says that has run its test to the end.
const DONE: i32 = 7;

/// Runs a test in each case, in a process of its own: threads of other tests may have stale
/// addresses on their stacks of engines that were at the same place. Each case has a fresh thread.
pub(crate) fn in_each_case(test: impl Fn(Case) + Sync) {
    let run = || {
        for case in CASES {
            on_fresh_thread(|| test(case));
        }
    };
    let thread = std::thread::current();
    match thread.name() {
        // The harness names its threads after their tests, when there are several.
        Some(name) if name != "main" && !is_child() => {
            let said = said_in_process(name, "cases", run);
            assert_eq!(said, [DONE]);
        }
        _ => {
            run();
            if is_child() {
                say(DONE);
            }
        }
    }
}

/// Runs something on a thread whose stack holds nothing from before.
pub(crate) fn on_fresh_thread<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            clear_stack();
            run()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[inline(never)]
pub(crate) fn clear_stack() {
    std::hint::black_box([0u8; 512 << 10]);
}

/// Runs something in a process of its own for each level, which ends by `exit`, and compares what
/// compiled code said meanwhile. `test` is the path of the test that calls this.
pub(crate) fn in_process(test: &str, expected: &[i32], run: impl Fn(Level) + Sync) {
    let said = |level: Level| said_in_process(test, &format!("{level:?}"), || run(level));
    for level in [Level::O0, Level::O2] {
        let said = said(level);
        assert!(is_child() || said == expected, "{said:?} at {level:?}");
    }
}

const WHICH: &str = "REWIRE_TEST_CHILD";

/// As [`in_process`], once; what the child said. `which` tells the child which of several calls of
/// this it is for.
pub(crate) fn said_in_process(test: &str, which: &str, run: impl Fn() + Sync) -> Vec<i32> {
    match std::env::var(WHICH) {
        Ok(wanted) => {
            if wanted == which {
                on_fresh_thread(&run);
                // SAFETY: ends the process, as a return from `main` does.
                unsafe { libc::exit(0) };
            }
            Vec::new()
        }
        Err(_) => {
            // This thread's stack was another's before, and is looked at while it waits.
            clear_stack();
            let output = Command::new(std::env::current_exe().unwrap())
                .args([test, "--exact", "--nocapture", "--include-ignored"])
                .env(WHICH, which)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            print!("{}", String::from_utf8_lossy(&output.stdout));
            assert!(
                output.status.success(),
                "{test}, {which}: {}\n{text}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout)
            );
            let parts = text.split('<').skip(1);
            let said = parts.filter_map(|part| part.split_once('>')?.0.parse().ok());
            said.collect()
        }
    }
}

/// Whether this process is one that [`said_in_process`] has started.
pub(crate) fn is_child() -> bool {
    std::env::var_os(WHICH).is_some()
}

/// What compiled code calls to say a number; see [`in_process`].
pub(crate) extern "C-unwind" fn say(number: i32) {
    let text = format!("<{number}>");
    // SAFETY: the bytes are there.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

/// Something for compiled code to do: it calls `act` with the pointer.
pub(crate) struct Act<'a>(Box<dyn FnMut() + 'a>);

impl<'a> Act<'a> {
    pub(crate) fn new(run: impl FnMut() + 'a) -> Self {
        Self(Box::new(run))
    }

    /// Valid as long as this stays where it is.
    pub(crate) fn data(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }
}

/// `act` of compiled code.
pub(crate) extern "C-unwind" fn act(data: *mut c_void) {
    if data.is_null() {
        return;
    }
    // SAFETY: tests pass what `Act::data` gave, on one thread at a time.
    let act = unsafe { &mut *data.cast::<Act<'_>>() };
    (act.0)();
}

pub(crate) fn function<F: Copy>(engine: &Engine, name: &str) -> F {
    let address = engine.lookup(name).unwrap().get();
    assert_eq!(size_of::<F>(), size_of::<u64>());
    // SAFETY: the test says which type the function has, and keeps the engine alive.
    unsafe { std::mem::transmute_copy(&address) }
}

/// The value of a variable.
pub(crate) fn read<T: Copy>(engine: &Engine, name: &str) -> T {
    let address = engine.lookup(name).unwrap().get();
    // SAFETY: the test says which type the variable has, and keeps the engine alive.
    unsafe { (address as *const T).read_volatile() }
}

/// Gives a variable a value.
pub(crate) fn write<T: Copy>(engine: &Engine, name: &str, value: T) {
    let address = engine.lookup(name).unwrap().get();
    // SAFETY: as above.
    unsafe { (address as *mut T).write_volatile(value) };
}

pub(crate) fn add(engine: &Engine, ir: &str) -> UnitId {
    engine.add_ir("test.ll", ir.as_bytes()).unwrap()
}

/// What runs instead of a function that can't be called, where a test says so.
pub(crate) extern "C-unwind" fn instead() -> i32 {
    -1
}

/// Calls `f`.
pub(crate) const CALLER: &str = "declare i32 @f()
    define i32 @g() {
      %x = call i32 @f()
      ret i32 %x
    }";

/// Runs a test at each level, with changes that can be undone.
pub(crate) fn at_each_level(test: impl Fn(Engine) + Sync) {
    for level in [Level::O0, Level::O2] {
        on_fresh_stack(|| test(Case::new(level, 8).engine()));
    }
}

pub(crate) fn returns(name: &str, value: i32) -> String {
    format!("define i32 @{name}() {{\n ret i32 {value}\n}}\n")
}

/// Gives back all that was retired; other tests' threads may have to be waited for. What stays
/// because code in force names variables of it goes when that code does; the answer is how much
/// that is.
pub(crate) fn reclaim_all(engine: &Engine) -> usize {
    let is_named = |one: &RetiredCode| {
        let holder = one.holder.as_deref();
        holder.is_some_and(|holder| holder.contains(", which names "))
    };
    let mut last = Reclaimed::default();
    for _ in 0..1000 {
        last = engine.reclaim();
        if last.left.iter().all(is_named) {
            return last.left.len();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let few = &last.left[..last.left.len().min(5)];
    panic!("{} are left: {few:?}; {:?}", last.left.len(), last.unknown);
}

/// Undoes everything that can be undone, forgets it, and gives all of it back.
pub(crate) fn undo_all(engine: &Engine) {
    while engine.undo().is_ok() {}
    reclaim_all(engine);
}

/// All that was retired is given back, unless code in force names something of it. A compile thread
/// may still finish what nobody needs any more.
pub(crate) fn is_all_freed(engine: &Engine) {
    for _ in 0..1000 {
        if reclaim_all(engine) > 0 {
            return;
        }
        let report = engine.report();
        let given_back = report.definitions_freed + report.definitions_beside;
        if report.definitions_retired == given_back && engine.retired().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{:?} {:?}", engine.report(), engine.retired());
}

/// Lets two threads go in turns, each waiting for the other.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turn: std::sync::Mutex<usize>,
    changed: std::sync::Condvar,
}

impl Turns {
    /// Says that a step was reached.
    pub(crate) fn reach(&self, step: usize) {
        *self.turn.lock().unwrap() = step;
        self.changed.notify_all();
    }

    /// Waits until a step was reached.
    pub(crate) fn await_step(&self, step: usize) {
        let turn = self.turn.lock().unwrap();
        let waited = self
            .changed
            .wait_timeout_while(turn, Duration::from_secs(60), |turn| *turn < step);
        // The other thread has failed.
        assert!(!waited.unwrap().1.timed_out(), "nobody reached {step}");
    }
}
