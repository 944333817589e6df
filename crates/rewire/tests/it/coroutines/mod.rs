//! Suspended coroutines go on in the body that made them, and keep it, as long as they are there.

mod counting;
mod forms;
mod other_kinds;

use std::ffi::c_void;

use rewire::{Engine, UnitId};

use crate::changing::{
    Case, add, function, in_each_case, is_all_freed, on_fresh_thread, reclaim_all, undo_all,
};
use forms::{CALLER, Form};

type Make = extern "C-unwind" fn() -> *mut c_void;
type Next = extern "C-unwind" fn(*mut c_void) -> i32;
type End = extern "C-unwind" fn(*mut c_void);

/// What a test calls.
#[derive(Clone, Copy, Debug)]
struct Calls {
    make: Make,
    next: Next,
    end: End,
}

/// The frame of a coroutine.
#[derive(Clone, Copy, Debug)]
struct Frame(*mut c_void);

// SAFETY: threads take turns with it.
unsafe impl Send for Frame {}
// SAFETY: as above.
unsafe impl Sync for Frame {}

/// Each call has a thread of its own, so that what it leaves on a stack keeps nothing.
impl Calls {
    fn of(engine: &Engine) -> Self {
        Self {
            make: function(engine, "make"),
            next: function(engine, "next"),
            end: function(engine, "end"),
        }
    }

    fn make(self) -> Frame {
        on_fresh_thread(|| Frame((self.make)()))
    }

    fn next(self, frame: Frame) -> i32 {
        on_fresh_thread(|| (self.next)({ frame }.0))
    }

    fn end(self, frame: Frame) {
        on_fresh_thread(|| (self.end)({ frame }.0));
    }
}

/// A coroutine in its first version, with its callers.
fn begin(engine: &Engine, form: Form) -> (UnitId, Calls) {
    add(engine, CALLER);
    let unit = add(engine, &form.text(1));
    (unit, Calls::of(engine))
}

/// A coroutine's function gets a new body, or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Define,
    Replace,
    Reload,
    Remove,
}

impl Way {
    const ALL: [Self; 4] = [Self::Define, Self::Replace, Self::Reload, Self::Remove];

    /// The answer is the unit that has the function then.
    fn go(self, engine: &Engine, unit: UnitId, text: &str) -> UnitId {
        let mut change = engine.main().change();
        match self {
            Self::Define => change.define("new", text.as_bytes()),
            Self::Replace => change.replace("make", text.as_bytes()),
            Self::Reload => change.reload(unit, "new", text.as_bytes()),
            Self::Remove => change.remove_unit(unit).force(),
        };
        let changed = change.commit().unwrap();
        changed.units.first().copied().unwrap_or(unit)
    }
}

fn for_each(test: impl Fn(Case, Form, Way) + Sync) {
    in_each_case(|case| {
        for form in Form::ALL {
            for way in Way::ALL {
                test(case, form, way);
            }
        }
    });
}

#[test]
fn a_suspended_coroutine_goes_on_in_the_body_that_made_it() {
    for_each(|case, form, way| {
        let engine = case.engine();
        let (unit, calls) = begin(&engine, form);
        let old = calls.make();
        assert_eq!(
            (calls.next(old), calls.next(old)),
            (1, 2),
            "{form:?} {way:?}"
        );
        way.go(&engine, unit, &form.text(100));
        let reclaimed = engine.reclaim();
        assert_eq!(calls.next(old), 3, "{form:?} {way:?} {reclaimed:?}");
        if way != Way::Remove {
            let new = calls.make();
            assert_eq!((calls.next(new), calls.next(new)), (100, 200));
            assert_eq!(calls.next(old), 4);
            calls.end(new);
        }
        calls.end(old);
        undo_all(&engine);
        is_all_freed(&engine);
    });
}

/// Nobody has called what goes on with the coroutine, or ends it, when the new version comes.
#[test]
fn parts_that_were_never_called_are_those_of_their_own_version() {
    for_each(|case, form, way| {
        let engine = case.engine();
        let (unit, calls) = begin(&engine, form);
        let (old, other) = (calls.make(), calls.make());
        way.go(&engine, unit, &form.text(100));
        engine.reclaim();
        assert_eq!(
            (calls.next(old), calls.next(old)),
            (1, 2),
            "{form:?} {way:?}"
        );
        calls.end(other);
        engine.reclaim();
        assert_eq!(calls.next(old), 3);
        calls.end(old);
        undo_all(&engine);
        is_all_freed(&engine);
    });
}

#[test]
fn versions_replaced_and_undone_each_have_their_own() {
    in_each_case(|case| {
        for form in Form::ALL {
            let engine = case.engine();
            let (mut unit, calls) = begin(&engine, form);
            let mut all = vec![(1, calls.make())];
            for version in 2..=5 {
                unit = Way::Reload.go(&engine, unit, &form.text(version));
                all.push((version, calls.make()));
            }
            engine.reclaim();
            while engine.undo().is_ok() {
                engine.reclaim();
            }
            let in_force = if case.undoes() { 1 } else { 5 };
            all.push((in_force, calls.make()));
            engine.reclaim();
            for step in 1..=3 {
                for (version, frame) in &all {
                    assert_eq!(calls.next(*frame), version * step, "{form:?}");
                }
            }
            for (_, frame) in all {
                calls.end(frame);
            }
            is_all_freed(&engine);
        }
    });
}

/// The engine's work is done by compile threads, or all of it before anything runs.
#[test]
fn compiled_by_other_threads_and_ahead() {
    in_each_case(|case| {
        for threads in [1, 3] {
            for form in Form::ALL {
                let engine = case.with_threads(threads).engine();
                let (unit, calls) = begin(&engine, form);
                engine.compile_all().unwrap();
                let old = calls.make();
                assert_eq!(calls.next(old), 1);
                Way::Reload.go(&engine, unit, &form.text(100));
                engine.compile_all().unwrap();
                engine.reclaim();
                assert_eq!(calls.next(old), 2, "{form:?}");
                calls.end(old);
                undo_all(&engine);
                is_all_freed(&engine);
            }
        }
    });
}

/// Frozen code is never replaced, but it may be removed.
#[test]
fn frozen_coroutines_keep_their_unit() {
    in_each_case(|case| {
        for form in Form::ALL {
            let engine = case.engine();
            add(&engine, CALLER);
            let text = form.text(1);
            let unit = engine
                .main()
                .add_ir_frozen("frozen", text.as_bytes())
                .unwrap();
            let calls = Calls::of(&engine);
            let frame = calls.make();
            assert_eq!(calls.next(frame), 1);
            let mut change = engine.main().change();
            change.remove_unit(unit).force();
            change.commit().unwrap();
            engine.reclaim();
            assert_eq!(calls.next(frame), 2, "{form:?}");
            calls.end(frame);
            if case.undoes() {
                undo_all(&engine);
            }
            reclaim_all(&engine);
        }
    });
}
