//! Only what is in force is a user, and only what is in force stands in another's way: bodies that
//! threads may still be in, and units that may come back, are neither.

use rewire::{Engine, UnitId};

use crate::changing::{Plain, add, at_each_level, function, in_each_case, returns, undo_all};

/// Its own function uses what else it defines.
const WITH_HELPER: &str = "define internal i32 @step() noinline {
      %x = call i32 @helper()
      ret i32 %x
    }
    define linkonce_odr i32 @helper() noinline {
      ret i32 20
    }
    define i32 @enter() {
      %x = call i32 @step()
      ret i32 %x
    }\n";

/// The same without what it used.
const WITHOUT_HELPER: &str = "define internal i32 @step() noinline {
      ret i32 3
    }
    define i32 @enter() {
      %x = call i32 @step()
      ret i32 %x
    }\n";

fn reload(engine: &Engine, unit: UnitId, ir: &str) -> UnitId {
    let mut change = engine.main().change();
    change.reload(unit, "unit.ll", ir.as_bytes());
    change.commit().unwrap().units[0]
}

#[test]
fn what_a_removed_unit_called_may_go_when_the_unit_is_there_anew() {
    in_each_case(|case| {
        let engine = case.engine();
        for called_again in [false, true] {
            let first = add(&engine, WITH_HELPER);
            assert_eq!(function::<Plain>(&engine, "enter")(), 20);
            engine.remove_unit(first).unwrap();
            // Nobody has looked whether threads are in the first unit's bodies.
            let second = add(&engine, WITH_HELPER);
            if called_again {
                assert_eq!(function::<Plain>(&engine, "enter")(), 20);
            }
            assert!(engine.main().state("helper").unwrap().users.len() <= 1);
            let third = reload(&engine, second, WITHOUT_HELPER);
            assert_eq!(function::<Plain>(&engine, "enter")(), 3);
            assert!(engine.lookup("helper").is_err());
            engine.remove_unit(third).unwrap();
        }
    });
}

#[test]
fn a_variable_that_only_a_removed_unit_read_may_go() {
    at_each_level(|engine| {
        add(&engine, "@text = global [4 x i8] c\"abc\\00\"\n");
        let reader = "@text = external global [4 x i8]
            define internal i32 @first() noinline {
              %c = load i8, ptr @text
              %x = zext i8 %c to i32
              ret i32 %x
            }
            define i32 @read() {
              %x = call i32 @first()
              ret i32 %x
            }\n";
        let unit = add(&engine, reader);
        assert_eq!(function::<Plain>(&engine, "read")(), i32::from(b'a'));
        engine.remove_unit(unit).unwrap();
        assert!(engine.main().state("text").unwrap().users.is_empty());
        let mut change = engine.main().change();
        change.remove("text");
        change.commit().unwrap();
        assert!(engine.lookup("text").is_err());
        undo_all(&engine);
        assert_eq!(function::<Plain>(&engine, "read")(), i32::from(b'a'));
    });
}

/// A group that counts once, with a function and its counter.
const GROUP: &str = "$count = comdat any
    @counter = linkonce_odr global i32 0, comdat($count)
    define linkonce_odr i32 @count() comdat($count) {
      %old = load i32, ptr @counter
      %new = add i32 %old, 1
      store i32 %new, ptr @counter
      ret i32 %new
    }\n";

#[test]
fn a_group_of_a_unit_that_may_come_back_counts_in_the_next() {
    at_each_level(|engine| {
        let user = |name: &str| {
            format!("{GROUP}define i32 @{name}() {{\n %x = call i32 @count()\n ret i32 %x\n}}\n")
        };
        let first = add(&engine, &user("one"));
        assert_eq!(function::<Plain>(&engine, "one")(), 1);
        engine.remove_unit(first).unwrap();
        // That unit's group would be left out if the first one's were in force.
        let second = add(&engine, &user("two"));
        assert_eq!(function::<Plain>(&engine, "two")(), 1);
        engine.remove_unit(second).unwrap();
        let third = add(&engine, &user("three"));
        assert_eq!(function::<Plain>(&engine, "three")(), 1);
        engine.remove_unit(third).unwrap();
        undo_all(&engine);
        assert_eq!(function::<Plain>(&engine, "one")(), 2);
    });
}

#[test]
fn a_unit_that_came_back_has_its_place_in_the_line_again() {
    at_each_level(|engine| {
        let weak = |value| returns("shared", value).replace("define", "define weak");
        let first = add(&engine, &weak(1));
        let second = add(&engine, &weak(2));
        assert_eq!(function::<Plain>(&engine, "shared")(), 1);
        engine.remove_unit(second).unwrap();
        engine.undo().unwrap();
        engine.remove_unit(first).unwrap();
        assert_eq!(function::<Plain>(&engine, "shared")(), 2);
        let third = add(&engine, &weak(3));
        undo_all(&engine);
        assert_eq!(function::<Plain>(&engine, "shared")(), 1);
        engine.remove_unit(third).unwrap();
    });
}

#[test]
fn what_was_replaced_before_its_unit_was_removed_does_not_take_over_when_that_is_undone() {
    at_each_level(|engine| {
        let unit = add(&engine, &(returns("f", 1) + &returns("k", 2)));
        engine.replace("f", returns("f", 3).as_bytes()).unwrap();
        engine.remove_unit(unit).unwrap();
        engine.undo().unwrap();
        assert_eq!(function::<Plain>(&engine, "k")(), 2);
        let mut change = engine.main().change();
        change.remove("f");
        change.commit().unwrap();
        assert!(engine.lookup("f").is_err());
    });
}
