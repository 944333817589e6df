//! C++ exceptions that are in flight or being handled.
//!
//! Each thread has a structure with the exceptions that it handles and the number of those in
//! flight (`__cxa_eh_globals`; Itanium C++ ABI, exception handling, section 2.2.2). It is a
//! thread-local variable of the C++ runtime, which a thread can't be made to tell: the access may
//! allocate, which a signal handler must not, and sleepers can't be asked at all. So it is read
//! through the thread's vector of modules (`dtv` in glibc's `tcbhead_t`), whose layout debuggers
//! rely on too. It is tried on the scanning thread first; if it doesn't lead to the address that
//! the runtime tells, nothing is said of other threads either.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use rewire_sync::OnceLock;

use super::memory::Memory;
use crate::global_scope;
use crate::stack;

/// How the structure is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceptions {
    /// The process has no C++ runtime that others can see.
    None,
    /// In this module's block of thread-local variables, at this offset.
    At { module: u64, offset: u64 },
    /// It isn't known.
    Untold,
}

/// An entry of the vector that has no block yet.
const UNALLOCATED: u64 = u64::MAX;

impl Exceptions {
    /// Finds the C++ runtime. Before any thread is parked: it takes the loader's locks.
    pub(super) fn find(memory: &mut Memory) -> Self {
        let Some(globals) = runtime() else {
            return if is_loaded() {
                Self::Untold
            } else {
                Self::None
            };
        };
        // SAFETY: it is the function of this type.
        let own = unsafe { globals() } as u64;
        let Some((module, block)) = module_of(own) else {
            return Self::Untold;
        };
        let offset = own - block;
        let seen = block_of(stack::thread_pointer(), module, memory);
        if seen == Some(block) {
            Self::At { module, offset }
        } else {
            Self::Untold
        }
    }

    /// Whether a thread that doesn't run has any; true if that can't be told.
    pub(super) fn in_flight(&self, thread_pointer: u64, memory: &mut Memory) -> bool {
        let (module, offset) = match *self {
            Self::None => return false,
            Self::At { module, offset } => (module, offset),
            Self::Untold => return true,
        };
        match block_of(thread_pointer, module, memory) {
            None => true,
            Some(0 | UNALLOCATED) => false,
            Some(block) => {
                let handled = memory.word(block + offset);
                let in_flight = memory.word(block + offset + 8);
                // An unsigned int.
                handled != Some(0) || in_flight.is_none_or(|count| count as u32 != 0)
            }
        }
    }
}

type Globals = unsafe extern "C" fn() -> *mut c_void;

/// `__cxa_get_globals` of the process. It is only asked for once there is a runtime, because that
/// may take the lock that the loader holds while it runs constructors.
fn runtime() -> Option<Globals> {
    static FOUND: OnceLock<Globals> = OnceLock::new();
    if let Some(globals) = FOUND.get() {
        return Some(*globals);
    }
    if !is_loaded() {
        return None;
    }
    let found = global_scope::address("__cxa_get_globals")?.get();
    // SAFETY: the function has this type.
    let globals = unsafe { std::mem::transmute::<u64, Globals>(found) };
    Some(*FOUND.get_or_init(|| globals))
}

fn is_loaded() -> bool {
    find_object(|object| {
        // SAFETY: the loader gives a C string, or null.
        let name = unsafe { object.dlpi_name.as_ref().map(|name| CStr::from_ptr(name)) };
        let name = name.map_or(&[][..], CStr::to_bytes);
        let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_runtime = file.starts_with(b"libstdc++.so") || file.starts_with(b"libc++abi.so");
        is_runtime.then_some(())
    })
    .is_some()
}

/// The module in whose thread-local variables, of this thread, an address lies, and where these
/// begin.
fn module_of(address: u64) -> Option<(u64, u64)> {
    find_object(|object| {
        // SAFETY: the loader gives an array of this length.
        let headers =
            unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
        let size = headers
            .iter()
            .find(|one| one.p_type == libc::PT_TLS)?
            .p_memsz;
        let block = object.dlpi_tls_data as u64;
        let inside = block != 0 && (block..block + size).contains(&address);
        inside.then_some((object.dlpi_tls_modid as u64, block))
    })
}

/// The first object of the process of which `tell` tells something.
fn find_object<T, F: FnMut(&libc::dl_phdr_info) -> Option<T>>(tell: F) -> Option<T> {
    struct Search<T, F> {
        tell: F,
        found: Option<T>,
    }
    extern "C" fn visit<T, F: FnMut(&libc::dl_phdr_info) -> Option<T>>(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader passes an object, and what was passed to it below.
        let (search, info) = unsafe { (&mut *search.cast::<Search<T, F>>(), &*info) };
        search.found = (search.tell)(info);
        c_int::from(search.found.is_some())
    }
    let mut search = Search { tell, found: None };
    // SAFETY: the callback fits the data, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit::<T, F>), ptr::from_mut(&mut search).cast()) };
    search.found
}

/// Where a thread's block of a module is: its vector, of pairs of words, is told by the word
/// behind the thread pointer, and the vector's length by the pair before it.
fn block_of(thread_pointer: u64, module: u64, memory: &mut Memory) -> Option<u64> {
    if thread_pointer == 0 {
        return None;
    }
    let vector = memory.word(thread_pointer.checked_add(8)?)?;
    let length = memory.word(vector.checked_sub(16)?)?;
    if module > length {
        return Some(UNALLOCATED);
    }
    memory.word(vector.checked_add(module.checked_mul(16)?)?)
}
