//! Thread-local variables of compiled code.
//!
//! Compiled code accesses them as code in shared libraries does (Drepper, "ELF Handling For
//! Thread-Local Storage", general dynamic model): it passes a module number and an offset to
//! `__tls_get_addr`. The engine supplies its own `__tls_get_addr`, which recognises the engine's
//! modules by their highest bit and passes all others to the loader's. So compiled code and
//! libraries can share thread-local variables.
//!
//! A native program may use thread-local variables at any moment: in a signal handler that
//! interrupts their first use, while a thread ends, in a thread that may be cancelled at any
//! instruction. So the code here takes no lock and doesn't use the allocator, which may have been
//! interrupted. A thread gets a block with signals blocked and cancellation deferred.

mod arena;
mod blocks;
mod modules;

use std::ffi::c_void;
use std::ptr;

use rewire_memory::entry;
use rewire_memory::signals::SignalsBlocked;

use modules::{ModuleNumber, OURS};
pub(crate) use modules::{forget_module, is_aligned, set_image};

/// Returns a number for a new module, whose image will be set later.
pub(crate) fn new_module() -> u64 {
    blocks::prepare();
    modules::new_module()
}

/// The argument of `__tls_get_addr` (`tls_index` of the x86-64 ABI).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct TlsIndex {
    module: u64,
    offset: u64,
}

unsafe extern "C" {
    fn __tls_get_addr(index: *const TlsIndex) -> *mut u8;
}

/// Returns the address of a thread-local variable; compiled code calls it as `__tls_get_addr`. The
/// thread may be cancelled inside, so nothing here needs to be dropped.
///
/// # Safety
///
/// The caller must ensure that `index` points to a pair of module and offset that the linker wrote.
pub(crate) unsafe extern "C-unwind" fn get_address(index: *const TlsIndex) -> *mut u8 {
    // SAFETY: as the caller promises.
    let TlsIndex { module, offset } = unsafe { *index };
    if module & OURS == 0 {
        // SAFETY: the pair belongs to the loader.
        return unsafe { __tls_get_addr(index) };
    }
    let number = ModuleNumber::of(module);
    let known = blocks::find(number);
    if !known.is_null() {
        return known.wrapping_add(offset as usize);
    }
    let mut wanted = MissingBlock {
        number,
        start: ptr::null_mut(),
    };
    // SAFETY: the work takes a `MissingBlock`.
    unsafe { entry::uncancelled((&raw mut wanted).cast(), allocate_block) };
    wanted.start.wrapping_add(offset as usize)
}

/// A request for a block that this thread doesn't have yet.
struct MissingBlock {
    number: ModuleNumber,
    /// Null if the module has no image.
    start: *mut u8,
}

#[cold]
extern "C" fn allocate_block(wanted: *mut c_void) {
    let _blocked = SignalsBlocked::block();
    // SAFETY: `get_address` passes a pointer to its own `MissingBlock`, which nothing else uses.
    let wanted = unsafe { &mut *wanted.cast::<MissingBlock>() };
    // A signal handler may have made the block meanwhile.
    wanted.start = blocks::find(wanted.number);
    if wanted.start.is_null() {
        // SAFETY: signals are blocked.
        wanted.start = unsafe { blocks::make(wanted.number) };
    }
}
