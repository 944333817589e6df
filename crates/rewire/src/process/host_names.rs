//! Looks up names that no unit defines, as code of a program finds them; and implements `dlsym` for
//! compiled code, which also finds the program's own names.

use std::ffi::{CStr, c_char, c_void};

use rewire_memory::ExecAddr;
use rewire_sync::OnceLock;

use super::static_parts;
use crate::core::registry;
use crate::host::symbols::{self, HostSymbol};
use crate::ledger::LibraryId;

/// Looks a name up that no unit defines: first among what the engine itself supplies in any case,
/// then in the process, then among what the engine supplies if the process has nothing.
pub(crate) fn host_symbol(name: &str, thread_local: bool) -> Option<HostSymbol> {
    if let Some(address) = instead_of_host(name) {
        return Some(HostSymbol::Address(address));
    }
    symbols::find(name, thread_local).or_else(|| {
        static_parts::where_host_has_none(name)
            .map(HostSymbol::Address)
            .or_else(|| static_parts::variable(name).map(HostSymbol::Variable))
    })
}

/// Returns the functions that the engine supplies itself, whatever the host has.
fn instead_of_host(name: &str) -> Option<ExecAddr> {
    match name {
        "dlsym" => Some(ExecAddr::new(dlsym as *const () as u64)),
        _ => static_parts::instead_of_host(name),
    }
}

/// `dlsym` for compiled code. Where a search starts with the program, the program's own names come
/// first, as they do for a native program that exports them (`-rdynamic`).
///
/// # Safety
///
/// The caller must meet the contract of the C library's function: `handle` is one that the C
/// library knows, and `name` is a valid C string.
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
    let found = unsafe { libc::dlsym(handle, name) };
    // If the C library's function was found and the engine supplies one in its place, that one is
    // returned.
    // SAFETY: as the caller promises.
    match unsafe { CStr::from_ptr(name) }
        .to_str()
        .ok()
        .and_then(instead_of_host)
    {
        Some(ours) if is_hosts(found, name) => ours.get() as *mut c_void,
        _ => found,
    }
}

/// Whether an address is what the process, or the C library, has under this name, rather than
/// another library's function of the same name.
fn is_hosts(found: *mut c_void, name: *const c_char) -> bool {
    // SAFETY: the names are C strings, and the C library is loaded.
    unsafe {
        let library = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        let is = |handle| found == libc::dlsym(handle, name);
        let is_one =
            !found.is_null() && (is(libc::RTLD_DEFAULT) || (!library.is_null() && is(library)));
        if !library.is_null() {
            libc::dlclose(library);
        }
        is_one
    }
}

/// Returns the handle that `dlopen` returns for the program itself.
fn program() -> *mut c_void {
    static HANDLE: OnceLock<usize> = OnceLock::new();
    // SAFETY: with a null name, the call loads nothing.
    let open = || unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) as usize };
    *HANDLE.get_or_init(open) as *mut c_void
}

fn find(name: &str) -> Option<ExecAddr> {
    let _no_fork = crate::host::fork_lock::enter_engine();
    registry::engines()
        .iter()
        .find_map(|core| core.lookup_defined(LibraryId::MAIN, name).ok().flatten())
}
