//! What leaves while something of it is suspended, running, or a thread's own; and changes that
//! fail.

use std::ffi::c_void;
use std::ptr;
use std::sync::Barrier;

use rewire::{Engine, Error, Failure, TypeChange};

use super::{
    Act, Plain, Turns, WithData, add, function, in_each_case, is_all_freed, on_fresh_thread, read,
    reclaim_all, returns, undo_all, write,
};

/// `ucontext_t` of x86-64's C library: what is entered next at 8, the stack's start at 16, its size
/// at 32.
const COROUTINE: &str = "@main_context = global [1024 x i8] zeroinitializer, align 16
    @other_context = global [1024 x i8] zeroinitializer, align 16
    @stack = global [65536 x i8] zeroinitializer, align 16
    @step = global i32 0
    declare i32 @getcontext(ptr)
    declare void @makecontext(ptr, ptr, i32, ...)
    declare i32 @swapcontext(ptr, ptr)
    declare void @body()
    define void @start() {
      %a = call i32 @getcontext(ptr @other_context)
      store ptr @main_context, ptr getelementptr (i8, ptr @other_context, i64 8)
      store ptr @stack, ptr getelementptr (i8, ptr @other_context, i64 16)
      store i64 65536, ptr getelementptr (i8, ptr @other_context, i64 32)
      call void (ptr, ptr, i32, ...) @makecontext(ptr @other_context, ptr @body, i32 0)
      %b = call i32 @swapcontext(ptr @main_context, ptr @other_context)
      ret void
    }
    define void @leave() {
      %a = call i32 @swapcontext(ptr @other_context, ptr @main_context)
      ret void
    }
    define void @enter() {
      %a = call i32 @swapcontext(ptr @main_context, ptr @other_context)
      ret void
    }";

const BODY: &str = "@step = external global i32
    declare void @leave()
    define internal void @at(i32 %step) {
      store i32 %step, ptr @step
      ret void
    }
    define void @body() {
      call void @at(i32 1)
      call void @leave()
      call void @at(i32 2)
      ret void
    }";

#[test]
fn a_coroutine_that_is_suspended_in_what_is_removed() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, COROUTINE);
        let unit = add(&engine, BODY);
        let start: extern "C-unwind" fn() = function(&engine, "start");
        let enter: extern "C-unwind" fn() = function(&engine, "enter");
        start();
        assert_eq!(read::<i32>(&engine, "step"), 1);
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        change.commit().unwrap();
        // No thread is in it; the coroutine is.
        let reclaimed = engine.reclaim();
        assert_eq!(reclaimed.bytes, 0, "{reclaimed:?}");
        if !case.undoes() {
            let holder = reclaimed.left[0].holder.as_deref().unwrap();
            assert!(holder.starts_with("the stack at"), "{holder}");
        }
        enter();
        assert_eq!(read::<i32>(&engine, "step"), 2);
        // What the coroutine leaves on its stack could still be a way in, for all the engine knows.
        write(&engine, "stack", [0u8; 65536]);
        write(&engine, "other_context", [0u8; 1024]);
        write(&engine, "main_context", [0u8; 1024]);
        if case.undoes() {
            engine.undo().unwrap();
            start();
            assert_eq!(read::<i32>(&engine, "step"), 1);
            enter();
            assert_eq!(read::<i32>(&engine, "step"), 2);
            undo_all(&engine);
        }
        is_all_freed(&engine);
    });
}

#[test]
fn a_jump_back_into_a_function_that_was_replaced() {
    in_each_case(|case| {
        let engine = case.engine();
        add(
            &engine,
            "@buffer = global [64 x i64] zeroinitializer, align 16
             declare i32 @_setjmp(ptr) returns_twice
             declare void @longjmp(ptr, i32) noreturn
             declare void @act(ptr)
             define i32 @f(ptr %data) {
               %r = call i32 @_setjmp(ptr @buffer) returns_twice
               %first = icmp eq i32 %r, 0
               br i1 %first, label %down, label %back
             down:
               call void @inner(ptr %data)
               ret i32 -1
             back:
               %x = add i32 %r, 100
               ret i32 %x
             }
             define void @inner(ptr %data) {
               call void @act(ptr %data)
               call void @longjmp(ptr @buffer, i32 5)
               unreachable
             }",
        );
        let f: WithData = function(&engine, "f");
        let run = || {
            let mut replace = Act::new(|| {
                let mut change = engine.main().change();
                change.define(
                    "new",
                    b"define i32 @f(ptr %data) {\n ret i32 7\n}
                      define void @inner(ptr %data) {\n ret void\n}",
                );
                change.commit().unwrap();
                let reclaimed = engine.reclaim();
                assert_eq!(reclaimed.bytes, 0, "{reclaimed:?}");
            });
            f(replace.data())
        };
        assert_eq!(on_fresh_thread(run), 105);
        on_fresh_thread(|| assert_eq!(f(ptr::null_mut()), 7));
        if case.undoes() {
            engine.undo().unwrap();
            is_all_freed(&engine);
            assert_eq!(on_fresh_thread(run), 105);
            undo_all(&engine);
        }
        is_all_freed(&engine);
    });
}

fn counter(start: i32) -> String {
    format!(
        "@own = thread_local global i32 {start}
         define i32 @next() {{
           %old = load i32, ptr @own
           %new = add i32 %old, 1
           store i32 %new, ptr @own
           ret i32 %new
         }}"
    )
}

#[test]
fn thread_locals_of_a_removed_unit() {
    const THREADS: usize = 4;
    in_each_case(|case| {
        let engine = case.engine();
        let unit = add(&engine, &counter(5));
        let step = Barrier::new(THREADS + 1);
        std::thread::scope(|scope| {
            let (engine, step) = (&engine, &step);
            for thread in 0..THREADS {
                scope.spawn(move || {
                    let next: Plain = function(engine, "next");
                    for count in 0..=thread as i32 {
                        assert_eq!(next(), 6 + count);
                    }
                    step.wait();
                    step.wait();
                    // Another unit's variable, in the place of the former one's.
                    let next: Plain = function(engine, "next");
                    assert_eq!(next(), 51);
                    step.wait();
                    step.wait();
                    if case.undoes() {
                        // The former one's again, with its value.
                        assert_eq!(next(), 6 + thread as i32 + 1);
                    }
                });
            }
            step.wait();
            engine.remove_unit(unit).unwrap();
            if !case.undoes() {
                reclaim_all(engine);
            }
            let mut change = engine.main().change();
            change.add("another", counter(50).as_bytes());
            change.commit().unwrap();
            step.wait();
            step.wait();
            if case.undoes() {
                engine.undo().unwrap();
                engine.undo().unwrap();
            }
            step.wait();
        });
        is_all_freed(&engine);
    });
}

const BUSY: &str = "declare void @act(ptr)
    @table = internal global [1 x ptr] [ptr @own]
    @kept = global i32 1000
    define internal i32 @own() {
      ret i32 1
    }
    define i32 @before() {
      ret i32 10
    }
    define i32 @after() noinline {
      ret i32 100
    }
    define i32 @f(ptr %data) {
      %a = call i32 @before()
      call void @act(ptr %data)
      %function = load ptr, ptr @table
      %b = call i32 %function()
      %c = call i32 @before()
      ; Not ahead: it might not be called.
      %is = icmp eq i32 %b, 1
      br i1 %is, label %more, label %out
    more:
      %d = call i32 @after()
      %e = load i32, ptr @kept
      %x = add i32 %a, %b
      %y = add i32 %c, %d
      %z = add i32 %x, %y
      %w = add i32 %z, %e
      ret i32 %w
    out:
      ret i32 0
    }";

extern "C-unwind" fn instead() -> i32 {
    -100
}

/// The unit is removed while a thread is in one of its functions. What that calls of the unit
/// afterwards is there if it was compiled; else the client is asked, as for everything that was
/// removed.
#[test]
fn what_another_thread_is_in() {
    in_each_case(|case| {
        for is_called in [false, true] {
            on_fresh_thread(|| {
                let engine = case.engine();
                let unit = add(&engine, BUSY);
                if is_called {
                    let after: Plain = function(&engine, "after");
                    assert_eq!(on_fresh_thread(|| after()), 100);
                }
                engine.on_failure(|failure: &Failure<'_>| {
                    assert!(matches!(failure.error, Error::Removed { .. }));
                    assert_eq!(failure.function, Some("after"));
                    assert_eq!(failure.callers[0], "f");
                    Some((instead as *const ()).into())
                });
                let f: WithData = function(&engine, "f");
                let turns = Turns::default();
                let run = || {
                    let mut wait = Act::new(|| {
                        turns.reach(1);
                        turns.await_step(2);
                    });
                    f(wait.data())
                };
                std::thread::scope(|scope| {
                    let thread = scope.spawn(run);
                    turns.await_step(1);
                    engine.remove_unit(unit).unwrap();
                    for _ in 0..3 {
                        assert_eq!(engine.reclaim().bytes, 0);
                    }
                    assert!(engine.lookup("after").is_err());
                    turns.reach(2);
                    let expected = if is_called { 1121 } else { 921 };
                    assert_eq!(thread.join().unwrap(), expected);
                });
                if case.undoes() {
                    engine.undo().unwrap();
                    assert_eq!(on_fresh_thread(|| f(ptr::null_mut())), 1121);
                    undo_all(&engine);
                }
                is_all_freed(&engine);
            });
        }
    });
}

/// A thread that never leaves compiled code, in a function that was removed.
#[test]
fn what_a_thread_loops_in() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, "@stop = global i32 0\n@running = global i32 0");
        let unit = add(
            &engine,
            "@stop = external global i32
             @running = external global i32
             define i32 @f(ptr %data) {
               store atomic i32 1, ptr @running seq_cst, align 4
               br label %again
             again:
               %x = load atomic i32, ptr @stop seq_cst, align 4
               %go = icmp eq i32 %x, 0
               br i1 %go, label %again, label %out
             out:
               ret i32 3
             }",
        );
        let f: WithData = function(&engine, "f");
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| f(ptr::null_mut::<c_void>()));
            while read::<i32>(&engine, "running") == 0 {
                std::thread::yield_now();
            }
            engine.remove_unit(unit).unwrap();
            for _ in 0..3 {
                assert_eq!(engine.reclaim().bytes, 0);
            }
            write(&engine, "stop", 1);
            assert_eq!(thread.join().unwrap(), 3);
        });
        undo_all(&engine);
        is_all_freed(&engine);
    });
}

fn bytes(engine: &Engine) -> (u64, u64, usize, usize) {
    reclaim_all(engine);
    let report = engine.report();
    let names = engine.main().names().len();
    (
        report.code_bytes,
        report.data_bytes,
        engine.units().len(),
        names,
    )
}

/// Changes that fail at each of the places where they can.
#[test]
fn a_change_that_fails_leaves_memory_as_it_was() {
    let nonsense =
        "define i32 @h() {\n call void asm sideeffect \"nonsense\", \"\"()\n ret i32 1\n}";
    let failing: [&[(&str, String)]; 7] = [
        // Not IR.
        &[("f", "define i32 @f() {".to_owned())],
        // Verified, in no order that a thread could see.
        &[
            ("one", returns("f", 2) + &returns("new", 3)),
            ("two", "define i32 @h() {\n ret i64 1\n}".to_owned()),
        ],
        // Compiled.
        &[
            (
                "one",
                returns("f", 2) + "@data = global [64 x i64] zeroinitializer\n",
            ),
            ("two", nonsense.to_owned()),
        ],
        // Linked.
        &[
            ("one", returns("f", 2)),
            (
                "two",
                "@nowhere = external global i32
                 define i32 @h() {\n %x = load i32, ptr @nowhere\n ret i32 %x\n}"
                    .to_owned(),
            ),
        ],
        // Of another type.
        &[
            ("one", returns("f", 2) + &returns("new", 3)),
            ("two", "define i64 @h() {\n ret i64 1\n}".to_owned()),
        ],
        // A variable where a function was.
        &[("one", "@h = global i32 0\n".to_owned() + &returns("f", 2))],
        // A name twice.
        &[
            ("one", returns("f", 2)),
            ("two", returns("f", 3) + nonsense),
        ],
    ];
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &(returns("f", 1) + &returns("h", 5)));
        add(
            &engine,
            "declare i32 @f()
             define i32 @g() {
               %x = call i32 @f()
               ret i32 %x
             }",
        );
        let (g, h): (Plain, Plain) = (function(&engine, "g"), function(&engine, "h"));
        assert_eq!((g(), h()), (1, 5));
        // Pages of regions are taken when they are first needed.
        engine.replace("f", returns("f", 2).as_bytes()).unwrap();
        engine.replace("f", returns("f", 1).as_bytes()).unwrap();
        undo_all(&engine);
        let mut before = None;
        for round in 0..3 {
            for (place, steps) in failing.iter().enumerate() {
                let mut change = engine.main().change();
                for (name, ir) in *steps {
                    change.define(name, ir.as_bytes());
                }
                assert!(change.commit().is_err(), "{place}");
                assert_eq!((g(), h()), (1, 5), "{place}");
                let now = bytes(&engine);
                assert_eq!(*before.get_or_insert(now), now, "{place} in round {round}");
            }
        }
        assert!(engine.undo().is_err());
        is_all_freed(&engine);
    });
}

/// Variables that lie beside code that is given back, while the change that took both away is
/// remembered.
#[test]
fn variables_come_back_when_the_code_beside_them_has_gone() {
    in_each_case(|case| {
        if !case.undoes() {
            return;
        }
        let engine = case.engine();
        let version = |kind: &str, first: i32| {
            let variables = (0..4).map(|i| format!("@v{i} = global {kind} {}\n", first + i));
            let loads = (0..4).map(|i| {
                format!(
                    "%x{i} = load i32, ptr @v{i}
                     %s{} = add i32 %s{i}, %x{i}\n",
                    i + 1
                )
            });
            let (variables, loads): (String, String) = (variables.collect(), loads.collect());
            format!("{variables}define i32 @f() {{\n %s0 = add i32 0, 0\n {loads} ret i32 %s4\n}}")
        };
        add(&engine, &version("i32", 1));
        let f: Plain = function(&engine, "f");
        assert_eq!(on_fresh_thread(|| f()), 10);
        write(&engine, "v1", 20i32);
        for _ in 0..3 {
            let mut change = engine.main().change();
            change.define("new", version("i64", 100).as_bytes());
            change.on_type_change(TypeChange::GoAhead);
            change.commit().unwrap();
            assert_eq!(on_fresh_thread(|| f()), 406);
            reclaim_all(&engine);
            engine.undo().unwrap();
            assert_eq!(on_fresh_thread(|| f()), 28);
            reclaim_all(&engine);
            assert_eq!(read::<i32>(&engine, "v3"), 4);
        }
        is_all_freed(&engine);
    });
}
