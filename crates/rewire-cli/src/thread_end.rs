//! What this executable's own code has destroyed when a thread ends: thread-local variables of
//! Rust's and of LLVM's.
//!
//! The C library's function takes the dynamic loader's lock, so that no library goes while one of
//! its destructors waits. This executable never goes, and its threads mustn't wait for that lock:
//! who holds it may be running a library's constructor, which waits for them (see build.rs). What
//! the program that is run registers goes to the C library, as ever, and is destroyed first.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

type Destructor = unsafe extern "C" fn(*mut c_void);

/// Something to be destroyed with its thread.
struct Waiting {
    destructor: Destructor,
    object: *mut c_void,
    /// What was registered before.
    next: *mut Waiting,
}

/// The key of the thread's latest registration.
fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the key goes to where it is kept, and the function lives as long as the process.
        let status = unsafe { libc::pthread_key_create(&raw mut key, Some(destroy_all)) };
        (status == 0).then_some(key)
    })
}

/// What code in this executable calls in place of `__cxa_thread_atexit_impl`.
#[unsafe(no_mangle)]
extern "C" fn __wrap___cxa_thread_atexit_impl(
    destructor: Destructor,
    object: *mut c_void,
    _library: *mut c_void,
) -> c_int {
    let Some(key) = key() else {
        return -1;
    };
    // SAFETY: the key is ours; what it leads to is this thread's list.
    unsafe {
        let next = libc::pthread_getspecific(key).cast();
        let ending = Box::into_raw(Box::new(Waiting {
            destructor,
            object,
            next,
        }));
        libc::pthread_setspecific(key, ending.cast())
    }
}

/// The latest first, those included that are registered meanwhile.
unsafe extern "C" fn destroy_all(latest: *mut c_void) {
    let Some(key) = key() else {
        return;
    };
    // SAFETY: the list is this thread's, made by the function above; each destructor is called
    // once, with the object that it was registered for.
    unsafe {
        libc::pthread_setspecific(key, latest);
        loop {
            let ending: *mut Waiting = libc::pthread_getspecific(key).cast();
            if ending.is_null() {
                return;
            }
            let ending = Box::from_raw(ending);
            libc::pthread_setspecific(key, ending.next.cast());
            (ending.destructor)(ending.object);
        }
    }
}
