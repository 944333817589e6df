//! Calls that come back with an error from below: of a function that can't be compiled or resolved.

use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind};
use std::process::Command;

use crate::changing::{is_child, said_in_process, say};
use rewire::{Answer, EXIT_COMPILE, Engine, Error, Level, OptLevel, Options, Request, Value};

const RUNTIME: &str = "declare ptr @__cxa_allocate_exception(i64)
    declare void @__cxa_throw(ptr, ptr, ptr)
    declare ptr @__cxa_begin_catch(ptr)
    declare void @__cxa_end_catch()
    declare i32 @__gxx_personality_v0(...)
    @_ZTIi = external constant ptr
    declare void @_ZSt9terminatev()
    declare i32 @missing()
    declare void @note(i32)
    declare void @host()\n";

thread_local! {
    static NOTED: Cell<i32> = const { Cell::new(0) };
}

extern "C" fn note(x: i32) {
    NOTED.set(NOTED.get() * 10 + x);
}

/// Runs a test with each kind of engine.
fn with_engines(test: impl Fn(&Engine)) {
    for level in [Level::O0, Level::O2] {
        for threads in [0, 1, 3] {
            let options = Options {
                level: OptLevel::Fixed(level),
                threads,
                ..Options::default()
            };
            let engine = Engine::new(options).unwrap();
            engine
                .main()
                .define("note", (note as *const ()).into())
                .unwrap();
            NOTED.set(0);
            test(&engine);
        }
    }
}

fn add(engine: &Engine, ir: &str) {
    engine.add_ir("test", &(RUNTIME.to_owned() + ir)).unwrap();
}

fn call(engine: &Engine, name: &str) -> Result<Option<Value>, Error> {
    // SAFETY: what the tests define may be called.
    unsafe { engine.main().call(name, &[]) }
}

/// The callers that an error of `missing` names.
fn callers_of_missing(result: Result<Option<Value>, Error>) -> Vec<String> {
    let error = result.unwrap_err();
    let Error::Call {
        function,
        error,
        callers,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(function.as_deref(), Some("missing"));
    assert!(matches!(&**error, Error::MissingFunction { name } if &**name == "missing"));
    callers.iter().map(ToString::to_string).collect()
}

#[test]
fn a_main_function_comes_back_too() {
    const TEST: &str = "giving_up::a_main_function_comes_back_too";
    let said = said_in_process(TEST, "", || {
        let engine = Engine::new(Options::default()).unwrap();
        let say = (say as *const ()).into();
        engine.main().define("say", say).unwrap();
        add(
            &engine,
            "declare void @say(i32)
             @llvm.global_dtors = appending global [1 x { i32, ptr, ptr }]
               [{ i32, ptr, ptr } { i32 65535, ptr @end, ptr null }]
             define void @end() {
               call void @say(i32 4)
               ret void
             }
             define i32 @main(i32 %count, ptr %arguments) {
               call void @say(i32 1)
               %x = call i32 @missing()
               call void @say(i32 2)
               ret i32 %x
             }",
        );
        let run = || {
            static NONE: [usize; 1] = [0];
            let none = NONE.as_ptr().cast();
            // SAFETY: the arrays are static, the program is harmless.
            let status = unsafe { engine.run_main("main", 0, none, none) };
            status.map(|status| Some(Value::I32(status)))
        };
        assert_eq!(callers_of_missing(run()), ["main"]);
        let late = "define i32 @missing() {\n ret i32 3\n}";
        engine.add_ir("late", late).unwrap();
        assert_eq!(run().unwrap(), Some(Value::I32(3)));
    });
    assert!(is_child() || said == [1, 1, 2, 4], "{said:?}");
}

#[test]
fn the_first_error_of_a_body_is_its_own_and_later_ones_repeat_it() {
    with_engines(|engine| {
        add(
            engine,
            "define void @wrong() {
               call void asm sideeffect \"no instruction\", \"\"()
               ret void
             }",
        );
        let error = engine.main().pin("wrong").unwrap_err();
        assert!(matches!(error, Error::Compile { .. }), "{error:?}");
        let again = engine.main().pin("wrong").unwrap_err();
        assert!(matches!(again, Error::Again(_)), "{again:?}");
        assert!(matches!(again.cause(), Error::Compile { .. }), "{again:?}");
        assert_eq!(again.to_string(), error.to_string());
    });
}

#[test]
fn what_is_missing_is_an_error_and_may_be_defined_then() {
    with_engines(|engine| {
        add(
            engine,
            "define i32 @inner() noinline {
               %x = call i32 @missing()
               %y = add i32 %x, 1
               ret i32 %y
             }
             define i32 @outer() nounwind {
               call void @note(i32 1)
               %x = call i32 @inner()
               call void @note(i32 2)
               ret i32 %x
             }",
        );
        assert_eq!(
            callers_of_missing(call(engine, "outer")),
            ["inner", "outer"]
        );
        assert_eq!(
            callers_of_missing(call(engine, "outer")),
            ["inner", "outer"]
        );
        let text = call(engine, "outer").unwrap_err().to_string();
        assert_eq!(
            text,
            "missing is called and nothing defines it; called by inner, called by outer"
        );
        engine
            .add_ir("late", "define i32 @missing() {\n ret i32 41\n}")
            .unwrap();
        assert_eq!(call(engine, "outer").unwrap(), Some(Value::I32(42)));
        assert_eq!(NOTED.get(), 11112);
    });
}

#[test]
fn what_cannot_be_compiled_or_made_is_an_error() {
    with_engines(|engine| {
        engine
            .add_ir(
                "bad",
                r#"define void @bad() { call void asm sideeffect "no such thing", ""() ret void }"#,
            )
            .unwrap();
        let error = call(engine, "bad").unwrap_err();
        assert!(
            error.to_string().starts_with("cannot compile bad: "),
            "{error}"
        );
        let lazily = || Err("no such class".to_owned());
        engine.main().define_lazily("lazy", lazily).unwrap();
        add(
            engine,
            "declare i32 @lazy()
             define i32 @calls_lazy() {
               %x = call i32 @lazy()
               %y = add i32 %x, 1
               ret i32 %y
             }",
        );
        let error = call(engine, "calls_lazy").unwrap_err();
        assert_eq!(
            error.to_string(),
            "lazy has no IR: no such class; called by calls_lazy"
        );
        engine.main().resolve_with(|request: &Request<'_>| {
            (request.name == "missing").then(|| Answer::Failed("it is not here".to_owned()))
        });
        add(
            engine,
            "define i32 @f() {\n %x = call i32 @missing()\n %y = add i32 %x, 1\n ret i32 %y\n}",
        );
        let error = call(engine, "f").unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing has no IR: it is not here; called by f"
        );
        let removed = engine
            .add_ir("removed", "define void @removed() {\n ret void\n}")
            .unwrap();
        add(
            engine,
            "declare void @removed()\ndefine void @g() {\n call void @removed()\n call void @note(i32 1)\n ret void\n}",
        );
        let mut change = engine.main().change();
        change.force().remove_unit(removed);
        change.commit().unwrap();
        let error = call(engine, "g").unwrap_err();
        assert_eq!(
            error.to_string(),
            "removed is called and was removed; called by g"
        );
    });
}

#[test]
fn what_llvm_gives_up_on_is_an_error_of_its_own() {
    with_engines(|engine| {
        // The instruction needs a feature of processors that the function doesn't have.
        let ir = "declare <8 x float> @llvm.x86.avx.max.ps.256(<8 x float>, <8 x float>)
            define float @impossible(float %x) {
              %v = insertelement <8 x float> poison, float %x, i32 0
              %r = call <8 x float> @llvm.x86.avx.max.ps.256(<8 x float> %v, <8 x float> %v)
              %e = extractelement <8 x float> %r, i32 0
              ret float %e
            }
            define i32 @beside() {
              ret i32 6
            }
            define float @calls_it(float %x) {
              %y = call float @impossible(float %x)
              %z = fadd float %y, 1.0
              ret float %z
            }";
        engine.add_ir("impossible", ir).unwrap();
        for name in ["impossible", "calls_it", "impossible"] {
            // SAFETY: it may be called.
            let error = unsafe { engine.main().call(name, &[Value::F32(1.0)]) }.unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("cannot compile impossible: "), "{text}");
            assert!(text.contains("LLVM cannot generate code"), "{text}");
        }
        // The rest of the unit, and the engine, are as they were.
        assert_eq!(call(engine, "beside").unwrap(), Some(Value::I32(6)));
        engine
            .add_ir("after", "define i32 @after() {\n ret i32 7\n}")
            .unwrap();
        assert_eq!(call(engine, "after").unwrap(), Some(Value::I32(7)));
        let new = "define float @impossible(float %x) {\n ret float %x\n}";
        engine.replace("impossible", new).unwrap();
        // SAFETY: as above.
        let result = unsafe { engine.main().call("calls_it", &[Value::F32(1.0)]) };
        assert_eq!(result.unwrap(), Some(Value::F32(2.0)));
    });
}

/// Handlers of the program's: for whatever comes, and for nothing at all.
const HANDLERS: &str = "define i32 @catch_all() noinline personality ptr @__gxx_personality_v0 {
       %x = invoke i32 @missing() to label %good unwind label %bad
     good:
       ret i32 %x
     bad:
       %pad = landingpad { ptr, i32 } catch ptr null
       %thrown = extractvalue { ptr, i32 } %pad, 0
       %at = call ptr @__cxa_begin_catch(ptr %thrown)
       call void @__cxa_end_catch()
       ret i32 -5
     }
     define i32 @no_except() noinline nounwind personality ptr @__gxx_personality_v0 {
       %x = invoke i32 @catch_all() to label %good unwind label %bad
     good:
       ret i32 %x
     bad:
       %pad = landingpad { ptr, i32 } catch ptr null
       call void @_ZSt9terminatev()
       unreachable
     }
     define i32 @throws_nothing() noinline personality ptr @__gxx_personality_v0 {
       %x = invoke i32 @no_except() to label %good unwind label %bad
     good:
       ret i32 %x
     bad:
       %pad = landingpad { ptr, i32 } filter [0 x ptr] zeroinitializer
       call void @_ZSt9terminatev()
       unreachable
     }
     define i32 @catches_numbers() personality ptr @__gxx_personality_v0 {
       %x = invoke i32 @throws_nothing() to label %good unwind label %bad
     good:
       ret i32 %x
     bad:
       %pad = landingpad { ptr, i32 } cleanup catch ptr @_ZTIi
       call void @note(i32 7)
       resume { ptr, i32 } %pad
     }
     define void @throw() {
       %e = call ptr @__cxa_allocate_exception(i64 4)
       store i32 9, ptr %e
       call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)
       unreachable
     }
     define i32 @missing_now() {
       call void @throw()
       ret i32 0
     }";

#[test]
fn handlers_of_the_program_are_for_its_own_exceptions() {
    with_engines(|engine| {
        add(engine, HANDLERS);
        for times in 1..3 {
            assert_eq!(
                callers_of_missing(call(engine, "catches_numbers")),
                [
                    "catch_all",
                    "no_except",
                    "throws_nothing",
                    "catches_numbers"
                ]
            );
            assert_eq!(NOTED.get(), if times == 1 { 7 } else { 77 }, "cleanups run");
        }
        // The same frames, and an exception of the program's.
        let throws = "declare i32 @missing_now()
            define i32 @missing() {
              %x = call i32 @missing_now()
              ret i32 %x
            }";
        engine.add_ir("throws", throws).unwrap();
        assert_eq!(
            call(engine, "catches_numbers").unwrap(),
            Some(Value::I32(-5))
        );
    });
}

thread_local! {
    static ENGINE: Cell<Option<Engine>> = const { Cell::new(None) };
}

fn engine_here() -> Engine {
    let engine = ENGINE.take().unwrap();
    ENGINE.set(Some(engine.clone()));
    engine
}

fn with_host(engine: &Engine, host: extern "C-unwind" fn()) {
    engine
        .main()
        .define("host", (host as *const ()).into())
        .unwrap();
    add(
        engine,
        "define i32 @calls_missing() {
           %x = call i32 @missing()
           %y = add i32 %x, 1
           ret i32 %y
         }
         define i32 @calls_host() {
           call void @host()
           ret i32 8
         }",
    );
    ENGINE.set(Some(engine.clone()));
}

/// Calls a function as a client does that has its address.
fn call_missing() -> i32 {
    // SAFETY: it has this type.
    let f = unsafe {
        engine_here()
            .main()
            .function::<extern "C-unwind" fn() -> i32>("calls_missing")
    };
    f.unwrap()()
}

#[test]
fn frames_of_rust_are_unwound() {
    struct Noted;
    impl Drop for Noted {
        fn drop(&mut self) {
            note(3);
        }
    }
    extern "C-unwind" fn host() {
        let _noted = Noted;
        call_missing();
    }
    with_engines(|engine| {
        with_host(engine, host);
        let callers = callers_of_missing(call(engine, "calls_host"));
        assert_eq!(callers[0], "calls_missing");
        assert_eq!(NOTED.get(), 3);
        assert!(!std::thread::panicking());
    });
}

#[test]
fn rust_code_between_may_catch_it_as_a_panic() {
    extern "C-unwind" fn keeps_it() {
        assert!(catch_unwind(call_missing).is_err());
        note(4);
    }
    extern "C-unwind" fn passes_it_on() {
        let panic = catch_unwind(call_missing).unwrap_err();
        note(5);
        resume_unwind(panic);
    }
    with_engines(|engine| {
        with_host(engine, keeps_it);
        assert_eq!(call(engine, "calls_host").unwrap(), Some(Value::I32(8)));
        assert_eq!(NOTED.get(), 4);
    });
    with_engines(|engine| {
        with_host(engine, passes_it_on);
        callers_of_missing(call(engine, "calls_host"));
        assert_eq!(NOTED.get(), 5);
        assert!(!std::thread::panicking());
    });
}

#[test]
fn the_innermost_call_gets_it() {
    extern "C-unwind" fn host() {
        callers_of_missing(call(&engine_here(), "calls_missing"));
        note(6);
    }
    with_engines(|engine| {
        with_host(engine, host);
        assert_eq!(call(engine, "calls_host").unwrap(), Some(Value::I32(8)));
        assert_eq!(NOTED.get(), 6);
        callers_of_missing(call(engine, "calls_missing"));
    });
}

#[test]
fn a_panic_of_the_clients_own_goes_through() {
    extern "C-unwind" fn host() {
        resume_unwind(Box::new(17));
    }
    with_engines(|engine| {
        with_host(engine, host);
        let panic = catch_unwind(|| call(&engine_here(), "calls_host")).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&17));
        callers_of_missing(call(engine, "calls_missing"));
    });
}

#[test]
fn an_exception_goes_through() {
    extern "C-unwind" fn host() {
        let _ = call(&engine_here(), "throw");
    }
    with_engines(|engine| {
        with_host(engine, host);
        engine
            .add_ir(
                "catches",
                &(RUNTIME.to_owned()
                    + "define void @throw() {
                         %e = call ptr @__cxa_allocate_exception(i64 4)
                         store i32 9, ptr %e
                         call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)
                         unreachable
                       }
                       define i32 @catches() personality ptr @__gxx_personality_v0 {
                         invoke void @host() to label %good unwind label %bad
                       good:
                         ret i32 0
                       bad:
                         %pad = landingpad { ptr, i32 } catch ptr @_ZTIi
                         %thrown = extractvalue { ptr, i32 } %pad, 0
                         %at = call ptr @__cxa_begin_catch(ptr %thrown)
                         %value = load i32, ptr %at
                         call void @__cxa_end_catch()
                         ret i32 %value
                       }"),
            )
            .unwrap();
        assert_eq!(call(engine, "catches").unwrap(), Some(Value::I32(9)));
        callers_of_missing(call(engine, "calls_missing"));
    });
}

#[test]
fn the_handler_is_asked_first() {
    extern "C" fn instead() -> i32 {
        3
    }
    with_engines(|engine| {
        add(
            engine,
            "define i32 @f() {\n %x = call i32 @missing()\n %y = add i32 %x, 1\n ret i32 %y\n}",
        );
        engine.on_failure(|failure| {
            note(failure.callers.len() as i32);
            None
        });
        assert_eq!(callers_of_missing(call(engine, "f")), ["f"]);
        engine.on_failure(|_| Some((instead as *const ()).into()));
        assert_eq!(call(engine, "f").unwrap(), Some(Value::I32(4)));
        assert_eq!(NOTED.get(), 1);
    });
}

/// Frames that can't be unwound: the process ends, as documented. Each case runs in a process of
/// its own.
#[test]
fn where_a_frame_cannot_be_unwound_the_process_ends() {
    const CASE: &str = "REWIRE_TEST_FRAME";
    extern "C" fn cannot_unwind() {
        call_missing();
    }
    let Some(case) = std::env::var_os(CASE) else {
        for case in ["extern C", "cleanup", "function"] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "giving_up::where_a_frame_cannot_be_unwound_the_process_ends",
                ])
                .args(["--nocapture"])
                .env(CASE, case)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(EXIT_COMPILE), "{case}: {said}");
            assert!(
                said.contains("error: missing is called and nothing defines it"),
                "{said}"
            );
            assert!(!said.contains("adapter"), "{said}");
        }
        return;
    };
    let engine = Engine::new(Options::default()).unwrap();
    match &*case.to_string_lossy() {
        "extern C" => {
            // SAFETY: both take nothing and return nothing.
            let host = unsafe {
                std::mem::transmute::<extern "C" fn(), extern "C-unwind" fn()>(cannot_unwind)
            };
            with_host(&engine, host);
            let _ = call(&engine, "calls_host");
        }
        // A failure below a cleanup of another one.
        "cleanup" => {
            add(
                &engine,
                "define void @cleans_up() personality ptr @__gxx_personality_v0 {
                   invoke i32 @missing() to label %good unwind label %bad
                 good:
                   ret void
                 bad:
                   %pad = landingpad { ptr, i32 } cleanup
                   %x = call i32 @missing()
                   resume { ptr, i32 } %pad
                 }",
            );
            let _ = call(&engine, "cleans_up");
        }
        // Nobody wants to know.
        _ => {
            extern "C-unwind" fn nothing() {}
            with_host(&engine, nothing);
            call_missing();
        }
    }
}

/// A prologue calls it before the stack is aligned.
#[test]
fn what_a_prologue_calls_may_be_missing() {
    with_engines(|engine| {
        add(
            engine,
            "define i32 @plain(i32 %x) \"probe-stack\"=\"missing_probe\" {
               %a = alloca [100000 x i8]
               call void asm sideeffect \"\", \"r,~{memory}\"(ptr %a)
               ret i32 %x
             }
             define i32 @pushes(i32 %x) \"probe-stack\"=\"missing_probe\" {
               %a = alloca [100000 x i8]
               call void asm sideeffect \"\", \"~{rbx},~{r12}\"()
               call void asm sideeffect \"\", \"r,~{memory}\"(ptr %a)
               %y = call i32 @plain(i32 %x)
               ret i32 %y
             }
             define i32 @outer(i32 %x) {
               %y = call i32 @pushes(i32 %x)
               ret i32 %y
             }",
        );
        for name in ["plain", "pushes", "outer"] {
            // SAFETY: it is a function of this type, which does nothing.
            let error = unsafe { engine.main().call(name, &[Value::I32(1)]) }.unwrap_err();
            let Error::Call { function, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(function.as_deref(), Some("missing_probe"));
        }
    });
}

#[test]
fn a_constructor_may_call_what_is_missing() {
    with_engines(|engine| {
        add(
            engine,
            "@llvm.global_ctors = appending global [2 x { i32, ptr, ptr }] [
               { i32, ptr, ptr } { i32 1, ptr @calls, ptr null },
               { i32, ptr, ptr } { i32 2, ptr @notes, ptr null }]
             define internal void @calls() {
               %x = call i32 @missing()
               ret void
             }
             define internal void @notes() {
               call void @note(i32 7)
               ret void
             }",
        );
        // SAFETY: the constructors do nothing.
        let run = || unsafe { engine.run_constructors() };
        let error = run().unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{error}");
        assert_eq!(NOTED.get(), 0);
        run().unwrap();
        run().unwrap();
        assert_eq!(NOTED.get(), 7);
    });
}

/// The client named a function, and never heard of what leads to it.
#[test]
fn a_function_that_nobody_can_call_is_told_by_its_name() {
    with_engines(|engine| {
        add(
            engine,
            "define amdgpu_kernel void @kernel() {
               ret void
             }
             define x86_intrcc void @interrupt(ptr byval(i64) %p) {
               ret void
             }
             define i32 @other() {
               ret i32 3
             }",
        );
        let main = engine.main();
        // The second time it is known already.
        for name in ["kernel", "interrupt", "kernel", "interrupt"] {
            let arguments = [Value::Pointer(rewire::ExecAddr::NULL)];
            let arguments = &arguments[..usize::from(name == "interrupt")];
            // SAFETY: it isn't called.
            let error = unsafe { main.call(name, arguments) }.unwrap_err();
            let Error::Uncallable { name: told, reason } = &error else {
                panic!("{error}");
            };
            assert_eq!(&**told, name);
            assert!(
                !reason.contains("adapter") && !reason.is_empty(),
                "{reason}"
            );
        }
        // SAFETY: it is a function of this type.
        let three = unsafe { main.call("other", &[]) }.unwrap();
        assert_eq!(three, Some(Value::I32(3)));
    });
}
