//! C++ exceptions in flight.
//!
//! The C++ runtime has, for each thread, a list of the exceptions that are being handled and the
//! number of those that were thrown and aren't caught yet (`__cxa_eh_globals`, Itanium C++ ABI,
//! section 2.2.2). It is a thread-local variable of the runtime's; where another thread has it is
//! read out of that thread's vector of thread-local blocks, which x86-64's glibc keeps beside the
//! thread pointer (Drepper, "ELF Handling For Thread-Local Storage", section 3).
//!
//! Of several C++ runtimes in one process, the one whose names are global counts: compiled code
//! uses that one.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use super::memory::Memory;

/// Where each thread has the runtime's variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceptions {
    /// The number of the runtime's module.
    module: u64,
    /// From the start of the module's block.
    offset: u64,
}

impl Exceptions {
    /// Finds the C++ runtime; `None` as long as the process has none. Not while threads are held:
    /// it asks the loader.
    pub(super) fn find() -> Option<Self> {
        static FOUND: OnceLock<Exceptions> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Some(*found);
        }
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__cxa_get_globals".as_ptr()) };
        if found.is_null() {
            return None;
        }
        // SAFETY: the ABI says that the function has this type. It gives the thread its block.
        let variable = unsafe {
            let globals = std::mem::transmute::<*mut c_void, extern "C" fn() -> *mut c_void>(found);
            globals() as u64
        };
        let mut search = Search {
            variable,
            found: None,
        };
        // SAFETY: the callback fits, and the data outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(look_at), (&raw mut search).cast()) };
        let found = search.found?;
        let _ = FOUND.set(found);
        Some(found)
    }

    /// Whether the thread with this thread pointer has thrown something, or handles something.
    /// `true` also if that can't be told.
    pub(super) fn in_flight(&self, thread_pointer: u64, memory: &mut Memory) -> bool {
        if thread_pointer == 0 {
            return true;
        }
        self.counts(thread_pointer, memory)
            .is_none_or(|(caught, uncaught)| caught != 0 || uncaught != 0)
    }

    /// The first of the exceptions that are handled, and how many weren't caught yet.
    fn counts(&self, thread_pointer: u64, memory: &mut Memory) -> Option<(u64, u32)> {
        const ENTRY: u64 = 16;
        /// The thread hasn't used the module yet.
        const NONE: u64 = u64::MAX;
        let vector = memory.word(thread_pointer.checked_add(8)?)?;
        // Its size comes first, then the generation, then the modules from 1 on.
        let size = memory.word(vector.checked_sub(ENTRY)?)?;
        if self.module > size {
            return Some((0, 0));
        }
        let block = memory.word(vector.checked_add(ENTRY * self.module)?)?;
        if block == NONE || block == 0 {
            return Some((0, 0));
        }
        let variable = block.checked_add(self.offset)?;
        let caught = memory.word(variable)?;
        let uncaught = memory.word(variable.checked_add(8)?)?;
        // An `unsigned int`, and what follows isn't its.
        Some((caught, uncaught as u32))
    }
}

struct Search {
    variable: u64,
    found: Option<Exceptions>,
}

/// Looks whether the variable is in this module's block of the calling thread.
unsafe extern "C" fn look_at(
    info: *mut libc::dl_phdr_info,
    size: usize,
    search: *mut c_void,
) -> c_int {
    if size < size_of::<libc::dl_phdr_info>() {
        return 0;
    }
    // SAFETY: the loader passes a whole record, and the pointer of `find`; the module's headers are
    // in memory.
    unsafe {
        let (info, search) = (&*info, &mut *search.cast::<Search>());
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        let Some(block) = headers.iter().find(|one| one.p_type == libc::PT_TLS) else {
            return 0;
        };
        let start = info.dlpi_tls_data as u64;
        if start != 0 && (start..start + block.p_memsz).contains(&search.variable) {
            search.found = Some(Exceptions {
                module: info.dlpi_tls_modid as u64,
                offset: search.variable - start,
            });
        }
    }
    0
}
