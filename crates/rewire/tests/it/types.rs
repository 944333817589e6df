//! Types are told apart by what they are, not by what they are called.

use rewire::{Changed, Engine, Error, Level, TypeChange};

use crate::changes::{at_each_level, engine};
use crate::changing::{Plain, add, function, read};

/// A struct inside a struct, and a variable of it between others.
fn nested(fields: &str, last: u32, linkage: &str) -> String {
    format!(
        "%inner = type {{ i32{fields} }}\n%outer = type {{ %inner }}\n\
         @before = {linkage}global [4 x i32] [i32 7, i32 7, i32 7, i32 7]\n\
         @it = {linkage}global %outer zeroinitializer\n\
         @after = {linkage}global [4 x i32] [i32 7, i32 7, i32 7, i32 7]\n\
         define i32 @fill() {{\n\
           %p = getelementptr %outer, ptr @it, i32 0, i32 0, i32 {last}\n\
           store i32 99, ptr %p\n\
           %b = load i32, ptr @before\n\
           %q = getelementptr i32, ptr @after, i32 1\n\
           %a = load i32, ptr %q\n\
           %s = add i32 %b, %a\n\
           %v = load i32, ptr %p\n\
           %r = add i32 %s, %v\n\
           ret i32 %r\n}}"
    )
}

#[test]
fn a_variable_whose_inner_struct_grew_is_of_another_type() {
    at_each_level(|level| {
        let engine = engine(level, 4);
        let unit = add(&engine, &nested("", 0, ""));
        let fill: Plain = function(&engine, "fill");
        assert_eq!(fill(), 113);
        for reloads in [false, true] {
            let grown = nested(", [30 x i32]", 1, "");
            let change = |policy| {
                let mut change = engine.main().change();
                match reloads {
                    true => change.reload(unit, "new", grown.as_bytes()),
                    false => change.define("new", grown.as_bytes()),
                };
                change.on_type_change(policy);
                change.commit()
            };
            let error = change(TypeChange::Refuse).unwrap_err();
            assert!(
                matches!(&error, Error::Contract { name, .. } if &**name == "it"),
                "{error}"
            );
            assert_eq!(fill(), 113);
            change(TypeChange::Recompile).unwrap();
            assert_eq!(fill(), 113);
            assert_eq!(engine.state("it").unwrap().size, 124);
            engine.undo().unwrap();
            assert_eq!(fill(), 113);
            assert_eq!(engine.state("it").unwrap().size, 4);
        }
    });
}

#[test]
fn a_local_variable_whose_inner_struct_grew_begins_anew() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let unit = add(&engine, &nested("", 0, "internal "));
        let fill: Plain = function(&engine, "fill");
        assert_eq!(fill(), 113);
        for fields in [", i32", ", [30 x i32]"] {
            let grown = nested(fields, 1, "internal ");
            let mut change = engine.main().change();
            change.define("new", grown.as_bytes());
            change.commit().unwrap();
            assert_eq!(fill(), 113);
        }
        let grown = nested(", [60 x i32]", 1, "internal ");
        let mut change = engine.main().change();
        change.reload(unit, "new", grown.as_bytes());
        change.commit().unwrap();
        assert_eq!(fill(), 113);
    });
}

#[test]
fn a_variable_of_a_type_of_another_name_keeps_its_value() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        let counting = |types: &str, of: &str| {
            format!(
                "{types}@it = global {of} zeroinitializer\n\
                 @own = internal global {of} zeroinitializer\n\
                 define i32 @count() {{\n\
                   %a = load i32, ptr @it\n  %b = load i32, ptr @own\n\
                   %c = add i32 %a, 1\n  %d = add i32 %b, 10\n\
                   store i32 %c, ptr @it\n  store i32 %d, ptr @own\n\
                   %r = add i32 %c, %d\n  ret i32 %r\n}}"
            )
        };
        add(
            &engine,
            &counting("%a = type { i32, %b } %b = type { i8 }\n", "%a"),
        );
        let count: Plain = function(&engine, "count");
        assert_eq!(count(), 11);
        for (types, of) in [
            ("%c = type { i32, %a } %a = type { i8 }\n", "%c"),
            ("", "{ i32, { i8 } }"),
        ] {
            let before = count();
            let mut change = engine.main().change();
            change.define("new", counting(types, of).as_bytes());
            change.commit().unwrap();
            assert_eq!(count(), before + 11);
        }
    });
}

/// Defines `f` anew with two fields more; the answer is what the change says.
fn grow(engine: &Engine, make: &dyn Fn(&str) -> String) -> Result<Changed, Error> {
    let mut change = engine.main().change();
    change.define("new", make("i64, i64, i64, i64").as_bytes());
    change.commit()
}

#[test]
fn what_passes_a_struct_that_grew_is_of_another_type() {
    let ways: [&dyn Fn(&str) -> String; 5] = [
        &|fields| {
            format!("%s = type {{ {fields} }}\ndefine %s @f() {{\n ret %s zeroinitializer\n}}")
        },
        &|fields| {
            format!(
                "%t = type {{ {fields} }}\n%s = type {{ %t }}\n\
                 define void @f(i32 %x, %s %y) {{\n ret void\n}}"
            )
        },
        &|fields| {
            format!(
                "%s = type {{ {fields} }}\n\
                 define void @f(ptr sret(%s) %to) {{\n store %s zeroinitializer, ptr %to\n ret void\n}}"
            )
        },
        &|fields| {
            format!(
                "%t = type {{ {fields} }}\n%s = type {{ [2 x %t] }}\n\
                 define void @f(ptr byval(%s) %from) {{\n ret void\n}}"
            )
        },
        &|fields| {
            format!(
                "%s = type {{ {fields} }}\n\
                 define void @f(ptr byref(%s) %from) {{\n ret void\n}}"
            )
        },
    ];
    for make in ways {
        let engine = engine(Level::O0, 0);
        add(&engine, &make("i64, i64"));
        engine.lookup("f").unwrap();
        let error = grow(&engine, make).unwrap_err();
        assert!(matches!(error, Error::Contract { .. }), "{error}");
        assert!(error.to_string().contains("other fields"), "{error}");
        // The same with another name is the same.
        let renamed = make("i64, i64")
            .replace("%s", "%other")
            .replace("%t", "%inner");
        engine.main().replace("f", renamed.as_bytes()).unwrap();
    }
}

#[test]
fn a_value_that_is_copied_to_the_stack_has_an_alignment_there() {
    let engine = engine(Level::O0, 0);
    let taking = |align: u32| {
        format!(
            "define i32 @f(i32 %x, ptr byval([2 x i64]) align {align} %from) {{\n ret i32 %x\n}}"
        )
    };
    add(&engine, &taking(8));
    let error = engine.replace("f", taking(32).as_bytes()).unwrap_err();
    assert!(matches!(error, Error::Contract { .. }), "{error}");
    // A function pointer of Rust's would pass an address.
    type Taking = extern "C" fn(i32, *const u8) -> i32;
    // SAFETY: nothing is called.
    let found = unsafe { engine.main().function::<Taking>("f") };
    let error = found.unwrap_err().to_string();
    assert!(error.contains("byval"), "{error}");
}

/// Who takes what for something else, as a change says.
fn told(changed: &Changed) -> Vec<String> {
    let all = changed.mismatches.iter();
    all.map(|it| {
        format!(
            "{}: {} is {}, not {}",
            it.user, it.name, it.defined, it.declared
        )
    })
    .collect()
}

#[test]
fn who_still_calls_a_function_as_it_was_is_told() {
    let engine = engine(Level::O0, 4);
    add(&engine, "define i64 @g(i64 %x) {\n ret i64 %x\n}");
    add(
        &engine,
        "declare i64 @g(i64)\n\
         define i64 @called() {\n %r = call i64 @g(i64 3)\n ret i64 %r\n}\n\
         define ptr @not_called() {\n ret ptr @g\n}\n\
         define i64 @another() {\n ret i64 1\n}",
    );
    let called: extern "C" fn() -> i64 = function(&engine, "called");
    assert_eq!(called(), 3);
    let mut change = engine.main().change();
    change.define("new", b"define i64 @g(ptr %p) {\n ret i64 4\n}");
    change.on_type_change(TypeChange::Recompile);
    let changed = change.commit().unwrap();
    assert_eq!(
        told(&changed),
        [
            "called: g is i64 (ptr), not i64 (i64)",
            "not_called: g is i64 (ptr), not i64 (i64)"
        ]
    );
    // Those that come along with it, or later, by the new type are right.
    let mut change = engine.main().change();
    change.define(
        "new users",
        b"declare i64 @g(ptr)\n\
          define i64 @called() {\n %r = call i64 @g(ptr null)\n ret i64 %r\n}\n\
          define ptr @not_called() {\n ret ptr @g\n}",
    );
    let changed = change.commit().unwrap();
    assert_eq!(told(&changed), [""; 0]);
    assert_eq!(called(), 4);
}

#[test]
fn who_declares_a_function_otherwise_is_told() {
    let engine = engine(Level::O0, 0);
    let main = engine.main();
    let define = |ir: &str| {
        let mut change = main.change();
        change.define("new", ir.as_bytes());
        told(&change.commit().unwrap())
    };
    // Before there is a definition.
    assert_eq!(
        define("declare void @f(i32)\ndefine void @user() {\n call void @f(i32 1)\n ret void\n}"),
        [""; 0]
    );
    let told = define("define void @f(double %x) {\n ret void\n}");
    assert_eq!(told, ["user: f is void (double), not void (i32)"]);
    // By a struct of the same name; by a list that says nothing, as C may; and rightly.
    define("%s = type { i32 }\ndefine void @g(%s %x) {\n ret void\n}");
    let told = define(
        "%s = type { ptr, ptr }\ndeclare void @g(%s)\ndeclare void @f(...)\n\
         define void @other() {\n call void @g(%s zeroinitializer)\n call void @f(double 1.0)\n \
         ret void\n}",
    );
    assert_eq!(told, ["other: g is void (%s), not void (%s)"]);
    let told = define("declare void @f(double)\ndefine ptr @third() {\n ret ptr @f\n}");
    assert_eq!(told, [""; 0]);
    assert_eq!(engine.report().functions_compiled, 0);
}

#[test]
fn texts_that_share_a_name_for_two_structs_are_two_types() {
    let engine = engine(Level::O2, 0);
    // Each is small enough to be read into a context that others were read into.
    for number in 0..20 {
        let fields = vec!["i32"; number % 3 + 1].join(", ");
        let ir = format!("%s = type {{ {fields} }}\n@v{number} = global %s zeroinitializer");
        add(&engine, &ir);
        let mut change = engine.main().change();
        change.define("again", ir.as_bytes());
        change.commit().unwrap();
        let size = engine.state(&format!("v{number}")).unwrap().size;
        assert_eq!(size, 4 * (number as u64 % 3 + 1));
        assert_eq!(read::<i32>(&engine, &format!("v{number}")), 0);
    }
}
