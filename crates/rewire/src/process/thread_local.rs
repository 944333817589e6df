//! Thread-local variables of compiled code.
//!
//! Compiled code finds them as code of shared libraries does (Drepper, "ELF Handling For
//! Thread-Local Storage", general dynamic model): it passes a module's number and an offset to
//! `__tls_get_addr`. The engine has its own, which knows the engine's modules by their highest
//! bit and leaves all others to the loader's; so compiled code and libraries share variables in
//! both directions that matter to a program.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, PoisonError};

use rewire_sync::{OnceLock, RwLock};

use super::fork;

/// Marks a module of the engine's. The loader counts its own up from 1.
const OURS: u64 = 1 << 63;

/// The initial values of one linked object's thread-local variables.
#[derive(Debug)]
struct Image {
    bytes: Vec<u8>,
    layout: Layout,
}

/// All modules of the process.
#[derive(Debug)]
struct Modules {
    places: Vec<Place>,
    /// Places whose modules left.
    free: Vec<u32>,
}

/// A place in the list of modules, for one after the other.
#[derive(Debug, Default)]
struct Place {
    /// How many modules had it before. Threads tell by it that their block is a former one's.
    round: u32,
    /// Empty until the module's object is published.
    image: Option<Arc<Image>>,
}

static MODULES: RwLock<Modules> = RwLock::new(Modules {
    places: Vec::new(),
    free: Vec::new(),
});

/// A module's number: below its mark, the round, then the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    round: u32,
    place: u32,
}

/// So many modules can have one place, one after the other; then it is left alone.
const ROUNDS: u32 = 1 << 31;

impl Number {
    fn of(module: u64) -> Self {
        Self {
            round: ((module & !OURS) >> 32) as u32,
            place: module as u32,
        }
    }

    fn to_module(self) -> u64 {
        OURS | u64::from(self.round) << 32 | u64::from(self.place)
    }
}

/// A number for a module whose image will follow.
pub(crate) fn new_module() -> u64 {
    let mut modules = MODULES.write().unwrap_or_else(PoisonError::into_inner);
    let place = match modules.free.pop() {
        Some(place) => place,
        None => {
            modules.places.push(Place::default());
            (modules.places.len() - 1) as u32
        }
    };
    let round = modules.places[place as usize].round;
    Number { round, place }.to_module()
}

/// A module's code is gone: nobody asks for its variables any more. Threads free their blocks of it
/// when they end, or when another module has its place.
pub(crate) fn forget_module(module: u64) {
    let number = Number::of(module);
    let mut modules = MODULES.write().unwrap_or_else(PoisonError::into_inner);
    let Some(place) = modules.places.get_mut(number.place as usize) else {
        return;
    };
    place.image = None;
    place.round += 1;
    if place.round < ROUNDS {
        modules.free.push(number.place);
    }
}

/// Sets a module's initial values; zeros follow up to `size` bytes.
pub(crate) fn set_image(module: u64, bytes: Vec<u8>, size: u64, align: u64) {
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let align = usize::try_from(align).unwrap_or(usize::MAX).max(16);
    let Ok(layout) = Layout::from_size_align(size, align) else {
        return;
    };
    let mut modules = MODULES.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = modules.places.get_mut(Number::of(module).place as usize) {
        place.image = Some(Arc::new(Image { bytes, layout }));
    }
}

/// One thread's block of one module.
struct Block {
    start: *mut u8,
    layout: Layout,
    /// The round of the module that it is of.
    round: u32,
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it was allocated so, and is this block's alone.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// One thread's blocks, by module; null where the thread hasn't touched the module.
struct Blocks {
    blocks: Vec<Option<Block>>,
    /// How often the thread's destructors have come by.
    rounds: usize,
}

thread_local! {
    static BLOCKS: Cell<*mut Blocks> = const { Cell::new(ptr::null_mut()) };
}

/// What `__tls_get_addr` takes (`tls_index` of the x86-64 ABI).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Index {
    module: u64,
    offset: u64,
}

unsafe extern "C" {
    fn __tls_get_addr(index: *const Index) -> *mut u8;
}

/// What compiled code calls to find a thread-local variable.
///
/// # Safety
///
/// `index` points to a pair that the linker made.
pub(crate) unsafe extern "C" fn get_address(index: *const Index) -> *mut u8 {
    // SAFETY: as the caller promises.
    let Index { module, offset } = unsafe { *index };
    if module & OURS == 0 {
        // SAFETY: the pair is the loader's.
        return unsafe { __tls_get_addr(index) };
    }
    let number = Number::of(module);
    // SAFETY: only this thread has the pointer, and it is either null or valid.
    let known = unsafe { BLOCKS.get().as_ref() }
        .and_then(|blocks| blocks.blocks.get(number.place as usize)?.as_ref())
        .filter(|block| block.round == number.round)
        .map(|block| block.start);
    let start = known.unwrap_or_else(|| new_block(number));
    start.wrapping_add(offset as usize)
}

#[cold]
fn new_block(number: Number) -> *mut u8 {
    let module = number.place as usize;
    let _inside = fork::hold_off();
    let image = {
        let modules = MODULES.read().unwrap_or_else(PoisonError::into_inner);
        let place = modules.places.get(module);
        place.and_then(|place| place.image.clone())
    };
    let Some(image) = image else {
        return ptr::null_mut();
    };
    // SAFETY: the size isn't zero, and the initial bytes are at most as many.
    let start = unsafe {
        let start = alloc_zeroed(image.layout);
        if start.is_null() {
            std::alloc::handle_alloc_error(image.layout);
        }
        let filled = image.bytes.len().min(image.layout.size());
        ptr::copy_nonoverlapping(image.bytes.as_ptr(), start, filled);
        start
    };
    if BLOCKS.get().is_null() {
        let blocks = Box::into_raw(Box::new(Blocks {
            blocks: Vec::new(),
            rounds: 0,
        }));
        BLOCKS.set(blocks);
        arm(blocks);
    }
    // SAFETY: it was made above or before, and only this thread has it.
    let blocks = unsafe { &mut (*BLOCKS.get()).blocks };
    if blocks.len() <= module {
        blocks.resize_with(module + 1, || None);
    }
    blocks[module] = Some(Block {
        start,
        layout: image.layout,
        round: number.round,
    });
    start
}

/// Has the thread's blocks freed when it ends.
fn arm(blocks: *mut Blocks) {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the destructor fits the values that the key gets.
        unsafe { libc::pthread_key_create(&raw mut key, Some(end_of_thread)) };
        key
    });
    // SAFETY: the key was made above.
    unsafe { libc::pthread_setspecific(*key, blocks.cast()) };
}

/// Other destructors of the thread may still use its variables, so the blocks go in the last of
/// the rounds that the C library makes.
extern "C" fn end_of_thread(blocks: *mut libc::c_void) {
    const ROUNDS: usize = 4;
    let blocks: *mut Blocks = blocks.cast();
    // SAFETY: it is this thread's own, made by `new_block`.
    unsafe {
        (*blocks).rounds += 1;
        if (*blocks).rounds < ROUNDS {
            arm(blocks);
            return;
        }
        BLOCKS.set(ptr::null_mut());
        drop(Box::from_raw(blocks));
    }
}
