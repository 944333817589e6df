//! Frames are counted where they begin and where they end, however that is.

use std::ffi::c_void;

use rewire::Engine;

use super::forms::{CALLER, Form};
use super::{Calls, Frame, Way, begin};
use crate::changing::{
    Case, add, function, in_each_case, is_all_freed, on_fresh_thread, reclaim_all,
};

/// Nothing is kept for a change to be undone.
fn without_undoing(test: impl Fn(Case) + Sync) {
    in_each_case(|case| {
        if !case.undoes() {
            test(case);
        }
    });
}

/// What the engine has in memory once nothing is retired any more.
fn in_use(engine: &Engine) -> (u64, u64, usize) {
    let report = engine.report();
    (report.code_bytes, report.data_bytes, engine.units().len())
}

#[test]
fn nothing_is_left_of_versions_whose_frames_have_ended() {
    without_undoing(|case| {
        for form in Form::ALL {
            for way in [Way::Define, Way::Replace, Way::Reload] {
                let engine = case.engine();
                let (mut unit, calls) = begin(&engine, form);
                let mut early = None;
                for version in 2..=60 {
                    let old = calls.make();
                    unit = way.go(&engine, unit, &form.text(version));
                    let new = calls.make();
                    assert_eq!((calls.next(old), calls.next(new)), (version - 1, version));
                    calls.end(old);
                    calls.end(new);
                    if version % 20 == 0 {
                        assert_eq!(reclaim_all(&engine), 0, "{form:?} {way:?}");
                        assert_eq!(reclaim_all(&engine), 0);
                        let now = in_use(&engine);
                        assert_eq!(*early.get_or_insert(now), now, "{form:?} {way:?}");
                        let report = engine.report();
                        assert_eq!((report.tombstones, report.suspended_coroutines), (0, 0));
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_never_destroyed_is_counted() {
    without_undoing(|case| {
        for form in Form::ALL {
            let engine = case.engine();
            let (unit, calls) = begin(&engine, form);
            let frames = [calls.make(), calls.make(), calls.make()];
            assert_eq!(
                engine.report().suspended_coroutines,
                0,
                "its body is in force"
            );
            Way::Reload.go(&engine, unit, &form.text(100));
            assert_eq!(engine.report().suspended_coroutines, 3, "{form:?}");
            calls.end(frames[0]);
            assert_eq!(engine.report().suspended_coroutines, 2);
            let reclaimed = engine.reclaim();
            assert_eq!(reclaimed.bytes, 0);
            let holders = reclaimed.left.iter().map(|one| one.holder.as_deref());
            assert_eq!(
                holders.collect::<Vec<_>>(),
                [Some("2 suspended coroutines")]
            );
            assert_eq!(engine.retired()[0].holder, reclaimed.left[0].holder);
            calls.end(frames[1]);
            let holder = engine.retired()[0].holder.clone();
            assert_eq!(holder.as_deref(), Some("a suspended coroutine"));
            assert_eq!(calls.next(frames[2]), 1);
            calls.end(frames[2]);
            is_all_freed(&engine);
            assert_eq!(engine.report().suspended_coroutines, 0);
        }
    });
}

/// One that frees its own frame when it has come to its end, in a part that goes on with it or
/// before it was suspended at all.
fn ending_by_itself(form: Form, deallocation: &str) -> String {
    let text = form.text(1).replace("@free", deallocation);
    match form {
        Form::Whole => text.replace(
            "br label %wait\n    over:",
            "%is_last = icmp eq i32 %number, LAST
              br i1 %is_last, label %over, label %wait
            over:",
        ),
        _ => text.replace(
            "store i32 %following, ptr %place\n      ret void",
            "store i32 %following, ptr %place
              %is_last = icmp eq i32 %number, LAST
              br i1 %is_last, label %over, label %back
            over:
              call void DEALLOCATION(ptr %frame)
              ret void
            back:
              ret void",
        ),
    }
    .replace("LAST", "2")
    .replace("DEALLOCATION", deallocation)
}

#[test]
fn coroutines_that_end_by_themselves_keep_nothing() {
    without_undoing(|case| {
        // An `operator delete` of the coroutine's own, whose name says so.
        for deallocation in ["@free", "@_ZN5chore12promise_typedlEPv"] {
            for form in Form::ALL {
                let engine = case.engine();
                add(
                    &engine,
                    "declare void @free(ptr)
                     define void @_ZN5chore12promise_typedlEPv(ptr %memory) {
                       call void @free(ptr %memory)
                       ret void
                     }",
                );
                add(&engine, CALLER);
                let unit = add(&engine, &ending_by_itself(form, deallocation));
                let calls = Calls::of(&engine);
                let frame = calls.make();
                assert_eq!((calls.next(frame), calls.next(frame)), (1, 2));
                Way::Reload.go(&engine, unit, &form.text(100));
                assert_eq!(engine.report().suspended_coroutines, 0, "{form:?}");
                is_all_freed(&engine);
            }
        }
    });
}

/// It is freed within the function that makes it, on one of two ways through it.
const NEVER_SUSPENDED: &str = "declare ptr @malloc(i64)
    declare void @free(ptr)
    define ptr @try(i1 %fails) {
      %frame = call ptr @malloc(i64 24)
      store ptr @try.resume, ptr %frame
      %second = getelementptr i8, ptr %frame, i64 8
      store ptr @try.destroy, ptr %second
      br i1 %fails, label %over, label %back
    over:
      call void @free(ptr %frame)
      ret ptr null
    back:
      ret ptr %frame
    }
    define internal fastcc void @try.resume(ptr %frame) {
      ret void
    }
    define internal fastcc void @try.destroy(ptr %frame) {
      call void @free(ptr %frame)
      ret void
    }";

#[test]
fn a_coroutine_that_ends_before_it_is_suspended_keeps_nothing() {
    without_undoing(|case| {
        let engine = case.engine();
        add(&engine, CALLER);
        let unit = add(&engine, NEVER_SUSPENDED);
        let attempt: extern "C-unwind" fn(bool) -> *mut c_void = function(&engine, "try");
        let end: super::End = function(&engine, "end");
        let attempted = |fails| on_fresh_thread(|| Frame(attempt(fails)));
        for _ in 0..3 {
            assert!(attempted(true).0.is_null());
        }
        let frame = attempted(false);
        let mut change = engine.main().change();
        change.reload(unit, "new", NEVER_SUSPENDED.as_bytes());
        change.commit().unwrap();
        assert_eq!(engine.report().suspended_coroutines, 1);
        on_fresh_thread(|| end({ frame }.0));
        is_all_freed(&engine);
    });
}

/// The address of what destroys the frame goes where nobody can follow it.
#[test]
fn where_it_is_not_clear_what_ends_the_body_stays() {
    without_undoing(|case| {
        let engine = case.engine();
        add(&engine, CALLER);
        let text = Form::Split.text(1).replace(
            "store ptr %which, ptr %second",
            "%number_of = ptrtoint ptr %which to i64
             %same = inttoptr i64 %number_of to ptr
             store ptr %same, ptr %second",
        );
        let unit = add(&engine, &text);
        let calls = Calls::of(&engine);
        calls.end(calls.make());
        let frame = calls.make();
        Way::Reload.go(&engine, unit, &Form::Split.text(100));
        let reclaimed = engine.reclaim();
        assert_eq!(reclaimed.bytes, 0);
        assert!(engine.report().suspended_coroutines >= 1);
        assert_eq!(calls.next(frame), 1);
    });
}
