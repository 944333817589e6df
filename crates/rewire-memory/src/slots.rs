//! Slots and stubs: how a call finds the function's current body.
//!
//! Each function has a slot, an aligned word with the address to go to, and a stub of 16 bytes.
//! Compiled code calls through the slot (`call *slot(%rip)`). The stub's first byte is the
//! function's canonical address, what `&f` is for ever; its second half is where a fresh slot
//! leads, and enters the engine:
//!
//! ```text
//! stub + 0:  jmp *slot(%rip)
//! stub + 8:  call common          the return address tells which stub it was
//! stub + 13: jmp stub + 0         the engine returns here, once the slot leads to the body
//! ```
//!
//! `common`, at the start of each page of stubs, is a jump to the engine's entry. Returning with
//! `ret` to the stub keeps the processor's return predictions in step.
//!
//! A function may have a body before anybody calls it, because it was compiled ahead. Its slot
//! stays fresh, so that the first call is counted, and the body waits in a word beside
//! ([`Slots::make_ready`]), which the entry finds through the head of the stub's page:
//!
//! ```text
//! page + 0:  jmp *2(%rip), 2 bytes, the engine's entry
//! page + 16: the address of the page's words: one for each 16 bytes of the page
//! page + 24: the address of the count of first calls that found a word filled
//! page + 32: stubs
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rewire_object::ExecAddr;

use crate::error::MemoryError;
use crate::memory::{CodeMemory, RegionKind};

/// The number of a slot and of the stub that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(u32);

impl SlotId {
    /// Numbers count up from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

const PAGE: u64 = 4096;
const STUB: u64 = 16;
/// What stands before the stubs of a page.
const HEAD: u64 = 32;
const STUBS_PER_PAGE: u64 = (PAGE - HEAD) / STUB;
/// Where a fresh slot leads, from the stub's start.
const FIRST_CALL: u64 = 8;
/// Where `call common` returns to, from the stub's start.
const RETURNS: u64 = 13;

/// All slots and stubs of an engine.
///
/// `Send + Sync`. The regions that they lie in belong to nobody else, so that an address gives
/// the slot by arithmetic.
#[derive(Debug)]
pub struct Slots {
    memory: Arc<CodeMemory>,
    stubs: Range<ExecAddr>,
    slots: Range<ExecAddr>,
    entry: ExecAddr,
    pages: Mutex<Pages>,
    /// First calls that found a body.
    found_ready: Box<AtomicU64>,
}

#[derive(Debug, Default)]
struct Pages {
    /// How many slots were given out.
    next: u64,
    /// The words of each page of stubs.
    ready: Vec<Box<[AtomicU64]>>,
}

impl Slots {
    /// No slots yet. `entry` is the code that a fresh slot leads to, see
    /// [`entry`](crate::entry).
    #[must_use]
    pub fn new(memory: Arc<CodeMemory>, entry: ExecAddr) -> Self {
        Self {
            stubs: memory.region(RegionKind::Stubs),
            slots: memory.region(RegionKind::Slots),
            entry,
            pages: Mutex::default(),
            found_ready: Box::default(),
            memory,
        }
    }

    /// A fresh slot with its stub, in the state that leads to the engine.
    ///
    /// # Errors
    ///
    /// The memory for stubs is used up.
    pub fn allocate(&self) -> Result<SlotId, MemoryError> {
        let mut pages = self.pages();
        let next = pages.next;
        if next.is_multiple_of(STUBS_PER_PAGE) {
            let ready = self.add_page(next)?;
            pages.ready.push(ready);
        }
        pages.next += 1;
        Ok(SlotId(next as u32))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes a page of stubs; the answer is its words.
    fn add_page(&self, first: u64) -> Result<Box<[AtomicU64]>, MemoryError> {
        let ready: Box<[AtomicU64]> = (0..PAGE / STUB).map(|_| AtomicU64::new(0)).collect();
        let mut page = self.memory.allocate(RegionKind::Stubs, PAGE, PAGE)?;
        let words = self
            .memory
            .allocate(RegionKind::Slots, 8 * STUBS_PER_PAGE, 8)?;
        let ids = (first..first + STUBS_PER_PAGE).map(|id| SlotId(id as u32));
        let mut code = Vec::with_capacity(PAGE as usize);
        // jmp *2(%rip), to the word behind it.
        code.extend([0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc]);
        code.extend(self.entry.get().to_le_bytes());
        code.extend((ready.as_ptr() as u64).to_le_bytes());
        code.extend((&raw const *self.found_ready as u64).to_le_bytes());
        for id in ids.clone() {
            let stub = self.canonical(id);
            let displacement =
                |to: ExecAddr, end: u64| (to.offset_from(stub + end) as i32).to_le_bytes();
            code.extend([0xff, 0x25]);
            code.extend(displacement(self.slot(id), 6));
            code.extend([0x66, 0x90, 0xe8]);
            code.extend(displacement(page.start(), RETURNS));
            code.extend([0xeb, 0xf1, 0xcc]);
        }
        debug_assert_eq!(self.canonical(SlotId(first as u32)), page.start() + HEAD);
        debug_assert_eq!(self.slot(SlotId(first as u32)), words.start());
        page.write(&code)?;
        page.keep();
        words.keep();
        for id in ids {
            self.reset(id);
        }
        Ok(ready)
    }

    /// The address of the slot itself.
    #[must_use]
    pub fn slot(&self, id: SlotId) -> ExecAddr {
        self.slots.start + 8 * u64::from(id.0)
    }

    /// The function's canonical address: its stub.
    #[must_use]
    pub fn canonical(&self, id: SlotId) -> ExecAddr {
        let (page, place) = (
            u64::from(id.0) / STUBS_PER_PAGE,
            u64::from(id.0) % STUBS_PER_PAGE,
        );
        self.stubs.start + (page * PAGE + HEAD + place * STUB)
    }

    /// The slot whose stub is at a canonical address.
    #[must_use]
    pub fn at_canonical(&self, address: ExecAddr) -> Option<SlotId> {
        let (id, offset) = self.at_stub(address)?;
        (offset == 0).then_some(id)
    }

    /// The slot whose stub an address is in, and how many bytes from the stub's start.
    #[must_use]
    pub fn at_stub(&self, address: ExecAddr) -> Option<(SlotId, u64)> {
        if !self.stubs.contains(&address) {
            return None;
        }
        let offset = address.get() - self.stubs.start.get();
        let (page, place) = (offset / PAGE, (offset % PAGE).checked_sub(HEAD)? / STUB);
        let id = SlotId((page * STUBS_PER_PAGE + place) as u32);
        (u64::from(id.0) < self.pages().next).then_some((id, offset % STUB))
    }

    /// The slot whose stub called the engine, from the return address of that call.
    #[must_use]
    pub fn of_first_call(&self, returns_to: ExecAddr) -> Option<SlotId> {
        self.at_canonical(returns_to.checked_add_signed(-(RETURNS as i64))?)
    }

    /// The addresses of all stubs there can be.
    #[must_use]
    pub fn stub_range(&self) -> Range<ExecAddr> {
        self.stubs.clone()
    }

    /// Where calls go now.
    #[must_use]
    pub fn target(&self, id: SlotId) -> ExecAddr {
        ExecAddr::new(self.word(id).load(Ordering::Acquire))
    }

    /// Whether calls still go to the engine.
    #[must_use]
    pub fn is_fresh(&self, id: SlotId) -> bool {
        self.target(id) == self.canonical(id) + FIRST_CALL
    }

    /// Retargets every call: the one store that replaces a function.
    ///
    /// What `target` leads to must be visible to other threads as code before: `Release` orders
    /// the bytes, and fresh memory needs no more.
    pub fn retarget(&self, id: SlotId, target: ExecAddr) {
        self.word(id).store(target.get(), Ordering::Release);
    }

    /// Makes calls go to a body: at once, or, if it was made ahead of the first call, by that.
    pub fn lead(&self, id: SlotId, body: ExecAddr, is_ahead: bool) {
        if is_ahead {
            self.make_ready(id, body);
        } else {
            self.retarget(id, body);
        }
    }

    /// Gives the first call of a function that nobody has called yet a body to go to: without the
    /// engine's doing, it stores the slot, and is counted ([`Slots::found_ready`]).
    pub fn make_ready(&self, id: SlotId, body: ExecAddr) {
        self.with_ready(id, |word| word.store(body.get(), Ordering::Release));
    }

    /// Takes back what [`Slots::make_ready`] gave, unless a first call has got it.
    pub fn take_ready(&self, id: SlotId) -> Option<ExecAddr> {
        let taken = self.with_ready(id, |word| word.swap(0, Ordering::AcqRel));
        (taken != 0).then_some(ExecAddr::new(taken))
    }

    fn with_ready<R>(&self, id: SlotId, work: impl FnOnce(&AtomicU64) -> R) -> R {
        let (page, place) = (
            u64::from(id.0) / STUBS_PER_PAGE,
            u64::from(id.0) % STUBS_PER_PAGE,
        );
        work(&self.pages().ready[page as usize][((HEAD / STUB) + place) as usize])
    }

    /// How many first calls found a body without the engine's doing.
    #[must_use]
    pub fn found_ready(&self) -> u64 {
        self.found_ready.load(Ordering::Relaxed)
    }

    /// Makes calls go to the engine again.
    pub fn reset(&self, id: SlotId) {
        self.retarget(id, self.canonical(id) + FIRST_CALL);
    }

    fn word(&self, id: SlotId) -> &AtomicU64 {
        // SAFETY: slots are given out by pages of them, which stay mapped and writable as long as
        // the memory lives, and are only ever accessed as atomic words (by us) or read (by code).
        unsafe { &*(self.slot(id).get() as *const AtomicU64) }
    }
}
