//! A function gets a new body while code that calls it runs.

use std::ffi::c_void;

use rewire::{Engine, Error, Level, TypeChange};

use crate::support::Checked;

const ROUNDS: i64 = 1000;

/// What compiled code calls between two calls of the function: gives it its next body.
struct Replacer<'e> {
    engine: &'e Engine,
    body: fn(i64) -> String,
    round: i64,
}

extern "C" fn next(replacer: *mut c_void) {
    // SAFETY: `run` passes a replacer that outlives the call, and nobody else uses it.
    let replacer = unsafe { &mut *replacer.cast::<Replacer<'_>>() };
    replacer.round += 1;
    let ir = (replacer.body)(replacer.round);
    let generation = replacer.engine.replace("f", ir.as_bytes()).unwrap();
    assert_eq!(i64::from(generation.get()), replacer.round + 1);
}

/// Runs a loop of 1,000 rounds. A round is IR that calls `@f` and `%next` (which replaces `@f`),
/// knows its number as `%i`, and sets `%is` to whether it saw what it should.
fn run(definitions: &str, round: &str, body: fn(i64) -> String) {
    let program = format!(
        "{definitions}
         define i64 @loop(i64 %rounds, ptr %next, ptr %data) {{
         entry:
           %first = load ptr, ptr @kept
           br label %again
         again:
           %i = phi i64 [ 0, %entry ], [ %j, %again ]
           %good = phi i64 [ 0, %entry ], [ %more, %again ]
           {round}
           %one = zext i1 %is to i64
           %more = add i64 %good, %one
           %j = add i64 %i, 1
           %done = icmp eq i64 %j, %rounds
           br i1 %done, label %out, label %again
         out:
           ret i64 %more
         }}
         @kept = global ptr @f"
    );
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(level, &program);
        type Loop = extern "C" fn(i64, extern "C" fn(*mut c_void), *mut c_void) -> i64;
        let looping: Loop = checked.function("loop");
        let canonical = checked.engine.lookup("f").unwrap();
        let mut replacer = Replacer {
            engine: &checked.engine,
            body,
            round: 0,
        };
        let data = (&raw mut replacer).cast();
        assert_eq!(looping(ROUNDS, next, data), ROUNDS, "at {level:?}");
        assert_eq!(checked.engine.lookup("f").unwrap(), canonical);
        let report = checked.engine.report();
        assert_eq!(report.functions_replaced, ROUNDS as u64);
        // Where the loop held a copy of a body, that left with it, and nobody called the body.
        let (copies, rounds) = (report.bodies_inlined, ROUNDS as u64);
        let retired = report.definitions_retired;
        assert!(
            (rounds - copies..=rounds + copies).contains(&retired),
            "{retired}"
        );
        checked.verify();
    }
}

fn returns(round: i64) -> String {
    format!("define i64 @f() {{\n ret i64 {round}\n}}")
}

#[test]
fn each_call_in_a_loop_sees_the_newest_body() {
    run(
        &returns(0),
        "%seen = call i64 @f()
         %is = icmp eq i64 %seen, %i
         call void %next(ptr %data)",
        returns,
    );
}

/// With `memory(none)` on the declaration, LLVM would make one call of the two: the attribute is
/// of a body that may be replaced.
#[test]
fn two_calls_in_one_expression_are_two_calls() {
    fn pure(round: i64) -> String {
        returns(round).replace("@f()", "@f() memory(none) nounwind willreturn")
    }
    run(
        "define i64 @f() noinline memory(none) nounwind willreturn {
           ret i64 0
         }",
        "%before = call i64 @f()
         call void %next(ptr %data)
         %after = call i64 @f()
         %sum = add i64 %before, %after
         %following = add i64 %i, 1
         %twice = add i64 %i, %following
         %is = icmp eq i64 %sum, %twice",
        pure,
    );
}

#[test]
fn the_address_beside_a_call_never_changes() {
    run(
        &returns(0),
        "%direct = call i64 @f()
         %indirect = call i64 %first()
         %same = icmp eq ptr %first, @f
         %equal = icmp eq i64 %direct, %indirect
         %now = icmp eq i64 %direct, %i
         %both = and i1 %same, %equal
         %is = and i1 %both, %now
         call void %next(ptr %data)",
        returns,
    );
}

/// Each body calls itself, with a count that says how deep it is.
#[test]
fn a_recursive_function_calls_its_newest_body() {
    fn recursive(round: i64) -> String {
        format!(
            "define i64 @f(i64 %depth) {{
               %end = icmp eq i64 %depth, 0
               br i1 %end, label %out, label %in
             in:
               %less = sub i64 %depth, 1
               %rest = call i64 @f(i64 %less)
               %sum = add i64 %rest, {round}
               ret i64 %sum
             out:
               ret i64 {round}
             }}"
        )
    }
    run(
        &recursive(0),
        "%seen = call i64 @f(i64 3)
         %expected = mul i64 %i, 4
         %is = icmp eq i64 %seen, %expected
         call void %next(ptr %data)",
        recursive,
    );
}

#[test]
fn a_call_in_tail_position_goes_to_the_newest_body() {
    run(
        &format!(
            "{}
             define i64 @tail() {{
               %value = musttail call i64 @f()
               ret i64 %value
             }}",
            returns(0)
        ),
        "%seen = call i64 @tail()
         %is = icmp eq i64 %seen, %i
         call void %next(ptr %data)",
        returns,
    );
}

/// A body that replaces its own function goes on to the end, and the call that it makes of
/// itself after that enters the new body.
#[test]
fn a_body_that_replaces_itself_finishes() {
    let program = "define i64 @f(ptr %next, ptr %data) {
           call void %next(ptr %data)
           %new = call i64 @f(ptr null, ptr null)
           %sum = add i64 %new, 100
           ret i64 %sum
         }";
    fn body(round: i64) -> String {
        format!("define i64 @f(ptr %next, ptr %data) {{\n ret i64 {round}\n}}")
    }
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(level, program);
        type Function = extern "C" fn(extern "C" fn(*mut c_void), *mut c_void) -> i64;
        let function: Function = checked.function("f");
        let mut replacer = Replacer {
            engine: &checked.engine,
            body,
            round: 0,
        };
        assert_eq!(function(next, (&raw mut replacer).cast()), 101);
        checked.verify();
    }
}

#[test]
fn a_new_body_brings_what_is_its_own() {
    let checked = Checked::with(
        Level::O2,
        "@shared = global i32 5
         define i32 @f() {
           ret i32 1
         }
         define i32 @g() {
           ret i32 40
         }",
    );
    let function: extern "C" fn() -> i32 = checked.function("f");
    assert_eq!(function(), 1);
    let body = b"@shared = external global i32
         @own = internal global i32 7
         declare i32 @g()
         define internal i32 @helper() {
           ret i32 1000
         }
         define i32 @f() {
           %a = load i32, ptr @shared
           %b = load i32, ptr @own
           %c = call i32 @g()
           %d = call i32 @helper()
           %e = add i32 %a, %b
           %h = add i32 %c, %d
           %i = add i32 %e, %h
           ret i32 %i
         }";
    checked.engine.replace("f", body).unwrap();
    assert_eq!(function(), 1052);
    checked.verify();
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let checked = Checked::with(
        Level::O0,
        "@data = global i32 0
         define i32 @f() {
           ret i32 1
         }",
    );
    let engine = &checked.engine;
    let function: extern "C" fn() -> i32 = checked.function("f");
    assert_eq!(function(), 1);
    let refused = |name: &str, ir: &str, part: &str| {
        let error = engine.replace(name, ir.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(function(), 1);
        assert_eq!(engine.state("f").unwrap().generation.get(), 1);
    };
    refused(
        "f",
        "define i64 @f() {\n ret i64 2\n}",
        "its type is i32 ()",
    );
    refused("f", "define i32 @g() {\n ret i32 2\n}", "also defines g");
    refused("f", "declare i32 @f()", "does not define it");
    refused("f", "define i32 @f() {", "found end of file");
    refused(
        "data",
        "define i32 @data() {\n ret i32 2\n}",
        "its type is i32",
    );
    refused("h", "define i32 @h() {\n ret i32 2\n}", "nothing defines h");
    // Found only when it is linked.
    refused(
        "f",
        "@nowhere = external global i32
         define i32 @f() {
           %x = load i32, ptr @nowhere
           ret i32 %x
         }",
        "nowhere",
    );
    let error = engine.replace("f", b"").unwrap_err();
    assert!(matches!(error, Error::Replace { .. }), "{error}");
    engine
        .replace("f", b"define i32 @f() {\n ret i32 2\n}")
        .unwrap();
    assert_eq!(function(), 2);
    checked.verify();
}

/// What reads prefix data finds it in front of the canonical address, which stays, and so does the
/// data: it is part of the address.
#[test]
fn a_variable_of_each_thread_stays_one() {
    let kinds = ["thread_local global", "global"];
    for (kind, other) in [(0, 1), (1, 0)] {
        let checked = Checked::with(
            Level::O0,
            &format!(
                "@v = {} i32 4
                 define ptr @place() {{
                   ret ptr @v
                 }}",
                kinds[kind]
            ),
        );
        let place = checked.function::<extern "C" fn() -> *const i32>("place");
        let before = place();
        let mut change = checked.engine.main().change();
        change.define("new.ll", format!("@v = {} i32 5", kinds[other]).as_bytes());
        change.on_type_change(TypeChange::Recompile);
        let error = change.commit().unwrap_err();
        assert!(error.to_string().contains("each thread"), "{error}");
        assert_eq!(place(), before);
    }
}

#[test]
fn prefix_data_stays_at_the_address() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(
            level,
            "define i32 @f() prefix i32 5 {
              ret i32 1
            }
            define ptr @address() {
              ret ptr @f
            }",
        );
        let canonical = checked.engine.lookup("f").unwrap();
        let tag = || {
            let before = canonical.get() - 4;
            // SAFETY: the prefix data of `f` stands there.
            unsafe { (before as *const u32).read() }
        };
        let f: extern "C" fn() -> i32 = checked.function("f");
        let address: extern "C" fn() -> u64 = checked.function("address");
        assert_eq!((tag(), f(), address()), (5, 1, canonical.get()));
        let other = b"define i32 @f() prefix i32 6 {\n ret i32 2\n}";
        checked.engine.replace("f", other).unwrap();
        assert_eq!(checked.engine.lookup("f").unwrap(), canonical);
        assert_eq!((tag(), f(), address()), (5, 2, canonical.get()));
        let state = checked.engine.state("f").unwrap();
        assert_eq!(state.canonical, Some(canonical));
        let here = checked.engine.symbol_at(canonical).unwrap();
        assert_eq!((&*here.name, here.place), ("f", rewire::SymbolPlace::Stub));
        checked.verify();
    }
}
