//! Functions that others than compiled callers enter: through tables, as `main`, as constructors,
//! as threads, as signal handlers; and functions that are being compiled.

use std::ffi::c_void;
use std::ptr;
use std::sync::Barrier;

use rewire::Error;

use super::{
    Act, Case, Plain, Turns, WithData, add, function, in_each_case, in_process, is_all_freed,
    on_fresh_thread, read, reclaim_all, returns, say, undo_all, write,
};

#[test]
fn a_function_whose_address_is_in_a_table() {
    in_each_case(|case| {
        let engine = case.engine();
        add(
            &engine,
            &(returns("f", 1)
                + &returns("g", 2)
                + "@table = global [2 x ptr] [ptr @f, ptr @g]
                 define i32 @call(i64 %i) {
                   %p = getelementptr [2 x ptr], ptr @table, i64 0, i64 %i
                   %function = load ptr, ptr %p
                   %x = call i32 %function()
                   ret i32 %x
                 }
                 define i32 @same() {
                   %function = load ptr, ptr @table
                   %is = icmp eq ptr %function, @f
                   %x = zext i1 %is to i32
                   ret i32 %x
                 }"),
        );
        let call: extern "C-unwind" fn(i64) -> i32 = function(&engine, "call");
        let same: Plain = function(&engine, "same");
        assert_eq!((call(0), call(1), same()), (1, 2, 1));
        engine.replace("f", returns("f", 10).as_bytes()).unwrap();
        assert_eq!((call(0), call(1), same()), (10, 2, 1));
        let mut change = engine.main().change();
        change.remove("g");
        let Err(Error::InUse { users, .. }) = change.commit() else {
            panic!("the table names it");
        };
        assert_eq!(users, ["table"]);
        let mut change = engine.main().change();
        change.remove("g").force();
        change.commit().unwrap();
        // What the table leads to is the engine, until something defines the name anew.
        add(&engine, &returns("g", 20));
        assert_eq!((call(0), call(1), same()), (10, 20, 1));
        if case.undoes() {
            // `g` of the new unit isn't part of a change.
            let changed = engine.undo().unwrap();
            assert_eq!(&*changed.replaced[0].name, "g");
            assert_eq!((call(0), call(1), same()), (10, 2, 1));
            engine.undo().unwrap();
            assert_eq!((call(0), call(1), same()), (1, 2, 1));
        }
        is_all_freed(&engine);
        assert_eq!(same(), 1);
    });
}

const MAIN: &str = "declare void @act(ptr)
    declare void @say(i32)
    @data = global ptr null
    define i32 @main(i32 %n, ptr %argv) {
      call void @say(i32 1)
      %none = icmp eq i32 %n, 0
      br i1 %none, label %out, label %more
    more:
      %data = load ptr, ptr @data
      call void @act(ptr %data)
      call void @say(i32 2)
      %x = call i32 @main(i32 0, ptr null)
      ret i32 %x
    out:
      ret i32 7
    }";

#[test]
fn a_main_function_that_replaces_itself() {
    in_process(
        "changing::entries::a_main_function_that_replaces_itself",
        &[1, 2, 3, 5, 1, 7],
        |level| {
            let engine = Case::new(level, 8).engine();
            add(&engine, MAIN);
            let mut replace = Act::new(|| {
                let body = b"declare void @say(i32)
                    define i32 @main(i32 %n, ptr %argv) {
                      call void @say(i32 3)
                      ret i32 5
                    }";
                engine.replace("main", body).unwrap();
                assert_eq!(engine.reclaim().bytes, 0);
            });
            write(&engine, "data", replace.data());
            // SAFETY: the arrays are static, the program is harmless.
            let status = unsafe {
                static NONE: [usize; 1] = [0];
                let none = NONE.as_ptr().cast();
                engine.run_main("main", 1, none, none).unwrap()
            };
            say(status);
            engine.undo().unwrap();
            say(function::<extern "C" fn(i32) -> i32>(&engine, "main")(0));
            is_all_freed(&engine);
        },
    );
}

fn constructor(value: i32) -> String {
    format!(
        "@llvm.global_ctors = appending global [1 x {{ i32, ptr, ptr }}]
           [{{ i32, ptr, ptr }} {{ i32 65535, ptr @init, ptr null }}]
         {}",
        initialiser(value)
    )
}

fn initialiser(value: i32) -> String {
    format!(
        "declare void @act(ptr)
         @count = external global i32
         @data = external global ptr
         define void @init() {{
           %data = load ptr, ptr @data
           call void @act(ptr %data)
           %old = load i32, ptr @count
           %new = add i32 %old, {value}
           store i32 %new, ptr @count
           ret void
         }}"
    )
}

#[test]
fn a_constructor() {
    in_each_case(|case| {
        for replaces_before in [false, true] {
            let engine = case.engine();
            add(&engine, "@count = global i32 0\n@data = global ptr null");
            add(&engine, &constructor(1));
            let count = || read::<i32>(&engine, "count");
            let mut replace = Act::new(|| {
                write(&engine, "data", ptr::null_mut::<c_void>());
                engine.replace("init", initialiser(10).as_bytes()).unwrap();
                engine.reclaim();
            });
            if replaces_before {
                engine.replace("init", initialiser(100).as_bytes()).unwrap();
            }
            write(&engine, "data", replace.data());
            // SAFETY: the constructors are harmless.
            on_fresh_thread(|| unsafe { engine.run_constructors().unwrap() });
            let first = if replaces_before { 100 } else { 1 };
            assert_eq!(count(), first);
            let init: extern "C-unwind" fn() = function(&engine, "init");
            init();
            assert_eq!(count(), first + 10);
            if case.undoes() {
                engine.undo().unwrap();
                init();
                assert_eq!(count(), first + 10 + first);
                undo_all(&engine);
            }
            is_all_freed(&engine);
        }
    });
}

fn start_routine(value: i64) -> String {
    format!(
        "declare void @act(ptr)
         define ptr @start(ptr %data) {{
           call void @act(ptr %data)
           %x = inttoptr i64 {value} to ptr
           ret ptr %x
         }}"
    )
}

#[test]
fn a_thread_that_runs_or_is_about_to() {
    in_each_case(|case| {
        let engine = case.engine();
        add(
            &engine,
            &(start_routine(1)
                + "declare i32 @pthread_create(ptr, ptr, ptr, ptr)
                 declare i32 @pthread_join(i64, ptr)
                 define i64 @spawn(ptr %before, ptr %data) {
                   %thread = alloca i64
                   call void @act(ptr %before)
                   %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @start, ptr %data)
                   %x = load i64, ptr %thread
                   ret i64 %x
                 }
                 define i64 @join(i64 %thread) {
                   %result = alloca i64
                   %failed = call i32 @pthread_join(i64 %thread, ptr %result)
                   %x = load i64, ptr %result
                   ret i64 %x
                 }"),
        );
        let spawn: extern "C-unwind" fn(*mut c_void, *mut c_void) -> i64 =
            function(&engine, "spawn");
        let join: extern "C-unwind" fn(i64) -> i64 = function(&engine, "join");
        let replace = |value| {
            engine
                .replace("start", start_routine(value).as_bytes())
                .unwrap();
        };
        let none = ptr::null_mut();
        on_fresh_thread(|| {
            let none = ptr::null_mut();
            assert_eq!(join(spawn(none, none)), 1);
        });
        let turns = Turns::default();
        let mut wait = Act::new(|| {
            turns.reach(1);
            turns.await_step(2);
        });
        let thread = spawn(none, wait.data());
        turns.await_step(1);
        // The thread is in the body that is replaced now.
        replace(2);
        let reclaimed = engine.reclaim();
        if !case.undoes() {
            assert_eq!(reclaimed.left.len(), 1, "{reclaimed:?}");
        }
        turns.reach(2);
        assert_eq!(join(thread), 1);
        // Its address was taken, and it wasn't called.
        let mut before = Act::new(|| replace(3));
        assert_eq!(join(spawn(before.data(), none)), 3);
        is_all_freed(&engine);
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!(join(spawn(none, none)), 2);
            engine.undo().unwrap();
            assert_eq!(join(spawn(none, none)), 1);
            is_all_freed(&engine);
        }
    });
}

/// `sigaction` of x86-64's C library: the handler, the mask, the flags, the restorer.
const INSTALL: &str = "%action = type { ptr, [16 x i64], i32, ptr }
    @data = global ptr null
    @seen = global i32 0
    declare i32 @sigaction(i32, ptr, ptr)
    declare i32 @raise(i32)
    define i32 @install(i32 %signal) {
      %action = alloca %action
      store %action zeroinitializer, ptr %action
      store ptr @handler, ptr %action
      %failed = call i32 @sigaction(i32 %signal, ptr %action, ptr null)
      ret i32 %failed
    }
    define i32 @interrupt(i32 %signal) {
      %failed = call i32 @raise(i32 %signal)
      %x = load i32, ptr @seen
      ret i32 %x
    }\n";

fn handler(value: i32) -> String {
    format!(
        "declare void @act(ptr)
         {}
         define void @handler(i32 %signal) {{
           %data = load ptr, ptr @data
           call void @act(ptr %data)
           store i32 {value}, ptr @seen
           ret void
         }}",
        if value == 1 {
            ""
        } else {
            "@data = external global ptr\n@seen = external global i32"
        }
    )
}

#[test]
fn a_signal_handler() {
    in_process(
        "changing::entries::a_signal_handler",
        &[1, 1, 2, 1],
        |level| {
            let engine = Case::new(level, 8).engine();
            add(&engine, &(INSTALL.to_owned() + &handler(1)));
            let install: extern "C-unwind" fn(i32) -> i32 = function(&engine, "install");
            let interrupt: extern "C-unwind" fn(i32) -> i32 = function(&engine, "interrupt");
            assert_eq!(install(libc::SIGUSR1), 0);
            say(on_fresh_thread(|| interrupt(libc::SIGUSR1)));
            let turns = Turns::default();
            let mut wait = Act::new(|| {
                turns.reach(1);
                turns.await_step(2);
            });
            write(&engine, "data", wait.data());
            std::thread::scope(|scope| {
                let inside = scope.spawn(|| interrupt(libc::SIGUSR1));
                turns.await_step(1);
                engine.replace("handler", handler(2).as_bytes()).unwrap();
                // The other thread's handler is in the body, on a frame of the kernel's.
                assert_eq!(engine.reclaim().bytes, 0);
                write(&engine, "data", ptr::null_mut::<c_void>());
                turns.reach(2);
                say(inside.join().unwrap());
            });
            say(on_fresh_thread(|| interrupt(libc::SIGUSR1)));
            engine.undo().unwrap();
            say(on_fresh_thread(|| interrupt(libc::SIGUSR1)));
            is_all_freed(&engine);
        },
    );
}

/// A signal may come while the program holds a lock that compiling needs.
#[test]
fn what_a_signal_handler_runs_has_code_after_every_change() {
    in_each_case(|case| {
        let engine = case.engine();
        let handler = "define i32 @mark() noinline {
                         ret i32 1
                       }
                       define i32 @next() noinline {
                         ret i32 5
                       }
                       define void @handler(i32 %signal) {
                         %x = call i32 @mark()
                         store i32 %x, ptr @seen
                         ret void
                       }";
        add(&engine, &(INSTALL.to_owned() + handler));
        let install: extern "C-unwind" fn(i32) -> i32 = function(&engine, "install");
        let has_code = |name: &str| engine.state(name).unwrap().address.is_some();
        assert_eq!(install(libc::SIGUSR2), 0);
        assert!(has_code("handler") && has_code("mark"));
        assert!(engine.main().unload("handler").unwrap());
        assert!(engine.main().unload("mark").unwrap());
        assert!(has_code("handler") && has_code("mark"));
        let mark = "declare i32 @next()
                    define i32 @mark() noinline {
                      %x = call i32 @next()
                      ret i32 %x
                    }";
        engine.replace("mark", mark.as_bytes()).unwrap();
        assert!(has_code("handler") && has_code("mark") && has_code("next"));
        let interrupt: extern "C-unwind" fn(i32) -> i32 = function(&engine, "interrupt");
        assert_eq!(interrupt(libc::SIGUSR2), 5);
        if case.undoes() {
            engine.undo().unwrap();
            assert!(has_code("handler") && has_code("mark"));
            assert_eq!(interrupt(libc::SIGUSR2), 1);
        }
        // SAFETY: the signal's default disposition.
        unsafe { libc::signal(libc::SIGUSR2, libc::SIG_DFL) };
    });
}

/// The thread that calls `f` for the first time and the one that replaces it begin at once.
#[test]
fn a_function_that_another_thread_compiles() {
    let body = |value: i32| {
        let mut ir = String::from("define i32 @f() {\n %v0 = load volatile i32, ptr @zero\n");
        for i in 0..40 {
            ir.push_str(&format!(" %v{} = add i32 %v{i}, {i}\n", i + 1));
        }
        ir + &format!(" %x = add i32 %v40, {value}\n ret i32 %x\n}}\n")
    };
    let sum: i32 = (0..40).sum();
    in_each_case(|case| {
        for threads in [0; 25].into_iter().chain([2; 25]) {
            on_fresh_thread(|| {
                let engine = case.with_threads(threads).engine();
                add(
                    &engine,
                    &("@zero = global i32 0
                     define i32 @g() {
                       %x = call i32 @f()
                       ret i32 %x
                     }\n"
                    .to_owned()
                        + &body(1)),
                );
                let g: Plain = function(&engine, "g");
                let start = Barrier::new(2);
                let first = std::thread::scope(|scope| {
                    let first = scope.spawn(|| {
                        start.wait();
                        g() - sum
                    });
                    start.wait();
                    let new = "@zero = external global i32\n".to_owned() + &body(2);
                    engine.replace("f", new.as_bytes()).unwrap();
                    assert_eq!(g() - sum, 2);
                    first.join().unwrap()
                });
                assert!(first == 1 || first == 2, "{first}");
                assert_eq!(g() - sum, 2);
                if case.undoes() {
                    engine.undo().unwrap();
                    assert_eq!(g() - sum, 1);
                }
                is_all_freed(&engine);
            });
        }
    });
}

/// A body whose IR the client is making, while another thread gives the name another one.
#[test]
fn a_function_that_is_being_made() {
    in_each_case(|case| {
        let engine = case.engine();
        let turns = std::sync::Arc::new(Turns::default());
        let making = turns.clone();
        let make = move || {
            making.reach(1);
            making.await_step(2);
            Ok(returns("f", 1).into_bytes())
        };
        engine.main().define_lazily("f", make).unwrap();
        let g = {
            add(
                &engine,
                "declare i32 @f()
                 define i32 @g() {
                   %x = call i32 @f()
                   ret i32 %x
                 }",
            );
            function::<Plain>(&engine, "g")
        };
        let first = std::thread::scope(|scope| {
            let first = scope.spawn(|| g());
            turns.await_step(1);
            let mut change = engine.main().change();
            change.define("new", returns("f", 2).as_bytes());
            change.commit().unwrap();
            assert_eq!(g(), 2);
            turns.reach(2);
            first.join().unwrap()
        });
        assert_eq!((first, g()), (2, 2));
        is_all_freed(&engine);
    });
}

/// The body that is replaced while it runs is far up the stack, with others of its kind.
#[test]
fn a_function_that_replaces_itself_in_each_of_its_frames() {
    in_each_case(|case| {
        let body = |value: i32| {
            format!(
                "declare void @act(ptr)
                 define i32 @f(ptr %data) {{
                   call void @act(ptr %data)
                   ret i32 {value}
                 }}"
            )
        };
        let engine = case.engine();
        add(&engine, &body(0));
        on_fresh_thread(|| {
            let f: WithData = function(&engine, "f");
            let results = std::cell::RefCell::new(Vec::new());
            let depth = std::cell::Cell::new(0);
            let this = std::cell::Cell::new(ptr::null_mut());
            let mut nested = Act::new(|| {
                let now = depth.get() + 1;
                depth.set(now);
                if now > 8 {
                    return;
                }
                engine.replace("f", body(now).as_bytes()).unwrap();
                let result = f(this.get());
                results.borrow_mut().push(result);
            });
            this.set(nested.data());
            assert_eq!(f(nested.data()), 0);
            drop(nested);
            assert_eq!(results.into_inner(), [8, 7, 6, 5, 4, 3, 2, 1]);
            if case.undoes() {
                for value in (0..8).rev() {
                    engine.undo().unwrap();
                    assert_eq!(f(ptr::null_mut()), value);
                }
            }
        });
        on_fresh_thread(|| reclaim_all(&engine));
    });
}
