//! What may go on for ever needs no more memory, mappings or descriptors in the end than soon after
//! its beginning, but for the addresses that were given out. Each is run in a process of its own,
//! because memory is counted for all of it.
//!
//! `cargo test -p rewire --test it endless -- --ignored --nocapture` runs them at full length.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering};

use rewire::{Engine, Level};

use crate::changing::{Case, add, clear_stack, function, said_in_process, say};

/// With fewer rounds than this, memory is given back before each sample.
const LONG: u64 = 10_000;

/// What the process has.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// Resident memory that no file on a disk backs, in KiB: `RssAnon`, and `RssShmem`, in which
    /// code is once for each view (proc(5)).
    memory: u64,
    mappings: usize,
    descriptors: usize,
    unwind_entries: u64,
    code: u64,
    data: u64,
}

impl Usage {
    fn now(engine: &Engine) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let kibibytes = |name| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.unwrap().trim().trim_end_matches(" kB");
            number.parse().unwrap()
        };
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let report = engine.report();
        Self {
            memory: kibibytes("RssAnon:") + kibibytes("RssShmem:"),
            mappings: maps.lines().count(),
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            unwind_entries: report.unwind_entries,
            code: report.code_bytes,
            data: report.data_bytes,
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            mappings: self.mappings.max(other.mappings),
            descriptors: self.descriptors.max(other.descriptors),
            unwind_entries: self.unwind_entries.max(other.unwind_entries),
            code: self.code.max(other.code),
            data: self.data.max(other.data),
        }
    }
}

/// Takes samples, and compares the most of the first tenth with the most of the rest.
struct Watch {
    rounds: u64,
    /// How much memory may be added besides: what allocators keep varies by a megabyte, which isn't
    /// 1 % of what a short test has.
    slack: u64,
    first: Usage,
    rest: Usage,
    tenths: Vec<Tenth>,
}

/// A tenth of the rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Tenth {
    most: Usage,
    least_memory: u64,
    /// For the mean.
    memory: u64,
    samples: u64,
}

impl Tenth {
    fn mean(&self) -> u64 {
        self.memory / self.samples.max(1)
    }
}

impl Watch {
    fn new(rounds: u64) -> Self {
        Self {
            rounds,
            slack: if rounds < LONG { 2048 } else { 0 },
            first: Usage::default(),
            rest: Usage::default(),
            tenths: vec![Tenth::default(); 10],
        }
    }

    fn sample(&mut self, round: u64, usage: Usage) {
        let tenth = (round * 10 / self.rounds).min(9) as usize;
        if tenth > 0 && self.tenths[tenth].samples == 0 {
            println!("{tenth}0 %: {:?}", self.tenths[tenth - 1]);
        }
        let now = &mut self.tenths[tenth];
        let least = if now.samples == 0 {
            u64::MAX
        } else {
            now.least_memory
        };
        *now = Tenth {
            most: now.most.most(usage),
            least_memory: least.min(usage.memory),
            memory: now.memory + usage.memory,
            samples: now.samples + 1,
        };
        if tenth == 0 {
            self.first = self.first.most(usage);
        } else {
            self.rest = self.rest.most(usage);
        }
    }

    /// After the first tenth, memory has grown by 1 % at most, and nothing else has. What
    /// allocators keep goes up and down, so means are compared.
    fn check(&self) {
        let (first, rest) = (self.first, self.rest);
        println!("100 %: {:?}", self.tenths[9]);
        let before = self.tenths[1].mean();
        for tenth in &self.tenths[2..] {
            let most = before + before / 100 + self.slack;
            assert!(tenth.mean() <= most, "{before} {:?}", self.tenths);
        }
        assert!(rest.mappings <= first.mappings, "{first:?} {rest:?}");
        assert_eq!(rest.descriptors, first.descriptors);
    }

    /// Each round may have left so many bytes; besides, memory is flat within 2 %.
    fn check_growth(&self, each: u64) {
        println!("100 %: {:?}", self.tenths[9]);
        let before = self.tenths[1].mean();
        // The names of those that left last are remembered, 8192 at most.
        let remembered = if self.rounds < LONG { 2048 } else { 0 };
        for (number, tenth) in self.tenths.iter().enumerate().skip(2) {
            let rounds = self.rounds / 10 * (number as u64 - 1);
            let most = before + before / 50 + rounds * each / 1024 + self.slack + remembered;
            assert!(tenth.mean() <= most, "{before} {most} {:?}", self.tenths);
        }
        assert_eq!(self.rest.descriptors, self.first.descriptors);
    }
}

/// The loop never leaves compiled code; it counts results that are older than the one before.
const LOOP: &str = "define i64 @loop(ptr %stop) {
    entry:
      br label %again
    again:
      %last = phi i64 [ 0, %entry ], [ %now, %again ]
      %bad = phi i64 [ 0, %entry ], [ %worse, %again ]
      %now = call i64 @f()
      %back = icmp ult i64 %now, %last
      %one = zext i1 %back to i64
      %worse = add i64 %bad, %one
      %flag = load atomic i32, ptr %stop monotonic, align 4
      %go = icmp eq i32 %flag, 0
      br i1 %go, label %again, label %out
    out:
      ret i64 %worse
    }\n";

fn version(number: u64) -> String {
    format!("define i64 @f() {{\n ret i64 {number}\n}}\n")
}

fn redefine(rounds: u64) {
    let engine = Case {
        level: Level::O0,
        undo_depth: 0,
        threads: 0,
    }
    .engine();
    add(&engine, &(LOOP.to_owned() + &version(0)));
    type Loop = extern "C-unwind" fn(*const AtomicI32) -> i64;
    let looping: Loop = function(&engine, "loop");
    let newest: extern "C-unwind" fn() -> u64 = function(&engine, "f");
    // From here on there is always a body to replace.
    assert_eq!(newest(), 0);
    let stop = AtomicI32::new(0);
    let mut watch = Watch::new(rounds);
    // Samples at all heights of what waits to be given back.
    let every = (rounds / 1000).max(1) | 1;
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            clear_stack();
            looping(&raw const stop)
        });
        for round in 1..=rounds {
            engine.replace("f", version(round).as_bytes()).unwrap();
            if round.is_multiple_of(every) {
                assert_eq!(newest(), round);
                if rounds < LONG {
                    engine.reclaim();
                }
                watch.sample(round - 1, Usage::now(&engine));
            }
        }
        stop.store(1, Ordering::Relaxed);
        assert_eq!(inside.join().unwrap(), 0);
    });
    watch.check();
    crate::changing::is_all_freed(&engine);
    let report = engine.report();
    assert_eq!(report.definitions_retired, rounds);
    assert_eq!(report.functions_replaced, rounds);
    say(1);
}

#[test]
fn five_thousand_redefinitions_below_a_loop() {
    let said = said_in_process(
        "endless::five_thousand_redefinitions_below_a_loop",
        "once",
        || redefine(5_000),
    );
    assert_eq!(said, [1]);
}

/// So many rounds as `REWIRE_ENDLESS_ROUNDS` says.
fn rounds(usual: u64) -> u64 {
    let text = std::env::var("REWIRE_ENDLESS_ROUNDS").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
#[ignore = "takes many minutes"]
fn a_million_redefinitions_below_a_loop() {
    let said = said_in_process(
        "endless::a_million_redefinitions_below_a_loop",
        "once",
        || redefine(rounds(1_000_000)),
    );
    assert_eq!(said, [1]);
}

const OUTSIDE: &str = "declare ptr @__cxa_allocate_exception(i64)
    declare void @__cxa_throw(ptr, ptr, ptr)
    declare ptr @__cxa_begin_catch(ptr)
    declare void @__cxa_end_catch()
    declare i32 @__gxx_personality_v0(...)
    @_ZTIi = external constant ptr
    define void @throw_it(i32 %value) {
      %e = call ptr @__cxa_allocate_exception(i64 4)
      store i32 %value, ptr %e
      call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)
      unreachable
    }
    define i32 @catch_it(ptr %function, i32 %value) personality ptr @__gxx_personality_v0 {
      %x = invoke i32 %function(i32 %value) to label %good unwind label %bad
    good:
      ret i32 -1
    bad:
      %pad = landingpad { ptr, i32 } catch ptr @_ZTIi
      %thrown = extractvalue { ptr, i32 } %pad, 0
      %at = call ptr @__cxa_begin_catch(ptr %thrown)
      %caught = load i32, ptr %at
      call void @__cxa_end_catch()
      ret i32 %caught
    }\n";

/// A unit with something of every kind, through whose frames an exception passes.
const UNIT: &str = "declare void @throw_it(i32)
    declare i32 @__gxx_personality_v0(...)
    @cleaned = internal global i32 0
    @own = internal thread_local global i32 7
    @text = private constant [4 x i8] c\"abc\\00\"
    @names = internal constant [2 x ptr] [ptr @text, ptr @cleaned]
    define internal i32 @inner(i32 %value) noinline personality ptr @__gxx_personality_v0 {
      invoke void @throw_it(i32 %value) to label %good unwind label %bad
    good:
      ret i32 0
    bad:
      %pad = landingpad { ptr, i32 } cleanup
      %p = getelementptr ptr, ptr @names, i64 1
      %at = load ptr, ptr %p
      store i32 %value, ptr %at
      resume { ptr, i32 } %pad
    }
    define i32 @enter(i32 %value) {
      %own = load i32, ptr @own
      %sum = add i32 %value, %own
      %x = call i32 @inner(i32 %sum)
      ret i32 %x
    }
    define i32 @cleaned_up(i32 %none) {
      %x = load i32, ptr @cleaned
      ret i32 %x
    }\n";

fn come_and_go(rounds: u64) {
    let engine = Case {
        level: Level::O0,
        undo_depth: 0,
        threads: 0,
    }
    .engine();
    add(&engine, OUTSIDE);
    type Catch = extern "C-unwind" fn(*const c_void, i32) -> i32;
    type Enter = extern "C-unwind" fn(i32) -> i32;
    let catch_it: Catch = function(&engine, "catch_it");
    let mut watch = Watch::new(rounds);
    let every = (rounds / 1000).max(1) | 1;
    for round in 0..rounds {
        let unit = engine.add_ir("unit.ll", UNIT.as_bytes()).unwrap();
        let value = round as i32;
        let enter = engine.lookup("enter").unwrap().get() as *const c_void;
        assert_eq!(catch_it(enter, value), value + 7);
        let cleaned: Enter = function(&engine, "cleaned_up");
        assert_eq!(cleaned(0), value + 7);
        engine.remove_unit(unit).unwrap();
        if round.is_multiple_of(every) {
            if rounds < LONG {
                engine.reclaim();
            }
            watch.sample(round, Usage::now(&engine));
        }
    }
    watch.check();
    crate::changing::is_all_freed(&engine);
    let report = engine.report();
    let entries = watch.first.unwind_entries;
    assert!(report.unwind_entries <= entries, "{entries} {report:?}");
    // The two that stay, the stubs, and nothing of any unit.
    assert_eq!(engine.units().len(), 1);
    say(1);
}

#[test]
fn two_thousand_units_come_and_go() {
    let said = said_in_process("endless::two_thousand_units_come_and_go", "once", || {
        come_and_go(2_000);
    });
    assert_eq!(said, [1]);
}

#[test]
#[ignore = "takes many minutes"]
fn a_hundred_thousand_units_come_and_go() {
    let said = said_in_process(
        "endless::a_hundred_thousand_units_come_and_go",
        "once",
        || come_and_go(rounds(100_000)),
    );
    assert_eq!(said, [1]);
}

/// A name that nobody had before, called from compiled code, and gone again. With `given`, its
/// address is given out.
fn fresh_names(rounds: u64, given: bool) {
    let engine = Case {
        level: Level::O0,
        undo_depth: 0,
        threads: 0,
    }
    .engine();
    add(&engine, "define i64 @enter() {\n ret i64 0\n}\n");
    let enter: extern "C-unwind" fn() -> u64 = function(&engine, "enter");
    let mut watch = Watch::new(rounds);
    let every = (rounds / 1000).max(1) | 1;
    for round in 0..rounds {
        let unit = add(
            &engine,
            &format!("define i64 @f{round}() {{\n ret i64 {round}\n}}\n"),
        );
        let caller = format!(
            "declare i64 @f{round}()
            define i64 @enter() {{
              %x = call i64 @f{round}()
              ret i64 %x
            }}\n"
        );
        engine.replace("enter", caller.as_bytes()).unwrap();
        assert_eq!(enter(), round);
        if given {
            engine.lookup(&format!("f{round}")).unwrap();
        }
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        change.commit().unwrap();
        if round.is_multiple_of(every) {
            watch.sample(round, Usage::now(&engine));
        }
    }
    if given {
        watch.check_growth(GIVEN);
        assert!(engine.report().tombstones > rounds - rounds / 10);
    } else {
        watch.check();
        assert_eq!(engine.report().tombstones, 0);
    }
    say(1);
}

/// How many bytes an address that was given out may take for ever: a stub of 16, a slot of 8.
const GIVEN: u64 = 32;

#[test]
fn six_thousand_names_come_and_go() {
    for given in [false, true] {
        let said = said_in_process(
            "endless::six_thousand_names_come_and_go",
            &format!("{given}"),
            || fresh_names(6_000, given),
        );
        assert!(said.is_empty() || said == [1]);
    }
}

#[test]
#[ignore = "takes many minutes"]
fn a_million_names_come_and_go() {
    for given in [false, true] {
        let said = said_in_process(
            "endless::a_million_names_come_and_go",
            &format!("{given}"),
            || fresh_names(rounds(1_000_000), given),
        );
        assert!(said.is_empty() || said == [1]);
    }
}

/// Functions with labels that others name, beside a variable that their newer version keeps.
fn labels(rounds: u64) {
    const LABELS: usize = 32;
    let engine = Case {
        level: Level::O0,
        undo_depth: 0,
        threads: 0,
    }
    .engine();
    let spots: String = (0..LABELS)
        .map(|at| format!(".globl spot{at}\\0Aspot{at}: nop\\0A"))
        .collect();
    let labelled = format!(
        "@count = global i32 5
        define i32 @has() {{
          call void asm sideeffect \"{spots}\", \"\"()
          %x = load i32, ptr @count
          ret i32 %x
        }}\n"
    );
    let declared: String = (0..LABELS)
        .map(|at| format!("@spot{at} = external global i8\n"))
        .collect();
    let listed: Vec<String> = (0..LABELS).map(|at| format!("ptr @spot{at}")).collect();
    let namer = format!(
        "{declared}
        @spots = constant [{LABELS} x ptr] [{}]
        define ptr @where() {{
          ret ptr @spots
        }}\n",
        listed.join(", ")
    );
    let newer = "@count = global i32 6
        define i32 @has() {
          %x = load i32, ptr @count
          ret i32 %x
        }\n";
    let mut watch = Watch::new(rounds);
    let every = (rounds / 1000).max(1) | 1;
    for round in 0..rounds {
        let unit = add(&engine, &labelled);
        let user = add(&engine, &namer);
        let has: extern "C-unwind" fn() -> i32 = function(&engine, "has");
        assert_eq!(has(), 5);
        let place: extern "C-unwind" fn() -> *const *const u8 = function(&engine, "where");
        assert!(!place().is_null());
        let mut change = engine.main().change();
        change.reload(unit, "newer.ll", newer.as_bytes()).force();
        let unit = change.commit().unwrap().units[0];
        assert_eq!(has(), 5);
        engine.remove_unit(user).unwrap();
        // Code with labels goes after those who named them.
        engine.reclaim();
        engine.reclaim();
        engine.remove_unit(unit).unwrap();
        engine.reclaim();
        if round.is_multiple_of(every) {
            watch.sample(round, Usage::now(&engine));
        }
    }
    watch.check();
    say(1);
}

#[test]
fn a_thousand_functions_with_labels_come_and_go() {
    let said = said_in_process(
        "endless::a_thousand_functions_with_labels_come_and_go",
        "once",
        || labels(1_000),
    );
    assert_eq!(said, [1]);
}

/// A library with something of every kind, which searches the main one.
fn libraries(rounds: u64) {
    const CONTENTS: &str = "@text = private constant [5 x i8] c\"abcd\\00\"
        @global = global ptr @text
        @own = thread_local global i32 4
        declare i32 @shared()
        define i32 @enter() {
          %at = load ptr, ptr @global
          %c = load i8, ptr %at
          %own = load i32, ptr @own
          %x = zext i8 %c to i32
          %y = add i32 %x, %own
          %z = call i32 @shared()
          %w = add i32 %y, %z
          ret i32 %w
        }\n";
    let engine = Case {
        level: Level::O0,
        undo_depth: 0,
        threads: 0,
    }
    .engine();
    add(&engine, "define i32 @shared() {\n ret i32 1\n}\n");
    let mut watch = Watch::new(rounds);
    let every = (rounds / 1000).max(1) | 1;
    for round in 0..rounds {
        let library = engine.new_library(&format!("library {round}")).unwrap();
        library.search(&[&engine.main()]).unwrap();
        library.add_ir("contents", CONTENTS.as_bytes()).unwrap();
        type Enter = extern "C-unwind" fn() -> i32;
        // SAFETY: it has this type.
        let enter = unsafe { library.function::<Enter>("enter").unwrap() };
        assert_eq!(enter(), 97 + 4 + 1);
        library.remove(true).unwrap();
        assert!(library.add_ir("late", CONTENTS.as_bytes()).is_err());
        if round.is_multiple_of(every) {
            watch.sample(round, Usage::now(&engine));
        }
    }
    // `enter` and `__tls_get_addr`.
    watch.check_growth(2 * GIVEN);
    assert_eq!(engine.libraries().len(), 1);
    say(1);
}

#[test]
fn two_thousand_libraries_come_and_go() {
    let said = said_in_process(
        "endless::two_thousand_libraries_come_and_go",
        "once",
        || {
            libraries(2_000);
        },
    );
    assert_eq!(said, [1]);
}

#[test]
#[ignore = "takes many minutes"]
fn a_hundred_thousand_libraries_come_and_go() {
    let said = said_in_process(
        "endless::a_hundred_thousand_libraries_come_and_go",
        "once",
        || libraries(rounds(100_000)),
    );
    assert_eq!(said, [1]);
}

/// Changes that are refused, each for another reason.
fn refusals(rounds: u64) {
    let engine = Case {
        level: Level::O0,
        undo_depth: 0,
        threads: 0,
    }
    .engine();
    add(&engine, &version(7));
    let f: extern "C-unwind" fn() -> u64 = function(&engine, "f");
    assert_eq!(f(), 7);
    let missing = "@nowhere = external global i64
        @own = internal global [64 x i64] zeroinitializer
        define i64 @f() {
          %x = load i64, ptr @nowhere
          %y = load i64, ptr @own
          %z = add i64 %x, %y
          ret i64 %z
        }\n";
    let mut watch = Watch::new(rounds);
    let every = (rounds / 1000).max(1) | 1;
    // So many fail before what they brought is given back for the first time.
    let early = 600;
    for round in 0..early + rounds {
        assert!(engine.replace("f", missing.as_bytes()).is_err());
        let other = "define i32 @f() {\n ret i32 2\n}\n";
        assert!(engine.replace("f", other.as_bytes()).is_err());
        assert!(engine.add_ir("twice", version(1).as_bytes()).is_err());
        let mut change = engine.main().change();
        change.define(
            "new",
            format!("define void @new{round}() {{\n ret void\n}}\n").as_bytes(),
        );
        change.replace("nobody", version(3).as_bytes());
        assert!(change.commit().is_err());
        if round >= early && round.is_multiple_of(every) {
            watch.sample(round - early, Usage::now(&engine));
        }
    }
    assert_eq!(f(), 7);
    watch.check();
    say(1);
}

#[test]
fn two_thousand_refused_changes() {
    let said = said_in_process("endless::two_thousand_refused_changes", "once", || {
        refusals(2_000);
    });
    assert_eq!(said, [1]);
}

#[test]
#[ignore = "takes many minutes"]
fn a_hundred_thousand_refused_changes() {
    let said = said_in_process(
        "endless::a_hundred_thousand_refused_changes",
        "once",
        || {
            refusals(rounds(100_000));
        },
    );
    assert_eq!(said, [1]);
}
