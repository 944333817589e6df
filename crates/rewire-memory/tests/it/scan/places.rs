//! Where a thread can be while it is in retired code.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rewire_memory::entry::on_engine_stack;
use rewire_memory::scan::{Unknown, scan};

use super::support::{
    Flags, Piece, Pieces, Running, Work, alone, busy, call, is_thread, sleep, spin, then_idle,
};

/// In the call piece, on the way to some work: held while it lasts, free afterwards.
fn assert_held_during(work: Work) {
    let pieces = Pieces::new();
    pieces.assert_free();
    let at = pieces.call.at();
    let running = Running::start(move |flags| call(at, work, flags.as_argument()));
    for _ in 0..20 {
        let scan = pieces.known();
        assert!(is_thread(scan.held[1].as_ref()), "{scan:?}");
        assert_eq!(scan.held[0], None);
        assert!(!scan.is_free(1) && scan.is_free(0));
    }
    running.stop();
    pieces.assert_free();
}

#[test]
fn a_thread_that_runs_in_the_code() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.spin.at();
    let running = Running::start(move |flags| spin(at, flags));
    for _ in 0..20 {
        let scan = pieces.known();
        assert!(is_thread(scan.held[0].as_ref()), "{scan:?}");
        assert_eq!(scan.held[1], None);
    }
    running.stop();
    pieces.assert_free();
}

#[test]
fn a_thread_that_left_the_code_and_lives_on() {
    let _alone = alone();
    let pieces = Pieces::new();
    let (spins, calls) = (pieces.spin.at(), pieces.call.at());
    let done = Arc::new(AtomicBool::new(false));
    let of_thread = done.clone();
    let running = Running::start(move |flags| {
        let work = |flags: &Flags| {
            call(calls, busy, flags.as_argument());
            spin(spins, flags);
        };
        then_idle(work, flags, &of_thread);
    });
    assert!(pieces.known().held[1].is_some());
    running.flags.leave.store(1, Ordering::SeqCst);
    while !done.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    pieces.assert_free();
    done.store(false, Ordering::SeqCst);
}

#[test]
fn a_thread_that_sleeps_below_the_code() {
    let _alone = alone();
    assert_held_during(sleep);
}

#[test]
fn a_thread_that_runs_below_the_code() {
    let _alone = alone();
    assert_held_during(busy);
}

/// It sleeps with its return address at one place and at another by turns, and leaves none behind:
/// what was read while it slept must not be taken for what is there now.
#[test]
fn a_thread_that_sleeps_and_wakes() {
    let _alone = alone();
    // push %rbx; push %r12; sub $8, %rsp; mov %rdi, %rbx; mov %rsi, %r12
    // 1: call *%rbx; movq $0, -8(%rsp); sub $8192, %rsp
    // call *%rbx; movq $0, -8(%rsp); add $8192, %rsp
    // cmpl $0, (%r12); je 1b; add $8, %rsp; pop %r12; pop %rbx; ret
    let piece = Piece::new(&[
        0x53, 0x41, 0x54, 0x48, 0x83, 0xec, 8, 0x48, 0x89, 0xfb, 0x49, 0x89, 0xf4, //
        0xff, 0xd3, 0x48, 0xc7, 0x44, 0x24, 0xf8, 0, 0, 0, 0, 0x48, 0x81, 0xec, 0, 0x20, 0,
        0, //
        0xff, 0xd3, 0x48, 0xc7, 0x44, 0x24, 0xf8, 0, 0, 0, 0, 0x48, 0x81, 0xc4, 0, 0x20, 0,
        0, //
        0x41, 0x83, 0x3c, 0x24, 0, 0x74, 0xd5, 0x48, 0x83, 0xc4, 8, 0x41, 0x5c, 0x5b, 0xc3,
    ]);
    extern "C" fn nap() {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 10_000,
        };
        // SAFETY: no time that remains is asked for.
        unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    }
    let at = piece.at();
    let running = Running::start(move |flags| {
        type Code = extern "C" fn(extern "C" fn(), *const AtomicU32);
        // SAFETY: the code is such a function. Timers of this thread are to be exact.
        unsafe {
            libc::prctl(libc::PR_SET_TIMERSLACK, 1);
            let code: Code = std::mem::transmute(at as *const ());
            flags.enter();
            code(nap, &raw const flags.leave);
        }
    });
    let suspects = [piece.suspect.clone()];
    // Until it is inside.
    while scan(&suspects).held[0].is_none() {}
    for _ in 0..400 {
        let scan = scan(&suspects);
        assert!(
            scan.held[0].is_some() || !scan.unknown.is_empty(),
            "{scan:?}"
        );
    }
    running.stop();
}

#[test]
fn code_below_a_deep_recursion_is_kept() {
    let _alone = alone();
    fn down(depth: usize, work: Work, argument: *mut c_void) {
        let space = std::hint::black_box([depth; 100]);
        if depth > 0 {
            down(depth - 1, work, argument);
        } else {
            work(argument);
        }
        std::hint::black_box(&space);
    }
    extern "C" fn and_sleep(argument: *mut c_void) {
        down(800, sleep, argument);
    }
    extern "C" fn and_run(argument: *mut c_void) {
        down(800, busy, argument);
    }
    assert_held_during(and_sleep);
    assert_held_during(and_run);
}

#[test]
fn an_engine_stack_above_the_code() {
    let _alone = alone();
    extern "C" fn and_sleep(argument: *mut c_void) {
        on_engine_stack(|| sleep(argument));
    }
    extern "C" fn and_run(argument: *mut c_void) {
        on_engine_stack(|| busy(argument));
    }
    assert_held_during(and_sleep);
    assert_held_during(and_run);
}

#[test]
fn code_on_an_engine_stack() {
    let _alone = alone();
    for work in [sleep as Work, busy] {
        let pieces = Pieces::new();
        let at = pieces.call.at();
        let running = Running::start(move |flags| {
            on_engine_stack(|| call(at, work, flags.as_argument()));
        });
        assert!(is_thread(pieces.known().held[1].as_ref()));
        running.stop();
        pieces.assert_free();
    }
}

/// An alternate stack for the signals of one thread.
struct AlternateStack(*mut c_void);

impl AlternateStack {
    const SIZE: usize = 64 << 10;

    fn new() -> Self {
        // SAFETY: a fresh private mapping, which stays until the thread uses another.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                Self::SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            let stack = libc::stack_t {
                ss_sp: start,
                ss_flags: 0,
                ss_size: Self::SIZE,
            };
            assert_eq!(libc::sigaltstack(&raw const stack, std::ptr::null_mut()), 0);
            Self(start)
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: the thread doesn't use it any more.
        unsafe {
            let mut none: libc::stack_t = std::mem::zeroed();
            none.ss_flags = libc::SS_DISABLE;
            libc::sigaltstack(&raw const none, std::ptr::null_mut());
            libc::munmap(self.0, Self::SIZE);
        }
    }
}

thread_local! {
    static IN_HANDLER: std::cell::Cell<(Option<Work>, *mut c_void)> =
        const { std::cell::Cell::new((None, std::ptr::null_mut())) };
}

extern "C" fn handler(_signal: i32) {
    if let (Some(work), argument) = IN_HANDLER.get() {
        work(argument);
    }
}

fn install_handler() {
    // SAFETY: zeroed bytes are a valid `sigaction`, and the handler has the right type.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
    }
}

fn in_handler(work: Work, argument: *mut c_void) {
    let _stack = AlternateStack::new();
    IN_HANDLER.set((Some(work), argument));
    // SAFETY: a handler stands.
    unsafe { libc::raise(libc::SIGUSR1) };
}

#[test]
fn a_handler_on_an_alternate_stack_above_the_code() {
    let _alone = alone();
    install_handler();
    extern "C" fn and_sleep(argument: *mut c_void) {
        in_handler(sleep, argument);
    }
    extern "C" fn and_run(argument: *mut c_void) {
        in_handler(busy, argument);
    }
    assert_held_during(and_sleep);
    assert_held_during(and_run);
}

#[test]
fn code_in_a_handler_on_an_alternate_stack() {
    let _alone = alone();
    install_handler();
    static AT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    extern "C" fn code_and_sleep(argument: *mut c_void) {
        call(AT.load(Ordering::SeqCst), sleep, argument);
    }
    extern "C" fn code_and_run(argument: *mut c_void) {
        call(AT.load(Ordering::SeqCst), busy, argument);
    }
    extern "C" fn code_and_engine(argument: *mut c_void) {
        call(AT.load(Ordering::SeqCst), on_engine, argument);
    }
    extern "C" fn on_engine(argument: *mut c_void) {
        on_engine_stack(|| sleep(argument));
    }
    for work in [code_and_sleep as Work, code_and_run, code_and_engine] {
        let pieces = Pieces::new();
        AT.store(pieces.call.at(), Ordering::SeqCst);
        let running = Running::start(move |flags| in_handler(work, flags.as_argument()));
        assert!(is_thread(pieces.known().held[1].as_ref()));
        running.stop();
        pieces.assert_free();
    }
}

#[test]
fn a_thread_that_blocks_signals() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.spin.at();
    let second = Arc::new(Flags::default());
    let of_thread = second.clone();
    let running = Running::start(move |flags| {
        // SAFETY: changes this thread's own mask.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            spin(at, flags);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        }
        spin(at, &of_thread);
    });
    let scan = pieces.scan();
    let unknown = &scan.unknown[..];
    assert!(
        matches!(unknown, [Unknown::BlocksSignal { name, .. }] if name == "running"),
        "{scan:?}"
    );
    assert!(!scan.is_free(0) && !scan.is_free(1));
    running.flags.leave.store(1, Ordering::SeqCst);
    second.wait_until_entered();
    assert!(is_thread(pieces.known().held[0].as_ref()));
    second.leave.store(1, Ordering::SeqCst);
    running.stop();
    pieces.assert_free();
}
