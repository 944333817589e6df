//! A fork beside whatever else goes on in engines comes to an end, and its child finds engines that
//! work: nobody waits for the fork whom the fork waits for.

use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::Duration;

use rewire::{Answer, Engine, Options, Request};

type Plain = extern "C" fn() -> i32;

/// Nothing here takes as long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// `count` functions `f0`, `f1`, ..., of which each returns its number modulo 100.
fn functions(count: usize) -> String {
    let one = |number| {
        format!(
            "define i32 @f{number}() {{\n ret i32 {}\n}}\n",
            number % 100
        )
    };
    (0..count).map(one).collect()
}

fn engine(threads: usize, ir: &str) -> Engine {
    let engine = Engine::new(Options {
        threads,
        ..Options::default()
    });
    let engine = engine.unwrap();
    engine.add_ir("test.ll", ir.as_bytes()).unwrap();
    engine
}

fn pointer(engine: &Engine, name: &str) -> Plain {
    let address = engine.lookup(name).unwrap().get();
    // SAFETY: it has this type, and the test keeps the engine.
    unsafe { std::mem::transmute(address as *const ()) }
}

/// Forks; the answer is what the child's work returned.
fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child does its work and ends by `_exit`.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::alarm(LIMIT.as_secs() as u32);
            libc::_exit(work());
        }
        let mut status = -1;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status), "the child ended with {status:x}");
        libc::WEXITSTATUS(status)
    }
}

/// Does something on another thread, which must come to an end.
fn in_time<R: Send + 'static>(what: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = channel();
    thread::spawn(move || done.send(work()));
    let result = result.recv_timeout(LIMIT);
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// A resolver that says when it is asked, and answers when it is told to.
struct Waiting {
    asked: Receiver<()>,
    go_on: Sender<()>,
}

impl Waiting {
    fn for_name(engine: &Engine, wanted: &'static str) -> Self {
        let (ask, asked) = channel();
        let (go_on, may_go_on) = channel();
        let parent = std::process::id();
        let ends = Mutex::new((ask, may_go_on));
        engine.main().resolve_with(move |request: &Request<'_>| {
            if request.name != wanted {
                return None;
            }
            // The child of a fork has nobody to wait for.
            if std::process::id() == parent {
                let ends = ends.lock().unwrap();
                ends.0.send(()).unwrap();
                ends.1.recv().unwrap();
            }
            let ir = format!("define i32 @{wanted}() {{\n ret i32 42\n}}");
            Some(Answer::ir("answer.ll", ir))
        });
        Self { asked, go_on }
    }
}

const ASKS: &str = "declare i32 @wanted()
    define i32 @asks() {
      %x = call i32 @wanted()
      ret i32 %x
    }
    define i32 @also() {
      %x = call i32 @wanted()
      %y = add i32 %x, 1
      ret i32 %y
    }";

#[test]
fn a_resolver_waits_for_a_thread_that_comes_after_the_fork() {
    for threads in [0, 2] {
        let engine = engine(threads, &(functions(10) + ASKS));
        let waiting = Waiting::for_name(&engine, "wanted");
        let asks = pointer(&engine, "asks");
        let caller = thread::spawn(move || asks());
        waiting.asked.recv_timeout(LIMIT).unwrap();
        // Somebody waits for that thread.
        let also = pointer(&engine, "also");
        let second = thread::spawn(move || also());
        let fresh = pointer(&engine, "f3");
        let child = in_time("the fork", move || in_child(|| fresh() + asks() + also()));
        assert_eq!(child, 3 + 42 + 43);
        assert_eq!(in_time("a first call", move || fresh()), 3);
        waiting.go_on.send(()).unwrap();
        assert_eq!(caller.join().unwrap(), 42);
        assert_eq!(second.join().unwrap(), 43);
    }
}

#[test]
fn a_change_waits_for_a_resolver_while_others_fork() {
    let engine = engine(0, &(functions(10) + ASKS));
    let waiting = Waiting::for_name(&engine, "other");
    let f1 = pointer(&engine, "f1");
    assert_eq!(f1(), 1);
    let body = "declare i32 @other()
        @table = constant ptr @other
        define i32 @f1() {
          %p = load ptr, ptr @table
          %x = call i32 %p()
          ret i32 %x
        }";
    let changing = engine.clone();
    let change = thread::spawn(move || {
        let mut change = changing.main().change();
        change.define("body.ll", body.as_bytes());
        change.commit().map(drop)
    });
    // Whether the name is asked for in the change or when it is called: nobody hangs, and the child
    // can replace what its parent was replacing.
    let was_asked = waiting.asked.recv_timeout(Duration::from_secs(1)).is_ok();
    let in_fork = engine.clone();
    let child = in_time("the fork", move || {
        in_child(|| {
            let replaced = in_fork.replace("f1", b"define i32 @f1() {\n ret i32 7\n}");
            replaced.map_or(99, |_| f1())
        })
    });
    assert_eq!(child, 7);
    if was_asked {
        waiting.go_on.send(()).unwrap();
    }
    change.join().unwrap().unwrap();
    if !was_asked {
        waiting.go_on.send(()).unwrap();
    }
    assert_eq!(f1(), 42);
}

/// The compiled function that the host's handlers call.
static CALLED: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn handler() {
    let called = CALLED.swap(std::ptr::null_mut(), Ordering::AcqRel);
    if !called.is_null() {
        // SAFETY: it is a function of this type.
        let called: Plain = unsafe { std::mem::transmute(called) };
        called();
    }
}

#[test]
fn handlers_of_the_host_call_functions_for_the_first_time() {
    static REGISTERED: Once = Once::new();
    // SAFETY: the handler lives as long as the process.
    REGISTERED.call_once(|| unsafe {
        libc::pthread_atfork(Some(handler), Some(handler), Some(handler));
    });
    let engine = engine(1, &functions(10));
    for number in 0..5 {
        let name = format!("f{number}");
        CALLED.store(pointer(&engine, &name) as *mut (), Ordering::Release);
        let fresh = pointer(&engine, &format!("f{}", number + 5));
        assert_eq!(
            in_time("the fork", move || in_child(|| fresh())),
            number + 5
        );
    }
}

#[test]
fn engines_are_made_and_dropped_beside_forks() {
    const FORKS: usize = 60;
    for threads in [0, 1] {
        let kept = engine(threads, &functions(FORKS));
        let is_over = Arc::new(AtomicBool::new(false));
        let makers: Vec<_> = (0..2)
            .map(|_| {
                let is_over = is_over.clone();
                thread::spawn(move || {
                    while !is_over.load(Ordering::Acquire) {
                        let engine = engine(threads, "declare i32 @f1()\n");
                        engine.add_ir("x.ll", functions(2).as_bytes()).unwrap();
                        assert_eq!(pointer(&engine, "f1")(), 1);
                    }
                })
            })
            .collect();
        let forked = kept.clone();
        in_time("the forks", move || {
            for number in 0..FORKS {
                let fresh = pointer(&forked, &format!("f{number}"));
                assert_eq!(in_child(|| fresh()), (number % 100) as i32);
            }
        });
        is_over.store(true, Ordering::Release);
        for maker in makers {
            maker.join().unwrap();
        }
    }
}
