//! Answers the unwinder for published code.
//!
//! libgcc finds a frame's description through `_Unwind_Find_FDE`, which it calls through the
//! PLT: a program that exports this symbol is asked first. [`answer`] looks the address up in an
//! index per engine, without a lock, and passes everything else on to libgcc. Registering with
//! libgcc instead costs each throw a pass over all registrations (GCC 12).
//!
//! Code comes and goes while others unwind. [`UnwindTable::register`] gives a guard; the
//! descriptions leave the index when it is dropped. Readers take no lock, wait for nobody and
//! allocate nothing, so that the unwinder may run in a signal handler that interrupted a writer.
//! What they find is what was entered, whole (see `index.rs`, and `readers.rs` for how memory is
//! freed).
//!
//! A program opts in with [`answer_unwinder!`](crate::answer_unwinder).

mod backtrace;
mod buckets;
mod description;
mod encoded;
mod exception_table;
mod frames;
pub mod give_up;
mod handlerless;
pub(crate) mod index;
pub(crate) mod library;

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use rewire_object::{ExecAddr, Frame};
use rewire_sync::{Mutex, lock};
use smallvec::SmallVec;

pub use backtrace::backtrace;
pub use frames::stub_frames;

use crate::global_scope;
use crate::readers::{Limbo, Readers};
use index::{Bucket, Index, Record};

/// What `_Unwind_Find_FDE` fills in (`struct dwarf_eh_bases` of libgcc's unwind-dw2-fde.h).
#[derive(Debug)]
#[repr(C)]
pub struct Bases {
    text: *mut c_void,
    data: *mut c_void,
    function: *mut c_void,
}

impl Default for Bases {
    fn default() -> Self {
        let nothing = std::ptr::null_mut();
        Self {
            text: nothing,
            data: nothing,
            function: nothing,
        }
    }
}

/// How many tables there can be at a time.
pub const MAX_ENGINES: usize = 64;
static INDEXES: [AtomicPtr<Index>; MAX_ENGINES] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; MAX_ENGINES];

/// Whoever looks into any of the indexes.
#[cfg(not(all(test, loom)))]
static READERS: Readers = Readers::new();
#[cfg(all(test, loom))]
loom::lazy_static! {
    static ref READERS: Readers = Readers::new();
}

/// Indexes of engines that have ended, until no reader can be in them.
static DEAD: Mutex<Limbo<Dead>> = Mutex::new(Limbo::new());

/// Dropping it frees the index and what was taken out of it.
#[derive(Debug)]
struct Dead {
    _index: Box<Index>,
    _limbo: Limbo<Bucket>,
}

/// The frame descriptions of an engine's code. Dropping it makes the unwinder forget them all.
///
/// `Send + Sync`: one thread at a time enters and removes; readers are never locked out.
#[derive(Debug)]
pub struct UnwindTable {
    entered: Arc<Entered>,
}

/// The descriptions of one object: mostly one.
type Records = SmallVec<[Record; 1]>;

/// What the table and the registrations share.
#[derive(Debug)]
struct Entered {
    /// Made by a box; shared with readers, who find it through `INDEXES`.
    index: NonNull<Index>,
    writer: Mutex<Limbo<Bucket>>,
    count: AtomicUsize,
}

// SAFETY: the index is only changed with the writer's lock held, and is made to be read meanwhile.
unsafe impl Send for Entered {}
// SAFETY: as above.
unsafe impl Sync for Entered {}

impl Entered {
    fn index(&self) -> &Index {
        // SAFETY: it is freed after this is dropped.
        unsafe { self.index.as_ref() }
    }

    fn enter(&self, frames: &[Frame]) -> Records {
        let mut records: Records = frames.iter().map(Record::from).collect();
        records.retain(|record| self.index().clip(record));
        let mut limbo = lock(&self.writer);
        self.index().insert(&records, &READERS, &mut limbo);
        self.count.fetch_add(records.len(), Ordering::Relaxed);
        records
    }

    fn remove(&self, records: &[Record]) {
        let mut limbo = lock(&self.writer);
        self.index().remove(records, &READERS, &mut limbo);
        self.count.fetch_sub(records.len(), Ordering::Relaxed);
    }

    /// Makes the unwinder forget the index.
    fn hide(&self) {
        for place in &INDEXES {
            let _ = place.compare_exchange(
                self.index.as_ptr(),
                std::ptr::null_mut(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.hide();
        // SAFETY: `UnwindTable::new` made it by a box, and nobody finds it any more. Readers may
        // still be in it, but it is only freed when they have left.
        let index = unsafe { Box::from_raw(self.index.as_ptr()) };
        let limbo = std::mem::replace(&mut *lock(&self.writer), Limbo::new());
        let dead = Box::new(Dead {
            _index: index,
            _limbo: limbo,
        });
        // SAFETY: made by a box right here; nothing leads to the index any more.
        unsafe { lock(&DEAD).retire(&READERS, NonNull::from(Box::leak(dead))) };
    }
}

impl UnwindTable {
    /// A table for code in `range`; `None` when there are [`MAX_ENGINES`] already.
    #[must_use]
    pub fn new(range: Range<ExecAddr>) -> Option<Self> {
        // Looked up now, because a signal handler that unwinds must not be the first to do it.
        let _ = next();
        lock(&DEAD).collect(&READERS);
        let index = Box::new(Index::new(range.start.get()..range.end.get()));
        let table = Self {
            entered: Arc::new(Entered {
                index: NonNull::from(Box::leak(index)),
                writer: Mutex::new(Limbo::new()),
                count: AtomicUsize::new(0),
            }),
        };
        let is_entered = INDEXES.iter().any(|place| {
            let (none, index) = (std::ptr::null_mut(), table.entered.index.as_ptr());
            place
                .compare_exchange(none, index, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        });
        is_entered.then_some(table)
    }

    /// Enters descriptions of frames until the registration is dropped. What describes code outside
    /// the table's range is left out.
    ///
    /// It costs a copy of the records of each kilobyte of code that is concerned. The descriptions
    /// have to stay in memory until the registration is dropped, and until no thread can be
    /// unwinding through their code any more.
    pub fn register(&self, frames: &[Frame]) -> UnwindRegistration {
        UnwindRegistration {
            records: self.entered.enter(frames),
            entered: Arc::clone(&self.entered),
        }
    }

    /// Enters the description of the stubs, for the table's life; see [`stub_frames`].
    pub fn register_stubs(&self, frame: Frame) {
        self.entered.enter(&[frame]);
    }

    /// How many descriptions are entered, the stubs' included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entered.count.load(Ordering::Relaxed)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for UnwindTable {
    fn drop(&mut self) {
        // The index itself stays for registrations that live longer.
        self.entered.hide();
    }
}

/// Frame descriptions that are entered in an [`UnwindTable`]. Dropping it takes them out: to be
/// done before the code's memory is given back.
#[derive(Debug)]
#[must_use = "dropping it takes the descriptions out again"]
pub struct UnwindRegistration {
    records: Records,
    entered: Arc<Entered>,
}

impl UnwindRegistration {
    /// How many descriptions it stands for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the section described nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Drop for UnwindRegistration {
    fn drop(&mut self) {
        if !self.is_empty() {
            self.entered.remove(&self.records);
        }
    }
}

/// To be called in the child of a fork: threads that the child doesn't have may have been asking
/// for a frame, and would keep memory from being freed for ever.
pub fn forget_readers_in_child() {
    READERS.forget_in_child();
}

type FindFde = unsafe extern "C" fn(*mut c_void, *mut Bases) -> *const c_void;

/// libgcc's own function; `None` in programs without it.
fn next() -> Option<FindFde> {
    /// Not looked up yet, or there is none, or its address.
    static NEXT: AtomicUsize = AtomicUsize::new(UNKNOWN);
    const UNKNOWN: usize = 0;
    const NONE: usize = 1;
    let mut next = NEXT.load(Ordering::Acquire);
    if next == UNKNOWN {
        // No lock: everybody finds the same.
        let found = global_scope::address_in_libraries("_Unwind_Find_FDE");
        next = found.map_or(NONE, |found| found.get() as usize);
        NEXT.store(next, Ordering::Release);
    }
    // SAFETY: libgcc's function has this type.
    (next != NONE).then(|| unsafe { std::mem::transmute::<usize, FindFde>(next) })
}

/// The description of an address's frame, and whether an engine is responsible for it.
fn find(address: u64) -> Option<Option<Record>> {
    let reading = READERS.enter();
    INDEXES.iter().find_map(|place| {
        // SAFETY: indexes are freed when no reader can be in them, and this one is inside.
        let index = unsafe { place.load(Ordering::Acquire).as_ref() }?;
        index
            .contains(address)
            .then(|| index.find(address, &reading))
    })
}

/// Whether an address lies in an engine's code. Safe in a signal handler.
pub(crate) fn is_compiled(address: u64) -> bool {
    find(address).is_some()
}

/// The body of the `_Unwind_Find_FDE` that [`answer_unwinder!`](crate::answer_unwinder) exports.
///
/// # Safety
///
/// The caller must ensure that `bases` points to a `struct dwarf_eh_bases` that may be written, as
/// libgcc does.
pub unsafe fn answer(pc: *mut c_void, bases: *mut Bases) -> *const c_void {
    if let Some(found) = find(pc as u64) {
        let given_up = handlerless::find(pc as u64);
        let found = given_up.or_else(|| {
            let record = found?;
            Some((record.start, record.description as *const c_void))
        });
        let Some((start, description)) = found else {
            return std::ptr::null();
        };
        let found = Bases {
            function: start as *mut c_void,
            ..Bases::default()
        };
        // SAFETY: as the caller promises.
        unsafe { bases.write(found) };
        return description;
    }
    match next() {
        // SAFETY: the arguments are the unwinder's.
        Some(next) => unsafe { next(pc, bases) },
        None => std::ptr::null(),
    }
}

/// Makes the program answer the unwinder for engines' code. Goes into the executable, once:
/// libraries can't do it for their users, because only an executable's symbols come first.
#[macro_export]
macro_rules! answer_unwinder {
    () => {
        /// Asked by libgcc for the description of a frame.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn _Unwind_Find_FDE(
            pc: *mut ::std::ffi::c_void,
            bases: *mut $crate::unwind::Bases,
        ) -> *const ::std::ffi::c_void {
            // SAFETY: libgcc passes what it promises to.
            unsafe { $crate::unwind::answer(pc, bases) }
        }
    };
}

#[cfg(all(test, not(loom)))]
mod tests;
