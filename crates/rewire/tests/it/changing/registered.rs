//! What a unit has registered leaves with it: destructors, and handlers of forks.

use std::ffi::c_void;

use super::{
    Act, Case, Turns, add, function, in_each_case, in_process, is_all_freed, on_fresh_thread, read,
    reclaim_all, say, undo_all,
};

pub(crate) const DECLARATIONS: &str = "declare i32 @atexit(ptr)
    declare i32 @__cxa_atexit(ptr, ptr, ptr)
    declare i32 @__cxa_thread_atexit(ptr, ptr, ptr)
    declare i32 @pthread_atfork(ptr, ptr, ptr)
    declare void @act(ptr)
    declare void @say(i32)
    @__dso_handle = external hidden global i8\n";

/// A unit that says 1 more than its number for each kind of destructor.
pub(crate) fn with_destructors(number: i32) -> String {
    format!(
        "{DECLARATIONS}
         @llvm.global_ctors = appending global [1 x {{ i32, ptr, ptr }}]
           [{{ i32, ptr, ptr }} {{ i32 65535, ptr @init, ptr null }}]
         @llvm.global_dtors = appending global [1 x {{ i32, ptr, ptr }}]
           [{{ i32, ptr, ptr }} {{ i32 65535, ptr @fini, ptr null }}]
         define internal void @at_exit() {{
           call void @say(i32 {})
           ret void
         }}
         define internal void @destroy(ptr %object) {{
           %x = ptrtoint ptr %object to i32
           call void @say(i32 %x)
           ret void
         }}
         define internal void @fini() {{
           call void @say(i32 {})
           ret void
         }}
         define internal void @init() {{
           %a = call i32 @atexit(ptr @at_exit)
           %object = inttoptr i64 {} to ptr
           %b = call i32 @__cxa_atexit(ptr @destroy, ptr %object, ptr @__dso_handle)
           ret void
         }}\n",
        number + 1,
        number + 3,
        number + 2
    )
}

#[test]
fn destructors_run_when_their_unit_is_removed_and_not_again() {
    in_process(
        "changing::registered::destructors_run_when_their_unit_is_removed_and_not_again",
        &[0, 12, 11, 13, 9, 22, 21, 23],
        |level| {
            let engine = Case::new(level, 0).engine();
            let gone = add(&engine, &with_destructors(10));
            add(&engine, &with_destructors(20));
            add(
                &engine,
                "declare void @say(i32)
                 define i32 @main() {
                   call void @say(i32 0)
                   ret i32 0
                 }",
            );
            // SAFETY: the arrays are static, the program is harmless.
            unsafe {
                static NONE: [usize; 1] = [0];
                let none = NONE.as_ptr().cast();
                engine.run_main("main", 1, none, none).unwrap();
            }
            engine.remove_unit(gone).unwrap();
            on_fresh_thread(|| reclaim_all(&engine));
            // LLVM may be gone when the others' destructors run.
            engine.compile_all().unwrap();
            say(9);
        },
    );
}

/// Undone, the unit is there again as it was, and what it has registered waits for its end.
#[test]
fn destructors_of_a_unit_that_comes_back_have_not_run() {
    in_process(
        "changing::registered::destructors_of_a_unit_that_comes_back_have_not_run",
        &[9, 12, 11, 13],
        |level| {
            let engine = Case::new(level, 8).engine();
            let unit = add(&engine, &with_destructors(10));
            // SAFETY: its constructors are harmless.
            unsafe { engine.run_constructors().unwrap() };
            engine.remove_unit(unit).unwrap();
            engine.undo().unwrap();
            engine.remove_unit(unit).unwrap();
            say(9);
        },
    );
}

#[test]
fn a_unit_waits_for_destructors_of_threads() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, "@gone = global i32 0");
        let unit = add(
            &engine,
            &format!(
                "{DECLARATIONS}
                 @gone = external global i32
                 define internal void @destroy(ptr %object) {{
                   %old = load i32, ptr @gone
                   %x = ptrtoint ptr %object to i32
                   %new = add i32 %old, %x
                   store i32 %new, ptr @gone
                   ret void
                 }}
                 define i32 @touch() {{
                   %object = inttoptr i64 5 to ptr
                   %x = call i32 @__cxa_thread_atexit(ptr @destroy, ptr %object, ptr @__dso_handle)
                   ret i32 %x
                 }}"
            ),
        );
        let touch: super::Plain = function(&engine, "touch");
        let turns = Turns::default();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                assert_eq!(on_this_thread(touch), 0);
                turns.reach(1);
                turns.await_step(2);
            });
            turns.await_step(1);
            engine.remove_unit(unit).unwrap();
            let reclaimed = engine.reclaim();
            if !case.undoes() {
                assert_eq!(reclaimed.bytes, 0, "{reclaimed:?}");
                let holder = reclaimed.left[0].holder.as_deref();
                assert_eq!(holder, Some("destructors of threads that still run"));
            }
            assert_eq!(read::<i32>(&engine, "gone"), 0);
            turns.reach(2);
            thread.join().unwrap();
        });
        assert_eq!(read::<i32>(&engine, "gone"), 5);
        if case.undoes() {
            engine.undo().unwrap();
            on_fresh_thread(|| assert_eq!(touch(), 0));
            assert_eq!(read::<i32>(&engine, "gone"), 10);
            undo_all(&engine);
        }
        is_all_freed(&engine);
    });
}

/// Calls on the thread that it is on, without a frame of the caller's between.
#[inline(never)]
fn on_this_thread(function: super::Plain) -> i32 {
    function()
}

#[test]
fn handlers_of_forks_leave() {
    in_process(
        "changing::registered::handlers_of_forks_leave",
        &[1, 2, 9],
        |level| {
            let engine = Case::new(level, 0).engine();
            let unit = add(
                &engine,
                &format!(
                    "{DECLARATIONS}
                     define internal void @prepare() {{
                       call void @say(i32 1)
                       ret void
                     }}
                     define internal void @parent() {{
                       call void @say(i32 2)
                       ret void
                     }}
                     define i32 @register() {{
                       %x = call i32 @pthread_atfork(ptr @prepare, ptr @parent, ptr null)
                       ret i32 %x
                     }}"
                ),
            );
            assert_eq!(function::<super::Plain>(&engine, "register")(), 0);
            fork();
            engine.remove_unit(unit).unwrap();
            on_fresh_thread(|| reclaim_all(&engine));
            fork();
            say(9);
        },
    );
}

fn fork() {
    // SAFETY: the child ends at once, without anything of the parent's.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert_eq!(status, 0);
    }
}

/// A destructor may itself change something.
#[test]
fn a_destructor_may_replace_functions() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &super::returns("f", 1));
        let unit = add(
            &engine,
            &format!(
                "{DECLARATIONS}
                 define void @register(ptr %data) {{
                   %x = call i32 @__cxa_atexit(ptr @act, ptr %data, ptr @__dso_handle)
                   ret void
                 }}"
            ),
        );
        let f: super::Plain = function(&engine, "f");
        on_fresh_thread(|| assert_eq!(f(), 1));
        let register: extern "C-unwind" fn(*mut c_void) = function(&engine, "register");
        let mut replace = Act::new(|| {
            let body = super::returns("f", 2);
            engine.replace("f", body.as_bytes()).unwrap();
        });
        let data = replace.data() as usize;
        on_fresh_thread(|| register(data as *mut c_void));
        engine.remove_unit(unit).unwrap();
        if case.undoes() {
            // It could come back, until so many changes have come after it.
            on_fresh_thread(|| assert_eq!(f(), 1));
            add(&engine, &super::returns("other", 0));
            for value in 0..case.undo_depth as i32 {
                let body = super::returns("other", value);
                engine.replace("other", body.as_bytes()).unwrap();
            }
        }
        on_fresh_thread(|| reclaim_all(&engine));
        on_fresh_thread(|| assert_eq!(f(), 2));
        undo_all(&engine);
        is_all_freed(&engine);
    });
}
