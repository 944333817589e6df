//! Several functions in one change, and locals of one name in several units.

use std::sync::atomic::{AtomicBool, Ordering};

use rewire::TypeChange;

use super::{Plain, add, function, in_each_case, is_all_freed, on_fresh_thread, undo_all};

const COUNT: usize = 4;

/// Functions that call one another in a cycle. Each passes on which version it is of; one that is
/// called by a newer version than its own answers -1.
fn cycle(version: i64) -> String {
    let mut ir = String::new();
    for i in 0..COUNT {
        let next = (i + 1) % COUNT;
        ir.push_str(&format!(
            "define i64 @f{i}(i64 %depth, i64 %caller) {{
               %old = icmp slt i64 {version}, %caller
               br i1 %old, label %bad, label %good
             bad:
               ret i64 -1
             good:
               %end = icmp eq i64 %depth, 0
               br i1 %end, label %out, label %more
             out:
               ret i64 {version}
             more:
               %less = sub i64 %depth, 1
               %x = call i64 @f{next}(i64 %less, i64 {version})
               ret i64 %x
             }}\n"
        ));
    }
    ir
}

#[test]
fn a_cycle_of_functions_changes_at_once() {
    const ROUNDS: i64 = 60;
    type Chain = extern "C-unwind" fn(i64, i64) -> i64;
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &cycle(0));
        let functions: Vec<Chain> = (0..COUNT)
            .map(|i| function(&engine, &format!("f{i}")))
            .collect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut newest = 0;
                    while !done.load(Ordering::Acquire) {
                        for function in &functions {
                            // Enters with what it has met already, as a caller of that version.
                            let met = function(40, newest);
                            assert!(met >= newest, "{met} after {newest}");
                            newest = met;
                        }
                    }
                });
            }
            for version in 1..=ROUNDS {
                let mut change = engine.main().change();
                change.define("new", cycle(version).as_bytes());
                let changed = change.commit().unwrap();
                assert_eq!(changed.replaced.len(), COUNT);
                assert_eq!(functions[0](2 * COUNT as i64, version), version);
            }
            done.store(true, Ordering::Release);
        });
        is_all_freed(&engine);
        if case.undoes() {
            for version in (ROUNDS - case.undo_depth as i64..ROUNDS).rev() {
                engine.undo().unwrap();
                assert_eq!(functions[1](9, 0), version);
            }
            assert!(engine.undo().is_err());
            is_all_freed(&engine);
        }
    });
}

/// A change of one function compiles those that hold a copy of it again, in the same step.
#[test]
fn what_was_inlined_changes_with_it() {
    let unit = |value: i32| {
        format!(
            "define internal i32 @small() alwaysinline {{
               ret i32 {value}
             }}
             define i32 @f() {{
               %x = call i32 @small()
               ret i32 %x
             }}
             define i32 @g() {{
               %x = call i32 @f()
               %y = call i32 @small()
               %z = mul i32 %y, 1000
               %s = add i32 %x, %z
               ret i32 %s
             }}"
        )
    };
    in_each_case(|case| {
        let engine = case.engine();
        let first = add(&engine, &unit(1));
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 1001);
        let mut change = engine.main().change();
        change.reload(first, "second version", unit(2).as_bytes());
        let second = change.commit().unwrap().units[0];
        assert_eq!(g(), 2002);
        let mut change = engine.main().change();
        change.reload(second, "third version", unit(3).as_bytes());
        change.commit().unwrap();
        assert_eq!(g(), 3003);
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!(g(), 2002);
            engine.undo().unwrap();
            assert_eq!(g(), 1001);
        }
        is_all_freed(&engine);
    });
}

fn with_locals(prefix: &str, value: i32) -> String {
    format!(
        "@count = internal global i32 {value}
         define internal i32 @helper() noinline {{
           %old = load i32, ptr @count
           %new = add i32 %old, 1
           store i32 %new, ptr @count
           ret i32 {value}
         }}
         define i32 @{prefix}_call() {{
           %x = call i32 @helper()
           ret i32 %x
         }}
         define i32 @{prefix}_count() {{
           %x = load i32, ptr @count
           ret i32 %x
         }}
         define ptr @{prefix}_helper() {{
           ret ptr @helper
         }}"
    )
}

#[test]
fn locals_of_one_name_are_each_their_units() {
    in_each_case(|case| {
        let engine = case.engine();
        let first = add(&engine, &with_locals("one", 10));
        add(&engine, &with_locals("two", 20));
        let call = |name: &str| function::<Plain>(&engine, name)();
        let address = |name: &str| function::<extern "C-unwind" fn() -> u64>(&engine, name)();
        assert_eq!((call("one_call"), call("two_call")), (10, 20));
        assert_eq!((call("one_count"), call("two_count")), (11, 21));
        let helpers = (address("one_helper"), address("two_helper"));
        assert_ne!(helpers.0, helpers.1);
        let mut change = engine.main().change();
        change.reload(first, "one again", with_locals("one", 30).as_bytes());
        let changed = change.commit().unwrap();
        let replaced: Vec<&str> = changed.replaced.iter().map(|one| &*one.name).collect();
        assert!(replaced.contains(&"helper"), "{replaced:?}");
        // The function is new, the variable keeps its value; the other unit has its own.
        assert_eq!((call("one_call"), call("two_call")), (30, 20));
        assert_eq!((call("one_count"), call("two_count")), (12, 22));
        assert_eq!((address("one_helper"), address("two_helper")), helpers);
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!((call("one_call"), call("two_call")), (10, 20));
            assert_eq!((call("one_count"), call("two_count")), (13, 23));
            assert_eq!((address("one_helper"), address("two_helper")), helpers);
        }
        is_all_freed(&engine);
    });
}

/// Of a reload, names that aren't there any more go, and their callers are in the way.
#[test]
fn a_reload_that_lacks_what_others_use_is_refused() {
    in_each_case(|case| {
        let engine = case.engine();
        let unit = add(&engine, &with_locals("one", 1));
        add(
            &engine,
            "declare i32 @one_call()
             define i32 @user() {
               %x = call i32 @one_call()
               ret i32 %x
             }",
        );
        let user: Plain = function(&engine, "user");
        assert_eq!(on_fresh_thread(|| user()), 1);
        let before = engine.report();
        let mut change = engine.main().change();
        change.reload(unit, "other", with_locals("other", 2).as_bytes());
        change.on_type_change(TypeChange::GoAhead);
        let error = change.commit().unwrap_err();
        assert!(matches!(error, rewire::Error::InUse { .. }), "{error}");
        assert_eq!(user(), 1);
        undo_all(&engine);
        let after = engine.report();
        assert_eq!(after.code_bytes, before.code_bytes);
        assert_eq!(after.data_bytes, before.data_bytes);
        assert!(engine.lookup("other_call").is_err());
    });
}
