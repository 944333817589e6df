//! Code with frames on stacks that aren't a thread's own.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rewire_memory::ExecAddr;
use rewire_memory::entry::on_engine_stack;
use rewire_memory::scan::{self, Holder, Unknown};

use super::support::{Flags, Piece, Pieces, Running, Work, alone, busy, call, is_thread, sleep};

type MakeContext = unsafe extern "C" fn(*mut libc::ucontext_t, extern "C" fn(), c_int, ...);

fn noted() -> MakeContext {
    // SAFETY: it is the C library's, with a note taken before.
    unsafe { std::mem::transmute(scan::makecontext().get() as *const ()) }
}

fn unnoted() -> MakeContext {
    // SAFETY: the types differ in the function's arguments alone.
    unsafe { std::mem::transmute(libc::makecontext as *const ()) }
}

const SIZE: usize = 64 << 10;

/// A coroutine with a stack of its own mapping.
struct Coroutine {
    stack: usize,
    own: Box<libc::ucontext_t>,
    caller: Box<libc::ucontext_t>,
    /// In what the coroutine calls work, and with what.
    code: usize,
    work: Work,
    argument: *mut c_void,
    over: bool,
}

thread_local! {
    static RUNNING: std::cell::Cell<*mut Coroutine> = const { std::cell::Cell::new(ptr::null_mut()) };
}

/// Both halves of a pointer, as variadic integers.
extern "C" fn body(high: c_int, low: c_int, seven: c_int, eight: c_int) {
    assert_eq!((seven, eight), (7, 8));
    let place = (high as u32 as usize) << 32 | low as u32 as usize;
    // SAFETY: `new` passed it, and it lives until it is over.
    let coroutine = unsafe { &mut *(place as *mut Coroutine) };
    call(coroutine.code, coroutine.work, coroutine.argument);
    coroutine.over = true;
    yield_now(ptr::null_mut());
}

/// Back to who resumed the coroutine.
#[inline(never)]
extern "C" fn yield_now(_argument: *mut c_void) {
    let coroutine = RUNNING.get();
    // SAFETY: it was set by `resume`, which waits for this.
    unsafe { libc::swapcontext(&raw mut *(*coroutine).own, &raw const *(*coroutine).caller) };
}

impl Coroutine {
    fn new(make: MakeContext, code: usize, work: Work, argument: *mut c_void) -> Box<Self> {
        // SAFETY: a fresh mapping; contexts are plain data that `getcontext` fills in.
        unsafe {
            let stack = libc::mmap(
                ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(stack, libc::MAP_FAILED);
            let mut coroutine = Box::new(Self {
                stack: stack as usize,
                own: Box::new(std::mem::zeroed()),
                caller: Box::new(std::mem::zeroed()),
                code,
                work,
                argument,
                over: false,
            });
            let place = &raw mut *coroutine as usize;
            let own = &raw mut *coroutine.own;
            libc::getcontext(own);
            (*own).uc_stack.ss_sp = stack;
            (*own).uc_stack.ss_size = SIZE;
            let body: extern "C" fn() = std::mem::transmute(body as *const ());
            make(own, body, 4, (place >> 32) as c_int, place as c_int, 7, 8);
            coroutine
        }
    }

    fn range(&self) -> std::ops::Range<ExecAddr> {
        ExecAddr::new(self.stack as u64)..ExecAddr::new((self.stack + SIZE) as u64)
    }

    fn resume(&mut self) {
        let before = RUNNING.replace(self);
        // SAFETY: it was made, or left by a switch.
        unsafe { libc::swapcontext(&raw mut *self.caller, &raw const *self.own) };
        RUNNING.set(before);
    }
}

impl Drop for Coroutine {
    fn drop(&mut self) {
        assert!(self.over || std::thread::panicking());
        // SAFETY: ours, and it has ended.
        unsafe { libc::munmap(self.stack as *mut c_void, SIZE) };
    }
}

#[test]
fn a_coroutine_that_waits() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.call.at();
    let running = Running::start(move |flags| {
        let mut coroutine = Coroutine::new(noted(), at, yield_now, ptr::null_mut());
        coroutine.resume();
        sleep(flags.as_argument());
        coroutine.resume();
    });
    for _ in 0..20 {
        let scan = pieces.known();
        assert!(matches!(scan.held[1], Some(Holder::Stack(_))), "{scan:?}");
        assert_eq!(scan.held[0], None);
    }
    running.stop();
    pieces.assert_free();
}

/// Its stack is registered; the scheduler's frames below it are in the code as well.
#[test]
fn a_coroutine_that_runs() {
    let _alone = alone();
    static INNER: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn schedule(argument: *mut c_void) {
        // SAFETY: the test passes flags and a choice.
        let (work, flags) = unsafe { *argument.cast::<(Work, *mut c_void)>() };
        let mut coroutine = Coroutine::new(noted(), INNER.load(Ordering::SeqCst), work, flags);
        coroutine.resume();
        // Not on an engine stack any more.
    }
    extern "C" fn on_engine(argument: *mut c_void) {
        on_engine_stack(|| sleep(argument));
    }
    for work in [sleep as Work, busy, on_engine] {
        let (outer, inner) = (Pieces::new(), Pieces::new());
        INNER.store(inner.call.at(), Ordering::SeqCst);
        let at = outer.call.at();
        let running = Running::start(move |flags| {
            let mut argument = (work, flags.as_argument());
            call(at, schedule, (&raw mut argument).cast());
        });
        for _ in 0..20 {
            let scan = outer.known();
            assert!(is_thread(scan.held[1].as_ref()), "{scan:?}");
            assert!(inner.known().held[1].is_some());
        }
        running.stop();
        outer.assert_free();
        inner.assert_free();
    }
}

#[test]
fn a_stack_that_nobody_registered() {
    let _alone = alone();
    for work in [sleep as Work, busy] {
        let pieces = Pieces::new();
        let at = pieces.call.at();
        let stack = std::sync::Arc::new(AtomicUsize::new(0));
        let of_thread = stack.clone();
        let running = Running::start_only(move |flags| {
            let mut coroutine = Coroutine::new(unnoted(), at, work, flags.as_argument());
            of_thread.store(coroutine.stack, Ordering::SeqCst);
            coroutine.resume();
        });
        running.flags.wait_until_entered();
        let stack = stack.load(Ordering::SeqCst) as u64;
        let range = ExecAddr::new(stack)..ExecAddr::new(stack + SIZE as u64);
        let is_told = |scan: &scan::Scan| {
            let told = |one: &Unknown| matches!(one, Unknown::OnUnknownStack { sp, .. } if range.contains(sp));
            scan.unknown.iter().any(told) && !scan.is_free(0) && !scan.is_free(1)
        };
        assert!(is_told(&pieces.scan()));
        // Registered too late, but in time for this scan.
        let registered = scan::register_stack(range.clone());
        assert!(pieces.known().held[1].is_some());
        drop(registered);
        assert!(is_told(&pieces.scan()));
        // There may be others like it, so it isn't forgotten when the thread leaves it.
        running.stop();
        assert!(is_told(&pieces.scan()));
        let registered = scan::register_stack(range.clone());
        pieces.assert_free();
        drop(registered);
        pieces.assert_free();
    }
}

#[test]
fn code_on_a_registered_stack_is_kept() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.call.at();
    let running = Running::start(move |flags| {
        let mut coroutine = Coroutine::new(unnoted(), at, yield_now, ptr::null_mut());
        let registered = scan::register_stack(coroutine.range());
        coroutine.resume();
        sleep(flags.as_argument());
        coroutine.resume();
        drop(registered);
    });
    assert!(matches!(pieces.known().held[1], Some(Holder::Stack(_))));
    running.stop();
    pieces.assert_free();
}

/// Yields and computes by turns, and while it computes leaves no trace of itself on the stack:
/// with what to call, what is not zero once it is over, and how long to compute.
fn turns() -> Piece {
    // push %rbx; push %r12; push %r13; mov %rdi, %rbx; mov %rsi, %r12; mov %edx, %r13d
    // 1: call *%rbx; movq $0, -8(%rsp)
    // mov %r13d, %ecx; 2: dec %ecx; jnz 2b
    // cmpl $0, (%r12); je 1b
    // pop %r13; pop %r12; pop %rbx; ret
    Piece::new(&[
        0x53, 0x41, 0x54, 0x41, 0x55, 0x48, 0x89, 0xfb, 0x49, 0x89, 0xf4, 0x41, 0x89, 0xd5, //
        0xff, 0xd3, 0x48, 0xc7, 0x44, 0x24, 0xf8, 0, 0, 0, 0, //
        0x44, 0x89, 0xe9, 0xff, 0xc9, 0x75, 0xfc, //
        0x41, 0x83, 0x3c, 0x24, 0, 0x74, 0xe7, //
        0x41, 0x5d, 0x41, 0x5c, 0x5b, 0xc3,
    ])
}

/// Two threads take turns with a coroutine that is in the code all the time, on its stack or in
/// the registers of one of them: whatever the moment, it is found.
#[test]
fn a_coroutine_that_changes_threads() {
    let _alone = alone();
    static OVER: AtomicU32 = AtomicU32::new(0);
    static TURN: AtomicUsize = AtomicUsize::new(0);
    static AT: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn in_turns(nothing: *mut c_void) {
        type Turns = extern "C" fn(Work, *const AtomicU32, u32);
        let at = AT.load(Ordering::SeqCst) as *const ();
        // SAFETY: the code is such a function; what it calls ignores its argument.
        let turns: Turns = unsafe { std::mem::transmute(at) };
        let _ = nothing;
        turns(yield_now, &raw const OVER, 20_000);
    }
    let (pieces, turns) = (Pieces::new(), turns());
    let suspects = [turns.suspect.clone()];
    AT.store(turns.at(), Ordering::SeqCst);
    OVER.store(0, Ordering::SeqCst);
    let mut coroutine = Coroutine::new(noted(), pieces.call.at(), in_turns, ptr::null_mut());
    coroutine.resume();
    let place = &raw mut *coroutine as usize;
    let resumer = |own: usize| {
        move |flags: &Flags| {
            flags.enter();
            while !flags.is_over() {
                if TURN.load(Ordering::SeqCst) == own {
                    // SAFETY: it is this thread's turn, and the coroutine outlives the threads.
                    unsafe { (*(place as *mut Coroutine)).resume() };
                    TURN.store(1 - own, Ordering::SeqCst);
                }
            }
        }
    };
    let threads = [Running::start(resumer(0)), Running::start(resumer(1))];
    let begun = Instant::now();
    let mut known = 0;
    while known < 500 && begun.elapsed() < Duration::from_secs(20) {
        let scan = scan::scan(&suspects);
        if scan.unknown.is_empty() {
            known += 1;
            assert!(scan.held[0].is_some(), "{scan:?}");
        }
    }
    assert!(known > 0);
    drop(threads);
    OVER.store(1, Ordering::SeqCst);
    coroutine.resume();
    drop(coroutine);
    pieces.assert_free();
}
