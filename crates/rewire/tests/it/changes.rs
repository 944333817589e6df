//! Adds, replaces and removes in one step: together or not at all, and undone.

use rewire::{Engine, Error, Failure, Level, OptLevel, Options, TypeChange};

use crate::changing::{
    CALLER, Plain, add, function, instead, on_fresh_thread, reclaim_all, returns,
};
use crate::support::Checked;

const LEVELS: [Level; 2] = [Level::O0, Level::O2];

pub(crate) fn engine(level: Level, undo_depth: usize) -> Engine {
    Engine::new(Options {
        level: OptLevel::Fixed(level),
        undo_depth,
        ..Options::default()
    })
    .unwrap()
}

/// Runs a test at each level, on a thread of its own: on a stack that others were on, addresses of
/// code may stand that was at the same place.
pub(crate) fn at_each_level(test: impl Fn(Level) + Sync) {
    for level in LEVELS {
        on_fresh_thread(|| test(level));
    }
}

#[test]
fn all_of_a_change_or_nothing() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &(returns("f", 1) + &returns("h", 5)));
        add(&engine, CALLER);
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 1);
        let before = engine.main().names();
        // The tenth function can't be compiled: there is no such register.
        let mut change = engine.main().change();
        for number in 0..9 {
            change.define("new", returns(&format!("new_{number}"), number).as_bytes());
        }
        change.define("f", returns("f", 2).as_bytes());
        change.define(
            "bad",
            b"define i32 @h() {\n call void asm sideeffect \"nonsense\", \"\"()\n ret i32 1\n}",
        );
        let h: Plain = function(&engine, "h");
        assert_eq!(h(), 5);
        let error = change.commit().unwrap_err();
        assert!(matches!(error, Error::Compile { .. }), "{error}");
        assert_eq!(engine.main().names(), before);
        assert_eq!((g(), h()), (1, 5));
        assert_eq!(engine.state("f").unwrap().generation.get(), 1);

        let mut change = engine.main().change();
        change.define("f", returns("f", 2).as_bytes());
        change.add("new", returns("k", 3).as_bytes());
        change.remove("h");
        let changed = change.commit().unwrap();
        assert_eq!(changed.replaced.len(), 1);
        assert_eq!(changed.replaced[0].generation.get(), 2);
        assert_eq!(changed.replaced[0].users, 1);
        assert_eq!((&*changed.added[0], &*changed.removed[0]), ("k", "h"));
        assert_eq!(g(), 2);
        assert_eq!(function::<Plain>(&engine, "k")(), 3);
        assert!(engine.lookup("h").is_err());
    });
}

#[test]
fn what_others_use_is_not_removed() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let unit = add(&engine, &returns("f", 1));
        add(&engine, CALLER);
        let used = |error: Error| match error {
            Error::InUse { name, users } => (name.to_string(), users),
            other => panic!("{other}"),
        };
        // Compiled or not.
        for called in [false, true] {
            if called {
                assert_eq!(function::<Plain>(&engine, "g")(), 1);
            }
            let mut change = engine.main().change();
            change.remove("f");
            let error = change.commit().unwrap_err();
            assert_eq!(used(error), ("f".to_owned(), vec!["g".to_owned()]));
        }
        assert!(matches!(
            engine.remove_unit(unit).unwrap_err(),
            Error::InUse { .. }
        ));
        assert_eq!(function::<Plain>(&engine, "g")(), 1);
    });
}

#[test]
fn a_removed_function_is_never_called() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let unit = add(&engine, &returns("f", 1));
        add(&engine, CALLER);
        let (f, g): (Plain, Plain) = (function(&engine, "f"), function(&engine, "g"));
        assert_eq!((f(), g()), (1, 1));
        let mut change = engine.main().change();
        change.remove_unit(unit);
        change.force();
        change.commit().unwrap();
        assert_eq!(reclaim_all(&engine), 0);
        engine.on_failure(|failure: &Failure<'_>| {
            let said = failure.to_string();
            assert!(said.contains("f is called and was removed"), "{said}");
            assert!(
                failure.callers.is_empty() || failure.callers[0] == "g",
                "{said}"
            );
            Some((instead as *const ()).into())
        });
        assert_eq!(g(), -1);
        // The address that was given out.
        assert_eq!(f(), -1);
        // Defined anew, it is called by those who called it, and under the same address.
        add(&engine, &returns("f", 7));
        assert_eq!((f(), g()), (7, 7));
        assert_eq!(engine.state("f").unwrap().generation.get(), 2);
    });
}

#[test]
fn another_copy_takes_over() {
    let copy = |value: i32| {
        format!(
            "$shared = comdat any
             $data = comdat any
             @data = linkonce_odr global i32 {value}, comdat
             define linkonce_odr i32 @shared() comdat {{
               %old = load i32, ptr @data
               %new = add i32 %old, 1
               store i32 %new, ptr @data
               %sum = mul i32 %old, {value}
               ret i32 %sum
             }}
             define i32 @use_{value}() {{
               %x = call i32 @shared()
               ret i32 %x
             }}"
        )
    };
    at_each_level(|level| {
        let engine = engine(level, 0);
        let first = add(&engine, &copy(10));
        add(&engine, &copy(20));
        let (one, two): (Plain, Plain) = (function(&engine, "use_10"), function(&engine, "use_20"));
        // On a thread of its own: nothing stale is left on a stack afterwards.
        let calls = std::thread::spawn(move || (one(), two()));
        assert_eq!(calls.join().unwrap(), (100, 110));
        let data = engine.lookup("data").unwrap();
        let shared = engine.lookup("shared").unwrap();
        std::thread::scope(|scope| {
            let removing = scope.spawn(|| engine.remove_unit(first).unwrap());
            removing.join().unwrap();
        });
        assert_eq!(reclaim_all(&engine), 0);
        // The other body, the same variable with its value.
        assert_eq!(two(), 12 * 20);
        assert_eq!(engine.lookup("data").unwrap(), data);
        assert_eq!(engine.lookup("shared").unwrap(), shared);
        assert!(engine.lookup("use_10").is_err());
    });
}

#[test]
fn undo_goes_back_step_by_step() {
    at_each_level(|level| {
        let engine = engine(level, 8);
        add(&engine, &returns("f", 1));
        add(&engine, CALLER);
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 1);
        engine.replace("f", returns("f", 2).as_bytes()).unwrap();
        assert_eq!(g(), 2);
        engine.replace("f", returns("f", 3).as_bytes()).unwrap();
        assert_eq!(g(), 3);
        let mut change = engine.main().change();
        change.add("more", returns("more", 4).as_bytes());
        let more = change.commit().unwrap().units[0];
        assert_eq!(function::<Plain>(&engine, "more")(), 4);
        engine.remove_unit(more).unwrap();
        assert!(engine.lookup("more").is_err());
        let mut change = engine.main().change();
        change.remove("f").force();
        change.commit().unwrap();
        engine.reclaim();

        assert_eq!(&*engine.undo().unwrap().added[0], "f");
        assert_eq!(g(), 3);
        let changed = engine.undo().unwrap();
        assert_eq!(&*changed.added[0], "more", "{changed:?}");
        assert_eq!(function::<Plain>(&engine, "more")(), 4);
        engine.undo().unwrap();
        assert!(engine.lookup("more").is_err());
        engine.undo().unwrap();
        assert_eq!(g(), 2);
        engine.undo().unwrap();
        assert_eq!(g(), 1);
        assert!(matches!(engine.undo(), Err(Error::NothingToUndo)));
        assert_eq!(reclaim_all(&engine), 0);
        assert_eq!(g(), 1);
    });
}

#[test]
fn variables_keep_their_values_and_constants_take_new_ones() {
    let version = |constant: i32, start: i32| {
        format!(
            "@count = global i32 {start}
             @step = constant i32 {constant}
             @names = constant [1 x ptr] [ptr @step]
             define i32 @f() {{
               %old = load i32, ptr @count
               %step = load i32, ptr @step
               %new = add i32 %old, %step
               store i32 %new, ptr @count
               ret i32 %new
             }}
             define i32 @through() {{
               %at = load ptr, ptr @names
               %step = load i32, ptr %at
               ret i32 %step
             }}"
        )
    };
    let elsewhere = "@step = external constant i32
        define i32 @elsewhere() {
          %x = load i32, ptr @step
          ret i32 %x
        }";
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &version(1, 100));
        add(&engine, elsewhere);
        let f: Plain = function(&engine, "f");
        let through: Plain = function(&engine, "through");
        let outside: Plain = function(&engine, "elsewhere");
        assert_eq!((f(), f(), through(), outside()), (101, 102, 1, 1));
        let count = engine.lookup("count").unwrap();
        let mut change = engine.main().change();
        change.define("new", version(10, 0).as_bytes());
        change.commit().unwrap();
        assert_eq!((f(), f(), through(), outside()), (112, 122, 10, 10));
        assert_eq!(engine.lookup("count").unwrap(), count);
        // A constant alone: whoever knew its value is compiled again.
        let mut change = engine.main().change();
        change.define("step", b"@step = constant i32 1000");
        change.commit().unwrap();
        assert_eq!((f(), through(), outside()), (1122, 1000, 1000));
        assert_eq!(reclaim_all(&engine), 0);
        assert_eq!((f(), through(), outside()), (2122, 1000, 1000));
    });
}

#[test]
fn static_variables_are_matched_by_structure() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(
            &engine,
            "@f.count = internal global i32 0
             @f.count.1 = internal global i64 0
             define i32 @f() {
               %old = load i32, ptr @f.count
               %new = add i32 %old, 1
               store i32 %new, ptr @f.count
               ret i32 %new
             }
             define i32 @other() {
               %x = load i32, ptr @f.count
               ret i32 %x
             }",
        );
        // One of the same name in another unit is not meant.
        add(
            &engine,
            "@f.count = internal global i32 50
             define i32 @elsewhere() {
               %x = load i32, ptr @f.count
               ret i32 %x
             }",
        );
        let f: Plain = function(&engine, "f");
        let other: Plain = function(&engine, "other");
        assert_eq!((f(), f(), other()), (1, 2, 2));
        // The compiler numbers them differently this time.
        engine
            .replace(
                "f",
                b"@f.count = internal global i64 0
                  @f.count.1 = internal global i32 0
                  define i32 @f() {
                    %old = load i32, ptr @f.count.1
                    %new = add i32 %old, 10
                    store i32 %new, ptr @f.count.1
                    ret i32 %new
                  }",
            )
            .unwrap();
        assert_eq!((f(), f(), other()), (12, 22, 22));
        assert_eq!(function::<Plain>(&engine, "elsewhere")(), 50);
        // A body without it, and one with it again: the unit that had it first still has it.
        engine.replace("f", returns("f", 9).as_bytes()).unwrap();
        assert_eq!(reclaim_all(&engine), 0);
        assert_eq!((f(), other()), (9, 22));
    });
}

#[test]
fn a_change_of_type_is_for_the_client_to_decide() {
    let old = "define i32 @f(i32 %x) {\n ret i32 %x\n}
        define i32 @g() {
          %x = call i32 @f(i32 3)
          ret i32 %x
        }";
    let new = b"define i64 @f(i64 %x) {\n %y = mul i64 %x, 2\n ret i64 %y\n}";
    for policy in [
        TypeChange::Refuse,
        TypeChange::GoAhead,
        TypeChange::Recompile,
    ] {
        let engine = engine(Level::O0, 0);
        add(&engine, old);
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 3);
        let mut change = engine.main().change();
        change.define("new", new).on_type_change(policy);
        let result = change.commit();
        if policy == TypeChange::Refuse {
            let error = result.unwrap_err();
            let Error::Contract { name, users, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!((&**name, users.as_slice()), ("f", &["g".to_owned()][..]));
            assert_eq!(g(), 3);
            continue;
        }
        result.unwrap();
        // As machine code the two types agree.
        assert_eq!(g(), 6);
        let compiled = engine.report().functions_compiled;
        assert_eq!(compiled, if policy == TypeChange::GoAhead { 3 } else { 4 });
    }
}

#[test]
fn a_weaker_contract_is_a_change_of_type() {
    let engine = engine(Level::O0, 0);
    add(
        &engine,
        "define i32 @f() nounwind {\n ret i32 1\n}
         declare void @anything()",
    );
    let weaker = b"declare void @anything()
        define i32 @f() {\n call void @anything()\n ret i32 2\n}";
    let error = engine.replace("f", weaker).unwrap_err();
    assert!(error.to_string().contains("nounwind"), "{error}");
    // A body that can't throw keeps the promise without saying so.
    engine.replace("f", returns("f", 3).as_bytes()).unwrap();
    assert_eq!(function::<Plain>(&engine, "f")(), 3);
}

/// What a function says of its calls as a whole, and whether its callers have to see to that or may
/// rely on it.
#[test]
fn what_a_function_says_of_its_calls_is_part_of_its_contract() {
    let attributes = [
        ("returns_twice", true),
        ("nocf_check", true),
        ("strictfp", true),
        ("nobuiltin", true),
        ("\"no_callee_saved_registers\"", true),
        ("\"thunk\"", true),
        ("\"no_caller_saved_registers\"", false),
    ];
    for (attribute, is_demand) in attributes {
        let plain = "define i32 @f() nounwind {\n ret i32 1\n}".to_owned();
        let other = format!("define i32 @f() nounwind {attribute} {{\n ret i32 2\n}}");
        let (compatible, breaking) = match is_demand {
            true => ((&other, &plain), (&plain, &other)),
            false => ((&plain, &other), (&other, &plain)),
        };
        let replace = |(old, new): (&String, &String)| {
            let engine = engine(Level::O0, 0);
            add(&engine, old);
            engine.replace("f", new.as_bytes())
        };
        let error = replace(breaking).unwrap_err().to_string();
        assert!(error.contains(attribute.trim_matches('"')), "{error}");
        replace(compatible).unwrap();
    }
}

#[test]
fn a_name_is_found_again_in_every_link() {
    // The checker sees the links of changes as well.
    at_each_level(|level| {
        let checked = Checked::with(
            level,
            &(returns("f", 1) + CALLER.trim_start_matches("declare i32 @f()")),
        );
        let g: Plain = checked.function("g");
        assert_eq!(g(), 1);
        let mut change = checked.engine.main().change();
        change.define(
            "both",
            (returns("f", 2)
                + "define i32 @g() {\n %x = call i32 @f()\n %y = add i32 %x, 40\n ret i32 %y\n}")
                .as_bytes(),
        );
        change.commit().unwrap();
        assert_eq!(g(), 42);
        checked.verify();
    });
}

#[test]
fn a_resolver_may_throw_through_the_call() {
    use rewire::{Answer, Request};
    at_each_level(|level| {
        let engine = engine(level, 0);
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = asked.clone();
        engine.main().resolve_with(move |request: &Request<'_>| {
            assert_eq!(request.name, "nowhere");
            if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                std::panic::panic_any("not yet");
            }
            Some(Answer::Address((instead as *const ()).into()))
        });
        add(
            &engine,
            "declare i32 @nowhere()
             define i32 @g() {
               %x = call i32 @nowhere()
               ret i32 %x
             }",
        );
        let g: Plain = function(&engine, "g");
        let payload = std::panic::catch_unwind(|| g()).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"not yet"));
        assert_eq!(g(), -1);
    });
}

#[test]
fn a_new_version_takes_its_units_place() {
    let version = |step: i32, text: &str| {
        format!(
            "@count = internal global i32 0
             @table = internal global ptr @helper
             define internal i32 @helper() {{
               %old = load i32, ptr @count
               %new = add i32 %old, {step}
               store i32 %new, ptr @count
               ret i32 %new
             }}
             define i32 @direct() {{
               %x = call i32 @helper()
               ret i32 %x
             }}
             define i32 @through() {{
               %at = load ptr, ptr @table
               %x = call i32 %at()
               ret i32 %x
             }}
             {text}"
        )
    };
    at_each_level(|level| {
        let engine = engine(level, 4);
        let old = add(&engine, &version(1, &returns("vanishes", 1)));
        // Another unit's of the same name stays its own.
        add(
            &engine,
            "define internal i32 @helper() {\n ret i32 77\n}
             define i32 @other() {\n %x = call i32 @helper()\n ret i32 %x\n}",
        );
        let direct: Plain = function(&engine, "direct");
        let through: Plain = function(&engine, "through");
        let other: Plain = function(&engine, "other");
        assert_eq!((direct(), through(), other()), (1, 2, 77));
        let mut change = engine.main().change();
        change.reload(
            old,
            "new.ll",
            version(10, &returns("appears", 5)).as_bytes(),
        );
        let changed = change.commit().unwrap();
        assert_eq!(
            (&*changed.added[0], &*changed.removed[0]),
            ("appears", "vanishes")
        );
        // The pointer in the table is the same function, with its new body.
        assert_eq!((direct(), through(), other()), (12, 22, 77));
        assert!(engine.lookup("vanishes").is_err());
        let units = engine.units();
        assert_eq!(units.len(), 2);
        assert!(units.iter().all(|unit| unit.id != old));
        engine.undo().unwrap();
        assert_eq!((direct(), through()), (23, 24));
        assert_eq!(function::<Plain>(&engine, "vanishes")(), 1);
        assert!(engine.lookup("appears").is_err());
    });
}

#[test]
fn assembly_that_fails_takes_its_change_back() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &returns("f", 1));
        add(&engine, CALLER);
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 1);
        let names = engine.main().names();
        let mut change = engine.main().change();
        change.define("new", returns("f", 2).as_bytes());
        change.define(
            "assembly",
            b"module asm \".globl f\\0Af: ret\"\ndefine i32 @k() {\n ret i32 1\n}",
        );
        assert!(change.commit().is_err());
        assert_eq!(g(), 1);
        assert_eq!(engine.main().names(), names);
        assert!(matches!(engine.undo(), Err(Error::NothingToUndo)));
    });
}

#[test]
fn what_only_the_host_defined_has_a_first_definition() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(
            &engine,
            "declare i32 @toupper(i32)
             define i32 @use() {
               %x = call i32 @toupper(i32 97)
               ret i32 %x
             }",
        );
        assert_eq!(function::<Plain>(&engine, "use")(), 65);
        let replaced = engine.replace("toupper", b"define i32 @toupper(i32 %x) {\n ret i32 %x\n}");
        assert_eq!(replaced.unwrap().get(), 1);
        assert_eq!(engine.main().state("toupper").unwrap().generation.get(), 1);
        assert_eq!(function::<Plain>(&engine, "use")(), 97);
    });
}

#[test]
fn messages_have_the_names_of_the_source() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let unit = add(&engine, &returns("_Z1fv", 1));
        add(
            &engine,
            "declare i32 @_Z1fv()
             define i32 @_Z1gv() {
               %x = call i32 @_Z1fv()
               %y = add i32 %x, 1
               ret i32 %y
             }",
        );
        let refused = engine.remove_unit(unit).unwrap_err().to_string();
        assert!(refused.ends_with("is used by g()"), "{refused}");
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        change.commit().unwrap();
        engine.on_failure(|failure: &Failure<'_>| {
            assert_eq!(failure.callers[0], "_Z1gv");
            let said = failure.to_string();
            assert!(said.contains("called by g()\n"), "{said}");
            Some((instead as *const ()).into())
        });
        assert_eq!(function::<Plain>(&engine, "_Z1gv")(), instead() + 1);
    });
}
