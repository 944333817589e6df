//! An engine is dropped, or the process ends, while units are alive that have registered
//! destructors: each runs once, while its code is still there, in the order of a native exit.

use rewire::{Engine, Level};

use crate::changing::registered::{DECLARATIONS, with_destructors};
use crate::changing::{Case, add, function, in_process, on_fresh_thread, say};

/// Two units that have registered destructors, 11 to 13 and 21 to 23.
fn two_units(level: Level) -> Engine {
    let engine = Case::new(level, 0).engine();
    add(&engine, &with_destructors(10));
    add(&engine, &with_destructors(20));
    // SAFETY: the constructors are harmless.
    unsafe { engine.run_constructors().unwrap() };
    engine
}

/// What two units say at their end: the latest registration first, then `llvm.global_dtors`.
const BOTH: [i32; 6] = [22, 21, 12, 11, 23, 13];

#[test]
fn destructors_run_when_the_engine_is_dropped() {
    let expected = [&[1][..], &BOTH, &[2]].concat();
    in_process(
        "dropping::destructors_run_when_the_engine_is_dropped",
        &expected,
        |level| {
            let engine = two_units(level);
            let other_handle = engine.main();
            drop(engine);
            say(1);
            drop(other_handle);
            say(2);
        },
    );
}

#[test]
fn an_engine_may_be_dropped_by_another_thread() {
    let expected = [&[1][..], &BOTH, &[2]].concat();
    in_process(
        "dropping::an_engine_may_be_dropped_by_another_thread",
        &expected,
        |level| {
            let engine = two_units(level);
            say(1);
            on_fresh_thread(|| drop(engine));
            say(2);
        },
    );
}

#[test]
fn each_of_two_engines_ends_for_itself() {
    in_process(
        "dropping::each_of_two_engines_ends_for_itself",
        &[12, 11, 13, 1, 22, 21, 23, 2],
        |level| {
            let engines = [10, 20].map(|number| {
                let engine = Case::new(level, 0).engine();
                add(&engine, &with_destructors(number));
                // SAFETY: as above.
                unsafe { engine.run_constructors().unwrap() };
                engine
            });
            let [first, second] = engines;
            drop(first);
            say(1);
            drop(second);
            say(2);
        },
    );
}

/// Nobody drops it, so that the C library calls what is registered.
#[test]
fn destructors_of_a_leaked_engine_run_at_exit() {
    let expected = [&[1][..], &BOTH].concat();
    in_process(
        "dropping::destructors_of_a_leaked_engine_run_at_exit",
        &expected,
        |level| {
            let engine = two_units(level);
            // LLVM may be gone by then.
            engine.compile_all().unwrap();
            std::mem::forget(engine);
            say(1);
        },
    );
}

#[test]
fn destructors_run_once_when_compiled_code_exits() {
    let expected = [&[1][..], &BOTH].concat();
    in_process(
        "dropping::destructors_run_once_when_compiled_code_exits",
        &expected,
        |level| {
            let engine = two_units(level);
            add(
                &engine,
                "declare void @exit(i32)
                 declare void @say(i32)
                 define void @leave() {
                   call void @say(i32 1)
                   call void @exit(i32 0)
                   unreachable
                 }",
            );
            engine.compile_all().unwrap();
            let leave: extern "C" fn() = function(&engine, "leave");
            leave();
            say(9);
        },
    );
}

/// Among those of the host, each in its turn; those of a dropped engine are called before.
#[test]
fn functions_for_the_exit_keep_their_order() {
    extern "C" fn host_first() {
        say(1);
    }
    extern "C" fn host_last() {
        say(4);
    }
    in_process(
        "dropping::functions_for_the_exit_keep_their_order",
        &[12, 11, 13, 9, 4, 22, 21, 23, 1],
        |level| {
            let [dropped, kept] = [10, 20].map(|number| {
                let engine = Case::new(level, 0).engine();
                add(&engine, &with_destructors(number));
                engine
            });
            assert_eq!(rewire::at_exit(host_first), 0);
            // SAFETY: the constructors are harmless.
            unsafe {
                kept.run_constructors().unwrap();
                dropped.run_constructors().unwrap();
            }
            assert_eq!(rewire::at_exit(host_last), 0);
            drop(dropped);
            kept.compile_all().unwrap();
            std::mem::forget(kept);
            say(9);
        },
    );
}

/// `quick_exit` destroys nothing, and calls what was registered for it, if that is still there.
#[test]
fn functions_for_the_quick_exit_go_with_their_engine() {
    in_process(
        "dropping::functions_for_the_quick_exit_go_with_their_engine",
        &[12, 11, 13, 9, 25],
        |level| {
            let [dropped, kept] = [10, 20].map(|number| {
                let engine = Case::new(level, 0).engine();
                add(&engine, &with_destructors(number));
                add(
                    &engine,
                    &format!(
                        "declare void @say(i32)
                         declare i32 @at_quick_exit(ptr)
                         define void @quick() {{
                           call void @say(i32 {})
                           ret void
                         }}
                         define i32 @register() {{
                           %x = call i32 @at_quick_exit(ptr @quick)
                           ret i32 %x
                         }}",
                        number + 5
                    ),
                );
                // SAFETY: as above.
                unsafe { engine.run_constructors().unwrap() };
                let register: crate::changing::Plain = function(&engine, "register");
                assert_eq!(register(), 0);
                engine
            });
            drop(dropped);
            kept.compile_all().unwrap();
            say(9);
            unsafe extern "C" {
                fn quick_exit(status: i32) -> !;
            }
            // SAFETY: ends the process.
            unsafe { quick_exit(0) };
        },
    );
}

/// A function of `on_exit` can't be taken back from the C library.
#[test]
fn functions_of_on_exit_go_with_their_engine() {
    in_process(
        "dropping::functions_of_on_exit_go_with_their_engine",
        &[9, 20],
        |level| {
            let [dropped, kept] = [10, 20].map(|number| {
                let engine = Case::new(level, 0).engine();
                add(
                    &engine,
                    "declare void @say(i32)
                     declare i32 @on_exit(ptr, ptr)
                     define void @leaves(i32 %status, ptr %argument) {
                       %x = ptrtoint ptr %argument to i32
                       %y = add i32 %x, %status
                       call void @say(i32 %y)
                       ret void
                     }
                     define i32 @register(ptr %argument) {
                       %x = call i32 @on_exit(ptr @leaves, ptr %argument)
                       ret i32 %x
                     }",
                );
                let register: crate::changing::WithData = function(&engine, "register");
                assert_eq!(register(std::ptr::without_provenance_mut(number)), 0);
                engine
            });
            drop(dropped);
            kept.compile_all().unwrap();
            std::mem::forget(kept);
            say(9);
        },
    );
}

/// A destructor may register another function, and change what is loaded.
#[test]
fn destructors_may_register_more() {
    in_process(
        "dropping::destructors_may_register_more",
        &[1, 2, 3],
        |level| {
            let engine = Case::new(level, 0).engine();
            add(
                &engine,
                &format!(
                    "{DECLARATIONS}
                 define internal void @second(ptr %object) {{
                   call void @say(i32 2)
                   ret void
                 }}
                 define internal void @first(ptr %object) {{
                   call void @say(i32 1)
                   %x = call i32 @__cxa_atexit(ptr @second, ptr null, ptr @__dso_handle)
                   ret void
                 }}
                 define i32 @register() {{
                   %x = tail call i32 @__cxa_atexit(ptr @first, ptr null, ptr @__dso_handle)
                   ret i32 %x
                 }}"
                ),
            );
            let register: crate::changing::Plain = function(&engine, "register");
            assert_eq!(register(), 0);
            drop(engine);
            say(3);
        },
    );
}

/// A thread that outlives the engine has nothing left to destroy there.
#[test]
fn a_thread_may_outlive_the_engine_of_its_objects() {
    in_process(
        "dropping::a_thread_may_outlive_the_engine_of_its_objects",
        &[1, 2],
        |level| {
            let engine = Case::new(level, 0).engine();
            add(
                &engine,
                &format!(
                    "{DECLARATIONS}
                     define internal void @destroy(ptr %object) {{
                       call void @say(i32 9)
                       ret void
                     }}
                     define i32 @touch() {{
                       %x = call i32 @__cxa_thread_atexit(ptr @destroy, ptr null, ptr @__dso_handle)
                       ret i32 %x
                     }}"
                ),
            );
            let touch: crate::changing::Plain = function(&engine, "touch");
            on_fresh_thread(|| {
                assert_eq!(touch(), 0);
                drop(engine);
                say(1);
            });
            say(2);
        },
    );
}
