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
