//! The scanning thread itself, and processes that forked.

use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::mpsc;

use rewire_memory::entry::on_engine_stack;
use rewire_memory::scan::{self, Scan, scan};

use super::support::{Pieces, Running, Work, alone, busy, call, is_thread, sleep};

/// What a scan says that is made by this work itself, called from the code.
fn scan_from_within(work: Work) -> (Scan, Scan) {
    static ASKED: Mutex<Option<(Vec<SuspectRange>, mpsc::Sender<Scan>)>> = Mutex::new(None);
    type SuspectRange = std::ops::Range<rewire_memory::ExecAddr>;
    extern "C" fn in_code(_nothing: *mut c_void) {
        let asked = ASKED.lock().unwrap();
        let (suspects, sender) = asked.as_ref().unwrap();
        sender.send(scan(suspects)).unwrap();
    }
    extern "C" fn run(work: *mut c_void) {
        // SAFETY: `work` is one.
        let work: Work = unsafe { std::mem::transmute(work) };
        work(in_code as *mut c_void);
    }
    let pieces = Pieces::new();
    let at = pieces.call.at();
    let (sender, receiver) = mpsc::channel();
    *ASKED.lock().unwrap() = Some((pieces.suspects(), sender));
    let running = Running::start(move |flags| {
        call(at, run, work as *mut c_void);
        flags.enter();
    });
    running.stop();
    *ASKED.lock().unwrap() = None;
    (receiver.recv().unwrap(), pieces.known())
}

extern "C" fn at_once(scanning: *mut c_void) {
    // SAFETY: it is a function of this type.
    let scanning: Work = unsafe { std::mem::transmute(scanning) };
    scanning(std::ptr::null_mut());
}

extern "C" fn on_engine(scanning: *mut c_void) {
    on_engine_stack(|| at_once(scanning));
}

#[test]
fn a_thread_that_scans_from_the_code() {
    let _alone = alone();
    for work in [at_once as Work, on_engine] {
        let (within, after) = scan_from_within(work);
        assert_eq!(within.unknown, []);
        assert!(is_thread(within.held[1].as_ref()), "{within:?}");
        assert_eq!(within.held[0], None);
        assert_eq!(after.held, [None, None]);
    }
}

/// Runs in a child process; true if it says so.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the locks that the child needs are held by nobody while it forks; it ends without
    // running what the parent registered.
    unsafe {
        let held = scan::hold_for_fork();
        let child = libc::fork();
        drop(held);
        if child == 0 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            libc::_exit(i32::from(!result.unwrap_or(false)));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

type Suspects = [std::ops::Range<rewire_memory::ExecAddr>];

/// Not copied: no copy must be on a stack of a thread that a child has.
static SUSPECTS: Mutex<&'static Suspects> = Mutex::new(&[]);

/// What a scan in a child says, by its own thread, and in another child by another of its threads,
/// which sees the first asleep: both must fit.
///
/// Each child scans once, because a scan leaves addresses of its suspects on the stack. The other
/// thread is exempt, because it may get the stack of a thread that only the parent has.
fn child_sees(fits: fn(&Scan) -> bool) -> bool {
    fn is_fit(scan: &Scan, fits: fn(&Scan) -> bool) -> bool {
        if !fits(scan) {
            eprintln!("in the child: {scan:?}");
        }
        fits(scan)
    }
    let own = in_child(|| is_fit(&scan(*SUSPECTS.lock().unwrap()), fits));
    let other = in_child(|| {
        let other = std::thread::spawn(|| {
            let _exempt = scan::exempt_this_thread();
            scan(*SUSPECTS.lock().unwrap())
        });
        is_fit(&other.join().unwrap(), fits)
    });
    own && other
}

#[test]
fn a_child_has_one_thread() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.call.at();
    let held = Running::start(move |flags| call(at, busy, flags.as_argument()));
    assert!(pieces.known().held[1].is_some());
    *SUSPECTS.lock().unwrap() = pieces.suspects().leak();
    let forks = std::thread::spawn(|| {
        child_sees(|scan| scan.unknown.is_empty() && scan.held == [None, None])
    });
    assert!(forks.join().unwrap());
    held.stop();
}

/// In the child, its thread has the number of a main thread, and a stack that isn't the main
/// thread's.
#[test]
fn a_child_of_another_thread() {
    let _alone = alone();
    let pieces = Pieces::new();
    *SUSPECTS.lock().unwrap() = pieces.suspects().leak();
    static RESULT: Mutex<bool> = Mutex::new(false);
    extern "C" fn fork_and_look(_nothing: *mut c_void) {
        let result = child_sees(|scan| scan.unknown.is_empty() && is_thread(scan.held[1].as_ref()));
        *RESULT.lock().unwrap() = result;
    }
    extern "C" fn on_engine(nothing: *mut c_void) {
        on_engine_stack(|| fork_and_look(nothing));
    }
    let at = pieces.call.at();
    for work in [fork_and_look as Work, on_engine] {
        let running = Running::start(move |flags| {
            call(at, work, std::ptr::null_mut());
            flags.enter();
        });
        running.stop();
        assert!(*RESULT.lock().unwrap());
    }
    pieces.assert_free();
}

#[test]
fn exempt_threads_are_skipped() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.call.at();
    for work in [sleep as Work, busy] {
        let running = Running::start(move |flags| {
            let _exempt = scan::exempt_this_thread();
            call(at, work, flags.as_argument());
        });
        assert_eq!(pieces.known().held[1], None);
        running.stop();
    }
    let running = Running::start(move |flags| {
        drop(scan::exempt_this_thread());
        call(at, sleep, flags.as_argument());
    });
    assert!(pieces.known().held[1].is_some());
    running.stop();
}
