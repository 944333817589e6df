//! Under ThreadSanitizer (`cargo xtask tsan`) these tests are a program that runs the stress.
//!
//! The test harness passes results from thread to thread by parts of the standard library that
//! ThreadSanitizer can't follow, so there is a `main` without it.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int};
use std::thread;

use rewire_memory::ExecAddr;
use rewire_memory::scan::scan;
use rewire_sync::Mutex;

use crate::{contending, stress};

/// # Safety
///
/// As the C library calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    // SAFETY: there are as many as the count says.
    let asked = (count > 1).then(|| unsafe { CStr::from_ptr(*arguments.add(1)) });
    match asked.map(CStr::to_bytes) {
        Some(b"race") => race(),
        Some(b"inversion") => inversion(),
        _ => stress(),
    }
    0
}

fn stress() {
    // The first look at stacks finds out where the sanitizer's code is. That takes seconds
    // beside other threads, during which nothing would be freed.
    let somewhere = ExecAddr::new(main as *const () as u64);
    let _ = scan(&[somewhere..somewhere + 1]);
    stress::calls_replacements_and_removals_at_once();
    stress::calls_replacements_and_removals_that_are_remembered();
    contending::changes_and_undos_of_the_same_names_at_once();
}

static LOCKS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

/// A race, by which `cargo xtask tsan` sees that races are found: two threads write a variable,
/// each with a lock of its own held.
fn race() {
    struct Raced(UnsafeCell<u32>);
    // SAFETY: it isn't; that is what it is for.
    unsafe impl Sync for Raced {}
    static RACED: Raced = Raced(UnsafeCell::new(0));
    let threads = LOCKS.each_ref().map(|lock| {
        thread::spawn(move || {
            let _locked = lock.lock();
            // SAFETY: as above.
            unsafe { *RACED.0.get() += 1 };
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Two locks in two orders, which would be a deadlock if it happened at once.
fn inversion() {
    for order in [[0, 1], [1, 0]] {
        let _locked = order.map(|lock| LOCKS[lock].lock());
    }
}
