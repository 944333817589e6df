//! Frozen units: compiled whole, called directly, never replaced.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use rewire::{Error, Level, UseAspect};

use crate::support::Checked;

const LEVELS: [Level; 2] = [Level::O0, Level::O2];

/// An engine that holds this IR as a frozen unit.
fn frozen(level: Level, ir: &str) -> Checked {
    let checked = Checked::new(level);
    add(&checked, "frozen.ll", ir);
    checked
}

fn add(checked: &Checked, name: &str, ir: &str) {
    checked.engine.add_ir_frozen(name, ir.as_bytes()).unwrap();
}

/// At level 0 code generation loads the slot for a call that must be a jump, and a load stays.
fn of_tail_call(level: Level) -> UseAspect {
    match level {
        Level::O0 => UseAspect::Slot,
        _ => UseAspect::Direct,
    }
}

/// How `name` is used, and by whom.
fn uses(checked: &Checked, name: &str) -> Vec<(String, UseAspect)> {
    let state = checked.engine.state(name).unwrap();
    let users = state.users.iter();
    users
        .map(|user| {
            let by = user.name.as_deref().unwrap_or_default();
            (by.to_owned(), user.aspect)
        })
        .collect()
}

/// Three functions that LLVM may not inline, so that the calls can be seen.
const CHAIN: &str = "define i32 @leaf(i32 %x) noinline {
      %y = mul i32 %x, 3
      ret i32 %y
    }
    define i32 @middle(i32 %x) noinline {
      %a = call i32 @leaf(i32 %x)
      %b = call i32 @leaf(i32 %a)
      %c = add i32 %b, 1
      ret i32 %c
    }
    define i32 @tail(i32 %x) noinline {
      %r = musttail call i32 @middle(i32 %x)
      ret i32 %r
    }
    define i32 @never(i32 %x) noinline {
      %r = call i32 @missing(i32 %x)
      %s = add i32 %r, 1
      ret i32 %s
    }
    declare i32 @missing(i32)";

#[test]
fn it_is_compiled_whole_when_it_is_entered_and_calls_directly() {
    for level in LEVELS {
        let checked = frozen(level, CHAIN);
        let tail: extern "C" fn(i32) -> i32 = checked.function("tail");
        assert_eq!(checked.engine.report().functions_compiled, 0);
        assert_eq!(tail(2), 19);
        let report = checked.engine.report();
        assert_eq!((report.functions_compiled, report.functions_called), (4, 1));
        let direct = |by: &str| (by.to_owned(), UseAspect::Direct);
        assert_eq!(uses(&checked, "leaf"), [direct("middle"), direct("middle")]);
        assert_eq!(
            uses(&checked, "middle"),
            [("tail".to_owned(), of_tail_call(level))]
        );
        assert_eq!(
            uses(&checked, "missing"),
            [("never".to_owned(), UseAspect::Slot)]
        );
        for name in ["leaf", "middle", "missing"] {
            let state = checked.engine.state(name).unwrap();
            let at: BTreeSet<u64> = state.users.iter().map(|user| user.at.get()).collect();
            assert_eq!(at, checked.uses_in_bytes(name), "{name} at {level:?}");
        }
        // Whoever enters elsewhere finds the body at once.
        let leaf: extern "C" fn(i32) -> i32 = checked.function("leaf");
        assert_eq!(leaf(5), 15);
        assert_eq!(checked.engine.report().functions_called, 1);
        checked.verify();
    }
}

#[test]
fn its_functions_are_inlined_into_one_another() {
    let ir = "define internal i32 @small(i32 %x) {
           %y = add i32 %x, 1
           ret i32 %y
         }
         define i32 @entry(i32 %x) {
           %a = call i32 @small(i32 %x)
           ret i32 %a
         }";
    for (level, calls) in [(Level::O0, 1), (Level::O2, 0)] {
        let checked = frozen(level, ir);
        let entry: extern "C" fn(i32) -> i32 = checked.function("entry");
        assert_eq!(entry(1), 2);
        assert_eq!(
            checked.uses_in_bytes("small.rewire.0").len(),
            calls,
            "at {level:?}"
        );
        checked.verify();
    }
}

#[test]
fn what_must_be_inlined_is_inlined() {
    let ir = "define internal i32 @always(i32 %x) alwaysinline {
           %y = add i32 %x, 1
           ret i32 %y
         }
         define i32 @entry(i32 %x) {
           %a = call i32 @always(i32 %x)
           ret i32 %a
         }";
    for level in LEVELS {
        let checked = frozen(level, ir);
        let entry: extern "C" fn(i32) -> i32 = checked.function("entry");
        assert_eq!(entry(1), 2);
        assert!(checked.uses_in_bytes("always.rewire.0").is_empty());
        checked.verify();
    }
}

#[test]
fn replacing_its_functions_is_refused() {
    for level in LEVELS {
        let checked = frozen(level, CHAIN);
        let tail: extern "C" fn(i32) -> i32 = checked.function("tail");
        for _ in 0..2 {
            // Before it is compiled, and after.
            let new = b"define i32 @leaf(i32 %x) {\n ret i32 0\n}";
            let error = checked.engine.replace("leaf", new).unwrap_err();
            assert!(matches!(error, Error::Replace { .. }), "{error:?}");
            let text = error.to_string();
            assert!(
                text.contains("frozen") && text.contains("frozen.ll"),
                "{text}"
            );
            assert_eq!(tail(2), 19);
        }
        assert_eq!(checked.engine.report().functions_replaced, 0);
        checked.verify();
    }
}

#[test]
fn recursion_goes_directly() {
    let ir = "define i32 @even(i32 %x) noinline {
           %end = icmp eq i32 %x, 0
           br i1 %end, label %out, label %on
         on:
           %y = sub i32 %x, 1
           %r = musttail call i32 @odd(i32 %y)
           ret i32 %r
         out:
           ret i32 1
         }
         define i32 @odd(i32 %x) noinline {
           %end = icmp eq i32 %x, 0
           br i1 %end, label %out, label %on
         on:
           %y = sub i32 %x, 1
           %r = musttail call i32 @even(i32 %y)
           ret i32 %r
         out:
           ret i32 0
         }
         define i32 @deep(i32 %x) noinline {
           %end = icmp sle i32 %x, 0
           br i1 %end, label %out, label %on
         on:
           %y = sub i32 %x, 1
           %a = call i32 @deep(i32 %y)
           %z = xor i32 %a, %x
           %w = sdiv i32 %y, 2
           %b = call i32 @deep(i32 %w)
           %r = add i32 %z, %b
           ret i32 %r
         out:
           ret i32 1
         }";
    for level in LEVELS {
        let checked = frozen(level, ir);
        let even: extern "C" fn(i32) -> i32 = checked.function("even");
        // A stack would not hold as many frames.
        assert_eq!((even(3_000_000), even(3_000_001)), (1, 0));
        let deep: extern "C" fn(i32) -> i32 = checked.function("deep");
        fn natively(x: i32) -> i32 {
            if x <= 0 {
                return 1;
            }
            (natively(x - 1) ^ x) + natively((x - 1) / 2)
        }
        assert_eq!(deep(20), natively(20));
        let of = |by: &str, aspect| (by.to_owned(), aspect);
        assert_eq!(uses(&checked, "even"), [of("odd", of_tail_call(level))]);
        assert_eq!(uses(&checked, "odd"), [of("even", of_tail_call(level))]);
        // At level 2, one of its two calls of itself became a loop.
        let direct = uses(&checked, "deep");
        assert!(!direct.is_empty());
        for one in direct {
            assert_eq!(one, of("deep", UseAspect::Direct));
        }
        checked.verify();
    }
}

#[test]
fn its_functions_have_one_address() {
    let ir = "define i32 @f(i32 %x) noinline {
           %y = add i32 %x, 1
           ret i32 %y
         }
         @table = global ptr @f
         define ptr @address() {
           ret ptr @f
         }
         define ptr @loaded() {
           %f = load ptr, ptr @table
           ret ptr %f
         }";
    let outside = "declare i32 @f(i32)
         define ptr @elsewhere() {
           ret ptr @f
         }";
    for level in LEVELS {
        let checked = frozen(level, ir);
        checked
            .engine
            .add_ir("outside.ll", outside.as_bytes())
            .unwrap();
        let before: extern "C" fn() -> u64 = checked.function("elsewhere");
        let canonical = before();
        for name in ["address", "loaded", "elsewhere"] {
            let address: extern "C" fn() -> u64 = checked.function(name);
            assert_eq!(address(), canonical, "{name} at {level:?}");
        }
        assert_eq!(checked.engine.lookup("f").unwrap().get(), canonical);
        let f: extern "C" fn(i32) -> i32 = checked.function("f");
        assert_eq!(f(4), 5);
        checked.verify();
    }
}

/// Calls between frozen code and code that is replaced: those of the latter follow.
#[test]
fn it_calls_what_may_be_replaced_through_slots() {
    let inside = "declare i32 @changing(i32)
         define i32 @inside(i32 %x) noinline {
           %a = call i32 @changing(i32 %x)
           %b = call i32 @helper(i32 %a)
           ret i32 %b
         }
         define i32 @helper(i32 %x) noinline {
           %y = add i32 %x, 1000
           ret i32 %y
         }";
    let outside = "declare i32 @inside(i32)
         declare i32 @helper(i32)
         define i32 @changing(i32 %x) {
           %y = add i32 %x, 1
           ret i32 %y
         }
         define i32 @outside(i32 %x) {
           %a = call i32 @inside(i32 %x)
           ret i32 %a
         }";
    for level in LEVELS {
        let checked = frozen(level, inside);
        checked
            .engine
            .add_ir("outside.ll", outside.as_bytes())
            .unwrap();
        let outside: extern "C" fn(i32) -> i32 = checked.function("outside");
        assert_eq!(outside(0), 1001);
        for round in 2..20 {
            let ir = format!(
                "declare i32 @helper(i32)
                 define i32 @changing(i32 %x) {{
                   %y = add i32 %x, {round}
                   %z = call i32 @helper(i32 %y)
                   ret i32 %z
                 }}"
            );
            checked.engine.replace("changing", ir.as_bytes()).unwrap();
            assert_eq!(outside(0), 2000 + round);
        }
        let slot = |by: &str| (by.to_owned(), UseAspect::Slot);
        assert_eq!(uses(&checked, "changing"), [slot("inside")]);
        assert_eq!(uses(&checked, "inside"), [slot("outside")]);
        let helper = uses(&checked, "helper");
        assert_eq!(helper.len(), 2, "{helper:?}");
        assert!(helper.contains(&("inside".to_owned(), UseAspect::Direct)));
        assert!(helper.contains(&slot("changing")));
        checked.verify();
    }
}

const ONE: &str = "declare i32 @two(i32)
    define i32 @one(i32 %x) noinline {
      %end = icmp eq i32 %x, 0
      br i1 %end, label %out, label %on
    on:
      %y = sub i32 %x, 1
      %r = call i32 @two(i32 %y)
      %s = add i32 %r, 1
      ret i32 %s
    out:
      ret i32 0
    }";

#[test]
fn frozen_units_call_each_other() {
    let two = ONE
        .replace("two", "TWO")
        .replace("one", "two")
        .replace("TWO", "one");
    for level in LEVELS {
        let checked = frozen(level, ONE);
        add(&checked, "two.ll", &two);
        let one: extern "C" fn(i32) -> i32 = checked.function("one");
        assert_eq!(one(101), 101);
        // The first one was bound before the second one was there.
        assert_eq!(uses(&checked, "two"), [("one".to_owned(), UseAspect::Slot)]);
        assert_eq!(
            uses(&checked, "one"),
            [("two".to_owned(), UseAspect::Direct)]
        );
        checked.verify();

        let eager = frozen(level, ONE);
        add(&eager, "two.ll", &two);
        eager.engine.compile_all().unwrap();
        let one: extern "C" fn(i32) -> i32 = eager.function("one");
        assert_eq!(one(101), 101);
        assert_eq!(eager.engine.report().functions_called, 0);
        for (name, by) in [("two", "one"), ("one", "two")] {
            assert_eq!(uses(&eager, name), [(by.to_owned(), UseAspect::Direct)]);
        }
        eager.verify();
    }
}

#[test]
fn functions_of_the_host_in_reach_are_called_directly() {
    let ir = "declare i32 @abs(i32)
         define i32 @f(i32 %x) {
           %y = call i32 @abs(i32 %x) nobuiltin
           %z = add i32 %y, 1
           ret i32 %z
         }";
    let checked = frozen(Level::O0, ir);
    let f: extern "C" fn(i32) -> i32 = checked.function("f");
    assert_eq!(f(-7), 8);
    let state = |name| checked.engine.state(name).unwrap().address.unwrap().get();
    // With other tests' engines around, this one may not have got a place near the C library.
    // Code is first in the engine's range of 1 GiB, all of which has to reach.
    let start = state("f") & !0xfff;
    let ends = [start, start + (1 << 30)];
    let is_near = ends
        .iter()
        .all(|end| end.abs_diff(state("abs")) < (1 << 31) - 64);
    let expected = if is_near {
        UseAspect::Direct
    } else {
        UseAspect::Slot
    };
    assert_eq!(uses(&checked, "abs"), [("f".to_owned(), expected)]);
    checked.verify();
    if !is_near {
        return;
    }
    // Nobody can take the name from the host now: the call could not follow.
    let own = b"define i32 @abs(i32 %x) {\n ret i32 0\n}";
    let error = checked.engine.add_ir("own.ll", own).unwrap_err();
    assert!(matches!(error, Error::Frozen { .. }), "{error:?}");
    assert!(error.help().is_some());
    let weak = b"define weak i32 @abs(i32 %x) {
           ret i32 0
         }
         define i32 @g(i32 %x) {
           %y = call i32 @abs(i32 %x) nobuiltin
           ret i32 %y
         }";
    checked.engine.add_ir("weak.ll", weak).unwrap();
    let g: extern "C" fn(i32) -> i32 = checked.function("g");
    assert_eq!((g(-1), f(-7)), (1, 8));
    checked.verify();
}

#[test]
fn a_panic_passes_through_its_frames() {
    let ir = "define i32 @outer(ptr %callback) {
           %a = call i32 @inner(ptr %callback)
           %b = add i32 %a, 1
           ret i32 %b
         }
         define i32 @inner(ptr %callback) noinline {
           %a = call i32 %callback()
           %b = add i32 %a, 1
           ret i32 %b
         }";
    extern "C-unwind" fn throws() -> i32 {
        std::panic::resume_unwind(Box::new(42_i32));
    }
    for level in LEVELS {
        let checked = frozen(level, ir);
        type Outer = extern "C-unwind" fn(extern "C-unwind" fn() -> i32) -> i32;
        let outer: Outer = checked.function("outer");
        for _ in 0..3 {
            let caught = std::panic::catch_unwind(|| outer(throws)).unwrap_err();
            assert_eq!(caught.downcast_ref::<i32>(), Some(&42));
        }
        checked.verify();
    }
}

#[test]
fn threads_that_enter_it_at_once_compile_it_once() {
    for level in LEVELS {
        let mut ir = String::new();
        for i in 0..40 {
            let next = (i + 1) % 40;
            ir.push_str(&format!(
                "define i32 @f{i}(i32 %x) noinline {{
                   %end = icmp eq i32 %x, 0
                   br i1 %end, label %out, label %on
                 on:
                   %y = sub i32 %x, 1
                   %r = call i32 @f{next}(i32 %y)
                   ret i32 %r
                 out:
                   ret i32 {i}
                 }}\n"
            ));
        }
        let checked = frozen(level, &ir);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for i in 0..8 {
                let (start, checked) = (&start, &checked);
                scope.spawn(move || {
                    let f: extern "C" fn(i32) -> i32 = checked.function(&format!("f{}", 5 * i));
                    start.wait();
                    assert_eq!(f(100), (5 * i + 100) % 40);
                });
            }
        });
        assert_eq!(checked.engine.report().functions_compiled, 40);
        checked.verify();
    }
}

/// What can't be compiled is said at each call, by whichever name; nothing hangs.
#[test]
fn a_unit_that_cannot_be_compiled_fails_whole() {
    let checked = frozen(
        Level::O0,
        "@nowhere = external global i32
         define i32 @f() {
           ret i32 1
         }
         define i32 @g() {
           %x = load i32, ptr @nowhere
           ret i32 %x
         }",
    );
    for _ in 0..2 {
        let error = checked.engine.compile_all().unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
    assert_eq!(checked.engine.report().functions_compiled, 0);
}
