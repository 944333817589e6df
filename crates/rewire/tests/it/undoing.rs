//! What an undone change leaves behind: nothing, also for those who were compiled meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rewire::{Answer, Engine, Error, ExecAddr, Request, TypeChange};

use crate::changing::{
    Plain, Turns, add, at_each_level, function, instead, read, returns, undo_all, write,
};

fn define(engine: &Engine, ir: &str) {
    let mut change = engine.main().change();
    change.define("new", ir.as_bytes());
    change.on_type_change(TypeChange::Recompile);
    change.commit().unwrap();
}

const VARIABLE: &str = "@v = global i32 5
    define i32 @get() {
      %x = load i32, ptr @v
      ret i32 %x
    }";

#[test]
fn a_variable_that_kept_its_memory_keeps_it() {
    at_each_level(|engine| {
        add(&engine, VARIABLE);
        let get: Plain = function(&engine, "get");
        assert_eq!(get(), 5);
        write(&engine, "v", 6i32);
        define(&engine, "@v = global i32 50");
        let place = engine.lookup("v").unwrap();
        engine.undo().unwrap();
        assert_eq!(engine.lookup("v").unwrap(), place);
        write(&engine, "v", 7i32);
        assert_eq!(get(), 7);
        // Who uses it is known as ever: they see what comes next.
        define(&engine, "@v = constant i32 9");
        assert_eq!(get(), 9);
        engine.undo().unwrap();
        assert_eq!((get(), read::<i32>(&engine, "v")), (7, 7));
        undo_all(&engine);
    });
}

#[test]
fn who_was_compiled_with_other_memory_gets_the_former() {
    at_each_level(|engine| {
        add(&engine, VARIABLE);
        let get: Plain = function(&engine, "get");
        assert_eq!(get(), 5);
        write(&engine, "v", 6i32);
        define(&engine, "@v = global i64 9");
        assert_eq!(get(), 9);
        engine.undo().unwrap();
        assert_eq!((get(), read::<i32>(&engine, "v")), (6, 6));
        write(&engine, "v", 7i32);
        assert_eq!(get(), 7);
    });
}

#[test]
fn constants_and_inlined_bodies_are_what_they_were() {
    at_each_level(|engine| {
        add(
            &engine,
            "@c = constant i32 5
             @p = constant ptr @c
             define i32 @inlined() alwaysinline {
               ret i32 10
             }
             define i32 @get() {
               %x = load i32, ptr @c
               ret i32 %x
             }
             define i32 @through() {
               %p = load ptr, ptr @p
               %x = load i32, ptr %p
               ret i32 %x
             }
             define i32 @around() {
               %x = call i32 @inlined()
               ret i32 %x
             }",
        );
        let [get, through, around] = ["get", "through", "around"].map(|it| function(&engine, it));
        let all = || [get, through, around].map(|it: Plain| it());
        assert_eq!(all(), [5, 5, 10]);
        let inlined = returns("inlined", 20).replace("()", "() alwaysinline");
        define(&engine, &format!("@c = constant i32 9\n{inlined}"));
        assert_eq!(all(), [9, 9, 20]);
        engine.undo().unwrap();
        assert_eq!(all(), [5, 5, 10]);
        define(&engine, "@c = global i32 11");
        assert_eq!(all(), [11, 11, 10]);
        undo_all(&engine);
        assert_eq!(all(), [5, 5, 10]);
    });
}

extern "C-unwind" fn given() -> i32 {
    3
}

#[test]
fn what_the_client_gave_a_name_comes_back() {
    at_each_level(|engine| {
        let main = engine.main();
        let address: ExecAddr = (given as *const ()).into();
        main.define("given", address).unwrap();
        let make = || Ok(returns("made", 4).into_bytes());
        main.define_lazily("made", make).unwrap();
        add(
            &engine,
            "declare i32 @given()
             declare i32 @made()
             define i32 @sum() {
               %x = call i32 @given()
               %y = call i32 @made()
               %z = add i32 %x, %y
               ret i32 %z
             }",
        );
        engine.on_failure(|_| Some((instead as *const ()).into()));
        let sum: Plain = function(&engine, "sum");
        let mut change = main.change();
        change.remove("given").remove("made").force();
        change.commit().unwrap();
        assert_eq!(sum(), -2);
        let changed = engine.undo().unwrap();
        assert_eq!(changed.added.len(), 2, "{changed:?}");
        assert_eq!(engine.lookup("given").unwrap(), address);
        assert_eq!(sum(), 7);
    });
}

#[test]
fn a_library_that_was_removed_stays_so() {
    at_each_level(|engine| {
        let library = engine.new_library("library").unwrap();
        library.add_ir("f.ll", returns("f", 1).as_bytes()).unwrap();
        engine.main().search(&[&library]).unwrap();
        add(
            &engine,
            "declare i32 @f()
             define i32 @g() {
               %x = call i32 @f()
               ret i32 %x
             }",
        );
        let g: Plain = function(&engine, "g");
        assert_eq!(g(), 1);
        library.replace("f", returns("f", 2).as_bytes()).unwrap();
        assert_eq!(g(), 2);
        library.remove(true).unwrap();
        assert!(matches!(engine.undo(), Err(Error::NothingToUndo)));
        engine.on_failure(|failure| {
            assert!(matches!(failure.error, Error::Removed { .. }), "{failure}");
            Some((instead as *const ()).into())
        });
        assert_eq!(g(), -1);
    });
}

/// The state of a thread of this process (proc_pid_stat(5)): the letter behind its name.
fn state_of(thread: i32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1;
    rest.chars().next().unwrap()
}

/// Undoing waits for a change of the same name; then that one is the latest.
#[test]
fn what_was_changed_meanwhile_is_undone_first() {
    static ASKED: i32 = 0;
    at_each_level(|engine| {
        let turns = Arc::new(Turns::default());
        let waits = Arc::new(AtomicI32::new(0));
        let (theirs, undoes) = (turns.clone(), waits.clone());
        engine.main().resolve_with(move |request: &Request<'_>| {
            assert_eq!(request.name, "asked");
            theirs.reach(1);
            theirs.await_step(2);
            while state_of(undoes.load(Ordering::Relaxed)) != 'S' {
                std::thread::yield_now();
            }
            Some(Answer::Address((&raw const ASKED).into()))
        });
        add(&engine, &returns("f", 1));
        let f: Plain = function(&engine, "f");
        assert_eq!(f(), 1);
        define(&engine, &returns("f", 2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                turns.await_step(1);
                // SAFETY: it only asks.
                waits.store(unsafe { libc::gettid() }, Ordering::Relaxed);
                turns.reach(2);
                engine.undo().unwrap();
            });
            define(
                &engine,
                "@asked = external global i32
                define i32 @f() {
                  %x = load i32, ptr @asked
                  %y = add i32 %x, 3
                  ret i32 %y
                }",
            );
        });
        assert_eq!(f(), 2);
        engine.undo().unwrap();
        assert_eq!(f(), 1);
    });
}

/// Names move once its assembly is linked: there is nothing to take back by then, which another
/// change could stand in the way of.
#[test]
fn assembly_that_fails_is_not_undone_but_does_not_happen() {
    at_each_level(|engine| {
        add(&engine, &(returns("f", 1) + &returns("k", 1)));
        let f: Plain = function(&engine, "f");
        assert_eq!(f(), 1);
        let within = engine.clone();
        engine.main().resolve_with(move |request: &Request<'_>| {
            if request.name == "missing" {
                assert_eq!(function::<Plain>(&within, "f")(), 1);
                within.replace("k", returns("k", 2).as_bytes()).unwrap();
            }
            None
        });
        let mut change = engine.main().change();
        change.define("new", returns("f", 2).as_bytes());
        change.define(
            "assembly",
            b"module asm \".globl h\\0Ah: mov missing(%rip), %eax\\0Aret\"
              @missing = external global i32",
        );
        let failed = change.commit();
        assert!(
            matches!(failed, Err(Error::MissingData { .. })),
            "{failed:?}"
        );
        assert_eq!((f(), function::<Plain>(&engine, "k")()), (1, 2));
        assert!(engine.lookup("h").is_err());
        engine.undo().unwrap();
        assert_eq!(function::<Plain>(&engine, "k")(), 1);
        assert!(matches!(engine.undo(), Err(Error::NothingToUndo)));
    });
}
