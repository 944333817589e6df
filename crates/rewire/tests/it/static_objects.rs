//! Static objects of units that are reloaded or removed: those that live are left alone, new ones
//! are constructed before anybody can call the new code, those that are gone are destroyed when
//! nobody can use them, and each once.

use std::sync::mpsc;

use rewire::{Engine, Level, UnitId};

use crate::changing::registered::DECLARATIONS;
use crate::changing::{
    Act, Case, Plain, Turns, add, function, in_process, on_fresh_thread, read, reclaim_all, say,
};

/// A unit with static objects, as clang makes it: constructing number N says N, destroying it says
/// 100 + N. With `merged`, as its optimiser leaves it: one function constructs all.
fn unit(version: i32, objects: &[i32], merged: bool) -> String {
    let mut ir = DECLARATIONS.to_owned();
    let mut parts = Vec::new();
    for number in objects {
        ir += &format!(
            "@object_{number} = internal global i32 0
             define i32 @read_{number}() {{
               %x = load i32, ptr @object_{number}
               ret i32 %x
             }}\n"
        );
        parts.push(format!(
            "call void @construct(ptr @object_{number}, i32 {number})
             %x{number} = call i32 @__cxa_atexit(ptr @destroy, ptr @object_{number}, ptr @__dso_handle)\n"
        ));
    }
    let calls = if merged {
        parts.concat()
    } else {
        let named = parts.iter().enumerate();
        let functions = named.map(|(place, part)| {
            format!("define internal void @init.{place}() {{\n {part} ret void\n }}\n")
        });
        ir += &functions.collect::<String>();
        let calls = (0..parts.len()).map(|place| format!("call void @init.{place}()\n"));
        calls.collect()
    };
    ir + &format!(
        "@llvm.global_ctors = appending global [1 x {{ i32, ptr, ptr }}]
           [{{ i32, ptr, ptr }} {{ i32 65535, ptr @init, ptr null }}]
         define internal void @init() {{
           {calls}
           ret void
         }}
         define internal void @construct(ptr %object, i32 %number) {{
           store i32 %number, ptr %object
           call void @say(i32 %number)
           ret void
         }}
         define internal void @destroy(ptr %object) {{
           %number = load i32, ptr %object
           %x = add i32 %number, 100
           call void @say(i32 %x)
           store i32 0, ptr %object
           ret void
         }}
         define i32 @version() {{
           ret i32 {version}
         }}\n"
    )
}

/// Adds a unit and runs its constructors.
fn start(engine: &Engine, ir: &str) -> UnitId {
    let unit = add(engine, ir);
    // SAFETY: the constructors are harmless.
    unsafe { engine.initialize(unit).unwrap() };
    unit
}

fn reload(engine: &Engine, unit: UnitId, ir: &str) -> UnitId {
    let mut change = engine.main().change();
    change.force();
    change.reload(unit, "newer.ll", ir.as_bytes());
    change.commit().unwrap().units[0]
}

/// Has what is gone destroyed.
fn settle(engine: &Engine) {
    on_fresh_thread(|| reclaim_all(engine));
}

fn value(engine: &Engine, number: i32) -> i32 {
    let name = format!("read_{number}");
    let read: Plain = function(engine, &name);
    on_fresh_thread(|| read())
}

#[test]
fn objects_live_on_come_and_go() {
    in_process(
        "static_objects::objects_live_on_come_and_go",
        &[1, 2, 8, 3, 102, 9, 103, 101],
        |level| {
            let engine = Case::new(level, 0).engine();
            let first = start(&engine, &unit(1, &[1, 2], false));
            say(8);
            let second = reload(&engine, first, &unit(2, &[1, 3], false));
            settle(&engine);
            say(9);
            assert_eq!((value(&engine, 1), value(&engine, 3)), (1, 3));
            let third = reload(&engine, second, &unit(3, &[3, 1], false));
            settle(&engine);
            assert_eq!((value(&engine, 1), value(&engine, 3)), (1, 3));
            assert!(engine.pending_constructors().is_empty());
            engine.remove_unit(third).unwrap();
            settle(&engine);
        },
    );
}

/// Where one function constructs old and new objects, all are made anew, and the former ones stay
/// for the code that uses them.
#[test]
fn objects_that_cannot_be_told_apart_are_made_anew() {
    in_process(
        "static_objects::objects_that_cannot_be_told_apart_are_made_anew",
        &[1, 8, 9, 1, 2, 101, 7, 102, 101],
        |level| {
            let engine = Case::new(level, 0).engine();
            let first = start(&engine, &unit(1, &[1], true));
            say(8);
            let second = reload(&engine, first, &unit(2, &[1], true));
            settle(&engine);
            say(9);
            reload(&engine, second, &unit(3, &[1, 2], true));
            settle(&engine);
            say(7);
            assert_eq!((value(&engine, 1), value(&engine, 2)), (1, 2));
        },
    );
}

/// A constructor of the new version, in which another thread calls the unit.
#[test]
fn nobody_calls_new_code_before_its_objects_are_there() {
    for level in [Level::O0, Level::O2] {
        let engine = Case::new(level, 0).engine();
        let text = |version: i32, data: usize| {
            format!(
                "declare void @act(ptr)
                 @llvm.global_ctors = appending global [1 x {{ i32, ptr, ptr }}]
                   [{{ i32, ptr, ptr }} {{ i32 65535, ptr @init_{version}, ptr null }}]
                 define internal void @init_{version}() {{
                   %data = inttoptr i64 {data} to ptr
                   call void @act(ptr %data)
                   ret void
                 }}
                 define i32 @called() {{
                   ret i32 {version}
                 }}
                 define i32 @not_called() {{
                   ret i32 {version}
                 }}"
            )
        };
        let unit = start(&engine, &text(1, 0));
        let called: Plain = function(&engine, "called");
        let not_called: Plain = function(&engine, "not_called");
        assert_eq!(on_fresh_thread(|| called()), 1);
        let (tell, told) = mpsc::channel();
        let mut meanwhile = Act::new(|| {
            assert_eq!((called(), not_called()), (2, 2));
            // It goes on in the former body, so that it may be waited for.
            assert_eq!(on_fresh_thread(|| called()), 1);
            // Of this there is none: it waits.
            let waits = std::thread::spawn(move || not_called());
            tell.send(waits).unwrap();
        });
        let data = meanwhile.data().addr();
        let mut change = engine.main().change();
        change.reload(unit, "newer.ll", text(2, data).as_bytes());
        change.commit().unwrap();
        let waited = told.recv().unwrap();
        assert_eq!(waited.join().unwrap(), 2);
        assert_eq!((called(), not_called()), (2, 2));
    }
}

/// Functions with the attribute `constructor`: what they have done lives on.
#[test]
fn constructors_that_initialise_nothing_run_once() {
    let text = |numbers: &[i32]| {
        let entries: Vec<String> = numbers
            .iter()
            .map(|it| format!("{{ i32, ptr, ptr }} {{ i32 {it}, ptr @init_{it}, ptr null }}"))
            .collect();
        let functions = numbers.iter().map(|it| {
            format!(
                "define internal void @init_{it}() {{\n call void @say(i32 {it})\n ret void\n }}\n"
            )
        });
        format!(
            "declare void @say(i32)
             @llvm.global_ctors = appending global [{} x {{ i32, ptr, ptr }}] [{}]
             {}",
            numbers.len(),
            entries.join(", "),
            functions.collect::<String>()
        )
    };
    in_process(
        "static_objects::constructors_that_initialise_nothing_run_once",
        &[101, 103, 9, 102],
        |level| {
            let engine = Case::new(level, 0).engine();
            let first = start(&engine, &text(&[103, 101]));
            say(9);
            reload(&engine, first, &text(&[103, 102, 101]));
        },
    );
}

/// A flag says that a variable of a function is initialised; of another type, it isn't.
#[test]
fn a_variable_and_its_flag_go_together() {
    let text = |kind: &str, number: i32| {
        format!(
            "@_ZZ1fvE1x = internal global {kind} 0
             @_ZGVZ1fvE1x = internal global i64 0
             define i32 @f() {{
               %flag = load i64, ptr @_ZGVZ1fvE1x
               %is_fresh = icmp eq i64 %flag, 0
               br i1 %is_fresh, label %fresh, label %there
             fresh:
               store {kind} {number}, ptr @_ZZ1fvE1x
               store i64 1, ptr @_ZGVZ1fvE1x
               br label %there
             there:
               %x = load i32, ptr @_ZZ1fvE1x
               ret i32 %x
             }}"
        )
    };
    for level in [Level::O0, Level::O2] {
        let engine = Case::new(level, 0).engine();
        let first = add(&engine, &text("i32", 1));
        let f: Plain = function(&engine, "f");
        assert_eq!(f(), 1);
        let second = reload(&engine, first, &text("i32", 2));
        assert_eq!(f(), 1);
        reload(&engine, second, &text("i64", 3));
        assert_eq!(f(), 3);
    }
}

/// A thread that is in the unit uses its objects to the end.
#[test]
fn objects_outlive_the_last_thread_in_their_unit() {
    in_process(
        "static_objects::objects_outlive_the_last_thread_in_their_unit",
        &[1, 8, 9, 101],
        |level| {
            let engine = Case::new(level, 0).engine();
            let ir = unit(1, &[1], false)
                + "define i32 @stays(ptr %data) {
                     call void @act(ptr %data)
                     %x = load i32, ptr @object_1
                     ret i32 %x
                   }";
            let unit = start(&engine, &ir);
            let stays: crate::changing::WithData = function(&engine, "stays");
            let turns = Turns::default();
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    let mut wait = Act::new(|| {
                        turns.reach(1);
                        turns.await_step(2);
                    });
                    stays(wait.data())
                });
                turns.await_step(1);
                engine.remove_unit(unit).unwrap();
                on_fresh_thread(|| engine.reclaim());
                say(8);
                turns.reach(2);
                assert_eq!(thread.join().unwrap(), 1);
            });
            say(9);
            settle(&engine);
        },
    );
}

/// What was removed comes back as it was, objects included.
#[test]
fn undone_objects_have_lived_on() {
    in_process(
        "static_objects::undone_objects_have_lived_on",
        &[1, 2, 3, 9, 103, 7, 102, 101],
        |level| {
            let engine = Case::new(level, 4).engine();
            let first = start(&engine, &unit(1, &[1, 2], false));
            reload(&engine, first, &unit(2, &[1, 3], false));
            engine.undo().unwrap();
            assert_eq!((value(&engine, 1), value(&engine, 2)), (1, 2));
            say(9);
            settle(&engine);
            say(7);
            engine.compile_all().unwrap();
        },
    );
}

/// Nobody has looked whether the gone one is still in use when the process ends.
#[test]
fn the_exit_destroys_what_is_left() {
    in_process(
        "static_objects::the_exit_destroys_what_is_left",
        &[1, 2, 3, 9, 103, 102, 101],
        |level| {
            let engine = Case::new(level, 4).engine();
            let first = start(&engine, &unit(1, &[1, 2], false));
            reload(&engine, first, &unit(2, &[1, 3], false));
            engine.compile_all().unwrap();
            std::mem::forget(engine);
            say(9);
        },
    );
}

#[test]
fn all_objects_are_made_anew_if_the_client_asks() {
    in_process(
        "static_objects::all_objects_are_made_anew_if_the_client_asks",
        &[1, 2, 9, 102, 101, 1, 3, 8, 103, 101],
        |level| {
            let engine = Case::new(level, 0).engine();
            let first = start(&engine, &unit(1, &[1, 2], false));
            say(9);
            let mut change = engine.main().change();
            change.force();
            change.renew_objects();
            change.reload(first, "newer.ll", unit(2, &[1, 3], false).as_bytes());
            change.commit().unwrap();
            say(8);
            assert_eq!((value(&engine, 1), value(&engine, 3)), (1, 3));
        },
    );
}

#[test]
fn units_and_libraries_are_initialised_for_themselves() {
    in_process(
        "static_objects::units_and_libraries_are_initialised_for_themselves",
        &[1, 8, 2, 9, 102, 2, 7, 102, 101],
        |level| {
            let engine = Case::new(level, 0).engine();
            let library = engine.new_library("other").unwrap();
            library.define("say", (say as *const ()).into()).unwrap();
            let own = add(&engine, &unit(1, &[1], false));
            let others = library.add_ir("other.ll", unit(2, &[2], false).as_bytes());
            let others = others.unwrap();
            engine.finish_loading().unwrap();
            assert_eq!(engine.pending_constructors(), [own, others]);
            // SAFETY: constructors and destructors are harmless, and nobody uses the objects.
            unsafe {
                engine.initialize(own).unwrap();
                engine.initialize(own).unwrap();
                say(8);
                assert_eq!(engine.pending_constructors(), [others]);
                library.initialize().unwrap();
                say(9);
                library.deinitialize().unwrap();
                assert_eq!(engine.pending_constructors(), [others]);
                engine.run_constructors().unwrap();
                say(7);
            }
            assert!(engine.pending_constructors().is_empty());
            drop(library);
        },
    );
}

/// The objects of what was never initialised are initialised by whoever does it.
#[test]
fn pending_constructors_stay_pending() {
    in_process(
        "static_objects::pending_constructors_stay_pending",
        &[9, 1, 2, 102, 101],
        |level| {
            let engine = Case::new(level, 0).engine();
            add(&engine, "@gone = global i32 0");
            let first = add(&engine, &unit(1, &[1], false));
            let second = reload(&engine, first, &unit(2, &[1, 2], false));
            assert_eq!(engine.pending_constructors(), [second]);
            assert_eq!(read::<i32>(&engine, "gone"), 0);
            say(9);
            // SAFETY: as above.
            unsafe { engine.run_constructors().unwrap() };
        },
    );
}

/// Destructors of a library that is removed call what the client gave it, and one another's units.
#[test]
fn destructors_call_what_leaves_with_them() {
    in_process(
        "static_objects::destructors_call_what_leaves_with_them",
        &[1, 9, 101, 5, 8],
        |level| {
            let engine = Case::new(level, 0).engine();
            let library = engine.new_library("plugin").unwrap();
            library.define("say", (say as *const ()).into()).unwrap();
            let helper = "declare void @say(i32)
                define void @helper() {
                  call void @deeper()
                  ret void
                }
                define internal void @deeper() {
                  call void @say(i32 5)
                  ret void
                }";
            library.add_ir("helper.ll", helper.as_bytes()).unwrap();
            let user = unit(1, &[1], false).replacen(
                "store i32 0, ptr %object",
                "store i32 0, ptr %object
                 call void @helper()",
                1,
            ) + "declare void @helper()";
            library.add_ir("user.ll", user.as_bytes()).unwrap();
            // SAFETY: the constructors are harmless.
            unsafe { library.initialize().unwrap() };
            say(9);
            library.remove(false).unwrap();
            settle(&engine);
            say(8);
        },
    );
}

/// Each of two threads changes a name, and a constructor of its change the other thread's name.
#[test]
fn changes_that_would_wait_for_each_other_are_refused() {
    let engine = Case::new(Level::O0, 0).engine();
    let units = [0, 1].map(|number| {
        add(
            &engine,
            &format!("define i32 @f{number}() {{\n ret i32 0\n}}"),
        )
    });
    let both_are_changing = std::sync::Barrier::new(2);
    let results = std::thread::scope(|scope| {
        let threads = [0, 1].map(|number: usize| {
            let (engine, both_are_changing) = (&engine, &both_are_changing);
            scope.spawn(move || {
                let mut nested = None;
                let mut change_other = Act::new(|| {
                    both_are_changing.wait();
                    let other = 1 - number;
                    let body = format!("define i32 @f{other}() {{\n ret i32 2\n}}");
                    nested = Some(engine.replace(&format!("f{other}"), body.as_bytes()));
                });
                let data = change_other.data() as usize;
                let newer = format!(
                    "declare void @act(ptr)
                     @made{number} = global i32 0
                     @llvm.global_ctors = appending global [1 x {{ i32, ptr, ptr }}] [
                       {{ i32, ptr, ptr }} {{ i32 1, ptr @make, ptr null }}]
                     define internal void @make() {{
                       call void @act(ptr inttoptr (i64 {data} to ptr))
                       store i32 1, ptr @made{number}
                       ret void
                     }}
                     define i32 @f{number}() {{
                       ret i32 1
                     }}"
                );
                let mut change = engine.main().change();
                change.reload(units[number], "newer.ll", newer.as_bytes());
                change.commit().unwrap();
                drop(change_other);
                nested.unwrap()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let refused = results.iter().filter(|result| result.is_err()).count();
    assert!((1..=2).contains(&refused), "{results:?}");
    for result in results.iter().filter(|result| result.is_err()) {
        assert!(
            matches!(result, Err(rewire::Error::Changing { .. })),
            "{result:?}"
        );
    }
    for number in [0, 1] {
        let f: Plain = function(&engine, &format!("f{number}"));
        assert!([1, 2].contains(&f()));
    }
}
