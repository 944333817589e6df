//! Slots and stubs: how a call finds the function's current body.
//!
//! Each function has a slot, an aligned word with the address to go to, and a stub of 16 bytes.
//! Compiled code calls through the slot (`call *slot(%rip)`). The stub's first byte is the
//! function's canonical address, what `&f` is for ever; its second half is where a fresh slot
//! leads, and enters the engine:
//!
//! ```text
//! stub + 0:  jmp *slot(%rip)
//! stub + 6:  2-byte nop           where a slot leads that leads to the engine again
//! stub + 8:  call common          the return address tells which stub it was
//! stub + 13: jmp stub + 0         the engine returns here, once the slot leads to the body
//! ```
//!
//! `common`, at the start of each page of stubs, is a jump to the engine's entry. Returning with
//! `ret` to the stub keeps the processor's return predictions in step.
//!
//! A function may have a body before anybody calls it, because it was compiled ahead. Its slot
//! stays fresh, so that the first call is counted, and the body waits in a word beside
//! ([`Slots::store_ready`]), which the entry finds through the head of the stub's page:
//!
//! ```text
//! page + 0:  jmp *2(%rip), 2 bytes, the engine's entry
//! page + 16: the address of the page's words: one for each 16 bytes of the page
//! page + 24: the address of the count of first calls that found a word filled
//! page + 32: stubs
//! ```
//!
//! Slots can be given back ([`Slots::free`]) and are then given out again, with their stubs. What
//! may happen to a function's two words, and in which order, is in `words.rs`.

mod counting;
mod ready;
mod slot_id;
pub(crate) mod words;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rewire_object::ExecAddr;
use rewire_sync::{Mutex, MutexGuard, lock};

use crate::error::MemoryError;
use crate::memory::CodeMemory;
use crate::page::PAGE;
use crate::region_kind::RegionKind;
use crate::sync::atomic::{AtomicU64, Ordering};
use counting::CountingStubs;
use ready::ReadyWords;
pub use slot_id::SlotId;
use words::{NEW, Words};

const STUB: u64 = 16;
/// What stands before the stubs of a page.
const HEAD: u64 = 32;
const STUBS_PER_PAGE: u64 = (PAGE - HEAD) / STUB;
/// Where `call common` returns to, from the stub's start.
const RETURNS: u64 = NEW + 5;

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
    table: Mutex<SlotTable>,
    /// First calls that found a body.
    found_ready: Box<AtomicU64>,
}

#[derive(Debug, Default)]
struct SlotTable {
    /// Of each slot that was ever given out.
    known: Vec<SlotStatus>,
    /// Those that aren't in use. The longest unused is taken first, so that a call of a function
    /// that is gone finds a slot of nobody's for as long as possible, and is told so.
    free: VecDeque<SlotId>,
    ready: ReadyWords,
    counting: CountingStubs,
    /// For each page of ready words, how many of them aren't used any more.
    unused_ready: Vec<u16>,
}

const NEW_SLOT: SlotStatus = SlotStatus {
    in_use: true,
    given: false,
    ready_is_unused: false,
};

#[derive(Clone, Copy, Debug)]
struct SlotStatus {
    in_use: bool,
    /// Whether a first call may have got a body, see `words.rs`.
    given: bool,
    /// The function has left for good ([`Slots::store_engine_for_ever`]): the ready word isn't used
    /// any more.
    ready_is_unused: bool,
}

impl SlotTable {
    /// The slots whose ready words share a page with this one's.
    fn sharing(id: SlotId) -> usize {
        id.index() / (STUBS_PER_PAGE as usize * ready::SHARING)
    }

    fn is_in_use(&self, id: SlotId) -> bool {
        self.known.get(id.index()).is_some_and(|known| known.in_use)
    }
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
            table: Mutex::default(),
            found_ready: Box::default(),
            memory,
        }
    }

    /// A new slot with its stub, in the state that leads to the engine.
    ///
    /// # Errors
    ///
    /// The memory for stubs is used up.
    pub fn allocate(&self) -> Result<SlotId, MemoryError> {
        let mut table = self.table();
        if let Some(id) = table.free.pop_front() {
            table.known[id.index()] = NEW_SLOT;
            self.words(&table.ready, id).store_new();
            return Ok(id);
        }
        let next = table.known.len() as u64;
        if next.is_multiple_of(STUBS_PER_PAGE) {
            let ready = table.ready.open((next / STUBS_PER_PAGE) as usize)?;
            self.add_page(next, ready)?;
        }
        let id = SlotId::new(next as u32);
        table.known.push(NEW_SLOT);
        self.words(&table.ready, id).store_new();
        Ok(id)
    }

    /// Gives a slot back, to be given out again by [`Slots::allocate`]; whether it was in use.
    ///
    /// The caller promises that nothing refers to the slot or to its stub any more, and that no
    /// thread is on its way from the stub into the engine, as for freeing code. Until the slot is
    /// given out again, a call through it goes to the engine, for which it belongs to nobody.
    pub fn free(&self, id: SlotId) -> bool {
        let mut table = self.table();
        let was_in_use = table.is_in_use(id);
        if was_in_use {
            self.words(&table.ready, id).store_engine();
            table.counting.free(id, self.canonical(id));
            table.known[id.index()].in_use = false;
            table.free.push_back(id);
        }
        was_in_use
    }

    /// The function of a slot has left, and its address may still be known to somebody: the slot
    /// leads to the engine, and is never [freed](Slots::free). If the function comes back, its
    /// first call goes through the engine.
    pub fn store_engine_for_ever(&self, id: SlotId) {
        let table = &mut *self.table();
        self.words(&table.ready, id).store_engine();
        table.counting.free(id, self.canonical(id));
        let known = &mut table.known[id.index()];
        if std::mem::replace(&mut known.ready_is_unused, true) {
            return;
        }
        let place = SlotTable::sharing(id);
        if table.unused_ready.len() <= place {
            table.unused_ready.resize(place + 1, 0);
        }
        table.unused_ready[place] += 1;
        if u64::from(table.unused_ready[place]) == STUBS_PER_PAGE * ready::SHARING as u64 {
            table.ready.release(place * ready::SHARING);
        }
    }

    /// How many slots are in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let table = self.table();
        table.known.len() - table.free.len()
    }

    fn table(&self) -> MutexGuard<'_, SlotTable> {
        lock(&self.table)
    }

    /// Writes a page of stubs, whose ready words are there.
    fn add_page(&self, first: u64, ready: u64) -> Result<(), MemoryError> {
        let mut page = self.memory.allocate(RegionKind::Stubs, PAGE, PAGE)?;
        let words = self
            .memory
            .allocate(RegionKind::Slots, 8 * STUBS_PER_PAGE, 8)?;
        let ids = (first..first + STUBS_PER_PAGE).map(|id| SlotId::new(id as u32));
        let mut code = Vec::with_capacity(PAGE as usize);
        // jmp *2(%rip), to the word behind it.
        code.extend([0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc]);
        code.extend(self.entry.get().to_le_bytes());
        code.extend(ready.to_le_bytes());
        code.extend((&raw const *self.found_ready as u64).to_le_bytes());
        for id in ids {
            let stub = self.canonical(id);
            let displacement =
                |to: ExecAddr, end: u64| (to.offset_from(stub + end) as i32).to_le_bytes();
            code.extend([0xff, 0x25]);
            code.extend(displacement(self.slot(id), 6));
            code.extend([0x66, 0x90, 0xe8]);
            code.extend(displacement(page.start(), RETURNS));
            code.extend([0xeb, 0xf1, 0xcc]);
        }
        debug_assert_eq!(
            self.canonical(SlotId::new(first as u32)),
            page.start() + HEAD
        );
        debug_assert_eq!(self.slot(SlotId::new(first as u32)), words.start());
        page.write(&code)?;
        page.keep();
        words.keep();
        Ok(())
    }

    /// The address of the slot itself.
    #[must_use]
    pub fn slot(&self, id: SlotId) -> ExecAddr {
        self.slots.start + 8 * id.index() as u64
    }

    /// The function's canonical address: its stub.
    #[must_use]
    pub fn canonical(&self, id: SlotId) -> ExecAddr {
        let (page, place) = (
            id.index() as u64 / STUBS_PER_PAGE,
            id.index() as u64 % STUBS_PER_PAGE,
        );
        self.stubs.start + (page * PAGE + HEAD + place * STUB)
    }

    /// The addresses within a function's stub that a thread has while it calls the function for the
    /// first time. The stub's own address, which others may have as well, isn't among them.
    #[must_use]
    pub fn inside_stub(&self, id: SlotId) -> Range<ExecAddr> {
        let start = self.canonical(id);
        start + 1..start + (STUB - 1)
    }

    /// As [`Slots::inside_stub`], and all addresses of the function's counting stub, if it has one.
    #[must_use]
    pub fn ways_in(&self, id: SlotId) -> Vec<Range<ExecAddr>> {
        let counting = self.table().counting.range(id);
        std::iter::once(self.inside_stub(id))
            .chain(counting)
            .collect()
    }

    /// The slot in use whose stub is at a canonical address.
    #[must_use]
    pub fn at_canonical(&self, address: ExecAddr) -> Option<SlotId> {
        let (id, offset) = self.at_stub(address)?;
        (offset == 0).then_some(id)
    }

    /// The slot in use whose stub an address is in, and how many bytes from the stub's start.
    #[must_use]
    pub fn at_stub(&self, address: ExecAddr) -> Option<(SlotId, u64)> {
        if !self.stubs.contains(&address) {
            return None;
        }
        let offset = address.get() - self.stubs.start.get();
        let (page, place) = (offset / PAGE, (offset % PAGE).checked_sub(HEAD)? / STUB);
        let id = SlotId::new((page * STUBS_PER_PAGE + place) as u32);
        self.table().is_in_use(id).then_some((id, offset % STUB))
    }

    /// The slot in use whose stub called the engine, from the return address of that call.
    #[must_use]
    pub fn of_first_call(&self, returns_to: ExecAddr) -> Option<SlotId> {
        self.at_canonical(returns_to.checked_add_signed(-(RETURNS as i64))?)
    }

    /// The slot whose counting stub called the engine, from the return address of that call.
    #[must_use]
    pub fn of_counting_call(&self, returns_to: ExecAddr) -> Option<SlotId> {
        self.table().counting.of_call(returns_to)
    }

    /// Has the calls of a function counted: makes the function's counting stub lead to `body`, and
    /// returns its address, for the slot to lead to. After `calls` calls the stub calls the engine
    /// each time, until it is told to count anew, or to [stop](Slots::stop_counting).
    ///
    /// # Errors
    ///
    /// The memory for stubs is used up.
    pub fn count_calls(
        &self,
        id: SlotId,
        body: ExecAddr,
        calls: u32,
    ) -> Result<ExecAddr, MemoryError> {
        let found_ready = &raw const *self.found_ready as u64;
        let table = &mut *self.table();
        let page = (&*self.memory, self.entry, found_ready);
        table.counting.count(page, id, body, calls)
    }

    /// Stops counting a function's calls. The slot must lead elsewhere by then.
    pub fn stop_counting(&self, id: SlotId) {
        let canonical = self.canonical(id);
        self.table().counting.stop(id, canonical);
    }

    /// How many calls of the function are left until its counting stub calls the engine; `None` if
    /// its calls were never counted.
    #[must_use]
    pub fn calls_left(&self, id: SlotId) -> Option<i32> {
        self.table().counting.left(id)
    }

    /// The addresses of all stubs there can be, counting stubs included.
    #[must_use]
    pub fn stub_range(&self) -> Range<ExecAddr> {
        self.stubs.start..self.memory.region(RegionKind::Counting).end
    }

    /// Where calls go now.
    #[must_use]
    pub fn target(&self, id: SlotId) -> ExecAddr {
        ExecAddr::new(self.slot_word(id).load(Ordering::Acquire))
    }

    /// Whether calls go to the engine: still, or again.
    #[must_use]
    pub fn is_fresh(&self, id: SlotId) -> bool {
        words::leads_to_engine(self.target(id).get(), self.canonical(id).get())
    }

    /// Has every call go to `target` from now on: the one store that replaces a function.
    ///
    /// The code at `target` must have been written before. Other threads then see it: the store has
    /// `Release` order, and memory that is given out needs no more
    /// ([`CodeMemory::end_quarantine`]).
    pub fn store_target(&self, id: SlotId, target: ExecAddr) {
        self.slot_word(id).store(target.get(), Ordering::Release);
    }

    /// Makes calls go to a body: at once, or, if it was made ahead of the first call, by that.
    /// Whether the first call will go there, and be counted, without the engine's doing.
    ///
    /// The slot of a function that was removed and made again leads to the engine
    /// ([`Slots::store_engine`]); with a body made ahead it stays so, and the engine retargets it
    /// when the function is called.
    pub fn store_body(&self, id: SlotId, body: ExecAddr, is_ahead: bool) -> bool {
        self.with_words(id, |words, given| {
            words.store_body(given, body.get(), is_ahead)
        })
    }

    /// Gives the first call of a function that nobody has called yet a body to go to: without the
    /// engine's doing, it stores the slot, and is counted ([`Slots::found_ready`]).
    ///
    /// The answer is `false`, and nothing is done, unless the slot is new, as
    /// [`Slots::allocate`] gives it, and no first call has got a body that was given before. A
    /// slot that has led somewhere, or that was [reset](Slots::store_engine), can't be stored
    /// without the engine. The caller then retargets the slot; only one that was reset may be left
    /// as it is, so that the next call enters the engine. [`Slots::store_body`] does it so.
    pub fn store_ready(&self, id: SlotId, body: ExecAddr) -> bool {
        self.with_words(id, |words, given| words.store_ready(given, body.get()))
    }

    /// Takes back what [`Slots::store_ready`] gave, unless a first call has got it.
    pub fn take_ready(&self, id: SlotId) -> Option<ExecAddr> {
        let taken = self.with_words(id, |words, given| words.take_ready(given));
        taken.map(ExecAddr::new)
    }

    /// How many first calls found a body without the engine's doing.
    #[must_use]
    pub fn found_ready(&self) -> u64 {
        self.found_ready.load(Ordering::Relaxed)
    }

    /// Has calls go to the engine again, and takes back a body that waits for the first call.
    /// A first call that has got it already, and hasn't stored the slot yet, goes to the engine
    /// too.
    pub fn store_engine(&self, id: SlotId) {
        self.with_words(id, |words, _| words.store_engine());
    }

    fn with_words<R>(&self, id: SlotId, work: impl FnOnce(Words<'_>, &mut bool) -> R) -> R {
        let table = &mut *self.table();
        let words = self.words(&table.ready, id);
        work(words, &mut table.known[id.index()].given)
    }

    fn words<'p>(&'p self, ready: &'p ReadyWords, id: SlotId) -> Words<'p> {
        let (page, place) = (
            id.index() as u64 / STUBS_PER_PAGE,
            id.index() as u64 % STUBS_PER_PAGE,
        );
        let ready = ready.word(page as usize, ((HEAD / STUB) + place) as usize);
        Words::new(self.slot_word(id), ready, self.canonical(id).get())
    }

    fn slot_word(&self, id: SlotId) -> &AtomicU64 {
        // SAFETY: slots are given out by pages of them, which stay mapped and writable as long as
        // the memory lives, and are only ever accessed as atomic words (by us) or read (by code).
        unsafe { &*(self.slot(id).get() as *const AtomicU64) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
