//! Counting stubs: how the engine learns that a function is called often.
//!
//! While a function's calls are counted, its slot leads to a counting stub, which counts the call
//! and jumps to the body. After as many calls as the engine has asked for, the stub calls the
//! engine, which decides what becomes of the function:
//!
//! ```text
//! counting + 0:  subl $1, left(%rip)
//! counting + 7:  js counting + 15
//! counting + 9:  jmp *body(%rip)
//! counting + 15: call *entry(%rip)     the return address tells which counting stub it was
//! counting + 21: jmp counting + 9
//! ```
//!
//! Nothing else knows a counting stub's address, so when calls needn't be counted any more, the
//! slot leads past it. A thread may then still be in the stub. It reads `body` only when it jumps,
//! and by then `body` holds the function's canonical address; so a retired body isn't entered.
//!
//! Counts are not atomic: threads that call at the same time may lose some, which costs nothing but
//! accuracy.
//!
//! Each page of counting stubs begins like a page of stubs, because calls of the engine start by
//! looking for a body in the page's ready words. Counting stubs have none; they share words that
//! are always zero.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use rewire_object::ExecAddr;

use super::ready;
use super::slot_id::SlotId;
use crate::error::MemoryError;
use crate::memory::CodeMemory;
use crate::page::PAGE;
use crate::region_kind::RegionKind;
use crate::sync::atomic::{AtomicU64, Ordering};

/// What stands before the counting stubs of a page.
const HEAD: u64 = 32;
/// The size of a counting stub.
const SIZE: u64 = 32;
const PER_PAGE: u64 = (PAGE - HEAD) / SIZE;
/// Where the call of the engine returns to, from the stub's start.
const RETURNS: u64 = 21;
/// The words of a counting stub: how many calls are left, and the body.
const WORDS: u64 = 16;

/// The ready words of all pages of counting stubs.
#[repr(align(64))]
struct NeverReady([u64; ready::PER_PAGE]);

static NEVER_READY: NeverReady = NeverReady([0; ready::PER_PAGE]);

/// All counting stubs of an engine. The table of slots owns it, and its lock guards it.
#[derive(Debug, Default)]
pub(super) struct CountingStubs {
    pages: Vec<CountingPage>,
    of_slot: HashMap<SlotId, u32>,
    /// The slot of each counting stub that was ever given out.
    owners: Vec<Option<SlotId>>,
    /// Those that aren't in use, the longest unused first.
    free: VecDeque<u32>,
}

#[derive(Debug)]
struct CountingPage {
    code: ExecAddr,
    words: ExecAddr,
}

impl CountingStubs {
    /// Makes the slot's counting stub count `calls` calls and lead to `body`; its address. The
    /// slot gets a counting stub if it has none yet.
    pub(super) fn count(
        &mut self,
        (memory, entry, found_ready): (&CodeMemory, ExecAddr, u64),
        slot: SlotId,
        body: ExecAddr,
        calls: u32,
    ) -> Result<ExecAddr, MemoryError> {
        let place = match self.of_slot.get(&slot) {
            Some(place) => *place,
            None => self.take(memory, entry, found_ready, slot)?,
        };
        let [left, leads_to] = self.words(place);
        leads_to.store(body.get(), Ordering::Release);
        // Other threads may be counting; one that stores an older count only makes it inaccurate.
        left.store(u64::from(calls.min(i32::MAX as u32)), Ordering::Release);
        Ok(self.start(place))
    }

    /// Stops counting: whoever is in the counting stub goes on to the function's stub.
    pub(super) fn stop(&self, slot: SlotId, canonical: ExecAddr) {
        if let Some(place) = self.of_slot.get(&slot) {
            let [left, leads_to] = self.words(*place);
            leads_to.store(canonical.get(), Ordering::Release);
            left.store(i32::MAX as u64, Ordering::Release);
        }
    }

    /// Gives the slot's counting stub back, if it has one. No thread may be in it.
    pub(super) fn free(&mut self, slot: SlotId, canonical: ExecAddr) {
        self.stop(slot, canonical);
        if let Some(place) = self.of_slot.remove(&slot) {
            self.owners[place as usize] = None;
            self.free.push_back(place);
        }
    }

    /// The slot whose counting stub called the engine, from the return address of that call.
    pub(super) fn of_call(&self, returns_to: ExecAddr) -> Option<SlotId> {
        let page = self
            .pages
            .iter()
            .position(|page| (page.code..page.code + PAGE).contains(&returns_to))?;
        let offset = returns_to.offset_from(self.pages[page].code) as u64;
        let offset = offset.checked_sub(HEAD + RETURNS)?;
        if !offset.is_multiple_of(SIZE) {
            return None;
        }
        let place = page as u64 * PER_PAGE + offset / SIZE;
        *self.owners.get(place as usize)?
    }

    /// The addresses of the slot's counting stub. A thread that has one of them may be on its way
    /// to the body.
    pub(super) fn range(&self, slot: SlotId) -> Option<Range<ExecAddr>> {
        let start = self.start(*self.of_slot.get(&slot)?);
        Some(start..start + SIZE)
    }

    /// How many calls are left until the engine is called; `None` if the slot has no counting stub.
    pub(super) fn left(&self, slot: SlotId) -> Option<i32> {
        let [left, _] = self.words(*self.of_slot.get(&slot)?);
        Some(left.load(Ordering::Relaxed) as u32 as i32)
    }

    fn take(
        &mut self,
        memory: &CodeMemory,
        entry: ExecAddr,
        found_ready: u64,
        slot: SlotId,
    ) -> Result<u32, MemoryError> {
        let place = match self.free.pop_front() {
            Some(place) => place,
            None => {
                let place = self.owners.len() as u32;
                if u64::from(place).is_multiple_of(PER_PAGE) {
                    self.add_page(memory, entry, found_ready)?;
                }
                self.owners.push(None);
                place
            }
        };
        self.owners[place as usize] = Some(slot);
        self.of_slot.insert(slot, place);
        Ok(place)
    }

    /// Writes a page of counting stubs.
    fn add_page(
        &mut self,
        memory: &CodeMemory,
        entry: ExecAddr,
        found_ready: u64,
    ) -> Result<(), MemoryError> {
        let mut page = memory.allocate(RegionKind::Counting, PAGE, PAGE)?;
        let words = memory.allocate(RegionKind::Data, WORDS * PER_PAGE, 64)?;
        let start = page.start();
        let mut code = Vec::with_capacity(PAGE as usize);
        // The layout of a page of stubs: see the documentation of `slots`.
        code.extend([0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc]);
        code.extend(entry.get().to_le_bytes());
        code.extend((NEVER_READY.0.as_ptr() as u64).to_le_bytes());
        code.extend(found_ready.to_le_bytes());
        for place in 0..PER_PAGE {
            let stub = start + (HEAD + place * SIZE);
            let left = words.start() + place * WORDS;
            let displacement =
                |to: ExecAddr, end: u64| (to.offset_from(stub + end) as i32).to_le_bytes();
            // subl $1, left(%rip)
            code.extend([0x83, 0x2d]);
            code.extend(displacement(left, 7));
            code.push(1);
            code.extend([0x78, 0x06]);
            code.extend([0xff, 0x25]);
            code.extend(displacement(left + 8, 15));
            code.extend([0xff, 0x15]);
            code.extend(displacement(start + 8, RETURNS));
            code.extend([0xeb, 0xf2]);
            code.resize(code.len() + (SIZE - RETURNS - 2) as usize, 0xcc);
        }
        code.resize(PAGE as usize, 0xcc);
        page.write(&code)?;
        page.keep();
        let words = words.keep().start;
        self.pages.push(CountingPage { code: start, words });
        Ok(())
    }

    fn start(&self, place: u32) -> ExecAddr {
        let (page, within) = (u64::from(place) / PER_PAGE, u64::from(place) % PER_PAGE);
        self.pages[page as usize].code + (HEAD + within * SIZE)
    }

    fn words(&self, place: u32) -> [&AtomicU64; 2] {
        let (page, within) = (u64::from(place) / PER_PAGE, u64::from(place) % PER_PAGE);
        let start = (self.pages[page as usize].words + within * WORDS).get();
        // SAFETY: the words were allocated with the page, stay mapped and writable as long as the
        // memory lives, and are only ever accessed as atomic words (by us) or by the stub.
        unsafe {
            [
                &*(start as *const AtomicU64),
                &*((start + 8) as *const AtomicU64),
            ]
        }
    }
}
