//! Orders of changes that nobody had thought of until `fuzz` tried them.

use rewire::{Change, Engine, Error, Level, Library, TypeChange, UnitId};

use crate::changes::{at_each_level, engine};
use crate::changing::{Plain, add, instead, returns};

fn call(library: &Library, name: &str) -> i32 {
    // SAFETY: all functions here are of this type.
    let function = unsafe { library.function::<Plain>(name) };
    function.unwrap_or_else(|error| panic!("{name}: {error}"))()
}

fn changed(
    library: &Library,
    steps: impl FnOnce(&mut Change) -> &mut Change,
) -> Result<Vec<UnitId>, Error> {
    let mut change = library.change();
    change.on_type_change(TypeChange::Recompile);
    steps(&mut change);
    change.commit().map(|changed| changed.units)
}

/// Adds a module by a change, so that it can be undone.
fn added(library: &Library, ir: &str) -> UnitId {
    changed(library, |change| change.add("added", ir)).unwrap()[0]
}

fn weak(name: &str, value: i32) -> String {
    format!("define weak i32 @{name}() {{\n ret i32 {value}\n}}")
}

fn grouped(name: &str, value: i32) -> String {
    format!(
        "$g = comdat any\ndefine linkonce_odr i32 @{name}() comdat($g) {{\n ret i32 {value}\n}}"
    )
}

fn calls(name: &str, callee: &str) -> String {
    format!(
        "declare i32 @{callee}()
         define i32 @{name}() {{
           %x = call i32 @{callee}()
           ret i32 %x
         }}"
    )
}

/// A constant holds the place of another one, which moves in the change that takes it away.
#[test]
fn a_constant_goes_with_the_change_that_takes_it_away() {
    at_each_level(|level| {
        let pointed = "@c = constant i32 2\n@p = constant ptr @c";
        let engine = engine(level, 4);
        let main = engine.main();
        changed(&main, |change| change.define("a", "@c = constant i32 1")).unwrap();
        changed(&main, |change| change.define("b", pointed)).unwrap();
        main.lookup("p").unwrap();
        engine.undo().unwrap();
        assert!(main.lookup("p").is_err() && main.lookup("c").is_ok());
        // Its neighbour: one change says both.
        changed(&main, |change| change.define("b", pointed)).unwrap();
        main.lookup("p").unwrap();
        changed(&main, |change| {
            change.define("c", "@c = constant i32 3").remove("p")
        })
        .unwrap();
        assert!(main.lookup("p").is_err() && main.lookup("c").is_ok());
    });
}

/// Which definition a name stands for doesn't depend on what was called.
#[test]
fn a_strong_function_takes_the_place_of_a_weak_one_that_was_called() {
    for is_called in [false, true] {
        at_each_level(|level| {
            let engine = engine(level, 4);
            let main = engine.main();
            added(&main, &weak("f", 1));
            added(&main, &calls("g", "f"));
            if is_called {
                assert_eq!(call(&main, "g"), 1);
            }
            added(&main, &returns("f", 2));
            assert_eq!((call(&main, "g"), call(&main, "f")), (2, 2));
            engine.undo().unwrap();
            assert_eq!((call(&main, "g"), call(&main, "f")), (1, 1));
            // Another weak one is only next in line.
            added(&main, &weak("f", 3));
            assert_eq!(call(&main, "g"), 1);
        });
    }
}

#[test]
fn the_copy_that_came_first_takes_over() {
    at_each_level(|level| {
        let engine = engine(level, 4);
        let main = engine.main();
        for value in [1, 2] {
            added(&main, &weak("f", value));
        }
        let strong = added(&main, &returns("f", 3));
        assert_eq!(call(&main, "f"), 3);
        engine.remove_unit(strong).unwrap();
        assert_eq!(call(&main, "f"), 1);
        // One that took over is next in line again when that is undone.
        changed(&main, |change| change.remove("f")).unwrap();
        assert_eq!(call(&main, "f"), 2);
        engine.undo().unwrap();
        added(&main, &weak("f", 4));
        changed(&main, |change| change.remove("f")).unwrap();
        assert_eq!(call(&main, "f"), 2);
    });
}

/// After the undo of what had beaten it, a copy is in force and not its own successor.
#[test]
fn the_only_copy_is_not_removed_while_others_use_it() {
    at_each_level(|level| {
        let engine = engine(level, 4);
        let main = engine.main();
        added(&main, &weak("f", 1));
        added(&main, &returns("f", 2));
        engine.undo().unwrap();
        added(&main, &calls("g", "f"));
        let refused = changed(&main, |change| change.remove("f"));
        assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
        assert_eq!(call(&main, "g"), 1);
    });
}

/// The group that counts doesn't have the name any more: another one's definition will do.
#[test]
fn a_name_that_left_its_group_can_come_with_another() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let main = engine.main();
        added(&main, &grouped("f", 1));
        changed(&main, |change| change.remove("f")).unwrap();
        assert!(main.lookup("f").is_err());
        added(&main, &grouped("f", 2));
        assert_eq!(call(&main, "f"), 2);
        // As long as the first group has it, later ones are left out.
        added(&main, &grouped("f", 3));
        assert_eq!(call(&main, "f"), 2);
    });
}

fn libraries(level: Level) -> (Engine, Library, Library) {
    let engine = engine(level, 4);
    let (main, other) = (engine.main(), engine.new_library("other").unwrap());
    main.search(&[&other]).unwrap();
    engine.on_failure(|_| Some((instead as *const ()).into()));
    (engine, main, other)
}

/// A caller in another library that was there before the alias.
#[test]
fn an_alias_that_becomes_a_function_is_followed_from_other_libraries() {
    at_each_level(|level| {
        let (_engine, main, other) = libraries(level);
        added(&main, &calls("f", "alias"));
        assert_eq!(call(&main, "f"), -1);
        added(
            &other,
            &(returns("body", 1) + "\n@alias = alias i32 (), ptr @body"),
        );
        assert_eq!(call(&main, "f"), 1);
        changed(&other, |change| change.define("new", returns("alias", 2))).unwrap();
        assert_eq!(call(&main, "f"), 2);
    });
}

#[test]
fn a_name_that_was_forgotten_is_found_again_from_other_libraries() {
    at_each_level(|level| {
        let (engine, main, other) = libraries(level);
        // Nothing but an import keeps the name, once what defined it is gone.
        main.add_ir("f", calls("f", "g")).unwrap();
        added(&other, &returns("g", 1));
        assert_eq!(main.lookup("g").unwrap(), other.lookup("g").unwrap());
        engine.undo().unwrap();
        engine.reclaim();
        assert!(main.lookup("g").is_err());
        added(&other, &returns("g", 2));
        assert_eq!((call(&main, "g"), call(&main, "f")), (2, 2));
    });
}

/// Frozen code is never made again, so that what it has inlined stays.
#[test]
fn a_frozen_function_is_not_removed_from_under_its_unit() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let main = engine.main();
        let ir = returns("z", 1) + "\n" + &calls("y", "z").replace("declare i32 @z()", "");
        let unit = main.add_ir_frozen("frozen", &ir).unwrap();
        assert_eq!(call(&main, "y"), 1);
        let refused = changed(&main, |change| change.remove("z").force());
        assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
        assert_eq!(call(&main, "y"), 1);
        engine.remove_unit(unit).unwrap();
        assert!(main.lookup("z").is_err());
    });
}

/// Who calls an alias by another name need not be made again when the alias goes.
#[test]
fn an_alias_goes_though_frozen_code_calls_what_it_stands_for() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let main = engine.main();
        add(
            &engine,
            &(returns("f", 1) + "\n@alias = alias i32 (), ptr @f"),
        );
        main.add_ir_frozen("frozen", calls("z", "f")).unwrap();
        assert_eq!((call(&main, "z"), call(&main, "alias")), (1, 1));
        changed(&main, |change| change.remove("alias")).unwrap();
        assert!(main.lookup("alias").is_err());
        assert_eq!(call(&main, "z"), 1);
        // Its neighbour calls the alias itself.
        add(
            &engine,
            "@alias2 = alias i32 (), ptr @g\ndefine i32 @g() {\n ret i32 3\n}",
        );
        main.add_ir_frozen("frozen2", calls("y", "alias2")).unwrap();
        assert_eq!(call(&main, "y"), 3);
        assert!(changed(&main, |change| change.remove("alias2")).is_err());
    });
}

/// A copy in a unit that leaves with the one whose copy is in force takes over from nobody.
#[test]
fn copies_that_leave_together_leave_nothing() {
    at_each_level(|level| {
        let engine = engine(level, 4);
        let main = engine.main();
        let units = [1, 2].map(|value| added(&main, &weak("f", value)));
        let last = added(&main, &weak("f", 3));
        added(&main, &calls("g", "f"));
        assert_eq!(call(&main, "g"), 1);
        // The third is an heir, so that nothing stands in the way.
        changed(&main, |change| {
            change.remove_unit(units[0]).remove_unit(units[1])
        })
        .unwrap();
        assert_eq!(call(&main, "g"), 3);
        engine.undo().unwrap();
        assert_eq!(call(&main, "g"), 1);
        let refused = changed(&main, |change| {
            units.iter().for_each(|unit| {
                change.remove_unit(*unit);
            });
            change.remove_unit(last)
        });
        assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
        assert_eq!(call(&main, "g"), 1);
        changed(&main, |change| {
            units.iter().for_each(|unit| {
                change.remove_unit(*unit);
            });
            change.remove_unit(last).force()
        })
        .unwrap();
        // SAFETY: it takes nothing.
        let removed = unsafe { main.call("g", &[]) };
        assert!(
            matches!(&removed, Err(error) if matches!(error, Error::Removed { .. })
                || error.to_string().contains("removed")),
            "{removed:?}"
        );
        engine.undo().unwrap();
        assert_eq!(call(&main, "g"), 1);
    });
}
