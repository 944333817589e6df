//! Whose removal is refused, and what a step may define that another one removes.

use rewire::{Engine, Error, Failure, Options};

use crate::changing::{CALLER, Plain, add, at_each_level, function, instead, returns, undo_all};

fn users(error: Error) -> Vec<String> {
    match error {
        Error::InUse { users, .. } => users,
        other => panic!("{other}"),
    }
}

#[test]
fn users_that_are_not_compiled_are_users() {
    at_each_level(|engine| {
        let unit = add(&engine, &(returns("f", 1) + &returns("k", 2)));
        add(&engine, CALLER);
        assert_eq!(users(engine.remove_unit(unit).unwrap_err()), ["g"]);
        let mut change = engine.main().change();
        change.reload(unit, "new.ll", returns("k", 3).as_bytes());
        assert_eq!(users(change.commit().unwrap_err()), ["g"]);
        assert_eq!(function::<Plain>(&engine, "k")(), 2);
        assert_eq!(function::<Plain>(&engine, "g")(), 1);
    });
}

#[test]
fn a_body_that_comes_may_not_use_what_goes() {
    at_each_level(|engine| {
        add(&engine, &(returns("f", 1) + &returns("g", 2)));
        let mut change = engine.main().change();
        change.define("new.ll", CALLER.as_bytes()).remove("f");
        assert_eq!(users(change.commit().unwrap_err()), ["g"]);
        assert_eq!(function::<Plain>(&engine, "g")(), 2);
    });
}

#[test]
fn units_that_go_together_may_use_one_another() {
    at_each_level(|engine| {
        let first = add(&engine, &returns("f", 1));
        let second = add(&engine, CALLER);
        for called in [false, true] {
            if called {
                assert_eq!(function::<Plain>(&engine, "g")(), 1);
            }
            let mut change = engine.main().change();
            change.remove_unit(first).remove_unit(second);
            let changed = change.commit().unwrap();
            assert_eq!(changed.removed.len(), 2);
            undo_all(&engine);
        }
    });
}

#[test]
fn a_step_may_define_what_another_removes() {
    at_each_level(|engine| {
        let unit = add(&engine, &returns("f", 1));
        add(&engine, CALLER);
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 1);
        let mut change = engine.main().change();
        change.remove_unit(unit);
        change.add("second.ll", (returns("f", 2) + &returns("k", 5)).as_bytes());
        let changed = change.commit().unwrap();
        assert_eq!(&*changed.replaced[0].name, "f");
        assert_eq!((changed.added.len(), changed.removed.len()), (1, 0));
        assert_eq!(g(), 2);
        let mut change = engine.main().change();
        change
            .remove("f")
            .define("third.ll", returns("f", 3).as_bytes());
        change.commit().unwrap();
        assert_eq!(g(), 3);
        // Of another type, it is as any replacement of another type.
        let mut change = engine.main().change();
        change.remove("f");
        change.add("fourth.ll", b"define i64 @f() {\n ret i64 4\n}");
        let error = change.commit().unwrap_err();
        assert!(matches!(error, Error::Contract { .. }), "{error}");
        assert_eq!(g(), 3);
        undo_all(&engine);
        assert_eq!(g(), 1);
        assert!(engine.lookup("k").is_err());
    });
}

#[test]
fn two_modules_of_a_change_do_not_define_one_name() {
    at_each_level(|engine| {
        add(&engine, &returns("f", 1));
        for name in ["f", "new"] {
            let mut change = engine.main().change();
            change.define("a.ll", returns(name, 2).as_bytes());
            change.define("b.ll", returns(name, 3).as_bytes());
            let error = change.commit().unwrap_err();
            assert!(matches!(error, Error::Duplicate { .. }), "{error}");
        }
        assert_eq!(function::<Plain>(&engine, "f")(), 1);
        assert!(engine.lookup("new").is_err());
        // Copies alike may come several times.
        let copy = returns("new", 4).replace("define", "define linkonce_odr");
        let mut change = engine.main().change();
        change
            .define("a.ll", copy.as_bytes())
            .define("b.ll", copy.as_bytes());
        change.commit().unwrap();
        assert_eq!(function::<Plain>(&engine, "new")(), 4);
    });
}

#[test]
fn a_unit_is_reloaded_in_its_own_library() {
    at_each_level(|engine| {
        let library = engine.new_library("library").unwrap();
        let unit = library.add_ir("f.ll", returns("f", 1).as_bytes()).unwrap();
        let new = returns("f", 2);
        let mut change = engine.main().change();
        change.reload(unit, "f.ll", new.as_bytes());
        let error = change.commit().unwrap_err();
        assert!(matches!(error, Error::OtherLibrary { .. }), "{error}");
        let mut change = library.change();
        change.reload(unit, "f.ll", new.as_bytes());
        change.commit().unwrap();
        // SAFETY: it only returns a number.
        let result = unsafe { library.call("f", &[]) };
        assert_eq!(result.unwrap(), Some(rewire::Value::I32(2)));
    });
}

#[test]
fn an_inlined_body_that_is_removed_is_not_run() {
    at_each_level(|engine| {
        add(
            &engine,
            "define i32 @inner() alwaysinline {
               ret i32 5
             }
             define i32 @outer() {
               %x = call i32 @inner()
               ret i32 %x
             }",
        );
        let outer: Plain = function(&engine, "outer");
        assert_eq!(outer(), 5);
        engine.on_failure(|failure: &Failure<'_>| {
            assert!(matches!(failure.error, Error::Removed { .. }), "{failure}");
            Some((instead as *const ()).into())
        });
        let mut change = engine.main().change();
        change.remove("inner").force();
        change.commit().unwrap();
        assert_eq!(outer(), -1);
        engine.undo().unwrap();
        assert_eq!(outer(), 5);
    });
}

/// The module's IR says nothing of what its assembly defines.
#[test]
fn what_assembly_defines_goes_with_its_unit() {
    const ASSEMBLY: &[u8] = b"module asm \".globl f\\0Af: mov $7, %eax\\0Aret\"";
    at_each_level(|engine| {
        let mut change = engine.main().change();
        change.define("assembly.ll", ASSEMBLY);
        let unit = change.commit().unwrap().units[0];
        add(&engine, CALLER);
        engine.reclaim();
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 7);
        assert_eq!(users(engine.remove_unit(unit).unwrap_err()), ["g"]);
        engine.on_failure(|failure: &Failure<'_>| {
            assert!(matches!(failure.error, Error::Removed { .. }), "{failure}");
            Some((instead as *const ()).into())
        });
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        let changed = change.commit().unwrap();
        assert_eq!(&*changed.removed[0], "f");
        assert_eq!(g(), -1);
        assert!(engine.lookup("f").is_err());
        engine.undo().unwrap();
        assert_eq!(g(), 7);
        undo_all(&engine);
        assert_eq!(g(), -1);
    });
}

#[test]
fn what_changes_nothing_is_not_undone() {
    at_each_level(|engine| {
        add(&engine, &returns("f", 1));
        engine.replace("f", returns("f", 2).as_bytes()).unwrap();
        let mut change = engine.main().change();
        change.define("declares.ll", b"declare i32 @puts(ptr)");
        change.commit().unwrap();
        engine.main().change().commit().unwrap();
        engine.undo().unwrap();
        assert_eq!(function::<Plain>(&engine, "f")(), 1);
    });
}

#[test]
fn a_unit_of_another_engine_is_an_error() {
    at_each_level(|engine| {
        let own = add(&engine, &returns("f", 1));
        let other = Engine::new(Options::default()).unwrap();
        let stranger = add(&other, &returns("g", 2));
        assert_ne!(own, stranger);
        let refused = engine.remove_unit(stranger);
        assert!(matches!(refused, Err(Error::OtherEngine)));
        let mut change = engine.main().change();
        change.reload(stranger, "new.ll", returns("f", 3).as_bytes());
        assert!(matches!(change.commit(), Err(Error::OtherEngine)));
        assert_eq!(function::<Plain>(&engine, "f")(), 1);
        engine.remove_unit(own).unwrap();
    });
}

/// A unit whose function `f` is assembly, which others call and whose address they take.
fn assembly(value: i32, is_typed: bool) -> String {
    let typed = if is_typed {
        ".type f,@function\\0A"
    } else {
        ""
    };
    format!("module asm \".globl f\\0A{typed}f: mov ${value}, %eax\\0Aret\"\n")
}

const ADDRESSES: &str = "declare i32 @f()
    @table = constant ptr @f
    define ptr @address() {
      ret ptr @f
    }
    define i32 @call_table() {
      %f = load volatile ptr, ptr @table
      %x = call i32 %f()
      ret i32 %x
    }";

#[test]
fn assembly_that_others_use_is_reloaded() {
    type Address = extern "C-unwind" fn() -> Plain;
    for is_typed in [false, true] {
        for used_before in [false, true] {
            at_each_level(|engine| {
                if used_before {
                    add(&engine, CALLER);
                    add(&engine, ADDRESSES);
                }
                let unit = add(&engine, &assembly(7, is_typed));
                if !used_before {
                    engine.lookup("f").unwrap();
                    add(&engine, CALLER);
                    add(&engine, ADDRESSES);
                }
                let g: Plain = function(&engine, "g");
                let address: Address = function(&engine, "address");
                let call_table: Plain = function(&engine, "call_table");
                let all = || (g(), address()(), call_table());
                assert_eq!(all(), (7, 7, 7));
                let reload = |unit, text: &str| {
                    let mut change = engine.main().change();
                    change.reload(unit, "f.ll", text.as_bytes());
                    change.commit()
                };
                // What can't be compiled, or linked, changes nothing.
                for wrong in ["call g(%rip)\\0Aret", "ret\\0A.globl g\\0Ag: ret"] {
                    let broken = assembly(8, is_typed).replace("ret", wrong);
                    assert!(reload(unit, &broken).is_err());
                    assert_eq!(all(), (7, 7, 7));
                }
                let changed = reload(unit, &assembly(8, is_typed)).unwrap();
                assert_eq!(&*changed.replaced[0].name, "f");
                assert!(changed.removed.is_empty());
                assert_eq!(all(), (8, 8, 8));
                let second = changed.units[0];
                reload(second, &assembly(9, is_typed)).unwrap();
                assert_eq!(all(), (9, 9, 9));
                engine.undo().unwrap();
                assert_eq!(all(), (8, 8, 8));
                let changed = engine.undo().unwrap();
                assert_eq!(&*changed.replaced[0].name, "f");
                assert_eq!(all(), (7, 7, 7));
                assert_eq!(
                    users(engine.remove_unit(unit).unwrap_err()),
                    ["address", "g", "table"]
                );
                reload(unit, &assembly(10, is_typed)).unwrap();
                assert_eq!(all(), (10, 10, 10));
                while engine.undo().is_ok() {}
                assert_eq!(all(), (7, 7, 7));
            });
        }
    }
}

#[test]
fn what_was_of_ir_may_be_assembly_in_a_new_version() {
    at_each_level(|engine| {
        let unit = add(&engine, &returns("f", 1));
        assert_eq!(function::<Plain>(&engine, "f")(), 1);
        let mut change = engine.main().change();
        change.reload(unit, "f.ll", assembly(2, true).as_bytes());
        change.commit().unwrap();
        assert_eq!(function::<Plain>(&engine, "f")(), 2);
        engine.undo().unwrap();
        assert_eq!(function::<Plain>(&engine, "f")(), 1);
    });
}

/// Bodies stay as long as they are in force; assembly is in force as long as it stays.
#[test]
fn assembly_of_a_new_version_stays() {
    at_each_level(|engine| {
        let mut change = engine.main().change();
        change.define("f.ll", returns("k", 1).as_bytes());
        let unit = change.commit().unwrap().units[0];
        let mut change = engine.main().change();
        change.reload(unit, "f.ll", assembly(2, true).as_bytes());
        let unit = change.commit().unwrap().units[0];
        engine.reclaim();
        assert_eq!(function::<Plain>(&engine, "f")(), 2);
        engine.remove_unit(unit).unwrap();
        assert!(engine.lookup("f").is_err());
    });
}
