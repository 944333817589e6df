//! What a running thread does when it is asked: it shows its registers, and waits until its stack
//! was read.
//!
//! The reading is the scanning thread's, so that there is one way to look at a thread, and so that
//! the handler needs little of a stack that may be a coroutine's. It takes no lock, allocates
//! nothing, and keeps `errno`.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use rewire_sync::{Mutex, lock};

use super::queued_signal;
use super::stacks::Look;

/// Nobody asks.
const IDLE: u32 = 0;
const ASKED: u32 = 1;
/// The handler is filling in the look.
const FILLING: u32 = 2;
/// The look can be read; the thread waits.
const ANSWERED: u32 = 3;
/// The scanning thread reads; the thread waits.
const READING: u32 = 4;
const RELEASED: u32 = 5;
/// The thread didn't wait any longer.
const WITHDRAWN: u32 = 6;

/// How long a thread waits for its stack to be read. It is only reached when the scanning thread
/// is kept from running.
const PATIENCE: Duration = Duration::from_millis(500);

/// One thread's answer.
pub(super) struct Answer {
    /// Also what the thread waits on.
    state: AtomicU32,
    tid: AtomicI32,
    look: UnsafeCell<Look>,
}

/// Questions to threads. They are found by the handler through [`ASKING`].
pub(super) struct Request {
    id: u32,
    /// Grows with each answer; the scanning thread waits on it.
    answered: AtomicU32,
    answers: Box<[Answer]>,
}

// SAFETY: a look is written by the thread that took the state from ASKED, and read by the
// scanning thread once the state is ANSWERED.
unsafe impl Sync for Request {}

/// The request that can be answered.
static ASKING: AtomicPtr<Request> = AtomicPtr::new(ptr::null_mut());

/// How many threads are in the handler and may look at a request.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Requests that a thread may still look at, and the process that they were made in: after a
/// fork, nobody is inside.
static KEPT: Mutex<(i32, Vec<Kept>)> = Mutex::new((0, Vec::new()));

struct Kept(*mut Request);

// SAFETY: only freed, when nobody uses it.
unsafe impl Send for Kept {}

/// A request that stands; when it is dropped, threads are let go and none is asked any more.
pub(super) struct Asking {
    request: *mut Request,
    used: usize,
}

/// What the handler finds its answer by: the request's number and the answer's place.
const PLACE_BITS: u32 = 16;
pub(super) const MOST_ANSWERS: usize = 1 << PLACE_BITS;

impl Asking {
    /// Makes room for so many answers.
    pub(super) fn new(answers: usize) -> Self {
        free_kept();
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let answer = || Answer {
            state: AtomicU32::new(IDLE),
            tid: AtomicI32::new(0),
            look: UnsafeCell::new(Look::default()),
        };
        let request = Box::into_raw(Box::new(Request {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            answered: AtomicU32::new(0),
            answers: (0..answers.min(MOST_ANSWERS)).map(|_| answer()).collect(),
        }));
        ASKING.store(request, Ordering::SeqCst);
        Self { request, used: 0 }
    }

    fn request(&self) -> &Request {
        // SAFETY: freed after this is dropped.
        unsafe { &*self.request }
    }

    /// Asks a thread; the answer's place, or `None` if it can't be asked.
    pub(super) fn ask(&mut self, signal: c_int, tid: i32) -> Option<usize> {
        let place = self.used;
        let answer = self.request().answers.get(place)?;
        answer.tid.store(tid, Ordering::Relaxed);
        answer.state.store(ASKED, Ordering::Release);
        let value = u64::from(self.request().id) << PLACE_BITS | place as u64;
        if queued_signal::send(signal, tid, value) {
            self.used += 1;
            return Some(place);
        }
        answer.state.store(IDLE, Ordering::Relaxed);
        None
    }

    /// Asks once more for an answer that hasn't come: see `tsan.rs`.
    #[cfg(rewire_tsan)]
    pub(super) fn ask_again(&self, signal: c_int, place: usize) {
        let answer = &self.request().answers[place];
        if answer.state.load(Ordering::Relaxed) == ASKED {
            let value = u64::from(self.request().id) << PLACE_BITS | place as u64;
            queued_signal::send(signal, answer.tid.load(Ordering::Relaxed), value);
        }
    }

    /// The answer, if it is there; the thread waits from now on until it is released.
    pub(super) fn take(&self, place: usize) -> Option<&Look> {
        let answer = &self.request().answers[place];
        let taken =
            answer
                .state
                .compare_exchange(ANSWERED, READING, Ordering::Acquire, Ordering::Relaxed);
        // SAFETY: the thread wrote it before it set ANSWERED, and doesn't touch it any more.
        taken.is_ok().then(|| unsafe { &*answer.look.get() })
    }

    /// Lets a thread go on, and doesn't want its answer if there is none yet.
    pub(super) fn release(&self, place: usize) {
        let answer = &self.request().answers[place];
        let not_begun =
            answer
                .state
                .compare_exchange(ASKED, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        if not_begun.is_err() {
            // One that is still filling it in sees this when it is about to wait.
            answer.state.store(RELEASED, Ordering::Release);
            futex(&answer.state, libc::FUTEX_WAKE, i32::MAX as u32, None);
        }
    }

    /// Lets all threads go on.
    pub(super) fn release_all(&self) {
        for place in 0..self.used {
            self.release(place);
        }
    }

    /// How many answers have come.
    pub(super) fn answered(&self) -> u32 {
        self.request().answered.load(Ordering::Acquire)
    }

    /// Waits until more answers have come than `seen`, for a time at most.
    pub(super) fn wait(&self, seen: u32, most: Duration) {
        let answered = &self.request().answered;
        futex(answered, libc::FUTEX_WAIT, seen, Some(most));
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.release_all();
        ASKING.store(ptr::null_mut(), Ordering::SeqCst);
        // Threads come in by counting first and looking after, so whoever isn't counted now finds
        // no request. The allocator is only touched once all threads go on.
        let mut kept = lock(&KEPT);
        kept.1.push(Kept(self.request));
        drop(kept);
        free_kept();
    }
}

/// Frees the requests that no thread can be looking at any more.
fn free_kept() {
    let mut kept = lock(&KEPT);
    // SAFETY: no preconditions.
    let pid = unsafe { libc::getpid() };
    if kept.0 != pid {
        kept.0 = pid;
        INSIDE.store(0, Ordering::SeqCst);
    }
    if INSIDE.load(Ordering::SeqCst) == 0 {
        for one in kept.1.drain(..) {
            // SAFETY: made by `new`; it was withdrawn, and nobody is inside.
            drop(unsafe { Box::from_raw(one.0) });
        }
    }
}

/// The signal's handler.
pub(super) extern "C" fn on_signal(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the kernel passes both, and the errno is the thread's own.
    let (info, context, errno) = unsafe {
        (
            &*info,
            &*context.cast::<libc::ucontext_t>(),
            &mut *libc::__errno_location(),
        )
    };
    let before = *errno;
    match queued_signal::value_of(info) {
        Some(value) => answer(value, context),
        None => queued_signal::as_by_default(signal),
    }
    *errno = before;
}

fn answer(value: u64, context: &libc::ucontext_t) {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let request = ASKING.load(Ordering::SeqCst);
    // SAFETY: it isn't freed while this thread is inside.
    if let Some(request) = unsafe { request.as_ref() } {
        request.answer(value, context);
    }
    INSIDE.fetch_sub(1, Ordering::SeqCst);
}

impl Request {
    fn answer(&self, value: u64, context: &libc::ucontext_t) {
        let place = (value & (MOST_ANSWERS as u64 - 1)) as usize;
        // A late answer to another request.
        if value >> PLACE_BITS != u64::from(self.id) {
            return;
        }
        let Some(answer) = self.answers.get(place) else {
            return;
        };
        // SAFETY: no preconditions.
        let tid = unsafe { libc::gettid() };
        let exchange = |from, to| {
            let result =
                answer
                    .state
                    .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
            result.is_ok()
        };
        if answer.tid.load(Ordering::Relaxed) != tid || !exchange(ASKED, FILLING) {
            return;
        }
        // SAFETY: whoever took the state from ASKED may write.
        unsafe { (*answer.look.get()).fill(tid, context) };
        if !exchange(FILLING, ANSWERED) {
            return;
        }
        self.answered.fetch_add(1, Ordering::Release);
        futex(&self.answered, libc::FUTEX_WAKE, 1, None);
        loop {
            let state = answer.state.load(Ordering::Acquire);
            if state != ANSWERED && state != READING {
                return;
            }
            if !futex(&answer.state, libc::FUTEX_WAIT, state, Some(PATIENCE))
                && super::procfs::errno() == libc::ETIMEDOUT
                && exchange(ANSWERED, WITHDRAWN)
            {
                return;
            }
        }
    }
}

/// futex(2); false on an error, with `errno` set.
fn futex(word: &AtomicU32, operation: c_int, value: u32, most: Option<Duration>) -> bool {
    let time = most.map(|most| libc::timespec {
        tv_sec: most.as_secs() as libc::time_t,
        tv_nsec: c_long::from(most.subsec_nanos()),
    });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the word lives for the time of the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation | libc::FUTEX_PRIVATE_FLAG,
            value,
            time,
        ) >= 0
    }
}
