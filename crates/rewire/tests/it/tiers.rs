//! Tiers: functions and loops that become hot go on in optimised bodies, and replacing stays exact.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rewire::{Engine, HotThresholds, Level, OptLevel, Options, Report};

use crate::support::on_fresh_stack;

/// An engine for which everything is hot soon.
fn hot_engine(threads: usize) -> Engine {
    engine_with(threads, 20, 50)
}

fn engine_with(threads: usize, calls: u32, loop_passes: u32) -> Engine {
    let options = Options {
        threads,
        hot: HotThresholds {
            calls,
            loop_passes,
            delay: Duration::ZERO,
        },
        ..Options::default()
    };
    Engine::new(options).unwrap()
}

const CALLED: &[u8] = b"
    define i32 @twice(i32 %n) noinline {
      %double = shl i32 %n, 1
      ret i32 %double
    }
    define i32 @through(i32 %n) {
      %a = call i32 @twice(i32 %n)
      ret i32 %a
    }";

type Unary = extern "C" fn(i32) -> i32;

fn unary(engine: &Engine, name: &str) -> Unary {
    // SAFETY: the tests define functions of this type, which their engine outlives.
    unsafe { engine.main().function::<Unary>(name).unwrap().pointer() }
}

#[test]
fn a_function_that_is_called_often_is_compiled_again() {
    for threads in [0, 1] {
        let engine = hot_engine(threads);
        engine.add_ir("called.ll", CALLED).unwrap();
        let through = unary(&engine, "through");
        for n in 0..20 {
            assert_eq!(through(n), 2 * n);
        }
        engine.settle();
        assert_eq!(engine.report().functions_optimised, 0, "19 more calls");
        for n in 0..100 {
            assert_eq!(through(n), 2 * n);
        }
        engine.settle();
        let report = engine.report();
        let counts = |report: &Report| (report.functions_compiled, report.functions_optimised);
        assert_eq!(counts(&report), (2, 2), "{threads} threads");
        assert!(report.definitions_retired >= 2);
        for n in 0..100 {
            assert_eq!(through(n), 2 * n);
        }
        assert_eq!(counts(&engine.report()), (2, 2), "once each");
    }
}

#[test]
fn frozen_code_stays_as_it_is() {
    let engine = hot_engine(0);
    engine.add_ir_frozen("called.ll", CALLED).unwrap();
    let through = unary(&engine, "through");
    (0..200).for_each(|n| assert_eq!(through(n), 2 * n));
    assert_eq!(
        engine.report().functions_optimised,
        0,
        "its calls are direct"
    );
}

#[test]
fn a_new_body_is_counted_anew() {
    let engine = hot_engine(0);
    engine.add_ir("called.ll", CALLED).unwrap();
    let through = unary(&engine, "through");
    (0..100).for_each(|n| assert_eq!(through(n), 2 * n));
    assert_eq!(engine.report().functions_optimised, 2);
    let body = b"define i32 @twice(i32 %n) { %more = mul i32 %n, 3 ret i32 %more }";
    engine.replace("twice", body).unwrap();
    (0..100).for_each(|n| assert_eq!(through(n), 3 * n));
    assert_eq!(engine.report().functions_optimised, 3);
    assert_eq!(engine.state("twice").unwrap().generation.get(), 2);
}

/// A loop that calls the client, and keeps values in a register, in memory that others may name,
/// and in memory that nobody else can.
const LOOP: &[u8] = b"
    declare void @tell(i32, ptr)
    define i32 @step(i32 %n) {
      ret i32 1
    }
    define i32 @work(i32 %n) {
      %shown = alloca i32
      %own = alloca i32
      store i32 0, ptr %shown
      store i32 0, ptr %own
      br label %head
    head:
      %i = phi i32 [ 0, %0 ], [ %more, %head ]
      %by = call i32 @step(i32 %i)
      %a = load i32, ptr %own
      %b = add i32 %a, %by
      store i32 %b, ptr %own
      call void @tell(i32 %i, ptr %shown)
      %more = add i32 %i, 1
      %again = icmp slt i32 %more, %n
      br i1 %again, label %head, label %done
    done:
      %c = load i32, ptr %own
      %d = load i32, ptr %shown
      %sum = add i32 %c, %d
      ret i32 %sum
    }";

extern "C" fn count(_: i32, shown: *mut i32) {
    // SAFETY: it is the variable of the caller's frame.
    unsafe { *shown += 1 };
}

#[test]
fn a_running_loop_goes_on_in_an_optimised_body() {
    for threads in [0, 1] {
        // So few calls pass the head so often that it is the loop that is hot, not the function.
        let engine = engine_with(threads, 1_000_000, 6400);
        let tell = (count as *const ()).into();
        engine.main().define("tell", tell).unwrap();
        engine.add_ir("loop.ll", LOOP).unwrap();
        let work = unary(&engine, "work");
        assert_eq!(work(30), 60);
        engine.settle();
        assert_eq!(engine.report().loops_optimised, 0);
        let mut rounds = 0;
        while engine.report().loops_optimised == 0 {
            assert_eq!(work(1000), 2000);
            rounds += 1;
            assert!(rounds < 100_000, "never optimised");
        }
        assert_eq!(work(1000), 2000);
        engine.settle();
        assert_eq!(engine.report().loops_optimised, 1, "{threads} threads");
    }
}

/// What `replace_at` does: in which pass of the loop `step` gets another body.
static REPLACED: Mutex<Option<(Engine, i32)>> = Mutex::new(None);
static LAST: AtomicI32 = AtomicI32::new(0);

extern "C" fn replace_at(pass: i32, _: *mut i32) {
    LAST.store(pass, Ordering::Relaxed);
    let replaced = REPLACED.lock().unwrap();
    if let Some((engine, at)) = &*replaced
        && pass == *at
    {
        let body = b"define i32 @step(i32 %n) { ret i32 1000 }";
        engine.replace("step", body).unwrap();
    }
}

#[test]
fn a_running_loop_calls_the_new_body_in_its_next_pass() {
    for at in [10, 49, 50, 51, 52, 500] {
        let engine = hot_engine(0);
        let tell = (replace_at as *const ()).into();
        engine.main().define("tell", tell).unwrap();
        engine.add_ir("loop.ll", LOOP).unwrap();
        *REPLACED.lock().unwrap() = Some((engine.clone(), at));
        let work = unary(&engine, "work");
        let passes = 1000;
        let former = at + 1;
        assert_eq!(
            work(passes),
            former + 1000 * (passes - former),
            "replaced in pass {at}"
        );
        assert_eq!(LAST.load(Ordering::Relaxed), passes - 1);
        // And the engine goes, with its loops.
        REPLACED.lock().unwrap().take();
    }
}

#[test]
fn a_running_loop_outlives_its_function() {
    on_fresh_stack(|| {
        let engine = hot_engine(0);
        let tell = (remove_work as *const ()).into();
        engine.main().define("tell", tell).unwrap();
        engine.add_ir("loop.ll", LOOP).unwrap();
        *REMOVED.lock().unwrap() = Some(engine.clone());
        let work = unary(&engine, "work");
        assert_eq!(work(200), 200);
        assert_eq!(engine.state("work").unwrap().generation.get(), 2);
        engine.reclaim();
        let mut retired = engine.retired();
        retired.retain(|one| &*one.name == "work");
        assert!(retired.is_empty(), "{retired:?}");
        REMOVED.lock().unwrap().take();
    });
}

static REMOVED: Mutex<Option<Engine>> = Mutex::new(None);

extern "C" fn remove_work(pass: i32, _: *mut i32) {
    let removed = REMOVED.lock().unwrap();
    if let Some(engine) = &*removed
        && pass == 100
    {
        let body = b"define i32 @work(i32 %n) { ret i32 -1 }";
        engine.replace("work", body).unwrap();
        engine.reclaim();
    }
}

/// A loop that is counted and calls nothing, but for copies; and one whose variables are passed by
/// their addresses until the call is inlined. A new `step` lets both end early.
const COUNTED: &[u8] = b"define i64 @step(i64 %x) {
      %y = add i64 %x, 1
      ret i64 %y
    }
    define void @advance(ptr %x) {
      %old = load i64, ptr %x
      %new = call i64 @step(i64 %old)
      store i64 %new, ptr %x
      ret void
    }
    define i64 @count(ptr %begun) {
      store atomic i32 1, ptr %begun seq_cst, align 4
      br label %again
    again:
      %x = phi i64 [ 0, %0 ], [ %y, %again ]
      %i = phi i64 [ 0, %0 ], [ %j, %again ]
      %y = call i64 @step(i64 %x)
      %j = add i64 %i, 1
      %more = icmp ult i64 %y, 1000000000000000
      br i1 %more, label %again, label %done
    done:
      ret i64 %j
    }
    define i64 @walk(ptr %begun) {
      %x = alloca i64
      store i64 0, ptr %x
      store atomic i32 1, ptr %begun seq_cst, align 4
      br label %again
    again:
      %i = phi i64 [ 0, %0 ], [ %j, %again ]
      call void @advance(ptr %x)
      %j = add i64 %i, 1
      %y = load i64, ptr %x
      %more = icmp ult i64 %y, 1000000000000000
      br i1 %more, label %again, label %done
    done:
      ret i64 %j
    }";

type Counts = extern "C" fn(*mut i32) -> i64;

#[test]
fn a_counted_loop_that_holds_a_copy_leaves_it() {
    for level in [OptLevel::Fixed(Level::O2), OptLevel::Auto] {
        for name in ["count", "walk"] {
            let engine = Engine::new(Options {
                level,
                ..Options::default()
            });
            let engine = engine.unwrap();
            engine.add_ir("counted.ll", COUNTED).unwrap();
            let begun = AtomicI32::new(0);
            let passes = std::thread::scope(|scope| {
                let counts = scope.spawn(|| {
                    // SAFETY: the functions are of this type, and the engine outlives the call.
                    let count = unsafe { engine.main().function::<Counts>(name) };
                    count.unwrap().pointer()(begun.as_ptr())
                });
                while begun.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                let ends = b"define i64 @step(i64 %x) { ret i64 1000000000000000 }";
                engine.replace("step", ends).unwrap();
                counts.join().unwrap()
            });
            assert!(passes < 1_000_000_000_000_000, "{name} at {level:?}");
        }
    }
}

/// What tells a loop that its continuation is there is a store to the word that the loop counts in,
/// and the loop may overwrite it.
#[test]
fn a_loop_hears_of_its_continuation() {
    // Passes of the head until the code is optimised: then the sum is known to be constant.
    let waiting = b"
        declare i1 @llvm.is.constant.i32(i32)
        define i32 @wait(i32 %most) {
          br label %head
        head:
          %i = phi i32 [ 0, %0 ], [ %next, %head ]
          %next = add i32 %i, 1
          %three = add i32 1, 2
          %is_optimised = call i1 @llvm.is.constant.i32(i32 %three)
          %is_last = icmp eq i32 %next, %most
          %ends = or i1 %is_optimised, %is_last
          br i1 %ends, label %done, label %head
        done:
          ret i32 %next
        }";
    for round in 0..12 {
        let engine = hot_engine(1);
        engine.add_ir("waiting.ll", waiting).unwrap();
        // More passes than compiling takes, and fewer than a counter has to wrap.
        const MOST: i32 = 1 << 30;
        assert!(unary(&engine, "wait")(MOST) < MOST, "round {round}");
    }
}
