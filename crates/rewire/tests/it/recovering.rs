//! Calls that come back although compiled code crashed.

use std::time::Duration;

use rewire::{
    Engine, Error, ExecAddr, HotThresholds, Level, OptLevel, Options, Recovery, Stopped, Value,
};

const CODE: &[u8] = b"define internal i32 @peek(ptr %p) noinline {
       %x = load volatile i32, ptr %p
       ret i32 %x
     }
     define i32 @outer(ptr %p) {
       %x = call i32 @peek(ptr %p)
       %y = add i32 %x, 1
       ret i32 %y
     }
     define i32 @quotient(i32 %x, i32 %y) {
       %q = sdiv i32 %x, %y
       ret i32 %q
     }";

/// How the code is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Lazy,
    Eager,
    Frozen,
}

fn with_engines(test: impl Fn(&Engine, Mode)) {
    for level in [Level::O0, Level::O2] {
        for threads in [0, 1, 3] {
            for mode in [Mode::Lazy, Mode::Eager, Mode::Frozen] {
                let options = Options {
                    level: OptLevel::Fixed(level),
                    threads,
                    ..Options::default()
                };
                let engine = Engine::new(options).unwrap();
                match mode {
                    Mode::Frozen => drop(engine.main().add_ir_frozen("code", CODE).unwrap()),
                    _ => drop(engine.main().add_ir("code", CODE).unwrap()),
                }
                if mode == Mode::Eager {
                    engine.compile_all().unwrap();
                }
                test(&engine, mode);
            }
        }
    }
}

fn call(engine: &Engine, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    // SAFETY: what crashes does so by reading nowhere, or by dividing.
    unsafe { engine.main().call(name, arguments) }
}

fn stopped(result: Result<Option<Value>, Error>) -> Box<Stopped> {
    match result.unwrap_err() {
        Error::Stopped { stopped } => stopped,
        error => panic!("{error}"),
    }
}

fn functions(stopped: &Stopped) -> Vec<&str> {
    stopped.frames.iter().map(|it| &*it.function).collect()
}

fn nowhere() -> Value {
    Value::Pointer(ExecAddr::new(0x10))
}

#[test]
fn a_crash_is_an_error_that_says_where() {
    with_engines(|engine, mode| {
        let _recovery = Recovery::begin(|_| {});
        for _ in 0..3 {
            let stopped = stopped(call(engine, "outer", &[nowhere()]));
            assert_eq!(stopped.signal, libc::SIGSEGV);
            assert!(stopped.what.ends_with(", reading address 0x10"));
            assert!(stopped.outside.is_none() && stopped.more == 0);
            assert_eq!(functions(&stopped), ["peek", "outer"], "{mode:?}");
            let divided = call(engine, "quotient", &[Value::I32(6), Value::I32(0)]);
            assert_eq!(functions(&self::stopped(divided)), ["quotient"]);
        }
        let value = call(engine, "quotient", &[Value::I32(6), Value::I32(4)]).unwrap();
        assert_eq!(value, Some(Value::I32(1)));
    });
}

/// The call's own frame and that of the body in which its loop goes on are one.
#[test]
fn a_call_that_goes_on_in_a_continuation_is_there_once() {
    let options = Options {
        hot: HotThresholds {
            loop_passes: 100,
            delay: Duration::ZERO,
            ..HotThresholds::default()
        },
        ..Options::default()
    };
    let engine = Engine::new(options).unwrap();
    let walks = b"define i32 @reads(ptr %p) noinline {
          %x = load volatile i32, ptr %p
          ret i32 %x
        }
        define i32 @walks(ptr %last) noinline {
          %own = alloca i32
          br label %again
        again:
          %i = phi i32 [ 0, %0 ], [ %next, %again ]
          %next = add i32 %i, 1
          %ends = icmp eq i32 %next, 1000
          %p = select i1 %ends, ptr %last, ptr %own
          %x = call i32 @reads(ptr %p)
          br i1 %ends, label %done, label %again
        done:
          ret i32 %x
        }
        define i32 @begins(ptr %last) {
          %x = call i32 @walks(ptr %last)
          %y = add i32 %x, 1
          ret i32 %y
        }";
    engine.main().add_ir("walks", walks.as_slice()).unwrap();
    let _recovery = Recovery::begin(|_| {});
    let stopped = stopped(call(&engine, "begins", &[nowhere()]));
    assert_eq!(functions(&stopped), ["reads", "walks", "begins"]);
    assert!(engine.report().loops_optimised > 0);
}

/// What was left is as free as what has returned.
#[test]
fn code_that_was_left_is_replaced_and_given_back() {
    with_engines(|engine, mode| {
        if mode == Mode::Frozen {
            return;
        }
        let _recovery = Recovery::begin(|_| {});
        for round in 0..20 {
            let body = format!(
                "define i32 @outer(ptr %p) {{
                   %x = load volatile i32, ptr %p
                   %y = add i32 %x, {round}
                   ret i32 %y
                 }}"
            );
            engine.replace("outer", body.as_bytes()).unwrap();
            let stopped = stopped(call(engine, "outer", &[nowhere()]));
            assert_eq!(functions(&stopped), ["outer"]);
        }
        engine.reclaim();
        // What this thread has seen of the last one may still lie on its stack.
        let report = engine.report();
        let kept = report.definitions_retired - report.definitions_freed;
        assert!(kept <= 2, "{kept}");
    });
}

/// A call within a call, by way of the client: the inner one comes back to the client's function.
#[test]
fn the_innermost_call_comes_back() {
    thread_local! {
        static ENGINE: std::cell::RefCell<Option<Engine>> = const { std::cell::RefCell::new(None) };
    }
    extern "C-unwind" fn again() -> i32 {
        let engine = ENGINE.with_borrow(|it| it.clone().unwrap());
        match call(&engine, "outer", &[nowhere()]) {
            Err(Error::Stopped { .. }) => 5,
            other => panic!("{other:?}"),
        }
    }
    with_engines(|engine, _| {
        let main = engine.main();
        main.define("again", (again as *const ()).into()).unwrap();
        let through = b"declare i32 @again()
            define i32 @through() {
              %x = call i32 @again()
              %y = add i32 %x, 1
              ret i32 %y
            }";
        main.add_ir("through", through).unwrap();
        ENGINE.set(Some(engine.clone()));
        let _recovery = Recovery::begin(|_| {});
        assert_eq!(call(engine, "through", &[]).unwrap(), Some(Value::I32(6)));
        ENGINE.set(None);
    });
}

/// Functions of the C library that hold nothing are left as well.
#[test]
fn a_crash_in_the_c_library_says_what_was_called() {
    with_engines(|engine, _| {
        let main = engine.main();
        let length = b"declare i64 @strlen(ptr)
            define i64 @length(ptr %s) {
              %n = call i64 @strlen(ptr %s)
              %m = add i64 %n, 1
              ret i64 %m
            }";
        main.add_ir("length", length).unwrap();
        let _recovery = Recovery::begin(|_| {});
        for _ in 0..2 {
            let stopped = stopped(call(engine, "length", &[nowhere()]));
            assert_eq!(stopped.outside.as_deref(), Some("strlen"));
            assert_eq!(functions(&stopped), ["length"]);
        }
    });
}

const STRUCTORS: &[u8] = b"@llvm.global_ctors = appending global [3 x { i32, ptr, ptr }] [
       { i32, ptr, ptr } { i32 1, ptr @first, ptr null },
       { i32, ptr, ptr } { i32 2, ptr @crashes, ptr null },
       { i32, ptr, ptr } { i32 3, ptr @last, ptr null }]
     @llvm.global_dtors = appending global [2 x { i32, ptr, ptr }] [
       { i32, ptr, ptr } { i32 1, ptr @ends, ptr null },
       { i32, ptr, ptr } { i32 2, ptr @crashes, ptr null }]
     @count = global i32 0
     declare void @note_end()
     define internal void @add(i32 %x) {
       %c = load i32, ptr @count
       %d = add i32 %c, %x
       store i32 %d, ptr @count
       ret void
     }
     define internal void @first() {
       call void @add(i32 1)
       ret void
     }
     define internal void @crashes() {
       store volatile i32 1, ptr inttoptr (i64 16 to ptr)
       ret void
     }
     define internal void @last() {
       call void @add(i32 10)
       ret void
     }
     define internal void @ends() {
       call void @note_end()
       ret void
     }
     define i32 @get() {
       %x = load i32, ptr @count
       ret i32 %x
     }";

thread_local! {
    static TOLD: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
    static ENDS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

extern "C" fn note_end() {
    ENDS.set(ENDS.get() + 1);
}

fn note(unable: rewire::Unable<'_>) {
    if let rewire::Unable::Destructor(stopped) = unable {
        TOLD.with_borrow_mut(|told| told.push(stopped.places().join(", ")));
    }
}

#[test]
fn a_constructor_that_crashes_leaves_the_others_pending() {
    for (threads, is_frozen) in [(0, false), (1, false), (3, false), (0, true)] {
        let _recovery = Recovery::begin(note);
        let engine = Engine::new(Options {
            threads,
            ..Options::default()
        })
        .unwrap();
        let main = engine.main();
        main.define("note_end", (note_end as *const ()).into())
            .unwrap();
        let unit = match is_frozen {
            true => main.add_ir_frozen("structors", STRUCTORS),
            false => main.add_ir("structors", STRUCTORS),
        }
        .unwrap();
        // SAFETY: what crashes does so by writing nowhere.
        let run = || unsafe { engine.run_constructors() };
        let stopped = stopped(run().map(|()| None));
        assert_eq!(&*stopped.frames[0].function, "crashes");
        assert_eq!(call(&engine, "get", &[]).unwrap(), Some(Value::I32(1)));
        assert_eq!(engine.pending_constructors(), [unit]);
        run().unwrap();
        run().unwrap();
        assert_eq!(call(&engine, "get", &[]).unwrap(), Some(Value::I32(11)));
        assert!(engine.pending_constructors().is_empty());

        ENDS.set(0);
        // SAFETY: as above.
        unsafe { engine.deinitialize(unit) }.unwrap();
        let told = TOLD.take();
        assert!(
            told.len() == 1 && told[0].starts_with("crashes"),
            "{told:?}"
        );
        assert_eq!(ENDS.get(), 1, "the destructor behind it runs all the same");
    }
}

#[test]
fn a_change_is_undone_if_a_constructor_of_it_fails() {
    let _recovery = Recovery::begin(note);
    let engine = Engine::new(Options::default()).unwrap();
    let main = engine.main();
    let former = "@kept = global i32 5
        define i32 @get() {
          %x = load i32, ptr @kept
          ret i32 %x
        }";
    let unit = main.add_ir("former", former).unwrap();
    // SAFETY: nothing of it crashes.
    unsafe { engine.run_constructors() }.unwrap();
    let newer = "@kept = global i32 5
        @made = global i32 0
        @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [
          { i32, ptr, ptr } { i32 1, ptr @make, ptr null }]
        define internal void @make() {
          store volatile i32 1, ptr inttoptr (i64 16 to ptr)
          store i32 1, ptr @made
          ret void
        }
        define i32 @get() {
          %x = load i32, ptr @kept
          %y = add i32 %x, 1
          ret i32 %y
        }";
    let mut change = main.change();
    change.reload(unit, "newer", newer);
    let result = change.commit();
    assert!(result.is_err(), "{result:?}");
    // The former version is in force again, everybody is let in, and names can change.
    assert_eq!(call(&engine, "get", &[]).unwrap(), Some(Value::I32(5)));
    let missing = newer.replace(
        "store volatile i32 1, ptr inttoptr (i64 16 to ptr)",
        "call void @nobody()",
    );
    let mut change = main.change();
    change.reload(unit, "newer", &*(missing + "\ndeclare void @nobody()"));
    let result = change.commit();
    assert!(result.is_err(), "{result:?}");
    assert_eq!(call(&engine, "get", &[]).unwrap(), Some(Value::I32(5)));
    let sound = newer.replace("store volatile i32 1, ptr inttoptr (i64 16 to ptr)", "");
    let mut change = main.change();
    change.reload(unit, "newer", &*sound);
    change.commit().unwrap();
    assert_eq!(call(&engine, "get", &[]).unwrap(), Some(Value::I32(6)));
    main.replace("get", "define i32 @get() {\n ret i32 9\n}")
        .unwrap();
    assert_eq!(call(&engine, "get", &[]).unwrap(), Some(Value::I32(9)));
}
