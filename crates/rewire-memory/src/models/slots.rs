//! A function that is called, replaced and removed.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::check;
use crate::slots::words::{Words, leads_to_engine};

/// Bodies are small numbers, one newer than the other.
const STUB: u64 = 1000;

struct Function {
    slot: AtomicU64,
    ready: AtomicU64,
    engine: Mutex<Engine>,
    /// Bodies up to this number are removed, and that was answered.
    removed: AtomicU64,
}

struct Engine {
    /// The body that calls should find.
    current: u64,
    given: bool,
}

impl Function {
    /// New, with a body that waits for the first call.
    fn with_ready(body: u64) -> Arc<Self> {
        let function = Arc::new(Self {
            slot: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            engine: Mutex::new(Engine {
                current: body,
                given: false,
            }),
            removed: AtomicU64::new(0),
        });
        function.words().store_new();
        assert!(function.replace(body, true));
        function
    }

    fn words(&self) -> Words<'_> {
        Words::new(&self.slot, &self.ready, STUB)
    }

    /// A call; the answer is the body that it ends in.
    fn call(&self) -> u64 {
        loop {
            let target = self.words().target();
            if !leads_to_engine(target, STUB) {
                return target;
            }
            if self.words().short_path() {
                continue;
            }
            let engine = self.engine.lock().unwrap();
            if leads_to_engine(self.words().target(), STUB) {
                self.words().store_target(engine.current);
            }
        }
    }

    /// A new body, made ahead of the first call or not.
    fn replace(&self, body: u64, is_ahead: bool) -> bool {
        let mut engine = self.engine.lock().unwrap();
        engine.current = body;
        self.words().store_body(&mut engine.given, body, is_ahead)
    }

    /// Removes all bodies before `next`, which is what later calls find.
    fn remove(&self, next: u64) {
        let mut engine = self.engine.lock().unwrap();
        engine.current = next;
        self.words().store_engine();
        drop(engine);
        self.removed.store(next - 1, Ordering::Release);
    }

    fn call_and_check(&self, times: usize) {
        let mut newest = 0;
        for _ in 0..times {
            let removed = self.removed.load(Ordering::Acquire);
            let body = self.call();
            assert!(body > removed, "{body} was removed");
            assert!(body >= newest, "{body} after {newest}");
            newest = body;
        }
    }
}

/// Two callers, while something happens; afterwards, calls find the newest body.
fn with_two_callers(interruptions: usize, newest: u64, change: fn(&Function)) {
    check(interruptions, move || {
        let function = Function::with_ready(1);
        let callers = [(); 2].map(|()| {
            let function = Arc::clone(&function);
            thread::spawn(move || function.call_and_check(2))
        });
        change(&function);
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(function.call(), newest);
    });
}

#[test]
fn a_ready_body_is_found_by_one_and_used_by_all() {
    with_two_callers(3, 1, |_| ());
}

#[test]
fn replaced_while_it_is_called_for_the_first_time() {
    with_two_callers(3, 2, |function| {
        function.replace(2, false);
    });
}

#[test]
fn replaced_by_a_body_made_ahead() {
    with_two_callers(3, 2, |function| {
        function.replace(2, true);
    });
}

#[test]
fn removed_while_it_is_called_for_the_first_time() {
    with_two_callers(3, 2, |function| function.remove(2));
}

#[test]
fn replaced_removed_and_made_again() {
    with_two_callers(2, 4, |function| {
        function.replace(2, true);
        function.remove(3);
        function.replace(4, true);
    });
}

#[test]
fn given_back_and_given_out_again() {
    check(3, || {
        let function = Function::with_ready(1);
        let other = Arc::clone(&function);
        let caller = thread::spawn(move || other.call_and_check(1));
        function.remove(2);
        caller.join().unwrap();
        // Nobody is in the first call's path any more.
        function.words().store_new();
        function.engine.lock().unwrap().given = false;
        assert!(function.replace(3, true));
        assert_eq!(function.call(), 3);
    });
}
