//! Small functions in code memory, and threads that run them.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rewire_memory::scan::{Exemption, Holder, Scan, exempt_this_thread, scan};
use rewire_memory::{CodeMapping, CodeMemory, ExecAddr, RegionKind};

pub(crate) type Work = extern "C" fn(*mut c_void);

/// One test at a time, on an exempt thread.
pub(crate) struct Alone {
    _exempt: Exemption,
    _lock: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> Alone {
    // While it waits as well: a thread's stack may be another's of before, with what that left.
    let exempt = exempt_this_thread();
    Alone {
        _exempt: exempt,
        _lock: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
    }
}

/// A retired function. Its first byte isn't looked for: only return addresses and program
/// counters count, and not the pointers to it that tests have on their stacks.
pub(crate) struct Piece {
    start: ExecAddr,
    pub(crate) suspect: Range<ExecAddr>,
}

impl Piece {
    /// At an address that no piece had before: threads may begin on stacks of former threads, with
    /// what these left there.
    pub(crate) fn new(code: &[u8]) -> Self {
        static MEMORY: OnceLock<CodeMemory> = OnceLock::new();
        let memory = MEMORY.get_or_init(|| CodeMemory::reserve(CodeMapping::default()).unwrap());
        let mut bytes = code.to_vec();
        bytes.resize(code.len() + 16, 0xcc);
        let size = bytes.len() as u64;
        let mut reserved = memory.allocate(RegionKind::Code, size, 16).unwrap();
        reserved.write(&bytes).unwrap();
        let start = reserved.keep().start;
        Self {
            start,
            suspect: start + 1..start + code.len() as u64 + 7,
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.start.get() as usize
    }
}

pub(crate) struct Pieces {
    /// Tells that it was entered, and spins until it may leave.
    pub(crate) spin: Piece,
    /// Calls a function with an argument.
    pub(crate) call: Piece,
}

impl Pieces {
    pub(crate) fn new() -> Self {
        // movl $1, (%rsi); 1: mov (%rdi), %eax; test %eax, %eax; je 1b; ret
        let spin = [
            0xc7, 0x06, 1, 0, 0, 0, 0x8b, 0x07, 0x85, 0xc0, 0x74, 0xfa, 0xc3,
        ];
        // sub $8, %rsp; mov %rdi, %rax; mov %rsi, %rdi; call *%rax; add $8, %rsp; ret
        let call = [
            0x48, 0x83, 0xec, 8, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, 0x48, 0x83, 0xc4,
            8, 0xc3,
        ];
        Self {
            spin: Piece::new(&spin),
            call: Piece::new(&call),
        }
    }

    /// Scans for both: spin, call.
    pub(crate) fn scan(&self) -> Scan {
        scan(&self.suspects())
    }

    pub(crate) fn suspects(&self) -> Vec<Range<ExecAddr>> {
        vec![self.spin.suspect.clone(), self.call.suspect.clone()]
    }

    /// Scans until all could be looked at: threads that start or end block signals for a moment.
    pub(crate) fn known(&self) -> Scan {
        let start = Instant::now();
        loop {
            let scan = self.scan();
            if scan.unknown.is_empty() || start.elapsed() > Duration::from_secs(20) {
                assert_eq!(scan.unknown, [], "not everything could be looked at");
                return scan;
            }
        }
    }

    /// Nothing is held, or not for long: what returned calls left may be taken for
    /// what it isn't, until it is overwritten.
    pub(crate) fn assert_free(&self) {
        let start = Instant::now();
        let mut scan = self.known();
        while scan.held != [None, None] && start.elapsed() < Duration::from_secs(5) {
            std::thread::yield_now();
            scan = self.known();
        }
        assert_eq!(scan.held, [None, None]);
        assert!(scan.is_free(0) && scan.is_free(1));
    }
}

pub(crate) fn call(at: usize, work: Work, argument: *mut c_void) {
    // SAFETY: `at` is the code of `Pieces::call`.
    unsafe {
        let call: extern "C" fn(Work, *mut c_void) = std::mem::transmute(at as *const ());
        call(work, argument);
    }
}

/// What a thread waits for, and whether it is there yet.
#[derive(Default)]
pub(crate) struct Flags {
    pub(crate) leave: AtomicU32,
    pub(crate) entered: AtomicU32,
}

impl Flags {
    pub(crate) fn enter(&self) {
        self.entered.store(1, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.leave.load(Ordering::SeqCst) != 0
    }

    pub(crate) fn wait_until_entered(&self) {
        while self.entered.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
    }

    pub(crate) fn as_argument(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// # Safety
    ///
    /// It was made by `as_argument`, and the flags live.
    pub(crate) unsafe fn of<'a>(argument: *mut c_void) -> &'a Self {
        // SAFETY: as the caller promises.
        unsafe { &*argument.cast::<Self>() }
    }
}

pub(crate) fn spin(at: usize, flags: &Flags) {
    // SAFETY: `at` is the code of `Pieces::spin`, which reads and writes a word each.
    unsafe {
        let spin: extern "C" fn(*const AtomicU32, *const AtomicU32) =
            std::mem::transmute(at as *const ());
        spin(&raw const flags.leave, &raw const flags.entered);
    }
}

/// Sleeps until the thread may leave.
pub(crate) extern "C" fn sleep(argument: *mut c_void) {
    // SAFETY: tests pass flags.
    let flags = unsafe { Flags::of(argument) };
    flags.enter();
    while !flags.is_over() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Spins, in code of the test's, until the thread may leave.
pub(crate) extern "C" fn busy(argument: *mut c_void) {
    // SAFETY: tests pass flags.
    let flags = unsafe { Flags::of(argument) };
    flags.enter();
    while !flags.is_over() {
        std::hint::spin_loop();
    }
}

/// A thread that does something until it is told to leave.
pub(crate) struct Running {
    pub(crate) flags: Arc<Flags>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it and waits until it has said that it is there.
    pub(crate) fn start(work: impl FnOnce(&Flags) + Send + 'static) -> Self {
        let running = Self::start_only(work);
        running.flags.wait_until_entered();
        running
    }

    pub(crate) fn start_only(work: impl FnOnce(&Flags) + Send + 'static) -> Self {
        let flags = Arc::new(Flags::default());
        let of_thread = flags.clone();
        let thread = std::thread::Builder::new()
            .name("running".to_owned())
            .spawn(move || work(&of_thread))
            .unwrap();
        Self {
            flags,
            thread: Some(thread),
        }
    }

    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.flags.leave.store(1, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// A thread that does something, is free for a moment, and then waits: whether it returned from
/// the code, and is still alive.
pub(crate) fn then_idle(work: impl FnOnce(&Flags), flags: &Flags, done: &AtomicBool) {
    work(flags);
    clear_stack();
    done.store(true, Ordering::SeqCst);
    while done.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Overwrites what returned calls left below.
#[inline(never)]
pub(crate) fn clear_stack() {
    let mut space = [0u64; 4096];
    std::hint::black_box(&mut space);
}

pub(crate) fn is_thread(holder: Option<&Holder>) -> bool {
    matches!(holder, Some(Holder::Thread { name, .. }) if name == "running")
}
