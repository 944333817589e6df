use std::ffi::{CStr, CString, c_void};

use super::*;

/// Where the calling thread has a thread-local variable.
fn thread_address(module: u64, offset: u64) -> u64 {
    unsafe extern "C" {
        fn __tls_get_addr(place: *const [u64; 2]) -> *mut c_void;
    }
    // SAFETY: the loader has this module.
    unsafe { __tls_get_addr(&raw const *&[module, offset]) as u64 }
}

fn by_loader(name: &str) -> u64 {
    let name = CString::new(name).expect("a name of a symbol");
    // SAFETY: the name is a C string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) as u64 }
}

/// Compares an answer with the loader's; whether there was one.
fn agrees(name: &str) -> bool {
    let expected = by_loader(name);
    let found = match find(name) {
        InProcess::Address(address) => address.get(),
        InProcess::Indirect(resolver) => resolver.resolve().get(),
        InProcess::Thread { module, offset } => thread_address(module, offset),
        InProcess::Nothing => 0,
        InProcess::Unknown => return false,
    };
    assert_eq!(found, expected, "{name}");
    true
}

/// Compares the names of the places around what a name stands for.
fn places_agree(name: &str) {
    let InProcess::Address(address) = find(name) else {
        return;
    };
    for distance in [-1, 0, 1, 40] {
        let place = address.get().wrapping_add_signed(distance);
        // SAFETY: zeroed bytes are a valid answer, which the call fills in.
        let expected = unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            let is_known = libc::dladdr(place as *const c_void, &raw mut info) != 0;
            (is_known && !info.dli_sname.is_null()).then(|| CStr::from_ptr(info.dli_sname))
        };
        let expected = expected.map(|name| name.to_string_lossy().into_owned());
        let found = symbol_at(ExecAddr::new(place));
        assert_eq!(found, Some(expected), "{name} + {distance}");
    }
}

/// What all objects of the scope define.
fn names() -> Vec<&'static str> {
    searched().flat_map(|one| one.image.defined()).collect()
}

fn open(library: &CStr, flags: libc::c_int) -> *mut c_void {
    // SAFETY: these libraries' constructors do no harm.
    let handle = unsafe { libc::dlopen(library.as_ptr(), flags) };
    assert!(!handle.is_null(), "{library:?}");
    handle
}

/// One test, because what is loaded is the process's.
#[test]
fn answers_are_the_loaders() {
    learn();
    let at_start = names();
    assert!(at_start.len() > 2000, "{}", at_start.len());
    assert!(at_start.contains(&"memcpy") && at_start.contains(&"errno"));
    for name in &at_start {
        assert!(agrees(name), "{name}: nobody knows");
        let absent = format!("{name}_of_nobody");
        assert_eq!(find(&absent), InProcess::Nothing, "{absent}");
    }
    assert!(matches!(find("errno"), InProcess::Thread { .. }));
    assert!(matches!(find("memcpy"), InProcess::Indirect(_)));
    assert!(agrees(""));

    for name in at_start.iter().step_by(20) {
        places_agree(name);
    }

    // What is opened for all to see is searched next.
    assert!(!names().contains(&"__cxa_throw"));
    let before = before_opening();
    let flags = libc::RTLD_LAZY | libc::RTLD_GLOBAL | libc::RTLD_NODELETE;
    let handle = open(c"libstdc++.so.6", flags);
    // SAFETY: it was opened so.
    unsafe { opened(handle, before) };
    let after = names();
    assert!(after.contains(&"__cxa_throw"));
    for name in &after {
        assert!(agrees(name), "{name}: nobody knows");
    }

    // What is opened for its own user may be searched or not, and so may all that follows.
    open(c"libutil.so.1", libc::RTLD_LAZY);
    open(c"libz.so.1", libc::RTLD_LAZY);
    assert!(!agrees("deflateInit_"));
    assert!(agrees("nobody_has_this"));
    let before = before_opening();
    let handle = open(c"libz.so.1", flags);
    // SAFETY: it was opened so.
    unsafe { opened(handle, before) };
    assert!(!agrees("deflateInit_"));
    for name in names() {
        agrees(name);
    }
}
