//! Looks names up in the host process: in its program and in the libraries that it has loaded.

use std::ffi::{CStr, CString, c_int, c_void};

use rewire_memory::ExecAddr;
use rewire_memory::global_scope::{self, InProcess};

use super::fork_lock;

/// What the host defines under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostSymbol {
    /// A function, or data.
    Address(ExecAddr),
    /// A thread-local variable: module and offset, as `__tls_get_addr` takes them.
    Thread { module: u64, offset: u64 },
    /// A variable that the engine supplies, with these initial bytes.
    Variable(Vec<u8>),
}

/// Looks a name up as the dynamic loader does for a program. No lock may be held, because this may
/// run code of libraries (the resolvers of indirect functions).
pub(crate) fn find(name: &str, thread_local: bool) -> Option<HostSymbol> {
    let address = match global_scope::find(name) {
        InProcess::Thread { module, offset } if thread_local => {
            return Some(HostSymbol::Thread { module, offset });
        }
        found => {
            // The loader may be waiting for a library's constructor, so leave the engine meanwhile.
            let _outside = fork_lock::outside();
            global_scope::address_of(found, name)
        }
    };
    match address {
        None => None,
        Some(address) if thread_local => thread_place(address),
        Some(address) => Some(HostSymbol::Address(address)),
    }
}

/// Returns the module and offset of a thread-local variable, given its address on this thread. The
/// loader tells where each module's block starts, and the address tells which block it is in.
fn thread_place(address: ExecAddr) -> Option<HostSymbol> {
    struct ThreadPlaceSearch {
        address: u64,
        found: Option<HostSymbol>,
    }
    extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader passes a valid entry, and `data` is what went in below.
        let (info, search) = unsafe { (&*info, &mut *data.cast::<ThreadPlaceSearch>()) };
        // SAFETY: the loader says how many headers there are.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let size = headers
            .iter()
            .find(|header| header.p_type == libc::PT_TLS)
            .map_or(0, |header| header.p_memsz);
        let start = info.dlpi_tls_data as u64;
        if start != 0 && (start..start + size).contains(&search.address) {
            search.found = Some(HostSymbol::Thread {
                module: info.dlpi_tls_modid as u64,
                offset: search.address - start,
            });
            return 1;
        }
        0
    }
    let mut search = ThreadPlaceSearch {
        address: address.get(),
        found: None,
    };
    let _outside = fork_lock::outside();
    // SAFETY: the callback fits, and the data outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

/// Returns the host's name for an address in it, for messages.
pub(crate) fn describe(address: ExecAddr) -> Option<String> {
    let _outside = fork_lock::outside();
    if let Some(known) = global_scope::symbol_at(address) {
        return known;
    }
    // SAFETY: the structure is plain data that `dladdr` fills in; its strings live as long as
    // their library.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address.get() as *const c_void, &raw mut info) == 0
            || info.dli_sname.is_null()
        {
            return None;
        }
        let name = CStr::from_ptr(info.dli_sname);
        Some(name.to_string_lossy().into_owned())
    }
}

/// Loads a shared library and makes its names visible to the process, as for a program linked with
/// it.
pub(crate) fn load_library(path: &str) -> Result<(), String> {
    let Ok(c_path) = CString::new(path) else {
        return Err("the name contains a zero byte".to_owned());
    };
    let _outside = fork_lock::outside();
    let before = global_scope::before_opening();
    // Like a library that a program is linked with, it stays loaded even if it is closed.
    let flags = libc::RTLD_LAZY | libc::RTLD_GLOBAL | libc::RTLD_NODELETE;
    // SAFETY: constructors of the library run; that is what loading it means.
    unsafe {
        let handle = libc::dlopen(c_path.as_ptr(), flags);
        if handle.is_null() {
            let reason = libc::dlerror();
            return Err(if reason.is_null() {
                "unknown reason".to_owned()
            } else {
                CStr::from_ptr(reason).to_string_lossy().into_owned()
            });
        }
        global_scope::opened(handle, before);
    }
    Ok(())
}
