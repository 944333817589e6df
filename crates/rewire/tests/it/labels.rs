//! Labels that assembly within functions defines, while what is around them changes.

use rewire::{Engine, Error};

use crate::changing::{
    Plain, add, at_each_level, function, in_each_case, is_all_freed, returns, undo_all,
};

type Where = extern "C-unwind" fn() -> *const u8;

const LABELLED: &str = r#"
    define i32 @has() noinline {
      call void asm sideeffect ".globl spot\0Aspot: nop", ""()
      ret i32 1
    }"#;

const NAMER: &str = "
    @spot = external global i8
    define ptr @where() {
      ret ptr @spot
    }";

/// What is at the label.
fn at_spot(engine: &Engine) -> u8 {
    let place = function::<Where>(engine, "where")();
    assert!(!place.is_null());
    // SAFETY: the engine keeps the code around a label that somebody names.
    unsafe { place.read_volatile() }
}

const NOP: u8 = 0x90;

#[test]
fn a_label_is_found_in_code_that_nobody_has_called() {
    at_each_level(|engine| {
        add(&engine, LABELLED);
        add(&engine, NAMER);
        assert_eq!(at_spot(&engine), NOP);
        assert_eq!(function::<Plain>(&engine, "has")(), 1);
    });
}

#[test]
fn a_label_is_found_in_code_that_is_compiled() {
    at_each_level(|engine| {
        add(&engine, LABELLED);
        assert_eq!(function::<Plain>(&engine, "has")(), 1);
        add(&engine, NAMER);
        assert_eq!(at_spot(&engine), NOP);
    });
}

#[test]
fn a_label_outlives_the_body_that_it_is_in() {
    at_each_level(|engine| {
        add(&engine, LABELLED);
        add(&engine, NAMER);
        let has: Plain = function(&engine, "has");
        assert_eq!((has(), at_spot(&engine)), (1, NOP));
        let place = function::<Where>(&engine, "where")();
        for value in 2..5 {
            engine
                .replace("has", returns("has", value).as_bytes())
                .unwrap();
            engine.reclaim();
            assert_eq!((has(), at_spot(&engine)), (value, NOP));
        }
        engine.replace("has", LABELLED.as_bytes()).unwrap();
        engine.reclaim();
        assert_eq!((has(), at_spot(&engine)), (1, NOP));
        assert!(engine.main().unload("has").unwrap());
        engine.reclaim();
        assert_eq!((has(), at_spot(&engine)), (1, NOP));
        assert_eq!(function::<Where>(&engine, "where")(), place);
        undo_all(&engine);
        assert_eq!((has(), at_spot(&engine)), (1, NOP));
    });
}

#[test]
fn a_label_goes_with_its_unit() {
    at_each_level(|engine| {
        let labelled = add(&engine, LABELLED);
        let namer = add(&engine, NAMER);
        assert_eq!(at_spot(&engine), NOP);
        let error = engine.remove_unit(labelled).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        engine.remove_unit(namer).unwrap();
        engine.remove_unit(labelled).unwrap();
        let again = add(&engine, NAMER);
        assert!(engine.main().pin("where").is_err());
        engine.remove_unit(again).unwrap();
        add(&engine, LABELLED);
        add(&engine, NAMER);
        assert_eq!(at_spot(&engine), NOP);
    });
}

/// A function with an entry of its own in its middle, and a variable that its newer versions keep.
const TWO_ENTRIES: &str = r#"
    @count = global i32 5
    define i32 @has() noinline {
      call void asm sideeffect "jmp 1f\0A.globl side\0Aside: mov $$7, %eax\0Aret\0A1:", ""()
      %count = load volatile i32, ptr @count
      ret i32 %count
    }"#;

const CALLS_SIDE: &str = "
    @side = external global i8
    define i32 @enter() {
      %at = alloca ptr
      store volatile ptr @side, ptr %at
      %side = load volatile ptr, ptr %at
      %x = call i32 %side()
      ret i32 %x
    }";

/// Code that others have a way into stays for as long as they do, whatever else lies beside it.
#[test]
fn a_label_of_a_former_version_stays_for_who_calls_it() {
    in_each_case(|case| {
        let engine = case.engine();
        let mut unit = add(&engine, TWO_ENTRIES);
        let user = add(&engine, CALLS_SIDE);
        let has: Plain = function(&engine, "has");
        let enter: Plain = function(&engine, "enter");
        assert_eq!((has(), enter()), (5, 7));
        // The later ones push the first out of what can be undone.
        for round in 0..12 {
            let mut change = engine.main().change();
            let text = format!(
                "@count = global i32 50
                define i32 @has() {{
                  %count = load i32, ptr @count
                  %x = add i32 %count, {round}
                  ret i32 %x
                }}"
            );
            change.reload(unit, "newer.ll", text.as_bytes()).force();
            unit = change.commit().unwrap().units[0];
            engine.reclaim();
            assert_eq!((has(), enter()), (5 + round, 7));
        }
        let left = engine.reclaim().left;
        let holders = left.iter().filter_map(|one| one.holder.as_deref());
        assert!(
            holders.clone().any(|one| one == "enter, which names side"),
            "{left:?}"
        );
        engine.remove_unit(user).unwrap();
        undo_all(&engine);
        // It is called no more, and goes.
        is_all_freed(&engine);
        assert!(engine.retired().is_empty(), "{:?}", engine.retired());
    });
}

/// Nobody names them, so they keep nothing.
#[test]
fn labels_that_nobody_names_keep_no_code() {
    at_each_level(|engine| {
        add(&engine, LABELLED);
        let has: Plain = function(&engine, "has");
        for _ in 0..20 {
            assert_eq!(has(), 1);
            engine.replace("has", LABELLED.as_bytes()).unwrap();
        }
        undo_all(&engine);
        is_all_freed(&engine);
    });
}

#[test]
fn what_no_assembly_defines_is_missing() {
    at_each_level(|engine| {
        add(&engine, LABELLED);
        add(&engine, &NAMER.replace("spot", "no_such_spot"));
        assert!(engine.main().pin("where").is_err());
    });
}

/// Constructors that assembly brings with a change run as those of IR do.
#[test]
fn tables_that_assembly_writes_come_with_a_change() {
    at_each_level(|engine| {
        add(&engine, "@ran = global i32 0");
        let mut change = engine.main().change();
        change.add(
            "asm.ll",
            br#"module asm ".section .init_array,\22aw\22"
                module asm ".quad early"
                module asm ".text"
                @ran = external global i32
                define void @early() {
                  %x = load i32, ptr @ran
                  %y = add i32 %x, 1
                  store i32 %y, ptr @ran
                  ret void
                }"#,
        );
        change.commit().unwrap();
        // SAFETY: it only counts.
        unsafe { engine.run_constructors().unwrap() };
        assert_eq!(crate::changing::read::<i32>(&engine, "ran"), 1);
    });
}

/// Each of two frozen units needs a label of the other's to be linked.
#[test]
fn frozen_units_name_each_others_labels() {
    at_each_level(|engine| {
        let unit = |own: &str, other: &str| {
            LABELLED
                .replace("spot", &format!("{own}_spot"))
                .replace("@has", &format!("@{own}"))
                + &NAMER
                    .replace("spot", &format!("{other}_spot"))
                    .replace("@where", &format!("@{own}_where"))
        };
        engine
            .add_ir_frozen("a.ll", unit("a", "b").as_bytes())
            .unwrap();
        engine
            .add_ir_frozen("b.ll", unit("b", "a").as_bytes())
            .unwrap();
        for name in ["a_where", "b_where"] {
            let place = function::<Where>(&engine, name)();
            // SAFETY: as in `at_spot`.
            assert_eq!(unsafe { place.read_volatile() }, NOP);
        }
        assert_eq!(function::<Plain>(&engine, "a")(), 1);
        assert_eq!(function::<Plain>(&engine, "b")(), 1);
    });
}

/// A second way into a function.
#[test]
fn a_label_is_called() {
    at_each_level(|engine| {
        add(
            &engine,
            r#"define i32 @two_ways() noinline {
                 call void asm sideeffect "jmp 1f\0A.globl second\0Asecond: movl $$44, %eax\0Aret\0A1:", ""()
                 ret i32 43
               }
               declare i32 @second()
               define i32 @calls() {
                 %a = call i32 @second()
                 %b = call i32 @two_ways()
                 %c = mul i32 %a, 100
                 %d = add i32 %c, %b
                 ret i32 %d
               }"#,
        );
        assert_eq!(function::<Plain>(&engine, "calls")(), 4443);
        engine
            .replace("two_ways", returns("two_ways", 5).as_bytes())
            .unwrap();
        engine.reclaim();
        assert_eq!(function::<Plain>(&engine, "calls")(), 4405);
    });
}
