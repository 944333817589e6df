//! IR whose bodies may be inlined while their code lives elsewhere.

use std::sync::atomic::{AtomicI32, Ordering};

use rewire::{Engine, InlineBudget, Level, OptLevel, Options};

use crate::support::Checked;

type Unary = extern "C" fn(i32) -> i32;

static CALLS: AtomicI32 = AtomicI32::new(0);

/// The host's function counts its calls, which the IR that describes it doesn't tell.
extern "C" fn host_next(x: i32) -> i32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    x + 1
}

extern "C" fn other_next(x: i32) -> i32 {
    x + 500
}

const DESCRIBED: &str = "define i32 @next(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}";

const CALLER: &str = "declare i32 @next(i32)
    define i32 @call(i32 %x) {\n %y = call i32 @next(i32 %x)\n ret i32 %y\n}";

fn described(options: Options) -> Checked {
    let checked = Checked::with_options(options);
    let main = checked.engine.main();
    main.define("next", (host_next as *const ()).into())
        .unwrap();
    main.inline_from("host.ll", DESCRIBED).unwrap();
    main.add_ir("caller", CALLER).unwrap();
    checked
}

fn at_level_two() -> Options {
    Options {
        level: OptLevel::Fixed(Level::O2),
        undo_depth: 8,
        ..Options::default()
    }
}

fn inliners(engine: &Engine, name: &str) -> usize {
    engine.state(name).unwrap().inliners.len()
}

#[test]
fn a_described_body_is_inlined_until_its_name_is_changed() {
    type Act = fn(&Engine);
    let acts: [(&str, Act, i32); 4] = [
        (
            "replaced",
            |engine| {
                let new = "define i32 @next(i32 %x) {\n ret i32 77\n}";
                engine.replace("next", new).unwrap();
            },
            77,
        ),
        (
            "given another address",
            |engine| {
                let at = (other_next as *const ()).into();
                engine.main().define("next", at).unwrap();
            },
            501,
        ),
        (
            "defined in a change",
            |engine| {
                let mut change = engine.main().change();
                change.define("unit", "define i32 @next(i32 %x) {\n ret i32 77\n}");
                change.commit().unwrap();
            },
            77,
        ),
        ("left alone", |_| (), 2),
    ];
    for (what, act, after) in acts {
        let checked = described(at_level_two());
        let call: Unary = checked.function("call");
        assert_eq!(call(1), 2, "{what}");
        assert_eq!(inliners(&checked.engine, "next"), 1, "{what}");
        act(&checked.engine);
        assert_eq!(call(1), after, "{what}");
        if after != 2 {
            // The description is of the code that the name stood for first.
            checked.engine.undo().unwrap();
            let before = CALLS.load(Ordering::Relaxed);
            assert_eq!(call(1), 2, "{what}");
            assert!(CALLS.load(Ordering::Relaxed) > before, "{what}");
        }
        checked.verify();
    }
}

/// What nothing has defined or called yet, and a unit that is added defines.
#[test]
fn a_unit_that_is_added_ends_the_description() {
    let checked = Checked::with_options(at_level_two());
    let engine = &checked.engine;
    engine.main().inline_from("host.ll", DESCRIBED).unwrap();
    engine.add_ir("caller", CALLER).unwrap();
    let call: Unary = checked.function("call");
    assert_eq!(call(1), 2);
    let new = "define i32 @next(i32 %x) {\n ret i32 77\n}";
    engine.add_ir("late", new).unwrap();
    assert_eq!(call(1), 77);
    checked.verify();
}

/// Private functions and variables can't be reached; private constants can be copied, and public
/// names are resolved as everywhere.
#[test]
fn only_what_can_be_reached_is_named() {
    let cases = [
        ("@n = internal global i32 1", "%v = load i32, ptr @n", false),
        (
            "@n = internal constant i32 1",
            "%v = load i32, ptr @n",
            false,
        ),
        (
            "@n = private unnamed_addr constant i32 1",
            "%v = load i32, ptr @n",
            true,
        ),
        ("@n = hidden global i32 1", "%v = load i32, ptr @n", false),
        ("@n = external global i32", "%v = load i32, ptr @n", true),
        (
            "define internal i32 @n() noinline {\n ret i32 1\n}",
            "%v = call i32 @n()",
            false,
        ),
        (
            "define linkonce_odr i32 @nowhere() noinline {\n ret i32 1\n}",
            "%v = call i32 @nowhere()",
            false,
        ),
        ("declare i32 @public()", "%v = call i32 @public()", true),
    ];
    for (global, line, is_inlined) in cases {
        let checked = Checked::with_options(at_level_two());
        let engine = &checked.engine;
        let main = engine.main();
        let source = format!(
            "{global}\ndefine i32 @next(i32 %x) {{\n {line}\n %y = add i32 %x, %v\n ret i32 %y\n}}"
        );
        main.define("next", (host_next as *const ()).into())
            .unwrap();
        main.inline_from("host.ll", source.as_str()).unwrap();
        let beside = "@n = global i32 1\n define i32 @public() noinline {\n ret i32 1\n}";
        main.add_ir("beside", beside).unwrap();
        main.add_ir("caller", CALLER).unwrap();
        let call: Unary = checked.function("call");
        assert_eq!(call(1), 2, "{global}");
        assert_eq!(
            inliners(engine, "next"),
            usize::from(is_inlined),
            "{global}"
        );
        checked.verify();
    }
}

#[test]
fn functions_are_found_by_their_demangled_names() {
    let checked = Checked::with_options(at_level_two());
    let main = checked.engine.main();
    let source = "define i32 @_ZN2vm4nextEi(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}";
    main.inline_from("runtime.ll", source).unwrap();
    let symbols = main.symbols_of("vm::next(int)");
    assert_eq!(symbols.len(), 1);
    let caller = CALLER.replace("next", &symbols[0]);
    main.add_ir("caller", caller.as_str()).unwrap();
    let call: Unary = checked.function("call");
    assert_eq!(call(1), 2);
    assert!(main.symbols_of("vm::last(int)").is_empty());
}

#[test]
fn the_budget_may_be_set() {
    for (budget, copies) in [(None, 1), (Some(InlineBudget::NONE), 0)] {
        let options = Options {
            inline_budget: budget,
            ..at_level_two()
        };
        let checked = described(options);
        let call: Unary = checked.function("call");
        assert_eq!(call(1), 2);
        assert_eq!(checked.engine.report().bodies_inlined, copies);
    }
}
