//! The program's own names, where it asks for them at run time.

use std::ffi::{CStr, c_char, c_void};

use rewire_memory::ExecAddr;
use rewire_sync::OnceLock;

use crate::first_call;
use crate::ledger::LibraryId;

/// `dlsym` of compiled code: the program's names come first where a search starts with the
/// program, which is what exporting them (`-rdynamic`) does for a native one.
///
/// # Safety
///
/// As of the C library's: `handle` is one that it knows, `name` is a C string.
pub(crate) unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    if handle == libc::RTLD_DEFAULT || handle == program() {
        // SAFETY: as the caller promises.
        let wanted = unsafe { CStr::from_ptr(name) };
        if let Ok(wanted) = wanted.to_str()
            && let Some(address) = find(wanted)
        {
            return address.get() as *mut c_void;
        }
    }
    // SAFETY: as the caller promises.
    unsafe { libc::dlsym(handle, name) }
}

/// What `dlopen` returns for the program itself.
fn program() -> *mut c_void {
    static HANDLE: OnceLock<usize> = OnceLock::new();
    // SAFETY: it opens nothing.
    let open = || unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) as usize };
    *HANDLE.get_or_init(open) as *mut c_void
}

fn find(name: &str) -> Option<ExecAddr> {
    let _inside = super::fork::hold_off();
    first_call::engines()
        .iter()
        .find_map(|core| core.lookup(LibraryId::MAIN, name).ok())
}
