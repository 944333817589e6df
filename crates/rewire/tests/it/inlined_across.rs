//! Bodies of other units that the optimiser inlines: what follows when they change.

use rewire::{Engine, Error, HotThresholds, Level, OptLevel, Options, Value};

use crate::support::Checked;

type Unary = extern "C" fn(i32) -> i32;

/// A function with a private counter, and a private function that it calls and nobody inlines.
const COUNTING: &str = "
    @count = internal global i32 0
    @step = internal constant i32 3
    define internal i32 @apart(i32 %x) noinline {
      %y = mul i32 %x, 2
      ret i32 %y
    }
    define i32 @next(i32 %x) {
      %n = load i32, ptr @count
      %s = load i32, ptr @step
      %m = add i32 %n, %s
      store i32 %m, ptr @count
      %d = call i32 @apart(i32 %x)
      %y = add i32 %d, %m
      ret i32 %y
    }
    define i32 @counted(i32 %x) noinline {
      %n = load i32, ptr @count
      ret i32 %n
    }";

const CALLER: &str = "
    @count = internal global i32 100
    declare i32 @next(i32)
    define i32 @twice(i32 %x) {
      %a = call i32 @next(i32 %x)
      %b = call i32 @next(i32 %a)
      %n = load i32, ptr @count
      %c = add i32 %b, %n
      ret i32 %c
    }";

fn with_units(options: Options, units: &[(&str, &str)]) -> Checked {
    let checked = Checked::with_options(options);
    for (name, text) in units {
        checked.engine.add_ir(name, *text).unwrap();
    }
    checked
}

fn fixed(level: Level, threads: usize) -> Options {
    Options {
        level: OptLevel::Fixed(level),
        threads,
        undo_depth: 8,
        ..Options::default()
    }
}

fn inliners(engine: &Engine, name: &str) -> Vec<String> {
    let state = engine.state(name).unwrap();
    let mut names: Vec<String> = state.inliners.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

fn replace(engine: &Engine, name: &str, body: &str) {
    let text = format!("define i32 @{name}(i32 %x) {{\n {body}\n}}");
    engine.replace(name, text.as_str()).unwrap();
}

#[test]
fn a_copy_has_the_privates_of_its_own_unit() {
    for level in [Level::O2, Level::O3] {
        for threads in [0, 1, 3] {
            let units = [("caller", CALLER), ("counting", COUNTING)];
            let checked = with_units(fixed(level, threads), &units);
            let engine = &checked.engine;
            let twice: Unary = checked.function("twice");
            let counted: Unary = checked.function("counted");
            // next(1) = 2 + 3; next(5) = 10 + 6.
            assert_eq!(twice(1), 116);
            assert_eq!(counted(0), 6);
            assert_eq!(twice(0), 9 * 2 + 12 + 100);
            assert_eq!(counted(0), 12);
            assert_eq!(inliners(engine, "next"), ["twice"]);
            if threads == 0 {
                let state = engine.state("next").unwrap();
                assert_eq!(state.address, None, "nobody calls it");
            }
            checked.verify();
        }
    }
}

#[test]
fn what_a_level_below_two_compiles_holds_no_copies() {
    for level in [Level::O0, Level::O1] {
        let units = [("caller", CALLER), ("counting", COUNTING)];
        let checked = with_units(fixed(level, 0), &units);
        let twice: Unary = checked.function("twice");
        assert_eq!(twice(1), 116);
        assert!(inliners(&checked.engine, "next").is_empty());
    }
}

/// Four units, each calling the next.
fn chain() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "top",
            "declare i32 @upper(i32)
             define i32 @top(i32 %x) {\n %y = call i32 @upper(i32 %x)\n %z = add i32 %y, 1000
               ret i32 %z\n}",
        ),
        (
            "upper",
            "declare i32 @middle(i32)
             define i32 @upper(i32 %x) {\n %y = call i32 @middle(i32 %x)\n ret i32 %y\n}",
        ),
        (
            "middle",
            "declare i32 @leaf(i32)
             define i32 @middle(i32 %x) {\n %y = call i32 @leaf(i32 %x)\n %z = mul i32 %y, 10
               ret i32 %z\n}",
        ),
        (
            "leaf",
            "define i32 @leaf(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}
             define i32 @beside(i32 %x) {\n ret i32 %x\n}",
        ),
    ]
}

#[test]
fn exactly_the_holders_follow_through_any_depth() {
    let checked = with_units(fixed(Level::O2, 0), &chain());
    let engine = &checked.engine;
    let [top, middle, beside] =
        ["top", "middle", "beside"].map(|name| checked.function::<Unary>(name));
    assert_eq!((top(1), middle(1), beside(1)), (1020, 20, 1));
    assert_eq!(engine.report().functions_compiled, 3);
    assert_eq!(inliners(engine, "leaf"), ["middle", "top"]);
    assert_eq!(inliners(engine, "upper"), ["top"]);
    replace(engine, "upper", "ret i32 %x");
    let compiled = engine.report().functions_compiled;
    assert_eq!((top(1), middle(1), beside(1)), (1001, 20, 1));
    assert_eq!(
        engine.report().functions_compiled,
        compiled + 1,
        "top alone"
    );
    replace(engine, "leaf", "ret i32 7");
    let compiled = engine.report().functions_compiled;
    assert_eq!((top(1), middle(1), beside(1)), (1001, 70, 1));
    assert_eq!(
        engine.report().functions_compiled,
        compiled + 1,
        "middle alone"
    );
    checked.verify();
}

#[test]
fn copies_follow_undoing_transactions_and_removal() {
    let checked = with_units(fixed(Level::O2, 0), &chain());
    let engine = &checked.engine;
    let top: Unary = checked.function("top");
    assert_eq!(top(1), 1020);
    let mut change = engine.main().change();
    change
        .replace("leaf", "define i32 @leaf(i32 %x) {\n ret i32 5\n}")
        .replace(
            "upper",
            "declare i32 @leaf(i32)
            define i32 @upper(i32 %x) {\n %y = call i32 @leaf(i32 %x)\n ret i32 %y\n}",
        );
    change.commit().unwrap();
    assert_eq!(top(1), 1005);
    engine.undo().unwrap();
    assert_eq!(top(1), 1020);
    let mut change = engine.main().change();
    change.remove("leaf");
    assert!(matches!(change.commit(), Err(Error::InUse { .. })));
    let mut change = engine.main().change();
    change.remove("leaf").force();
    change.commit().unwrap();
    // SAFETY: the function takes a number.
    let called = unsafe { engine.main().call("top", &[Value::I32(3)]) };
    let message = called.unwrap_err().to_string();
    assert!(
        message.contains("leaf is called and was removed"),
        "{message}"
    );
    engine.undo().unwrap();
    assert_eq!(top(1), 1020);
    checked.verify();
}

/// When a unit leaves, another's copy of the definition takes over, with that one's privates.
#[test]
fn a_copy_of_a_unit_that_leaves_is_left() {
    let part = |n: u32| {
        format!(
            "$shared = comdat any
             @own = internal global i32 {n}
             define linkonce_odr i32 @shared(i32 %x) comdat {{
               %n = load i32, ptr @own
               %y = add i32 %x, %n
               ret i32 %y
             }}"
        )
    };
    let checked = Checked::with_options(fixed(Level::O2, 0));
    let engine = &checked.engine;
    let caller = "declare i32 @shared(i32)
        define i32 @call(i32 %x) {\n %y = call i32 @shared(i32 %x)\n ret i32 %y\n}";
    let first = engine.add_ir("first", part(10).as_str()).unwrap();
    engine.add_ir("second", part(20).as_str()).unwrap();
    engine.add_ir("caller", caller).unwrap();
    let call: Unary = checked.function("call");
    assert_eq!(call(1), 11);
    assert_eq!(inliners(engine, "shared"), ["call"]);
    engine.remove_unit(first).unwrap();
    assert_eq!(call(1), 21);
    assert_eq!(inliners(engine, "shared"), ["call"]);
    engine.undo().unwrap();
    assert_eq!(call(1), 11);
    checked.verify();
}

/// What may be replaced by another file's definition natively isn't copied, nor what says so.
#[test]
fn linkage_and_attributes_decide() {
    let cases = [
        ("define i32 @f(i32 %x)", true),
        ("define linkonce_odr i32 @f(i32 %x)", true),
        ("define weak_odr i32 @f(i32 %x)", true),
        ("define i32 @f(i32 %x) alwaysinline", true),
        ("define weak i32 @f(i32 %x)", false),
        ("define linkonce i32 @f(i32 %x)", false),
        ("define i32 @f(i32 %x) noinline", false),
        ("define i32 @f(i32 %x) noinline optnone", false),
        ("define i32 @f(i32 %x) strictfp", false),
        ("define i32 @f(i32 %x) returns_twice", false),
        ("define i32 @f(i32 %x) \"target-features\"=\"+avx2\"", false),
        ("define i32 @f(i32 signext %x)", false),
        ("define i32 @f(i32 %x) prefix i32 1", false),
    ];
    for (head, is_copied) in cases {
        let unit = format!("{head} {{\n %y = add i32 %x, 1\n ret i32 %y\n}}");
        let caller = "declare i32 @f(i32)
            define i32 @call(i32 %x) {\n %y = call i32 @f(i32 %x)\n ret i32 %y\n}";
        let checked = with_units(fixed(Level::O2, 0), &[("unit", &unit), ("caller", caller)]);
        let call: Unary = checked.function("call");
        assert_eq!(call(1), 2, "{head}");
        let holders = inliners(&checked.engine, "f");
        assert_eq!(holders.is_empty(), !is_copied, "{head}: {holders:?}");
        checked.verify();
    }
}

/// Who calls a function by an alias, or by a name of a library that searches another, follows both.
#[test]
fn a_copy_that_was_reached_by_another_name_follows_both() {
    let unit = "@other = alias i32 (i32), ptr @real
        define i32 @real(i32 %x) {\n ret i32 1\n}";
    let caller = "declare i32 @other(i32)
        define i32 @outer(i32 %x) {\n %y = call i32 @other(i32 %x)\n ret i32 %y\n}";
    for replaced in ["real", "other"] {
        let units = [("unit", unit), ("caller", caller)];
        let checked = with_units(fixed(Level::O2, 0), &units);
        let outer: Unary = checked.function("outer");
        assert_eq!(outer(0), 1);
        assert_eq!(inliners(&checked.engine, "real"), ["outer"]);
        replace(&checked.engine, replaced, "ret i32 2");
        assert_eq!(outer(0), 2, "{replaced}");
        checked.verify();
    }
}

#[test]
fn libraries_of_the_search_order_are_looked_through() {
    let checked = Checked::with_options(fixed(Level::O2, 0));
    let engine = &checked.engine;
    let provider = engine.new_library("provider").unwrap();
    provider.add_ir("counting", COUNTING).unwrap();
    engine.main().search(&[&provider]).unwrap();
    engine.add_ir("caller", CALLER).unwrap();
    let twice: Unary = checked.function("twice");
    assert_eq!(twice(1), 116);
    let state = provider.state("next").unwrap();
    assert_eq!(state.inliners.len(), 1);
    let new = "define i32 @next(i32 %x) {\n ret i32 %x\n}";
    provider.replace("next", new).unwrap();
    assert_eq!(twice(1), 101);
    assert!(matches!(provider.remove(false), Err(Error::InUse { .. })));
    provider.remove(true).unwrap();
    // SAFETY: the function takes a number.
    let called = unsafe { engine.main().call("twice", &[Value::I32(3)]) };
    called.unwrap_err();
    checked.verify();
}

/// What a unit shows of another's function counts as long as it is that function.
#[test]
fn a_body_that_is_available_gives_way_to_the_one_in_force() {
    let defining = "define i32 @f(i32 %x) {\n ret i32 1\n}";
    let showing = "define available_externally i32 @f(i32 %x) {\n ret i32 1\n}
        define i32 @call(i32 %x) {\n %y = call i32 @f(i32 %x)\n ret i32 %y\n}";
    let units = [("defining", defining), ("showing", showing)];
    let checked = with_units(fixed(Level::O2, 0), &units);
    let call: Unary = checked.function("call");
    assert_eq!(call(0), 1);
    assert_eq!(inliners(&checked.engine, "f"), ["call"]);
    replace(&checked.engine, "f", "ret i32 2");
    assert_eq!(call(0), 2);
    checked.engine.undo().unwrap();
    assert_eq!(call(0), 1);
    checked.verify();
}

/// Values of constants, tables of functions among them, that other units define.
#[test]
fn folded_constants_of_other_units_are_followed() {
    let tables = "@numbers = constant [3 x i32] [i32 1, i32 20, i32 300]
        @changing = global i32 7
        @functions = constant [2 x ptr] [ptr @first, ptr @second]
        define i32 @first(i32 %x) noinline {\n ret i32 5\n}
        define i32 @second(i32 %x) noinline {\n ret i32 6\n}";
    let caller = "@numbers = external constant [3 x i32]
        @functions = external constant [2 x ptr]
        @changing = external global i32
        define i32 @call(i32 %x) {
          %p = getelementptr [3 x i32], ptr @numbers, i64 0, i64 1
          %n = load i32, ptr %p
          %q = getelementptr [2 x ptr], ptr @functions, i64 0, i64 1
          %f = load ptr, ptr %q
          %y = call i32 %f(i32 %x)
          %c = load i32, ptr @changing
          %a = add i32 %n, %y
          %b = add i32 %a, %c
          ret i32 %b
        }
        define void @set(i32 %x) {\n store i32 %x, ptr @changing\n ret void\n}";
    let units = [("caller", caller), ("tables", tables)];
    let checked = with_units(fixed(Level::O2, 0), &units);
    let engine = &checked.engine;
    let call: Unary = checked.function("call");
    assert_eq!(call(0), 33);
    assert_eq!(inliners(engine, "numbers"), ["call"]);
    assert_eq!(inliners(engine, "functions"), ["call"]);
    assert!(inliners(engine, "changing").is_empty());
    let set: extern "C" fn(i32) = checked.function("set");
    set(0);
    assert_eq!(call(0), 26);
    replace(engine, "second", "ret i32 7");
    assert_eq!(call(0), 27);
    let mut change = engine.main().change();
    let new = "@numbers = constant [3 x i32] [i32 1, i32 90, i32 300]";
    change.define("new", new);
    change.commit().unwrap();
    assert_eq!(call(0), 97);
    engine.undo().unwrap();
    assert_eq!(call(0), 27);
    checked.verify();
}

/// The caller's own function is called back, and the caller is not inlined into itself.
#[test]
fn units_that_call_one_another_follow_both_ways() {
    let first = "declare i32 @odd(i32)
        define i32 @even(i32 %x) {
          %is = icmp eq i32 %x, 0
          br i1 %is, label %yes, label %no
        yes:
          ret i32 1
        no:
          %m = sub i32 %x, 1
          %y = call i32 @odd(i32 %m)
          ret i32 %y
        }";
    let second = "declare i32 @even(i32)
        define i32 @odd(i32 %x) {
          %is = icmp eq i32 %x, 0
          br i1 %is, label %yes, label %no
        yes:
          ret i32 0
        no:
          %m = sub i32 %x, 1
          %y = call i32 @even(i32 %m)
          ret i32 %y
        }";
    for threads in [0, 1] {
        let units = [("first", first), ("second", second)];
        let checked = with_units(fixed(Level::O2, threads), &units);
        let even: Unary = checked.function("even");
        let odd: Unary = checked.function("odd");
        assert_eq!((even(10), even(7), odd(10), odd(7)), (1, 0, 0, 1));
        replace(&checked.engine, "odd", "ret i32 5");
        assert_eq!((even(10), even(0), odd(10)), (5, 1, 5));
        checked.verify();
    }
}

/// A thread-local of the other unit, what is passed by value and returned in memory, and a frame
/// that an exception leaves.
#[test]
fn other_ways_of_passing_and_storing() {
    let unit = "%pair = type { i64, i64, i64 }
        @mine = internal thread_local global i32 5
        define i32 @local(i32 %x) {
          %at = call ptr @llvm.threadlocal.address.p0(ptr @mine)
          %n = load i32, ptr %at
          %m = add i32 %n, %x
          store i32 %m, ptr %at
          ret i32 %m
        }
        declare ptr @llvm.threadlocal.address.p0(ptr)
        define void @swap(ptr sret(%pair) %to, ptr byval(%pair) %from) {
          %a = load i64, ptr %from
          %second = getelementptr %pair, ptr %from, i32 0, i32 1
          %b = load i64, ptr %second
          store i64 0, ptr %from
          store i64 %b, ptr %to
          %there = getelementptr %pair, ptr %to, i32 0, i32 1
          store i64 %a, ptr %there
          ret void
        }";
    let caller = "%two = type { i64, i64, i64 }
        declare i32 @local(i32)
        declare void @swap(ptr sret(%two), ptr byval(%two))
        define i32 @outer(i32 %x) {
          %in = alloca %two
          %out = alloca %two
          store i64 3, ptr %in
          %second = getelementptr %two, ptr %in, i32 0, i32 1
          store i64 40, ptr %second
          call void @swap(ptr sret(%two) %out, ptr byval(%two) %in)
          %a = load i64, ptr %in
          %b = load i64, ptr %out
          %sum = add i64 %a, %b
          %narrow = trunc i64 %sum to i32
          %l = call i32 @local(i32 %x)
          %y = add i32 %l, %narrow
          ret i32 %y
        }";
    let units = [("unit", unit), ("caller", caller)];
    let checked = with_units(fixed(Level::O2, 0), &units);
    let outer: Unary = checked.function("outer");
    assert_eq!(outer(1), 6 + 43);
    assert_eq!(outer(2), 8 + 43);
    std::thread::spawn(move || assert_eq!(outer(1), 6 + 43))
        .join()
        .unwrap();
    assert_eq!(inliners(&checked.engine, "local"), ["outer"]);
    assert_eq!(inliners(&checked.engine, "swap"), ["outer"]);
    checked.verify();
}

/// Frozen code may be copied; it holds copies of nothing that may be replaced.
#[test]
fn frozen_units_lend_and_do_not_borrow() {
    let checked = Checked::with_options(fixed(Level::O2, 0));
    let engine = &checked.engine;
    let frozen = "declare i32 @plain(i32)
        define i32 @hard(i32 %x) {\n %y = add i32 %x, 5\n ret i32 %y\n}
        define i32 @through(i32 %x) {\n %y = call i32 @plain(i32 %x)\n ret i32 %y\n}";
    let plain = "declare i32 @hard(i32)
        define i32 @plain(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}
        define i32 @borrow(i32 %x) {\n %y = call i32 @hard(i32 %x)\n ret i32 %y\n}";
    engine.add_ir_frozen("frozen", frozen).unwrap();
    engine.add_ir("plain", plain).unwrap();
    let [through, borrow] = ["through", "borrow"].map(|name| checked.function::<Unary>(name));
    assert_eq!((through(1), borrow(1)), (2, 6));
    assert_eq!(inliners(engine, "hard"), ["borrow"]);
    assert!(inliners(engine, "plain").is_empty());
    replace(engine, "plain", "ret i32 9");
    assert_eq!((through(1), borrow(1)), (9, 6));
    checked.verify();
}

/// At `-O auto`, a hot loop of one unit holds the body of another; a replacement ends it.
#[test]
fn a_running_loop_leaves_a_copy_of_another_unit() {
    let stepping = "@stop = global i32 0
        define i32 @step(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}";
    let looping = "@stop = external global i32
        declare i32 @step(i32)
        define i32 @run(i32 %x) {
        entry:
          br label %loop
        loop:
          %n = phi i32 [ 0, %entry ], [ %m, %loop ]
          %m = call i32 @step(i32 %n)
          %s = load volatile i32, ptr @stop
          %is = icmp eq i32 %s, 0
          br i1 %is, label %loop, label %out
        out:
          ret i32 %s
        }";
    for threads in [0, 1] {
        let options = Options {
            threads,
            hot: HotThresholds {
                calls: 20,
                loop_passes: 50,
                delay: std::time::Duration::ZERO,
            },
            ..Options::default()
        };
        let engine = Engine::new(options).unwrap();
        engine.add_ir("stepping", stepping).unwrap();
        engine.add_ir("looping", looping).unwrap();
        // SAFETY: the function has this type, and the engine outlives it.
        let run = unsafe { engine.main().function::<Unary>("run").unwrap().pointer() };
        std::thread::scope(|scope| {
            let running = scope.spawn(move || run(0));
            // The loop holds a copy once it goes on in optimised code.
            while inliners(&engine, "step").is_empty() {
                std::thread::yield_now();
            }
            // A loop that has left a copy comes to hold one of the next body.
            for _ in 0..2 {
                engine
                    .replace("step", "define i32 @step(i32 %x) {\n ret i32 %x\n}")
                    .unwrap();
                while inliners(&engine, "step").is_empty() {
                    std::thread::yield_now();
                }
            }
            let new = "@stop = external global i32
                define i32 @step(i32 %x) {\n store i32 77, ptr @stop\n ret i32 %x\n}";
            engine.replace("step", new).unwrap();
            assert_eq!(running.join().unwrap(), 77, "{threads} threads");
        });
    }
}
