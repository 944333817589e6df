//! C++ exceptions in flight.

use std::ffi::c_void;

use super::support::{Flags, Pieces, Running, alone, busy, sleep};

/// The structure of the C++ runtime (Itanium C++ ABI, exception handling, section 2.2.2).
#[repr(C)]
struct Globals {
    handled: *mut c_void,
    in_flight: u32,
}

type GetGlobals = extern "C" fn() -> *mut Globals;

/// Loads the runtime where programs that use it have it: visible to all.
fn load() -> GetGlobals {
    // SAFETY: the library has no preconditions, and the function has this type.
    unsafe {
        let flags = libc::RTLD_NOW | libc::RTLD_GLOBAL;
        let library = libc::dlopen(c"libstdc++.so.6".as_ptr(), flags);
        assert!(!library.is_null(), "this test needs libstdc++");
        let found = libc::dlsym(library, c"__cxa_get_globals".as_ptr());
        std::mem::transmute::<*mut c_void, Option<GetGlobals>>(found).unwrap()
    }
}

#[test]
fn exceptions_in_flight_are_told() {
    let _alone = alone();
    let pieces = Pieces::new();
    // One that has never asked for its structure.
    let other = Running::start(|flags| sleep(flags.as_argument()));
    let get = load();
    assert!(!pieces.known().in_flight);
    for work in [sleep, busy] {
        for (handled, in_flight) in [(0, 0), (1, 0), (0, 1)] {
            let running = Running::start(move |flags: &Flags| {
                let set = |globals: Globals| {
                    // SAFETY: it is this thread's.
                    unsafe { get().write(globals) };
                };
                set(Globals {
                    handled: handled as *mut c_void,
                    in_flight,
                });
                work(flags.as_argument());
                set(Globals {
                    handled: std::ptr::null_mut(),
                    in_flight: 0,
                });
            });
            let expected = handled != 0 || in_flight != 0;
            assert_eq!(pieces.known().in_flight, expected, "{handled} {in_flight}");
            running.stop();
            assert!(!pieces.known().in_flight);
        }
    }
    other.stop();
}
