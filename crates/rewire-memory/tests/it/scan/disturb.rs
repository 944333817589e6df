//! Programs don't notice that they are looked at.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rewire_memory::fault;

use super::support::{Flags, Pieces, Running, alone, call};

const SCANS: usize = 1000;

/// A system call that lasts until another thread ends it.
struct Call {
    begin: extern "C" fn(*mut c_void),
    result: AtomicI64,
    flags: Flags,
    pipe: [i32; 2],
    semaphore: std::cell::UnsafeCell<libc::sem_t>,
}

// SAFETY: the semaphore is one.
unsafe impl Sync for Call {}

impl Call {
    fn new(begin: extern "C" fn(*mut c_void)) -> Arc<Self> {
        let mut pipe = [0; 2];
        // SAFETY: fills in two descriptors, and a semaphore that is set up before it is used.
        unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let call = Arc::new(Self {
                begin,
                result: AtomicI64::new(i64::MIN),
                flags: Flags::default(),
                pipe,
                semaphore: std::cell::UnsafeCell::new(std::mem::zeroed()),
            });
            libc::sem_init(call.semaphore.get(), 0, 0);
            call
        }
    }

    fn end(&self) {
        // SAFETY: both are set up.
        unsafe {
            libc::sem_post(self.semaphore.get());
            assert_eq!(libc::write(self.pipe[1], b"x".as_ptr().cast(), 1), 1);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe {
            libc::close(self.pipe[0]);
            libc::close(self.pipe[1]);
        }
    }
}

fn enter<'a>(argument: *mut c_void) -> &'a Call {
    // SAFETY: the tests below pass one.
    let call = unsafe { &*argument.cast::<Call>() };
    call.flags.enter();
    call
}

extern "C" fn nanosleep(argument: *mut c_void) {
    let call = enter(argument);
    let time = libc::timespec {
        tv_sec: 3,
        tv_nsec: 0,
    };
    // SAFETY: no time that remains is asked for.
    let result = unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    call.result.store(result.into(), Ordering::SeqCst);
}

extern "C" fn poll(argument: *mut c_void) {
    let call = enter(argument);
    let mut polled = libc::pollfd {
        fd: call.pipe[0],
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one descriptor.
    let result = unsafe { libc::poll(&raw mut polled, 1, 60_000) };
    call.result.store((result - 1).into(), Ordering::SeqCst);
}

extern "C" fn sem_wait(argument: *mut c_void) {
    let call = enter(argument);
    // SAFETY: it is set up.
    let result = unsafe { libc::sem_wait(call.semaphore.get()) };
    call.result.store(result.into(), Ordering::SeqCst);
}

extern "C" fn read(argument: *mut c_void) {
    let call = enter(argument);
    let mut byte = 0u8;
    // SAFETY: one byte.
    let result = unsafe { libc::read(call.pipe[0], (&raw mut byte).cast(), 1) };
    call.result.store(result as i64 - 1, Ordering::SeqCst);
}

#[test]
fn sleepers_sleep_on() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.call.at();
    let calls = [nanosleep, poll, sem_wait, read].map(Call::new);
    let threads: Vec<_> = calls
        .iter()
        .map(|one| {
            let one = one.clone();
            Running::start_only(move |_| {
                call(at, one.begin, Arc::as_ptr(&one).cast_mut().cast());
            })
        })
        .collect();
    for one in &calls {
        one.flags.wait_until_entered();
    }
    for _ in 0..SCANS {
        assert!(pieces.known().held[1].is_some());
    }
    for one in &calls {
        one.end();
    }
    drop(threads);
    for one in &calls {
        assert_eq!(one.result.load(Ordering::SeqCst), 0);
    }
    pieces.assert_free();
}

#[test]
fn errno_and_registers_stay() {
    let _alone = alone();
    let pieces = Pieces::new();
    let running = Running::start(|flags| {
        // SAFETY: the thread's own.
        let errno = unsafe { &mut *libc::__errno_location() };
        *errno = 77;
        flags.enter();
        let mut sum = 0u64;
        let mut count = 0u64;
        let mut float = 0.0f64;
        while !flags.is_over() {
            count += 1;
            sum += count;
            float += 1.0;
            // SAFETY: as above.
            assert_eq!(unsafe { *libc::__errno_location() }, 77);
        }
        assert_eq!(sum, count * (count + 1) / 2);
        assert_eq!(float, count as f64);
    });
    for _ in 0..SCANS {
        pieces.assert_free();
    }
    running.stop();
}

static GOT: AtomicI64 = AtomicI64::new(0);

extern "C" fn count(_signal: i32) {
    GOT.fetch_add(1, Ordering::SeqCst);
}

/// A program that wants all real-time signals for itself gets them, whether or not we had one.
#[test]
fn a_program_that_takes_all_signals() {
    let _alone = alone();
    let pieces = Pieces::new();
    let at = pieces.spin.at();
    let spin = Running::start(move |flags| super::support::spin(at, flags));
    assert!(pieces.known().held[0].is_some());
    let signals = || libc::SIGRTMIN()..=libc::SIGRTMAX();
    // SAFETY: zeroed bytes are a valid `sigaction`; the handler has the right type.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let action_at = &raw mut action;
        (*action_at).sa_sigaction = count as *const () as usize;
        for signal in signals() {
            assert_eq!(fault::sigaction(signal, action_at, std::ptr::null_mut()), 0);
        }
        for signal in signals() {
            libc::raise(signal);
        }
        assert_eq!(GOT.load(Ordering::SeqCst), signals().count() as i64);
        let scan = pieces.scan();
        assert_eq!(scan.unknown.len(), 1, "the one that runs: {scan:?}");
        assert!(!scan.is_free(0) && !scan.is_free(1));
        assert_eq!(GOT.load(Ordering::SeqCst), signals().count() as i64);
        (*action_at).sa_sigaction = libc::SIG_DFL;
        for signal in signals() {
            fault::sigaction(signal, action_at, std::ptr::null_mut());
        }
    }
    spin.stop();
}
