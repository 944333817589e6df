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
            "define i32 @f{i}(i32 %x) {{\n %y = add i32 %x, 1\n %z = call i32 @f{}(i32 %y)\n \
             ret i32 %z\n}}\n",
            i + 1
        ));
    }
    program.push_str(&format!(
        "define i32 @f{length}(i32 %x) {{\n ret i32 %x\n}}\n"
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
