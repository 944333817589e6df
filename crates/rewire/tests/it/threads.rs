//! Several threads in one engine.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rewire::Level;

use crate::support::Checked;

/// Functions f0 to f(n-1), each of which calls the next.
fn chain(length: usize) -> String {
    let mut program = String::new();
    for i in 0..length {
        program.push_str(&format!(
            "define i32 @f{i}(i32 %x) noinline {{\n %y = add i32 %x, 1\n %z = call i32 @f{}(i32 %y)\n \
             ret i32 %z\n}}\n",
            i + 1
        ));
    }
    program.push_str(&format!(
        "define i32 @f{length}(i32 %x) noinline {{\n ret i32 %x\n}}\n"
    ));
    program
}

#[test]
fn threads_that_call_one_function_first_compile_it_once() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(level, &chain(50));
        let function: extern "C" fn(i32) -> i32 = checked.function("f0");
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for i in 0..8 {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    assert_eq!(function(i), i + 50);
                });
            }
        });
        assert_eq!(checked.engine.report().functions_compiled, 51);
        checked.verify();
    }
}

#[test]
fn a_function_is_replaced_while_others_run_it() {
    let checked = Checked::with(
        Level::O2,
        "define i64 @f() {
           ret i64 0
         }
         define i64 @sum(i64 %count) {
         entry:
           br label %again
         again:
           %i = phi i64 [ 0, %entry ], [ %j, %again ]
           %last = phi i64 [ 0, %entry ], [ %now, %again ]
           %bad = phi i64 [ 0, %entry ], [ %worse, %again ]
           %now = call i64 @f()
           %back = icmp ult i64 %now, %last
           %one = zext i1 %back to i64
           %worse = add i64 %bad, %one
           %j = add i64 %i, 1
           %done = icmp eq i64 %j, %count
           br i1 %done, label %out, label %again
         out:
           ret i64 %worse
         }",
    );
    let sum: extern "C" fn(i64) -> i64 = checked.function("sum");
    let newest: extern "C" fn() -> i64 = checked.function("f");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    // No call ever saw an older body than the call before it.
                    assert_eq!(sum(10_000), 0);
                }
            });
        }
        for round in 1..=200 {
            let ir = format!("define i64 @f() {{\n ret i64 {round}\n}}");
            checked.engine.replace("f", ir.as_bytes()).unwrap();
            assert_eq!(newest(), round);
        }
        done.store(true, Ordering::Release);
    });
    checked.verify();
}

/// An engine that compiles with threads besides.
fn with_workers(level: Level, threads: usize, ir: &str) -> Checked {
    let checked = Checked::with_threads(level, threads);
    checked.engine.add_ir("test.ll", ir.as_bytes()).unwrap();
    checked
}

#[test]
fn what_will_surely_be_called_is_compiled_meanwhile_and_nothing_else() {
    // `f` calls `one`, then perhaps `two`, then `three`; `two` calls `four`.
    let ir = "define i32 @f(i1 %x) {
           %a = call i32 @one()
           br i1 %x, label %more, label %out
         more:
           %b = call i32 @two()
           br label %out
         out:
           %c = call i32 @three()
           %d = add i32 %a, %c
           ret i32 %d
         }
         define i32 @one() noinline {\n ret i32 1\n}
         define i32 @two() noinline {\n %a = call i32 @four()\n ret i32 %a\n}
         define i32 @three() noinline {\n ret i32 3\n}
         define i32 @four() noinline {\n ret i32 4\n}";
    for threads in [0, 1, 4] {
        for level in [Level::O0, Level::O2] {
            let checked = with_workers(level, threads, ir);
            let function: extern "C" fn(bool) -> i32 = checked.function("f");
            assert_eq!(function(false), 4);
            let report = checked.engine.report();
            assert_eq!(report.functions_compiled, 3);
            assert_eq!(report.functions_called, 3);
            assert_eq!(function(true), 4);
            let report = checked.engine.report();
            assert_eq!(report.functions_compiled, 5);
            assert_eq!(report.functions_called, 5);
            checked.verify();
        }
    }
}

#[test]
fn threads_that_bring_the_same_variables_share_one_copy() {
    // Each function adds to a counter of its own and to one that all share, which a table holds
    // the address of.
    let count = 64;
    let mut ir = String::from(
        "@shared = internal global i64 0\n@table = internal global [2 x ptr] [ptr @shared, ptr @table]\n",
    );
    for i in 0..count {
        ir.push_str(&format!(
            "@own{i} = internal global i64 0
             define i64 @f{i}() {{
               %p = load ptr, ptr @table
               %a = atomicrmw add ptr %p, i64 1 seq_cst
               %b = atomicrmw add ptr @shared, i64 1 seq_cst
               %c = atomicrmw add ptr @own{i}, i64 1 seq_cst
               ret i64 %c
             }}\n"
        ));
    }
    ir.push_str("define i64 @total() {\n %x = load i64, ptr @shared\n ret i64 %x\n}\n");
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(level, &ir);
        let functions: Vec<extern "C" fn() -> i64> = (0..count)
            .map(|i| checked.function(&format!("f{i}")))
            .collect();
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for thread in 0..8 {
                let (start, functions) = (&start, &functions);
                scope.spawn(move || {
                    start.wait();
                    for i in 0..count {
                        functions[(i + thread * 8) % count]();
                    }
                });
            }
        });
        for function in &functions {
            assert_eq!(function(), 8, "each of the threads was here");
        }
        let total: extern "C" fn() -> i64 = checked.function("total");
        assert_eq!(total(), 2 * 9 * count as i64);
        checked.verify();
    }
}

#[test]
fn everything_is_compiled_by_many_threads() {
    for threads in [0, 1, 4] {
        let checked = with_workers(Level::O0, threads, &chain(200));
        checked.engine.compile_all().unwrap();
        assert_eq!(checked.engine.report().functions_compiled, 201);
        let function: extern "C" fn(i32) -> i32 = checked.function("f0");
        assert_eq!(function(1), 201);
        checked.verify();
    }
}

#[test]
fn an_error_among_many_threads_is_told() {
    let ir = format!(
        "{}@nowhere = external global i32\ndefine i32 @bad() {{\n %x = load i32, ptr @nowhere\n \
         ret i32 %x\n}}\n",
        chain(100)
    );
    let checked = with_workers(Level::O0, 4, &ir);
    let error = checked.engine.compile_all().unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    let function: extern "C" fn(i32) -> i32 = checked.function("f0");
    assert_eq!(function(1), 101);
}

#[test]
fn resolvers_that_wait_for_one_another_are_not_for_ever() {
    // Each indirect function's resolver calls the other indirect function, once.
    let ir = "@tries = internal global [2 x i32] zeroinitializer
         @even = ifunc i32 (), ptr @choose_even
         @odd = ifunc i32 (), ptr @choose_odd
         define internal i32 @two() {\n ret i32 2\n}
         define internal i32 @three() {\n ret i32 3\n}
         define ptr @choose_even() {
           %n = atomicrmw add ptr @tries, i32 1 seq_cst
           %first = icmp eq i32 %n, 0
           br i1 %first, label %ask, label %out
         ask:
           %x = call i32 @odd()
           br label %out
         out:
           ret ptr @two
         }
         define ptr @choose_odd() {
           %p = getelementptr i32, ptr @tries, i64 1
           %n = atomicrmw add ptr %p, i32 1 seq_cst
           %first = icmp eq i32 %n, 0
           br i1 %first, label %ask, label %out
         ask:
           %x = call i32 @even()
           br label %out
         out:
           ret ptr @three
         }
         define i32 @call_even() {\n %x = call i32 @even()\n ret i32 %x\n}
         define i32 @call_odd() {\n %x = call i32 @odd()\n ret i32 %x\n}";
    for _ in 0..50 {
        let checked = with_workers(Level::O0, 1, ir);
        let even: extern "C" fn() -> i32 = checked.function("call_even");
        let odd: extern "C" fn() -> i32 = checked.function("call_odd");
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                assert_eq!(even(), 2);
            });
            start.wait();
            assert_eq!(odd(), 3);
        });
        assert_eq!((even(), odd()), (2, 3));
    }
}

/// The numbers below `count`, in an order that is the same for a seed.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    order
}

#[test]
fn eight_threads_call_ten_thousand_fresh_functions() {
    const COUNT: usize = 10_000;
    let mut ir = String::new();
    for i in 0..COUNT {
        ir.push_str(&format!("define i64 @f{i}() {{\n ret i64 {i}\n}}\n"));
    }
    for threads in [0, 2] {
        let checked = Checked::without_records(Level::O0, threads);
        checked.engine.add_ir("test.ll", ir.as_bytes()).unwrap();
        let functions: Vec<extern "C" fn() -> i64> = (0..COUNT)
            .map(|i| checked.function(&format!("f{i}")))
            .collect();
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for seed in 0..8 {
                let (start, functions) = (&start, &functions);
                scope.spawn(move || {
                    let order = shuffled(COUNT, seed);
                    start.wait();
                    for i in order {
                        assert_eq!(functions[i](), i as i64);
                    }
                });
            }
        });
        let report = checked.engine.report();
        assert_eq!(report.functions_compiled, COUNT as u64);
        assert_eq!(report.functions_called, COUNT as u64);
    }
}

#[test]
fn cycles_of_functions_never_deadlock() {
    // Each function calls the next one, in a cycle, and holds the addresses of two others; their
    // variables name the functions and one another.
    const COUNT: usize = 12;
    let mut ir = String::new();
    for i in 0..COUNT {
        let (next, far, last) = ((i + 1) % COUNT, (i + 5) % COUNT, (i + COUNT - 1) % COUNT);
        ir.push_str(&format!(
            "@v{i} = internal global [3 x ptr] [ptr @f{far}, ptr @v{last}, ptr @v{next}]
             define i64 @f{i}(i64 %n) {{
               %done = icmp eq i64 %n, 0
               br i1 %done, label %out, label %more
             more:
               %m = sub i64 %n, 1
               %p = load ptr, ptr @v{i}
               %x = call i64 %p(i64 0)
               %y = call i64 @f{next}(i64 %m)
               %z = add i64 %x, %y
               ret i64 %z
             out:
               ret i64 1
             }}\n"
        ));
    }
    for round in 0..1000 {
        let threads = round % 3;
        let checked = Checked::without_records(Level::O0, threads);
        checked.engine.add_ir("test.ll", ir.as_bytes()).unwrap();
        let functions: Vec<extern "C" fn(i64) -> i64> = (0..COUNT)
            .map(|i| checked.function(&format!("f{i}")))
            .collect();
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for thread in 0..8 {
                let (start, functions) = (&start, &functions);
                scope.spawn(move || {
                    start.wait();
                    let first = (thread * 3 + round) % COUNT;
                    assert_eq!(functions[first](COUNT as i64), COUNT as i64 + 1);
                });
            }
        });
        assert_eq!(checked.engine.report().functions_compiled, COUNT as u64);
    }
}
