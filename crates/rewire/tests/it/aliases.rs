//! Aliases that get other definitions, or become them.

use rewire::{Changed, Engine, Error};

use crate::changing::{Plain, add, at_each_level, function, instead, returns, undo_all};

fn define(engine: &Engine, ir: &str) -> Changed {
    let mut change = engine.main().change();
    change.define("new", ir.as_bytes());
    change.commit().unwrap()
}

const FUNCTIONS: &str = "@alias = alias i32 (), ptr @body
    define i32 @body() {
      ret i32 1
    }
    define i32 @direct() {
      %x = call i32 @body()
      ret i32 %x
    }
    define i32 @through() {
      %x = call i32 @alias()
      ret i32 %x
    }";

#[test]
fn callers_follow_an_alias_that_becomes_a_function_and_back() {
    at_each_level(|engine| {
        add(&engine, FUNCTIONS);
        let [direct, through] = ["direct", "through"].map(|it| function::<Plain>(&engine, it));
        let all = || (direct(), through());
        assert_eq!(all(), (1, 1));
        engine
            .replace("body", returns("body", 2).as_bytes())
            .unwrap();
        assert_eq!(all(), (2, 2));
        define(&engine, &returns("alias", 3));
        assert_eq!(all(), (2, 3));
        engine
            .replace("alias", returns("alias", 4).as_bytes())
            .unwrap();
        assert_eq!(all(), (2, 4));
        engine.undo().unwrap();
        engine.undo().unwrap();
        assert_eq!(all(), (2, 2));
        undo_all(&engine);
        assert_eq!(all(), (1, 1));
    });
}

#[test]
fn callers_follow_a_function_that_becomes_an_alias_and_back() {
    at_each_level(|engine| {
        add(&engine, FUNCTIONS);
        let [direct, through] = ["direct", "through"].map(|it| function::<Plain>(&engine, it));
        let all = || (direct(), through());
        assert_eq!(all(), (1, 1));
        let other = returns("other", 8) + "@body = alias i32 (), ptr @other";
        define(&engine, &other);
        assert_eq!(all(), (8, 8));
        engine
            .replace("other", returns("other", 9).as_bytes())
            .unwrap();
        assert_eq!(all(), (9, 9));
        undo_all(&engine);
        assert_eq!(all(), (1, 1));
    });
}

#[test]
fn users_of_a_variable_follow_its_alias() {
    at_each_level(|engine| {
        add(
            &engine,
            "@v = global i32 1
             @alias = alias i32, ptr @v
             define i32 @get() {
               %x = load i32, ptr @alias
               ret i32 %x
             }",
        );
        let get: Plain = function(&engine, "get");
        assert_eq!(get(), 1);
        define(&engine, "@alias = global i32 2");
        assert_eq!(get(), 2);
        undo_all(&engine);
        assert_eq!(get(), 1);
    });
}

#[test]
fn an_alias_uses_what_it_stands_for_and_is_used() {
    at_each_level(|engine| {
        add(&engine, FUNCTIONS);
        let [direct, through] = ["direct", "through"].map(|it| function::<Plain>(&engine, it));
        for name in ["body", "alias"] {
            let mut change = engine.main().change();
            change.remove(name);
            let error = change.commit().unwrap_err();
            let Error::InUse { users, .. } = &error else {
                panic!("{error}");
            };
            let expected: &[&str] = match name {
                "body" => &["alias", "direct"],
                _ => &["through"],
            };
            assert_eq!(users, expected);
        }
        assert_eq!((direct(), through()), (1, 1));
        engine.on_failure(|_| Some((instead as *const ()).into()));
        let mut change = engine.main().change();
        change.remove("alias").force();
        change.commit().unwrap();
        assert_eq!((direct(), through()), (1, -1));
        undo_all(&engine);
        assert_eq!((direct(), through()), (1, 1));
    });
}

/// An alias is a label in its own file; only a new version of what it labels is another thing.
#[test]
fn an_alias_of_a_weak_definition_stays_in_its_file() {
    at_each_level(|engine| {
        add(
            &engine,
            "@own = alias i32 (), ptr @body
             @own_v = alias i32, ptr @v
             @v = weak global i32 10
             define weak i32 @body() {
               ret i32 1
             }
             define i32 @both() {
               %a = call i32 @body()
               %b = call i32 @own()
               %c = load i32, ptr @v
               %d = load i32, ptr @own_v
               %e = mul i32 %a, 1000
               %f = mul i32 %b, 100
               %g = add i32 %c, %d
               %h = add i32 %e, %f
               %i = add i32 %h, %g
               ret i32 %i
             }",
        );
        let strong = "@v = global i32 20\n".to_owned() + &returns("body", 2);
        let mut change = engine.main().change();
        change.add("strong.ll", strong.as_bytes());
        let changed = change.commit().unwrap();
        let [own, body] = ["own", "body"].map(|it| function::<Plain>(&engine, it));
        let both: Plain = function(&engine, "both");
        assert_eq!((own(), body(), both()), (1, 2, 2130));
        // A new version of the other file's.
        engine
            .replace("body", returns("body", 3).as_bytes())
            .unwrap();
        assert_eq!((own(), body(), both()), (1, 3, 3130));
        engine.undo().unwrap();
        assert_eq!((own(), body(), both()), (1, 2, 2130));
        let mut change = engine.main().change();
        change.remove_unit(changed.units[0]).force();
        change.commit().unwrap();
        // The name is the first file's again.
        assert_eq!((own(), body()), (1, 1));
        undo_all(&engine);
        assert_eq!(own(), 1);
    });
}

#[test]
fn an_alias_follows_a_weak_definition_to_its_new_version() {
    at_each_level(|engine| {
        add(
            &engine,
            &FUNCTIONS.replace("define i32 @body", "define weak i32 @body"),
        );
        let [direct, through] = ["direct", "through"].map(|it| function::<Plain>(&engine, it));
        assert_eq!((direct(), through()), (1, 1));
        engine
            .replace("body", returns("body", 2).as_bytes())
            .unwrap();
        assert_eq!((direct(), through()), (2, 2));
        undo_all(&engine);
        assert_eq!((direct(), through()), (1, 1));
    });
}
