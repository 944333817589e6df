//! What clients hold stays where it is, and what waits to be given back is counted, whatever it is.

use rewire::{Engine, Error, Level};

use crate::changing::{
    Case, Plain, add, function, in_each_case, on_fresh_thread, reclaim_all, returns,
};

const VARIABLE: &str = "@value = global i64 77
    define i64 @get() {
      %x = load i64, ptr @value
      ret i64 %x
    }\n";

fn holders(engine: &Engine) -> Vec<String> {
    let left = engine.reclaim().left;
    left.iter()
        .map(|one| one.holder.clone().unwrap_or_default().to_string())
        .collect()
}

#[test]
fn a_handle_of_a_variable_keeps_its_memory() {
    in_each_case(|case| {
        let engine = case.engine();
        let unit = add(&engine, VARIABLE);
        let value = engine.main().data::<i64>("value").unwrap();
        let again = value.clone();
        // SAFETY: it is an i64, which nobody else writes.
        unsafe { value.write(78) };
        engine.remove_unit(unit).unwrap();
        if case.undoes() {
            return;
        }
        assert_eq!(holders(&engine), ["a handle of a variable"]);
        // What comes next doesn't get that memory.
        for round in 0..50 {
            let other = add(&engine, &VARIABLE.replace("77", &round.to_string()));
            function::<extern "C-unwind" fn() -> i64>(&engine, "get")();
            engine.remove_unit(other).unwrap();
        }
        reclaim_others(&engine);
        drop(value);
        reclaim_others(&engine);
        // SAFETY: as above.
        assert_eq!(unsafe { again.read() }, 78);
        drop(again);
        assert_eq!(reclaim_all(&engine), 0);
    });
}

fn reclaim_others(engine: &Engine) {
    for _ in 0..1000 {
        if holders(engine) == ["a handle of a variable"] {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{:?}", holders(engine));
}

#[test]
fn a_handle_stays_with_the_memory_that_its_variable_had() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, "@count = constant i64 1\n");
        let before = engine.main().data::<i64>("count").unwrap();
        let mut change = engine.main().change();
        change.define("new", b"@count = constant i64 2\n");
        change.commit().unwrap();
        let after = engine.main().data::<i64>("count").unwrap();
        engine.reclaim();
        // SAFETY: they are of this type, and nobody writes them.
        assert_eq!(unsafe { (before.read(), after.read()) }, (1, 2));
    });
}

#[test]
fn a_handle_of_what_the_host_defines_holds_nothing() {
    static VALUE: i64 = 5;
    on_fresh_thread(|| {
        let engine = Case::new(Level::O0, 0).engine();
        let main = engine.main();
        main.define("value", (&raw const VALUE as *const ()).into())
            .unwrap();
        let value = main.data::<i64>("value").unwrap();
        // SAFETY: it is of this type.
        assert_eq!(unsafe { value.read() }, 5);
        let mut change = main.change();
        change.remove("value");
        change.commit().unwrap();
        assert!(matches!(
            main.data::<i64>("value"),
            Err(Error::Unknown { .. })
        ));
        assert!(engine.retired().is_empty());
    });
}

/// Units whose variables alone would fill the engine's memory, if they were not given back.
fn large(undo_depth: usize, bytes: usize, rounds: usize) {
    let engine = Case::new(Level::O0, undo_depth).engine();
    let ir = format!(
        "@large = global [{bytes} x i8] zeroinitializer
        define i32 @enter() {{
          store i8 6, ptr @large
          %x = load i8, ptr @large
          %y = zext i8 %x to i32
          ret i32 %y
        }}\n"
    );
    for _ in 0..rounds {
        let unit = add(&engine, &ir);
        assert_eq!(function::<Plain>(&engine, "enter")(), 6);
        engine.remove_unit(unit).unwrap();
        assert!(engine.report().data_bytes < 200 << 20);
    }
}

#[test]
fn variables_of_removed_units_are_counted() {
    on_fresh_thread(|| large(0, 8 << 20, 200));
}

#[test]
fn what_changes_keep_to_be_undone_is_counted() {
    on_fresh_thread(|| large(1000, 8 << 20, 200));
}

#[test]
fn the_latest_of_large_changes_can_be_undone() {
    on_fresh_thread(|| {
        let engine = Case::new(Level::O0, 8).engine();
        let large = "@large = global [100000000 x i8] zeroinitializer\n".to_owned();
        let unit = add(&engine, &(large + &returns("enter", 3)));
        assert_eq!(function::<Plain>(&engine, "enter")(), 3);
        engine.lookup("large").unwrap();
        engine.remove_unit(unit).unwrap();
        engine.undo().unwrap();
        assert_eq!(function::<Plain>(&engine, "enter")(), 3);
    });
}

/// A removed unit's IR is given back as its code is: of each a thousand functions were read.
#[test]
fn ir_of_removed_units_is_counted() {
    on_fresh_thread(|| {
        let engine = Case::new(Level::O0, 0).engine();
        let all: String = (0..2000)
            .map(|number| returns(&format!("f{number}"), number))
            .collect();
        for _ in 0..30 {
            let unit = add(&engine, &all);
            assert_eq!(function::<Plain>(&engine, "f1")(), 1);
            engine.remove_unit(unit).unwrap();
            assert!(engine.retired().len() <= 8, "{}", engine.retired().len());
        }
    });
}
