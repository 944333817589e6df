//! Coroutines of other kinds, and those that do nothing.

use std::ffi::c_void;
use std::sync::Mutex;

use super::forms::{CALLER, Form};
use super::{Calls, Frame, Way};
use crate::changing::{add, function, in_each_case, is_all_freed, on_fresh_thread, read, undo_all};

const IDLE: &str = "declare ptr @llvm.coro.noop()
    define ptr @make() {
      %frame = call ptr @llvm.coro.noop()
      ret ptr %frame
    }";

/// The same as the front end leaves it.
const IDLE_SPLIT: &str = "%NoopCoro.Frame = type { ptr, ptr }
    @NoopCoro.Frame.Const = private constant %NoopCoro.Frame {
      ptr @__NoopCoro_ResumeDestroy, ptr @__NoopCoro_ResumeDestroy }
    define ptr @make() {
      ret ptr @NoopCoro.Frame.Const
    }
    define internal fastcc void @__NoopCoro_ResumeDestroy(ptr %frame) {
      ret void
    }";

/// It is nobody's body: whoever made it may be gone.
#[test]
fn a_coroutine_that_does_nothing_outlives_who_named_it() {
    in_each_case(|case| {
        for text in [IDLE, IDLE_SPLIT] {
            for way in Way::ALL {
                let engine = case.engine();
                add(&engine, CALLER);
                let unit = add(&engine, text);
                let calls = Calls::of(&engine);
                let idle = calls.make();
                way.go(&engine, unit, text);
                engine.reclaim();
                assert_eq!(calls.next(idle), -1);
                if way != Way::Remove {
                    assert_eq!(calls.make().0, idle.0, "there is one");
                }
                undo_all(&engine);
                is_all_freed(&engine);
                calls.end(idle);
            }
        }
    });
}

/// Returns what goes on with it, again and again.
const RETURNING: &str = "@value = global i32 -1
    declare token @llvm.coro.id.retcon(i32, i32, ptr, ptr, ptr, ptr)
    declare ptr @llvm.coro.begin(token, ptr)
    declare i1 @llvm.coro.suspend.retcon.i1(...)
    declare void @llvm.coro.end(ptr, i1, token)
    declare ptr @prototype(ptr, i1)
    declare ptr @allocate(i64)
    declare void @deallocate(ptr)
    define ptr @count(ptr %buffer) presplitcoroutine {
      %id = call token @llvm.coro.id.retcon(
        i32 8, i32 8, ptr %buffer, ptr @prototype, ptr @allocate, ptr @deallocate)
      %frame = call ptr @llvm.coro.begin(token %id, ptr null)
      br label %wait
    wait:
      %number = phi i32 [ FACTOR, %0 ], [ %following, %on ]
      %ends = call i1 (...) @llvm.coro.suspend.retcon.i1()
      br i1 %ends, label %over, label %on
    on:
      store i32 %number, ptr @value
      %following = add i32 %number, FACTOR
      br label %wait
    over:
      call void @llvm.coro.end(ptr %frame, i1 false, token none)
      unreachable
    }";

const MEMORY: &str = "declare ptr @malloc(i64)
    declare void @free(ptr)
    define ptr @allocate(i64 %size) {
      %memory = call ptr @malloc(i64 %size)
      ret ptr %memory
    }
    define void @deallocate(ptr %memory) {
      call void @free(ptr %memory)
      ret void
    }
    define ptr @step(ptr %on, ptr %buffer, i1 %ends) {
      %next = call ptr %on(ptr %buffer, i1 zeroext %ends)
      ret ptr %next
    }";

#[test]
fn a_coroutine_that_returns_what_goes_on_with_it_keeps_its_body() {
    in_each_case(|case| {
        type Count = extern "C-unwind" fn(*mut u64) -> *mut c_void;
        type Step = extern "C-unwind" fn(*mut c_void, *mut u64, bool) -> *mut c_void;
        let engine = case.engine();
        add(&engine, MEMORY);
        let unit = add(&engine, &RETURNING.replace("FACTOR", "1"));
        let (count, step): (Count, Step) = (function(&engine, "count"), function(&engine, "step"));
        // On the heap: an address of code on a stack would keep the code as well.
        let state = Box::new(Mutex::new((0u64, Frame(std::ptr::null_mut()))));
        on_fresh_thread(|| {
            let mut state = state.lock().unwrap();
            state.1 = Frame(count(&raw mut state.0));
        });
        let step = |ends| {
            on_fresh_thread(|| {
                let mut state = state.lock().unwrap();
                state.1 = Frame(step(state.1.0, &raw mut state.0, ends));
            });
        };
        step(false);
        Way::Reload.go(&engine, unit, &RETURNING.replace("FACTOR", "100"));
        engine.reclaim();
        for value in [2, 3] {
            step(false);
            assert_eq!(read::<i32>(&engine, "value"), value);
        }
        step(true);
        undo_all(&engine);
        is_all_freed(&engine);
    });
}

/// The text of a function that was split names parts that are its unit's own.
#[test]
fn a_text_that_is_given_back_goes_on_with_the_parts_that_it_names() {
    in_each_case(|case| {
        for form in [Form::Split, Form::Optimised] {
            let engine = case.engine();
            add(&engine, CALLER);
            add(&engine, &form.text(1));
            let calls = Calls::of(&engine);
            let first = calls.make();
            let text = engine.main().ir("make").unwrap();
            engine.main().replace("make", text.as_bytes()).unwrap();
            let second = calls.make();
            engine.reclaim();
            assert_eq!((calls.next(first), calls.next(second)), (1, 1), "{form:?}");
            calls.end(first);
            calls.end(second);
            undo_all(&engine);
            is_all_freed(&engine);
        }
    });
}
