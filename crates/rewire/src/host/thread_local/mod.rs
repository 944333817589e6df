//! Thread-local variables of compiled code.
//!
//! Compiled code finds them as code of shared libraries does (Drepper, "ELF Handling For
//! Thread-Local Storage", general dynamic model): it passes a module's number and an offset to
//! `__tls_get_addr`. The engine has its own, which knows the engine's modules by their highest
//! bit and leaves all others to the loader's; so compiled code and libraries share variables in
//! both directions that matter to a program.
//!
//! A native program's thread-locals can be used at any moment of a thread: in a signal handler that
//! interrupts their first use, while the thread ends, in a thread that may be cancelled at any
//! instruction. So whatever happens here takes no lock and doesn't allocate with the allocator that
//! may have been interrupted; and a thread gets a block with signals blocked and cancellation put
//! off.

mod arena;
mod blocks;
mod modules;

use std::ffi::c_void;
use std::ptr;

use rewire_memory::entry;
use rewire_memory::signals::SignalsBlocked;

use modules::{ModuleNumber, OURS};
pub(crate) use modules::{forget_module, is_aligned, set_image};

/// A number for a module whose image will follow.
pub(crate) fn new_module() -> u64 {
    blocks::prepare();
    modules::new_module()
}

/// What `__tls_get_addr` takes (`tls_index` of the x86-64 ABI).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct TlsIndex {
    module: u64,
    offset: u64,
}

unsafe extern "C" {
    fn __tls_get_addr(index: *const TlsIndex) -> *mut u8;
}

/// What compiled code calls to find a thread-local variable. A thread may be cancelled within, so
/// nothing here has to be dropped.
///
/// # Safety
///
/// `index` points to a pair that the linker made.
pub(crate) unsafe extern "C-unwind" fn get_address(index: *const TlsIndex) -> *mut u8 {
    // SAFETY: as the caller promises.
    let TlsIndex { module, offset } = unsafe { *index };
    if module & OURS == 0 {
        // SAFETY: the pair is the loader's.
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

/// A block that this thread doesn't have yet.
struct MissingBlock {
    number: ModuleNumber,
    /// Null if the module has no image.
    start: *mut u8,
}

#[cold]
extern "C" fn allocate_block(wanted: *mut c_void) {
    let _blocked = SignalsBlocked::block();
    // SAFETY: `get_address` passes one that nobody else uses.
    let wanted = unsafe { &mut *wanted.cast::<MissingBlock>() };
    // A signal handler may have come first.
    wanted.start = blocks::find(wanted.number);
    if wanted.start.is_null() {
        // SAFETY: signals are blocked.
        wanted.start = unsafe { blocks::make(wanted.number) };
    }
}
