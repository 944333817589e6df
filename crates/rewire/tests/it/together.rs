//! What changes in one step, and names one another from several modules.

use crate::changing::{Plain, add, at_each_level, function, returns, undo_all};

const CONSTANTS: &str = "@c = constant i32 1
    @p = constant ptr @c
    define i32 @direct() {
      %x = load i32, ptr @c
      ret i32 %x
    }";

/// The new body is linked while the name still has its former memory.
#[test]
fn a_body_and_the_constant_that_it_reads() {
    at_each_level(|engine| {
        add(&engine, &(CONSTANTS.to_owned() + &returns("f", 0)));
        let [direct, f] = ["direct", "f"].map(|it| function::<Plain>(&engine, it));
        assert_eq!((direct(), f()), (1, 0));
        let mut change = engine.main().change();
        change.define("c.ll", b"@c = constant i32 2");
        change.define(
            "f.ll",
            b"@c = external constant i32
            define i32 @f() {
              %x = load i32, ptr @c
              ret i32 %x
            }",
        );
        change.commit().unwrap();
        assert_eq!((direct(), f()), (2, 2));
        undo_all(&engine);
        assert_eq!((direct(), f()), (1, 0));
    });
}

/// What the new body brings along names what moves.
#[test]
fn a_body_that_brings_a_pointer_to_a_constant_that_changes() {
    at_each_level(|engine| {
        add(&engine, &(CONSTANTS.to_owned() + &returns("f", 0)));
        let [direct, f] = ["direct", "f"].map(|it| function::<Plain>(&engine, it));
        assert_eq!((direct(), f()), (1, 0));
        let mut change = engine.main().change();
        change.define(
            "f.ll",
            b"@c = constant i32 2
            @p = external constant ptr
            define i32 @f() {
              %p = load ptr, ptr @p
              %x = load i32, ptr %p
              ret i32 %x
            }",
        );
        change.commit().unwrap();
        assert_eq!((direct(), f()), (2, 2));
    });
}

#[test]
fn a_caller_and_the_alias_that_becomes_a_function() {
    at_each_level(|engine| {
        add(
            &engine,
            &("@alias = alias i32 (), ptr @body\n".to_owned()
                + &returns("body", 1)
                + &returns("f", 0)),
        );
        let f: Plain = function(&engine, "f");
        assert_eq!(f(), 0);
        let mut change = engine.main().change();
        change.define("alias.ll", returns("alias", 2).as_bytes());
        change.define(
            "f.ll",
            b"declare i32 @alias()
            define i32 @f() {
              %x = call i32 @alias()
              ret i32 %x
            }",
        );
        change.commit().unwrap();
        assert_eq!(f(), 2);
        engine.undo().unwrap();
        assert_eq!(f(), 0);
    });
}
