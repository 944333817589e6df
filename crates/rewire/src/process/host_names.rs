//! Names that nothing loaded defines, as code of a program finds them; and the program's own names,
//! where it asks for them at run time.

use std::ffi::{CStr, c_char, c_void};

use rewire_memory::ExecAddr;
use rewire_sync::OnceLock;

use super::static_parts;
use crate::core::registry;
use crate::host::symbols::{self, HostSymbol};
use crate::ledger::LibraryId;

/// Looks up what code names and no unit defines: what the engine answers itself, then what the
/// process has, then what the engine supplies where that has nothing.
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

/// Names that the engine answers itself, whatever the host has.
fn instead_of_host(name: &str) -> Option<ExecAddr> {
    match name {
        "dlsym" => Some(ExecAddr::new(dlsym as *const () as u64)),
        _ => static_parts::instead_of_host(name),
    }
}

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
    let found = unsafe { libc::dlsym(handle, name) };
    // What the engine answers in place of the C library's when code names it.
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

/// Whether it is what the process has under this name, or the C library, rather than another
/// library's function of the name.
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

/// What `dlopen` returns for the program itself.
fn program() -> *mut c_void {
    static HANDLE: OnceLock<usize> = OnceLock::new();
    // SAFETY: it opens nothing.
    let open = || unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) as usize };
    *HANDLE.get_or_init(open) as *mut c_void
}

fn find(name: &str) -> Option<ExecAddr> {
    let _no_fork = crate::host::fork_lock::enter_engine();
    registry::engines()
        .iter()
        .find_map(|core| core.lookup_defined(LibraryId::MAIN, name).ok().flatten())
}
