//! The modules of thread-local variables, and their initial values.
//!
//! Threads read this without a lock. This is possible because a module is forgotten only when its
//! code is gone, so no thread can be asking for it.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rewire_sync::{Mutex, lock};

/// Marks a module of the engine's. The loader numbers its own modules from 1.
pub(super) const OURS: u64 = 1 << 63;

/// A module's number: below the mark, the round and then the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModuleNumber {
    /// How many modules had the place before. By it, a thread recognises that its block belongs to
    /// a former module.
    pub(super) round: u32,
    pub(super) place: u32,
}

/// The maximum number of modules that can have one place, one after the other; then the place is no
/// longer used.
const ROUNDS: u32 = 1 << 31;

impl ModuleNumber {
    pub(super) fn of(module: u64) -> Self {
        Self {
            round: ((module & !OURS) >> 32) as u32,
            place: module as u32,
        }
    }

    fn to_module(self) -> u64 {
        OURS | u64::from(self.round) << 32 | u64::from(self.place)
    }
}

/// The initial values of one linked object's thread-local variables; zeros follow up to `size`.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) size: usize,
    pub(super) align: usize,
}

/// A place in the list of modules, used by one module after the other.
struct ModulePlace {
    round: AtomicU32,
    /// Null until the module's object is published.
    image: AtomicPtr<Image>,
}

/// The places, in arrays that never move, each twice as long as the one before.
static PIECES: [AtomicPtr<ModulePlace>; 24] = [const { AtomicPtr::new(ptr::null_mut()) }; 24];

/// The number of places in the first array.
const FIRST: usize = 64;

/// Returns the array that a place is in, and its index there.
const fn position(place: u32) -> (usize, usize) {
    let number = place as usize + FIRST;
    let piece = (number.ilog2() - FIRST.ilog2()) as usize;
    (piece, number - (FIRST << piece))
}

fn place(place: u32) -> Option<&'static ModulePlace> {
    let (piece, index) = position(place);
    let start = PIECES.get(piece)?.load(Ordering::Acquire);
    // SAFETY: an array of places is never freed, and has this many places.
    (!start.is_null()).then(|| unsafe { &*start.add(index) })
}

/// Allocates places.
struct ModulePlaces {
    count: u32,
    /// Places whose modules are gone.
    free: Vec<u32>,
}

static GIVEN: Mutex<ModulePlaces> = Mutex::new(ModulePlaces {
    count: 0,
    free: Vec::new(),
});

fn new_place(given: &mut ModulePlaces) -> u32 {
    if let Some(free) = given.free.pop() {
        return free;
    }
    let new = given.count;
    let (piece, index) = position(new);
    if index == 0 {
        let empty = || ModulePlace {
            round: AtomicU32::new(0),
            image: AtomicPtr::default(),
        };
        let places: Box<[ModulePlace]> = (0..FIRST << piece).map(|_| empty()).collect();
        PIECES[piece].store(Box::leak(places).as_mut_ptr(), Ordering::Release);
    }
    given.count += 1;
    new
}

/// Returns a number for a new module, whose image will be set later.
pub(super) fn new_module() -> u64 {
    let mut given = lock(&GIVEN);
    let number = new_place(&mut given);
    let round = place(number).map_or(0, |place| place.round.load(Ordering::Relaxed));
    ModuleNumber {
        round,
        place: number,
    }
    .to_module()
}

/// Forgets a module, whose code is gone, so that no thread asks for its variables any more. Threads
/// release their blocks of it when they end, or when another module gets its place.
pub(crate) fn forget_module(module: u64) {
    let number = ModuleNumber::of(module);
    let mut given = lock(&GIVEN);
    let Some(place) = place(number.place) else {
        return;
    };
    free(place.image.swap(ptr::null_mut(), Ordering::AcqRel));
    let round = number.round + 1;
    place.round.store(round, Ordering::Release);
    if round < ROUNDS {
        given.free.push(number.place);
    }
}

/// Sets a module's initial values; zeros follow up to `size` bytes.
pub(crate) fn set_image(module: u64, bytes: Vec<u8>, size: u64, align: u64) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let align = usize::try_from(align).unwrap_or(usize::MAX);
    if let Some(place) = place(ModuleNumber::of(module).place) {
        let image = Box::into_raw(Box::new(Image {
            size: size.max(bytes.len()).max(1),
            bytes,
            align: align.max(16),
        }));
        free(place.image.swap(image, Ordering::AcqRel));
    }
}

/// Frees an image that was removed from its place.
fn free(image: *mut Image) {
    if !image.is_null() {
        // SAFETY: `set_image` made it, and no thread asks for it any more: its module has left, or
        // isn't published yet.
        drop(unsafe { Box::from_raw(image) });
    }
}

/// Returns the initial values of a module's variables. To be called on behalf of the module's code,
/// which stays as long as it runs.
pub(super) fn image<'a>(number: ModuleNumber) -> Option<&'a Image> {
    let place = place(number.place)?;
    if place.round.load(Ordering::Acquire) != number.round {
        return None;
    }
    // SAFETY: it is freed when the module's code is gone.
    unsafe { place.image.load(Ordering::Acquire).as_ref() }
}

/// Whether a variable of a module has this alignment in each thread's block. The module must not be
/// forgotten. The loader's modules are taken as they are.
pub(crate) fn is_aligned(module: u64, offset: u64, align: u64) -> bool {
    let image = (module & OURS != 0).then(|| image(ModuleNumber::of(module)));
    image
        .flatten()
        .is_none_or(|image| image.align as u64 >= align && offset.is_multiple_of(align.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_one_another() {
        assert_eq!(position(0), (0, 0));
        assert_eq!(position(63), (0, 63));
        assert_eq!(position(64), (1, 0));
        assert_eq!(position(191), (1, 127));
        assert_eq!(position(192), (2, 0));
    }

    #[test]
    fn a_place_is_told_apart_by_its_round() {
        let first = new_module();
        set_image(first, vec![1], 8, 8);
        assert_eq!(image(ModuleNumber::of(first)).unwrap().size, 8);
        forget_module(first);
        assert!(image(ModuleNumber::of(first)).is_none());
        let next = ModuleNumber {
            round: ModuleNumber::of(first).round + 1,
            ..ModuleNumber::of(first)
        };
        assert!(image(next).is_none(), "not published yet");
        set_image(next.to_module(), vec![2], 1, 1);
        assert_eq!(image(next).unwrap().bytes, [2]);
        assert!(image(ModuleNumber::of(first)).is_none());
    }
}
