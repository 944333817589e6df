//! IR that the engine gave and gets again: what it names is what it named before, also what is
//! local to a unit.
use rewire::{Engine, Error};
use rewire_llvm::{Module, Source};

use crate::changing::{Plain, add, at_each_level, function, reclaim_all, returns, undo_all};

/// How a unit comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Bitcode,
    Text,
    Define,
}

const WAYS: [Way; 3] = [Way::Bitcode, Way::Text, Way::Define];

fn bring(engine: &Engine, way: Way, ir: &str) {
    match way {
        Way::Bitcode => {
            let source = Source::new("test.ll", ir.as_bytes());
            let bitcode = Module::read(&source).unwrap().to_bitcode().unwrap();
            engine.add_ir("test.bc", &bitcode.bytes).unwrap();
        }
        Way::Text => {
            add(engine, ir);
        }
        Way::Define => {
            let mut change = engine.main().change();
            change.define("test.ll", ir.as_bytes());
            change.commit().unwrap();
        }
    }
}

fn give_back(engine: &Engine, name: &str) {
    let ir = engine.main().ir(name).unwrap();
    if let Err(error) = engine.replace(name, ir.as_bytes()) {
        panic!("{error}\n{ir}");
    }
}

fn give_all_back(engine: &Engine) {
    for name in ALL {
        give_back(engine, name);
    }
}

/// Functions each of which answers what it has counted, all in ways of a unit's own.
const OWN: &str = "
    @counter = internal global i32 0
    @each = internal thread_local global i32 100
    @places = internal global [2 x ptr] [ptr @counter, ptr @each_again]
    @each_again = private global i32 7
    @0 = private constant [2 x i32] [i32 3, i32 4]
    @step = internal constant i32 1
    @counter_too = internal alias i32, ptr @counter
    @chosen = internal ifunc i32 (i32), ptr @choose
    @again = internal alias i32 (i32), ptr @helper

    define internal ptr @choose() {
      ret ptr @helper
    }
    define internal fastcc i32 @quick(i32 signext %x, ptr byval(i32) %y) {
      %z = load i32, ptr %y
      %s = add i32 %x, %z
      ret i32 %s
    }
    define internal i32 @helper(i32 %x) {
      %y = add i32 %x, 1000
      ret i32 %y
    }
    define internal i32 @inner(i32 %x) alwaysinline {
      %c = load i32, ptr @counter
      %y = add i32 %x, %c
      ret i32 %y
    }
    define i32 @count() {
      %x = load i32, ptr @counter
      %s = load i32, ptr @step
      %y = add i32 %x, %s
      store i32 %y, ptr @counter_too
      ret i32 %y
    }
    define i32 @count_each() {
      %p = call ptr @llvm.threadlocal.address(ptr @each)
      %x = load i32, ptr %p
      %y = add i32 %x, 1
      store i32 %y, ptr %p
      ret i32 %y
    }
    define i32 @count_placed() {
      %p = load ptr, ptr getelementptr ([2 x ptr], ptr @places, i32 0, i32 1)
      %x = load i32, ptr %p
      %y = add i32 %x, 1
      store i32 %y, ptr %p
      ret i32 %y
    }
    define i32 @constants() {
      %x = load i32, ptr getelementptr ([2 x i32], ptr @0, i32 0, i32 1)
      ret i32 %x
    }
    define i32 @calls() {
      %v = alloca i32
      store i32 5, ptr %v
      %a = call fastcc i32 @quick(i32 1, ptr byval(i32) %v)
      %b = call i32 @helper(i32 %a)
      %c = call i32 @chosen(i32 %b)
      %d = call i32 @again(i32 %c)
      ret i32 %d
    }
    define i32 @inlines() {
      %x = call i32 @inner(i32 40)
      ret i32 %x
    }
    define weak_odr i32 @itself(i32 %n) {
      %is = icmp eq i32 %n, 0
      br i1 %is, label %end, label %more
    more:
      %m = sub i32 %n, 1
      %r = call i32 @itself(i32 %m)
      %s = add i32 %r, 2
      ret i32 %s
    end:
      ret i32 0
    }
    define i32 @jumps(i32 %n) {
      %p = getelementptr [2 x ptr], ptr @labels, i32 0, i32 %n
      %to = load ptr, ptr %p
      indirectbr ptr %to, [label %one, label %two]
    one:
      ret i32 1
    two:
      ret i32 2
    }
    @labels = internal constant [2 x ptr]
      [ptr blockaddress(@jumps, %one), ptr blockaddress(@jumps, %two)]
    declare ptr @llvm.threadlocal.address(ptr)";

const ALL: [&str; 8] = [
    "count",
    "count_each",
    "count_placed",
    "constants",
    "calls",
    "inlines",
    "itself",
    "jumps",
];

fn each_way(test: impl Fn(&Engine, Way) + Sync) {
    for way in WAYS {
        at_each_level(|engine| test(&engine, way));
    }
}

/// What the functions answer when they have been called so often before.
fn check(engine: &Engine, before: i32) {
    let call = |name| function::<Plain>(engine, name)();
    assert_eq!(call("count"), before + 1);
    assert_eq!(call("count_each"), before + 101);
    assert_eq!(call("count_placed"), before + 8);
    assert_eq!(call("constants"), 4);
    assert_eq!(call("calls"), 3006);
    assert_eq!(call("inlines"), before + 41);
    let with = |name| function::<extern "C-unwind" fn(i32) -> i32>(engine, name);
    assert_eq!(with("itself")(4), 8);
    assert_eq!((with("jumps")(0), with("jumps")(1)), (1, 2));
}

#[test]
fn what_is_given_back_names_what_it_named() {
    each_way(|engine, way| {
        bring(engine, way, OWN);
        for before in 0..4 {
            check(engine, before);
            give_all_back(engine);
            engine.reclaim();
        }
        check(engine, 4);
        undo_all(engine);
        if !matches!(way, Way::Define) {
            check(engine, 5);
        }
    });
}

/// The values that variables start with, and the bodies of helpers, are in the first unit.
#[test]
fn what_was_never_called_is_given_back() {
    each_way(|engine, way| {
        bring(engine, way, OWN);
        for _ in 0..3 {
            give_all_back(engine);
            reclaim_all(engine);
        }
        check(engine, 0);
        check(engine, 1);
    });
}

#[test]
fn names_that_others_know_as_well_stay_the_units_own() {
    each_way(|engine, way| {
        bring(
            engine,
            way,
            "@v = internal global i32 5
             define internal i32 @g() {
               ret i32 6
             }
             define i32 @f() {
               %x = load i32, ptr @v
               %y = call i32 @g()
               %z = mul i32 %x, %y
               ret i32 %z
             }",
        );
        let f: Plain = function(engine, "f");
        let before = engine.main().ir("f").unwrap();
        add(
            engine,
            &("@v = global i32 50\n".to_owned() + &returns("g", 60)),
        );
        assert_eq!(f(), 30);
        give_back(engine, "f");
        assert_eq!(f(), 30);
        engine.replace("f", before.as_bytes()).unwrap();
        assert_eq!(f(), 30);
        // Said by hand, and not hidden, it is what all know.
        let all = "@v = external global i32
            define i32 @f() {
              %x = load i32, ptr @v
              ret i32 %x
            }";
        engine.replace("f", all.as_bytes()).unwrap();
        assert_eq!(f(), 50);
        engine.replace("f", before.as_bytes()).unwrap();
        assert_eq!(f(), 30);
    });
}

/// A body between that names nothing of its unit's doesn't cut the way to it.
#[test]
fn texts_from_before_another_body_are_given_back() {
    at_each_level(|engine| {
        add(&engine, OWN);
        check(&engine, 0);
        let texts = ALL.map(|name| engine.main().ir(name).unwrap());
        for name in ["count", "constants", "calls"] {
            engine.replace(name, returns(name, -3).as_bytes()).unwrap();
            assert_eq!(function::<Plain>(&engine, name)(), -3);
        }
        reclaim_all(&engine);
        for (name, text) in ALL.iter().zip(texts) {
            engine.replace(name, text.as_bytes()).unwrap();
        }
        check(&engine, 1);
    });
}

#[test]
fn a_body_with_variables_of_its_own_takes_over_those_that_it_borrowed() {
    at_each_level(|engine| {
        add(&engine, OWN);
        check(&engine, 0);
        give_back(&engine, "count");
        let newer = "@counter = internal global i32 0
            define i32 @count() {
              %x = load i32, ptr @counter
              %y = add i32 %x, 1
              store i32 %y, ptr @counter
              ret i32 %y
            }";
        engine.replace("count", newer.as_bytes()).unwrap();
        check(&engine, 1);
        give_back(&engine, "count");
        check(&engine, 2);
    });
}

#[test]
fn a_unit_is_used_by_bodies_that_borrow_of_it() {
    at_each_level(|engine| {
        let unit = add(&engine, OWN);
        give_all_back(&engine);
        let error = engine.remove_unit(unit).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        change.commit().unwrap();
        engine.reclaim();
        check(&engine, 0);
        engine.undo().unwrap();
        check(&engine, 1);
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        change.commit().unwrap();
        let mut change = engine.main().change();
        change.force();
        for name in ALL {
            change.remove(name);
        }
        change.commit().unwrap();
        undo_all(&engine);
    });
}

/// What stands before a function, who sees it, and where aliases lead is part of what it is.
#[test]
fn all_that_a_definition_says_comes_back() {
    at_each_level(|engine| {
        add(
            &engine,
            "@alias = alias i32 (), ptr @body
             define i32 @body() {
               ret i32 1
             }
             define hidden i32 @f() prefix i32 1234 {
               %x = call i32 @alias()
               ret i32 %x
             }
             define i32 @ask() {
               %p = getelementptr i8, ptr @f, i64 -4
               %x = load i32, ptr %p
               %y = call i32 @f()
               %z = add i32 %x, %y
               ret i32 %z
             }",
        );
        give_back(&engine, "f");
        let ask: Plain = function(&engine, "ask");
        assert_eq!(ask(), 1235);
        assert!(engine.main().ir("f").unwrap().contains("define hidden"));
        let mut change = engine.main().change();
        change.define("alias.ll", returns("alias", 5).as_bytes());
        change.commit().unwrap();
        assert_eq!(ask(), 1239);
    });
}
