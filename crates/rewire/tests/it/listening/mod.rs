//! Listeners: what they are told of code, when, and what they may do.

mod contents;
mod log;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rewire::cache::{Cache, MemoryStore};
use rewire::{
    CodeListener, CodeTier, Engine, Error, ExecAddr, FunctionPart, HotThresholds, Level,
    LoadedCode, OptLevel, Options, UnloadedCode,
};

use self::log::{Log, Told};
use crate::support::on_fresh_stack;

fn engine_at(level: OptLevel, threads: usize) -> Engine {
    Engine::new(Options {
        level,
        threads,
        hot: HotThresholds {
            calls: 20,
            loop_passes: 50,
            delay: Duration::ZERO,
        },
        ..Options::default()
    })
    .unwrap()
}

type Unary = extern "C" fn(i32) -> i32;

fn unary(engine: &Engine, name: &str) -> Unary {
    // SAFETY: the tests define functions of this type, which their engine outlives.
    unsafe { engine.main().function::<Unary>(name).unwrap().pointer() }
}

fn returning(name: &str, value: i32) -> String {
    format!("define i32 @{name}(i32 %x) {{\n  ret i32 {value}\n}}\n")
}

const FUNCTIONS: usize = 24;

/// Whether all listeners have returned that were told of a function's first body.
static IS_TOLD: [AtomicBool; FUNCTIONS] = [const { AtomicBool::new(false) }; FUNCTIONS];
static RAN_EARLY: AtomicI32 = AtomicI32::new(0);

/// Called by each function first of all.
extern "C" fn enter(function: i32) {
    if !IS_TOLD[function as usize].load(Ordering::SeqCst) {
        RAN_EARLY.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn code_is_told_of_before_any_thread_runs_it() {
    let ways = [
        (OptLevel::Fixed(Level::O0), 0, false, false),
        (OptLevel::Fixed(Level::O2), 2, false, false),
        (OptLevel::Auto, 2, false, false),
        (OptLevel::Auto, 0, true, false),
        (OptLevel::Fixed(Level::O0), 1, false, true),
    ];
    for (level, threads, is_frozen, is_eager) in ways {
        IS_TOLD
            .iter()
            .for_each(|one| one.store(false, Ordering::SeqCst));
        let engine = engine_at(level, threads);
        let enter = ExecAddr::new(enter as *const () as u64);
        engine.main().define("enter", enter).unwrap();
        let log = Log::with(|code| {
            thread::sleep(Duration::from_millis(1));
            for one in code.functions() {
                let number = one
                    .name
                    .strip_prefix('f')
                    .and_then(|number| number.parse().ok());
                if let Some(number) = number {
                    let number: usize = number;
                    IS_TOLD[number].store(true, Ordering::SeqCst);
                }
            }
        });
        let listening = engine.listen(log.clone());
        // Each calls the next one, so that they are compiled ahead too.
        let functions = (0..FUNCTIONS).map(|number| {
            let next = (number + 1) % FUNCTIONS;
            format!(
                "define i32 @f{number}(i32 %x) noinline {{
                   call void @enter(i32 {number})
                   %more = icmp sgt i32 %x, 0
                   br i1 %more, label %on, label %end
                 on:
                   %less = sub i32 %x, 1
                   %y = call i32 @f{next}(i32 %less)
                   br label %end
                 end:
                   ret i32 %x
                 }}\n"
            )
        });
        let ir = format!(
            "declare void @enter(i32)\n{}",
            functions.collect::<String>()
        );
        match is_frozen {
            true => engine.add_ir_frozen("all.ll", ir.as_bytes()).unwrap(),
            false => engine.add_ir("all.ll", ir.as_bytes()).unwrap(),
        };
        if is_eager {
            engine.compile_all().unwrap();
        }
        thread::scope(|scope| {
            for first in 0..4 {
                let engine = &engine;
                scope.spawn(move || {
                    for step in 0..FUNCTIONS {
                        let number = (first * 7 + step * 5) % FUNCTIONS;
                        assert_eq!(unary(engine, &format!("f{number}"))(3), 3);
                    }
                });
            }
        });
        engine.settle();
        assert_eq!(RAN_EARLY.load(Ordering::SeqCst), 0, "{level:?} {is_frozen}");
        assert!((0..FUNCTIONS).all(|number| log.count(&format!("f{number}")) > 0));
        drop(engine);
        log.check_all_left();
        drop(listening);
    }
}

#[test]
fn replaced_and_removed_code_is_told_of_when_it_is_freed() {
    on_fresh_stack(|| {
        let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
        let log = Log::new();
        let _listening = engine.listen(log.clone());
        engine.add_ir("f.ll", returning("f", 1).as_bytes()).unwrap();
        let other = engine.add_ir("g.ll", returning("g", 1).as_bytes()).unwrap();
        assert_eq!((unary(&engine, "f")(0), unary(&engine, "g")(0)), (1, 1));
        engine.replace("f", returning("f", 2).as_bytes()).unwrap();
        assert_eq!(unary(&engine, "f")(0), 2);
        let generation = engine.state("f").unwrap().generation.get();
        assert_eq!(
            log.loaded(),
            [("f".into(), 1), ("g".into(), 1), ("f".into(), generation)]
        );
        let ids = log.ids("f");
        assert!(!log.has_left(ids[0]), "told before it was freed");
        engine.remove_unit(other).unwrap();
        for _ in 0..3 {
            engine.reclaim();
        }
        assert!(log.has_left(ids[0]) && log.has_left(log.ids("g")[0]));
        assert!(!log.has_left(ids[1]));
        // Dropped code is told when it is compiled again.
        assert!(engine.main().unload("f").unwrap());
        assert_eq!(unary(&engine, "f")(0), 2);
        assert_eq!(log.count("f"), 3);
        drop(engine);
        log.check_all_left();
    });
}

const LOOP: &[u8] = b"
    define i32 @step(i32 %n) noinline {
      ret i32 1
    }
    define i32 @work(i32 %n) {
      br label %head
    head:
      %i = phi i32 [ 0, %0 ], [ %more, %head ]
      %sum = phi i32 [ 0, %0 ], [ %next, %head ]
      %by = call i32 @step(i32 %i)
      %next = add i32 %sum, %by
      %more = add i32 %i, 1
      %again = icmp slt i32 %more, %n
      br i1 %again, label %head, label %done
    done:
      ret i32 %next
    }";

#[test]
fn optimised_bodies_and_continuations_are_told_of() {
    for threads in [0, 1] {
        let engine = engine_at(OptLevel::Auto, threads);
        let log = Log::new();
        let _listening = engine.listen(log.clone());
        engine.add_ir("loop.ll", LOOP).unwrap();
        let work = unary(&engine, "work");
        let began = Instant::now();
        let has = |found: &dyn Fn(CodeTier, FunctionPart) -> bool| {
            log.told().iter().any(|told| match told {
                Told::Loaded {
                    functions, tier, ..
                } => functions
                    .iter()
                    .any(|(name, _, part)| name == "work" && found(*tier, *part)),
                Told::Unloaded(_) => false,
            })
        };
        let whole = |tier, part| tier == CodeTier::Quick && part == FunctionPart::Whole;
        let head = |tier, part| {
            matches!(tier, CodeTier::Optimised(_)) && matches!(part, FunctionPart::FromLoopHead(_))
        };
        let again =
            |tier, part| matches!(tier, CodeTier::Optimised(_)) && part == FunctionPart::Whole;
        while !(has(&whole) && has(&head) && has(&again)) {
            assert_eq!(work(10_000), 10_000);
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{:?}",
                log.told()
            );
        }
        engine.settle();
        drop(engine);
        log.check_all_left();
    }
}

#[test]
fn a_listener_hears_of_its_library_or_unit_alone() {
    let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
    let library = engine.new_library("other").unwrap();
    let main = engine.main();
    let first = main.add_ir("a.ll", returning("a", 1).as_bytes()).unwrap();
    main.add_ir("b.ll", returning("b", 2).as_bytes()).unwrap();
    library
        .add_ir("c.ll", returning("c", 3).as_bytes())
        .unwrap();
    let logs = [(); 3].map(|()| Log::new());
    let _listening = (
        engine.listen_to_unit(first, logs[0].clone()).unwrap(),
        library.listen(logs[1].clone()),
        engine.listen(logs[2].clone()),
    );
    for (library, name) in [(&main, "a"), (&main, "b"), (&library, "c")] {
        drop(library.pin(name).unwrap());
    }
    assert_eq!(logs[0].loaded(), [("a".into(), 1)]);
    assert_eq!(logs[1].loaded(), [("c".into(), 1)]);
    assert_eq!(logs[2].loaded().len(), 3);
    let elsewhere = engine_at(OptLevel::Fixed(Level::O0), 0);
    let refused = elsewhere.listen_to_unit(first, logs[0].clone());
    assert!(matches!(refused, Err(Error::OtherEngine)));
    engine.remove_unit(first).unwrap();
    engine.reclaim();
    engine.reclaim();
    let refused = engine.listen_to_unit(first, logs[0].clone());
    assert!(matches!(refused, Err(Error::NoUnit)), "{refused:?}");
}

#[test]
fn a_listener_that_is_deregistered_is_told_nothing() {
    let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
    let (log, other) = (Log::new(), Log::new());
    let listening = engine.listen(log.clone());
    let ir = [returning("a", 1), returning("b", 2)].concat();
    engine.add_ir("a.ll", ir.as_bytes()).unwrap();
    drop(engine.main().pin("a").unwrap());
    let _late = engine.listen(other.clone());
    drop(listening);
    assert_eq!(Arc::strong_count(&log), 1, "the engine keeps a listener");
    drop(engine.main().pin("b").unwrap());
    engine.replace("a", returning("a", 3).as_bytes()).unwrap();
    engine.reclaim();
    drop(engine);
    assert_eq!(log.told().len(), 1);
    // What was loaded before it came is told neither as loaded nor as unloaded.
    assert_eq!(other.loaded()[0], ("b".into(), 1));
    other.check_all_left();
}

#[test]
fn a_panic_of_a_listener_ends_the_load() {
    let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
    let log = Log::new();
    let _first = engine.listen(log.clone());
    let is_wrong = Arc::new(AtomicBool::new(true));
    let panics = Log::with({
        let is_wrong = is_wrong.clone();
        move |code| {
            let is_f = code.functions().iter().any(|one| &*one.name == "f");
            assert!(!is_f || !is_wrong.load(Ordering::SeqCst), "refused");
        }
    });
    let _second = engine.listen(panics.clone());
    let last = Log::new();
    let _third = engine.listen(last.clone());
    engine.add_ir("f.ll", returning("f", 5).as_bytes()).unwrap();
    // Out of a first call, it comes out of the call.
    let f = unary(&engine, "f");
    let f: extern "C-unwind" fn(i32) -> i32 = {
        // SAFETY: the same function, from whose call a panic may come.
        unsafe { std::mem::transmute(f) }
    };
    let panic = catch_unwind(AssertUnwindSafe(|| f(0))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"refused"));
    assert_eq!(last.told().len(), 0);
    log.check_all_left();
    let error = engine.main().pin("f").unwrap_err();
    assert!(
        matches!(error.cause(), Error::ListenerPanicked { .. }),
        "{error}"
    );
    log.check_all_left();
    // Nothing is remembered.
    is_wrong.store(false, Ordering::SeqCst);
    assert_eq!(f(0), 5);
    // A change that can't be loaded changes nothing.
    is_wrong.store(true, Ordering::SeqCst);
    let refused = engine
        .replace("f", returning("f", 6).as_bytes())
        .unwrap_err();
    assert!(
        matches!(refused.cause(), Error::ListenerPanicked { .. }),
        "{refused}"
    );
    assert_eq!(f(0), 5);
    drop(engine);
    log.check_all_left();
    last.check_all_left();
}

/// Panics as code leaves.
struct PanicsAtEnd;

impl CodeListener for PanicsAtEnd {
    fn loaded(&self, _: &LoadedCode<'_>) {}

    fn unloaded(&self, _: &UnloadedCode) {
        panic!("not now");
    }
}

#[test]
fn a_panic_as_code_leaves_goes_no_further() {
    on_fresh_stack(|| {
        let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
        let log = Log::new();
        let _listening = (
            engine.listen(Arc::new(PanicsAtEnd)),
            engine.listen(log.clone()),
        );
        engine.add_ir("f.ll", returning("f", 1).as_bytes()).unwrap();
        assert_eq!(unary(&engine, "f")(0), 1);
        engine.replace("f", returning("f", 2).as_bytes()).unwrap();
        engine.reclaim();
        engine.reclaim();
        assert!(log.has_left(log.ids("f")[0]));
        drop(engine);
        log.check_all_left();
    });
}

#[test]
fn a_listener_may_call_the_engine_and_run_its_code() {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    static SUM: AtomicI32 = AtomicI32::new(0);
    let engine = ENGINE.get_or_init(|| engine_at(OptLevel::Fixed(Level::O0), 0));
    let inner = Log::new();
    let late = Mutex::new(Vec::new());
    let log = Log::with({
        let inner = inner.clone();
        move |code| {
            if code.functions().iter().any(|one| &*one.name == "first") {
                late.lock().unwrap().push(engine.listen(inner.clone()));
                engine
                    .add_ir("new.ll", returning("new", 7).as_bytes())
                    .unwrap();
                SUM.fetch_add(
                    unary(engine, "new")(0) + unary(engine, "second")(0),
                    Ordering::SeqCst,
                );
                engine
                    .replace("second", returning("second", 30).as_bytes())
                    .unwrap();
                engine.reclaim();
            }
        }
    });
    let _listening = engine.listen(log.clone());
    let ir = [returning("first", 1), returning("second", 2)].concat();
    engine.add_ir("two.ll", ir.as_bytes()).unwrap();
    assert_eq!(unary(engine, "first")(0), 1);
    assert_eq!(SUM.load(Ordering::SeqCst), 9);
    assert_eq!(unary(engine, "second")(0), 30);
    assert_eq!(log.count("new") + inner.count("new"), 2);
    assert_eq!(log.count("first"), 1);
}

#[test]
fn loads_inside_loads_end_somewhere() {
    let engine = Arc::new(engine_at(OptLevel::Fixed(Level::O0), 0));
    let refused = Arc::new(Mutex::new(Vec::new()));
    let log = Log::with({
        let (engine, refused) = (Arc::downgrade(&engine), refused.clone());
        move |code| {
            let engine = Weak::upgrade(&engine).unwrap();
            for one in code.functions() {
                let number: usize = one.name.strip_prefix('f').unwrap().parse().unwrap();
                let next = format!("f{}", number + 1);
                if let Err(error) = engine.main().pin(&next) {
                    refused.lock().unwrap().push((next, error));
                }
            }
        }
    });
    let _listening = engine.listen(log.clone());
    let ir: String = (0..20)
        .map(|number| returning(&format!("f{number}"), number))
        .collect();
    engine.add_ir("all.ll", ir.as_bytes()).unwrap();
    assert_eq!(unary(&engine, "f0")(0), 0);
    {
        let refused = refused.lock().unwrap();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].0, "f8");
        assert!(matches!(
            refused[0].1.cause(),
            Error::ListenerDepth { depth: 8, .. }
        ));
    }
    assert_eq!(log.count("f7"), 1);
    // It was no error of the function's.
    assert_eq!(unary(&engine, "f8")(0), 8);
}

/// A log that does something with the engine when it is first told of the function `f`.
fn log_that_meets_f(
    engine: &Arc<Engine>,
    act: impl Fn(&Engine) + Send + Sync + 'static,
) -> Arc<Log> {
    let engine = Arc::downgrade(engine);
    let is_first = AtomicBool::new(true);
    Log::with(move |code| {
        let is_f = code.functions().iter().any(|one| &*one.name == "f");
        if is_f && is_first.swap(false, Ordering::SeqCst) {
            act(&Weak::upgrade(&engine).unwrap());
        }
    })
}

#[test]
fn code_is_linked_again_if_a_variable_got_memory_meanwhile() {
    let engine = Arc::new(engine_at(OptLevel::Fixed(Level::O0), 0));
    let log = log_that_meets_f(&engine, |engine| {
        assert_eq!(unary(engine, "g")(6), 5);
    });
    let _listening = engine.listen(log.clone());
    let exchange = |name: &str| {
        format!(
            "define i32 @{name}(i32 %x) {{
               %v = load i32, ptr @v
               store i32 %x, ptr @v
               ret i32 %v
             }}\n"
        )
    };
    let ir = format!("@v = global i32 5\n{}{}", exchange("f"), exchange("g"));
    engine.add_ir("v.ll", ir.as_bytes()).unwrap();
    // Both have the one variable.
    assert_eq!(unary(&engine, "f")(7), 6);
    assert_eq!(unary(&engine, "g")(8), 7);
    let ids = log.ids("f");
    assert_eq!(ids.len(), 2);
    assert!(log.has_left(ids[0]) && !log.has_left(ids[1]));
    assert_eq!(log.count("g"), 1);
    let engine = Arc::into_inner(engine).unwrap();
    drop(engine);
    log.check_all_left();
}

#[test]
fn code_is_made_again_if_what_it_inlines_was_replaced_meanwhile() {
    let engine = Arc::new(engine_at(OptLevel::Fixed(Level::O2), 0));
    let log = log_that_meets_f(&engine, |engine| {
        engine.replace("g", returning("g", 2).as_bytes()).unwrap();
    });
    let _listening = engine.listen(log.clone());
    let f = "define i32 @f(i32 %x) {\n  %y = call i32 @g(i32 %x)\n  ret i32 %y\n}\n";
    let ir = [f, &returning("g", 1)].concat();
    engine.add_ir("fg.ll", ir.as_bytes()).unwrap();
    assert_eq!(unary(&engine, "f")(0), 2);
    assert_eq!(log.count("f"), 2);
    drop(engine);
    log.check_all_left();
}

#[test]
fn code_from_the_cache_is_told_of() {
    for level in [OptLevel::Auto, OptLevel::Fixed(Level::O2)] {
        let cache = Arc::new(Cache::new(Arc::new(MemoryStore::default())));
        for round in 0..3 {
            let engine = Engine::new(Options {
                level,
                cache: Some(cache.clone()),
                ..Options::default()
            })
            .unwrap();
            let log = Log::new();
            // In the second round, the image of the program is restored as a whole.
            let listening = (round != 1).then(|| engine.listen(log.clone()));
            let ir = [returning("f", 1), returning("g", 2)].concat();
            engine.add_ir("fg.ll", ir.as_bytes()).unwrap();
            assert_eq!(unary(&engine, "f")(0) + unary(&engine, "g")(0), 3);
            let report = engine.report();
            assert_eq!(report.functions_restored > 0, round == 1, "{level:?}");
            if round == 2 {
                assert!(cache.counts().hits >= 2);
            }
            drop(engine);
            if listening.is_some() {
                assert_eq!((log.count("f"), log.count("g")), (1, 1));
                log.check_all_left();
            }
        }
    }
}

#[test]
fn assembly_and_variables_are_told_of() {
    let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
    let log = Log::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let symbols = Log::with({
        let seen = seen.clone();
        move |code| {
            seen.lock()
                .unwrap()
                .extend(code.symbols().map(|one| one.name.to_owned()));
        }
    });
    let _listening = (engine.listen(log.clone()), engine.listen(symbols));
    let ir = b"
        module asm \"  .globl two\"
        module asm \"  .type two,@function\"
        module asm \"two: mov $2, %eax\"
        module asm \"local_label: ret\"
        @value = global i32 3";
    engine.add_ir("assembly.ll", ir).unwrap();
    assert_eq!(unary(&engine, "two")(0), 2);
    let value = engine.main().data::<i32>("value").unwrap();
    drop(value);
    let generation = engine.state("two").unwrap().generation.get();
    assert_eq!(log.loaded(), [("two".into(), generation)]);
    let seen = seen.lock().unwrap();
    for name in ["two", "local_label", "value"] {
        assert!(seen.iter().any(|one| one == name), "{name}: {seen:?}");
    }
    drop(engine);
    log.check_all_left();
}

#[test]
fn each_load_has_its_unload_while_threads_call_replace_and_reclaim() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let engine = engine_at(OptLevel::Auto, 1);
    let log = Log::new();
    let listening = engine.listen(log.clone());
    let function = |name: &str, value: i32| {
        format!(
            "define i32 @{name}(i32 %x) {{
               %v = load i32, ptr @shared
               %d = sub i32 {value}, %v
               %r = add i32 %d, %v
               ret i32 %r
             }}\n"
        )
    };
    let ir: String = (0..8)
        .map(|number| function(&format!("f{number}"), 0))
        .collect();
    engine
        .add_ir("all.ll", format!("@shared = global i32 4\n{ir}").as_bytes())
        .unwrap();
    let end = Instant::now() + Duration::from_millis(1500);
    thread::scope(|scope| {
        for caller in 0..3 {
            let engine = &engine;
            scope.spawn(move || {
                let functions: Vec<Unary> = (0..8)
                    .map(|number| unary(engine, &format!("f{number}")))
                    .collect();
                let mut latest = [0; 8];
                while Instant::now() < end {
                    for (function, latest) in functions.iter().zip(&mut latest) {
                        let value = function(caller);
                        assert!(value >= *latest, "a body that had left");
                        *latest = value;
                        CALLS.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut value = 0;
        while Instant::now() < end {
            value += 1;
            let name = format!("f{}", value % 8);
            let ir = format!("@shared = external global i32\n{}", function(&name, value));
            engine.replace(&name, ir.as_bytes()).unwrap();
            if value % 16 == 0 {
                engine.reclaim();
            }
        }
    });
    assert!(CALLS.load(Ordering::Relaxed) > 100);
    drop(engine);
    log.check_all_left();
    drop(listening);
}
