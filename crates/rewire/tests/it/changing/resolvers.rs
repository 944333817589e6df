//! Changes within the client's closures and the program's resolvers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use rewire::{Answer, Engine, Error, Request};

use super::{Act, Plain, add, function, in_each_case, is_all_freed, returns, undo_all, write};

const CALLER: &str = "declare i32 @f()
    declare i32 @nowhere()
    define i32 @g() {
      %x = call i32 @nowhere()
      %y = call i32 @f()
      %z = add i32 %x, %y
      ret i32 %z
    }";

/// Has `act` asked for names; how often. A handle to the engine within its own closure would keep
/// it for ever, so the closure borrows the test's.
fn resolve(
    engine: &Engine,
    act: impl Fn(&Engine, &Request<'_>) -> Option<Answer> + Send + Sync + 'static,
) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let inside = (&raw const *engine) as usize;
    engine.main().resolve_with(move |request: &Request<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the test's engine stays where it is as long as its code is called.
        act(unsafe { &*(inside as *const Engine) }, request)
    });
    asked
}

extern "C-unwind" fn hundred() -> i32 {
    100
}

#[test]
fn another_function_than_the_one_that_is_resolved() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &returns("f", 1));
        // A frame that holds a copy would go on in it.
        let caller = CALLER.replace("call i32 @f()", "call i32 @f() noinline");
        add(&engine, &caller);
        let asked = resolve(&engine, |engine, request| {
            assert_eq!(request.name, "nowhere");
            engine.replace("f", returns("f", 2).as_bytes()).unwrap();
            Some(Answer::Address((hundred as *const ()).into()))
        });
        let g: Plain = function(&engine, "g");
        assert_eq!((g(), g()), (102, 102));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!(g(), 101);
            undo_all(&engine);
        }
        is_all_freed(&engine);
    });
}

/// The caller itself, which is on the stack: it is in force when it is called next.
#[test]
fn the_function_that_makes_the_call() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &returns("f", 1));
        add(&engine, CALLER);
        resolve(&engine, |engine, _| {
            engine.replace("g", returns("g", 7).as_bytes()).unwrap();
            engine.reclaim();
            Some(Answer::Address((hundred as *const ()).into()))
        });
        let g: Plain = function(&engine, "g");
        assert_eq!((g(), g()), (101, 7));
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!(g(), 101);
            undo_all(&engine);
        }
        is_all_freed(&engine);
    });
}

#[test]
fn the_function_that_is_resolved() {
    in_each_case(|case| {
        for answers in [false, true] {
            let engine = case.engine();
            add(&engine, &returns("f", 1));
            add(&engine, CALLER);
            resolve(&engine, move |engine, request| {
                let mut change = engine.main().change();
                change.define("new", returns(request.name, 5).as_bytes());
                change.commit().unwrap();
                answers.then(|| Answer::Address((hundred as *const ()).into()))
            });
            let g: Plain = function(&engine, "g");
            // What was defined counts, whatever is answered then.
            assert_eq!((g(), g()), (6, 6));
            engine
                .replace("nowhere", returns("nowhere", 50).as_bytes())
                .unwrap();
            assert_eq!(g(), 51);
            if case.undoes() {
                engine.undo().unwrap();
                assert_eq!(g(), 6);
            }
            is_all_freed(&engine);
        }
    });
}

/// A change asks for a variable that its new body names; whoever answers can't change the same name
/// meanwhile, and others can.
#[test]
fn the_function_that_this_thread_is_changing() {
    static WHERE: AtomicI32 = AtomicI32::new(40);
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &(returns("f", 1) + &returns("other", 1)));
        let f: Plain = function(&engine, "f");
        let other: Plain = function(&engine, "other");
        assert_eq!((f(), other()), (1, 1));
        let asked = resolve(&engine, |engine, request| {
            if request.name != "where" {
                return None;
            }
            let refused = engine.replace("f", returns("f", 9).as_bytes());
            let Err(Error::Changing { name }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(&*name, "f");
            let body = returns("other", 2);
            engine.replace("other", body.as_bytes()).unwrap();
            Some(Answer::Address((WHERE.as_ptr() as *const ()).into()))
        });
        let body = b"@where = external global i32
            define i32 @f() {
              %x = load i32, ptr @where
              ret i32 %x
            }";
        engine.replace("f", body).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!((f(), other()), (40, 2));
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!((f(), other()), (1, 2));
            engine.undo().unwrap();
            assert_eq!((f(), other()), (1, 1));
        }
        is_all_freed(&engine);
    });
}

/// The resolver of an indirect function replaces what it is about to choose, or itself.
#[test]
fn within_an_indirect_functions_resolver() {
    in_each_case(|case| {
        for name in ["one", "choose"] {
            let engine = case.engine();
            add(
                &engine,
                "@data = global ptr null
                 declare void @act(ptr)
                 @f = ifunc i32 (), ptr @choose
                 define i32 @one() {
                   ret i32 1
                 }
                 define ptr @choose() {
                   %data = load ptr, ptr @data
                   call void @act(ptr %data)
                   ret ptr @one
                 }
                 define i32 @g() {
                   %x = call i32 @f()
                   ret i32 %x
                 }",
            );
            let mut replace = Act::new(|| {
                let body = match name {
                    "one" => returns("one", 2),
                    _ => "define ptr @choose() {\n ret ptr null\n}".to_owned(),
                };
                engine.replace(name, body.as_bytes()).unwrap();
                engine.reclaim();
            });
            write(&engine, "data", replace.data());
            let g: Plain = function(&engine, "g");
            let expected = if name == "one" { 2 } else { 1 };
            assert_eq!((g(), g()), (expected, expected));
            if case.undoes() {
                engine.undo().unwrap();
                assert_eq!(g(), 1);
            }
            is_all_freed(&engine);
        }
    });
}
