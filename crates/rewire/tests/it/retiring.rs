//! What was replaced or removed comes back, all of it, and not before nobody needs it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use rewire::{Engine, Error, Level, TypeChange};

use crate::changes::{at_each_level, engine};
use crate::changing::{
    CALLER, Plain, add, function, instead, on_fresh_thread, reclaim_all, returns, said_in_process,
    say,
};

#[test]
fn memory_comes_back() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &returns("f", 0));
        add(&engine, CALLER);
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 0);
        let mut early = None;
        for round in 1..=3000 {
            engine.replace("f", returns("f", round).as_bytes()).unwrap();
            assert_eq!(g(), round);
            if round % 100 == 0 {
                assert_eq!(reclaim_all(&engine), 0);
                assert_eq!(reclaim_all(&engine), 0);
                let report = engine.report();
                let now = (report.code_bytes, report.data_bytes, engine.units().len());
                assert_eq!(*early.get_or_insert(now), now);
                assert_eq!(report.definitions_freed, u64::from(round.cast_unsigned()));
            }
        }
        assert!(engine.retired().is_empty());
    });
}

/// The sizes of regions are a share of the addresses that the process may have.
fn engine_of_32_mib(level: Level) -> Engine {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let mut limits = libc::rlimit {
        rlim_cur: pages * 4096 + 3 * (40 << 20),
        rlim_max: libc::RLIM_INFINITY,
    };
    let set = |limits: &libc::rlimit| {
        // SAFETY: the call reads plain data.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, limits) }, 0);
    };
    set(&limits);
    let engine = engine(level, 0);
    limits.rlim_cur = limits.rlim_max;
    set(&limits);
    engine
}

/// Each of these takes more than half of its region, and its unit leaves before the next comes.
#[test]
fn what_was_retired_makes_room() {
    const VARIABLE: &str = "@large = global [7000000 x i8] zeroinitializer
        define i32 @f() {
          store volatile i8 NUMBER, ptr @large
          %x = load volatile i8, ptr @large
          %y = zext i8 %x to i32
          ret i32 %y
        }";
    const CODE: &str = "define i32 @f() {
          call void asm sideeffect \".skip 6500000, 0x90\", \"\"()
          ret i32 NUMBER
        }";
    // No stack that is there later has seen the body.
    let fresh_call = |engine: &Engine| on_fresh_thread(|| function::<Plain>(engine, "f")());
    let remove = |engine: &Engine, unit| on_fresh_thread(|| engine.remove_unit(unit).unwrap());
    for (kind, ir) in [("variable", VARIABLE), ("code", CODE)] {
        for level in [Level::O0, Level::O2] {
            let which = format!("{kind} {level:?}");
            said_in_process("retiring::what_was_retired_makes_room", &which, || {
                let engine = engine_of_32_mib(level);
                for number in 1..=5 {
                    let unit = add(&engine, &ir.replace("NUMBER", &number.to_string()));
                    assert_eq!(fresh_call(&engine), number);
                    remove(&engine, unit);
                }
                // In force at once: as eagerly linked code, and as a change's.
                add(&engine, &ir.replace("NUMBER", "6"));
                engine.compile_all().unwrap();
                assert_eq!(fresh_call(&engine), 6);
            });
        }
    }
}

/// What is in use makes no room, but what is full isn't full for good.
#[test]
fn a_full_region_is_an_error_until_there_is_room() {
    said_in_process(
        "retiring::a_full_region_is_an_error_until_there_is_room",
        "",
        || {
            let engine = engine_of_32_mib(Level::O0);
            let unit = |name: &str| {
                format!(
                    "@of_{name} = global [7000000 x i8] zeroinitializer
                 define ptr @{name}() {{\n ret ptr @of_{name}\n}}"
                )
            };
            // No stack that is there later has seen the body.
            let compile = |name| on_fresh_thread(|| engine.main().pin(name).map(drop));
            let first = add(&engine, &unit("f"));
            add(&engine, &unit("g"));
            compile("f").unwrap();
            for _ in 0..2 {
                let error = compile("g").unwrap_err();
                assert!(matches!(error, Error::Memory(_)), "{error:?}");
            }
            let mut change = engine.main().change();
            change.define("more", unit("h").as_str());
            change.commit().unwrap();
            engine.remove_unit(first).unwrap();
            compile("g").unwrap();
            let error = compile("h").unwrap_err();
            assert!(matches!(error, Error::Memory(_)), "{error:?}");
        },
    );
}

#[test]
fn a_unit_leaves_no_trace() {
    const UNIT: &str = "@counter = internal global i32 0
        @text = private constant [3 x i8] c\"ab\\00\"
        @table = internal constant [1 x ptr] [ptr @helper]
        @own = thread_local global i32 5
        define internal i32 @helper(i32 %x) {
          %old = load i32, ptr @counter
          %new = add i32 %old, %x
          store i32 %new, ptr @counter
          ret i32 %new
        }
        define i32 @enter() {
          %own = load i32, ptr @own
          %function = load ptr, ptr @table
          %y = call i32 %function(i32 %own)
          %c = load i8, ptr @text
          %w = sext i8 %c to i32
          %z = add i32 %y, %w
          ret i32 %z
        }";
    at_each_level(|level| {
        let engine = engine(level, 0);
        let mut early = None;
        for round in 0..600u64 {
            let unit = add(&engine, UNIT);
            assert_eq!(function::<Plain>(&engine, "enter")(), 5 + 97);
            engine.remove_unit(unit).unwrap();
            assert!(engine.lookup("enter").is_err());
            if round % 50 == 49 {
                assert_eq!(reclaim_all(&engine), 0);
                assert_eq!(reclaim_all(&engine), 0);
                let report = engine.report();
                // A helper whose address was in a table keeps that for ever: a stub and a slot. So
                // do `enter` and `__tls_get_addr`, which have theirs again each time.
                assert_eq!(report.tombstones, round + 1 + 2);
                let page = 4096;
                let stubs = (report.tombstones * 16).next_multiple_of(page);
                let slots = report.tombstones * 8;
                let now = (
                    report.code_bytes - stubs,
                    report.data_bytes.saturating_sub(slots),
                );
                let before: (u64, u64) = *early.get_or_insert(now);
                assert!(now.0.abs_diff(before.0) <= page, "{before:?} {now:?}");
                assert!(now.1.abs_diff(before.1) <= page, "{before:?} {now:?}");
            }
        }
        assert!(engine.units().is_empty());
    });
}

/// Ten frames of the function that is replaced each time it calls itself.
#[test]
fn a_body_stays_as_long_as_threads_return_into_it() {
    use std::ffi::c_void;
    struct State<'e> {
        engine: &'e Engine,
        round: i32,
    }
    extern "C-unwind" fn next(data: *mut c_void) {
        // SAFETY: the test passes this, which outlives the call.
        let state = unsafe { &mut *data.cast::<State<'_>>() };
        state.round += 1;
        state
            .engine
            .replace("f", body(state.round).as_bytes())
            .unwrap();
        let reclaimed = state.engine.reclaim();
        assert_eq!(reclaimed.left.len(), state.round as usize, "{reclaimed:?}");
        assert!(reclaimed.left.iter().all(|one| one.holder.is_some()));
    }
    fn body(round: i32) -> String {
        format!(
            "define i32 @f(i32 %depth, ptr %next, ptr %data) {{
               %done = icmp eq i32 %depth, 0
               br i1 %done, label %out, label %in
             in:
               call void %next(ptr %data)
               %less = sub i32 %depth, 1
               %x = call i32 @f(i32 %less, ptr %next, ptr %data)
               %y = mul i32 %x, 2
               %z = add i32 %y, {round}
               ret i32 %z
             out:
               ret i32 {round}
             }}"
        )
    }
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &body(0));
        type Nested =
            extern "C-unwind" fn(i32, extern "C-unwind" fn(*mut c_void), *mut c_void) -> i32;
        let f: Nested = function(&engine, "f");
        let mut state = State {
            engine: &engine,
            round: 0,
        };
        // On a thread of its own: nothing stale is left on a stack afterwards.
        let result = std::thread::scope(|scope| {
            let data = (&raw mut state) as usize;
            let run = move || f(10, next, data as *mut c_void);
            scope.spawn(run).join().unwrap()
        });
        let expected = (0..10).rev().fold(10, |x, round| 2 * x + round);
        assert_eq!(result, expected);
        assert_eq!(reclaim_all(&engine), 0);
        assert_eq!(engine.report().definitions_freed, 10);
    });
}

#[test]
fn a_text_outlives_the_body_that_it_came_from() {
    type Text = extern "C-unwind" fn() -> *const u8;
    let says = |text: &str| {
        format!(
            "@.str = private constant [4 x i8] c\"{text}\\00\"
             define ptr @f() {{
               ret ptr @.str
             }}"
        )
    };
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &says("one"));
        let f: Text = function(&engine, "f");
        let one = f();
        engine.replace("f", says("two").as_bytes()).unwrap();
        let two = f();
        // The same text is the same constant.
        engine.replace("f", says("two").as_bytes()).unwrap();
        assert_eq!(f(), two);
        engine.replace("f", says("six").as_bytes()).unwrap();
        assert_ne!(f(), two);
        // What a text looks like doesn't matter.
        engine.replace("f", says("a@b").as_bytes()).unwrap();
        let at = f();
        engine.replace("f", says("a@b").as_bytes()).unwrap();
        assert_eq!(f(), at);
        engine.replace("f", says("six").as_bytes()).unwrap();
        assert_eq!(reclaim_all(&engine), 0);
        assert_eq!(reclaim_all(&engine), 0);
        for (text, expected) in [(one, b"one\0"), (two, b"two\0"), (f(), b"six\0")] {
            // SAFETY: the text stays, as is promised.
            assert_eq!(unsafe { text.cast::<[u8; 4]>().read() }, *expected);
        }
        assert!(engine.report().bytes_kept > 0);
        // Removed, all of it goes.
        let mut change = engine.main().change();
        change.remove("f");
        change.commit().unwrap();
        assert_eq!(reclaim_all(&engine), 0);
    });
}

#[test]
fn a_library_leaves_as_a_whole() {
    let engine = engine(Level::O0, 0);
    let runtime = engine.new_library("runtime").unwrap();
    runtime.add_ir("f.ll", returns("f", 3).as_bytes()).unwrap();
    runtime.add_ir("h.ll", returns("h", 4).as_bytes()).unwrap();
    engine.main().search(&[&runtime]).unwrap();
    add(&engine, CALLER);
    let g: Plain = function(&engine, "g");
    assert_eq!(g(), 3);
    assert!(matches!(runtime.remove(false), Err(Error::InUse { .. })));
    assert!(matches!(
        engine.main().remove(true),
        Err(Error::MainLibrary)
    ));
    assert_eq!(g(), 3);
    runtime.remove(true).unwrap();
    assert_eq!(engine.libraries().len(), 1);
    assert!(runtime.lookup("h").is_err());
    assert!(matches!(runtime.add_ir("f.ll", b""), Err(Error::NoLibrary)));
    engine.on_failure(|_| Some((instead as *const ()).into()));
    assert_eq!(g(), -1);
    assert_eq!(reclaim_all(&engine), 0);
    // Another library may have the name.
    engine.new_library("runtime").unwrap();
}

/// The unit that brings a new body is the engine's own: what is told of it is the function's name.
#[test]
fn what_retires_is_called_after_its_function() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &returns("f", 1));
        let body = "@text = internal constant [2 x i32] [i32 5, i32 6]
            define ptr @f() {
              ret ptr @text
            }";
        for _ in 0..2 {
            let mut change = engine.main().change();
            change.replace("f", body.as_bytes());
            change.on_type_change(TypeChange::GoAhead);
            change.commit().unwrap();
            engine.lookup("f").unwrap();
            function::<Plain>(&engine, "f")();
        }
        let retired = engine.retired();
        assert!(!retired.is_empty());
        assert!(retired.iter().all(|one| &*one.name == "f"), "{retired:?}");
    });
}

/// Runs, and can't be asked where it is.
fn deaf(begins: &Barrier, ends: &AtomicBool) {
    // SAFETY: changes this thread's own mask.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
    begins.wait();
    while !ends.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_look_that_misses_a_thread_is_soon_repeated() {
    let name = "retiring::a_look_that_misses_a_thread_is_soon_repeated";
    let said = said_in_process(name, "once", || {
        let engine = engine(Level::O0, 0);
        add(&engine, &returns("f", 0));
        add(&engine, CALLER);
        let g: Plain = function(&engine, "g");
        let replace = |rounds: std::ops::Range<i32>| {
            for round in rounds {
                assert_eq!(g(), round);
                engine
                    .replace("f", returns("f", round + 1).as_bytes())
                    .unwrap();
            }
        };
        let (begins, ends) = (Barrier::new(2), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| deaf(&begins, &ends));
            begins.wait();
            // Enough for one look, which sees that it can't see all.
            replace(0..520);
            assert!(engine.retired().len() > 500, "the thread was seen");
            ends.store(true, Ordering::Relaxed);
        });
        replace(520..570);
        // Of those that were there before, none is left.
        say(i32::try_from(engine.retired().len()).unwrap() / 50);
    });
    assert!(said.is_empty() || said == [0], "{said:?}");
}
