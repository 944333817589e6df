//! Which stacks a thread may return into, and reading them.
//!
//! A thread's own stack, where the kernel or the C library put it, is known by one end: the main
//! thread's by the end of the mapping `[stack]`, the others' by the thread pointer, because glibc
//! puts what that points to at the top of the stack, also of one that the program provides. If all
//! memory from the stack pointer up to there can be read without a gap, the stack is in it,
//! whatever else may be.
//!
//! Besides, a thread may be on its alternate stack for signals, on stacks of the engine's, or on
//! registered ones. Then its own stack is left at some place that isn't known in general, and is
//! looked at in whole. If it is on none of these, nothing is known of where its frames are.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Memory;
use super::procfs::{Call, find_mapping, mapping_of};
use super::suspects::Suspects;
use crate::stack::{self, InUse};

/// Leaf functions use as much below the stack pointer (psABI, section 3.2.2).
const RED_ZONE: u64 = 128;

/// General registers of the processor.
const REGISTERS: usize = 17;

/// How many engine stacks a thread can be on, one entered from the other.
const MOST_ENGINE_STACKS: usize = 8;

/// A thread at a moment at which it doesn't run.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    tid: i32,
    registers: [u64; REGISTERS],
    sp: u64,
    /// 0 if it isn't known.
    thread_pointer: u64,
    /// The alternate stack for signals, or empty.
    alternate: Range<u64>,
    engine: [InUse; MOST_ENGINE_STACKS],
    /// How many of these there are; `None` if it isn't known.
    engine_count: Option<usize>,
}

/// Why a thread's stacks can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strange {
    /// On a stack that isn't known.
    At(u64),
    /// Its own stack couldn't be found: a thread of glibc's that has just begun, for a moment; one
    /// that something else made, always.
    NoOwnStack,
}

impl Look {
    /// The calling thread, interrupted by a signal. Safe in a handler.
    pub(super) fn fill(&mut self, tid: i32, context: &libc::ucontext_t) {
        // The first 17 are the general registers with the stack pointer and the program counter.
        // The vector registers aren't looked at: no compiler keeps an address to jump to there.
        let all = &context.uc_mcontext.gregs;
        for (register, value) in self.registers.iter_mut().zip(all) {
            *register = *value as u64;
        }
        self.tid = tid;
        self.sp = all[libc::REG_RSP as usize] as u64;
        self.fill_stacks();
    }

    fn fill_stacks(&mut self) {
        self.thread_pointer = stack::thread_pointer();
        // SAFETY: fills in plain data. While a handler runs on the alternate stack, the kernel
        // still tells where that is.
        unsafe {
            let mut alternate: libc::stack_t = std::mem::zeroed();
            let failed = libc::sigaltstack(std::ptr::null(), &raw mut alternate);
            if failed == 0 && alternate.ss_flags & libc::SS_DISABLE == 0 {
                let start = alternate.ss_sp as u64;
                self.alternate = start..start.saturating_add(alternate.ss_size as u64);
            }
        }
        self.engine_count = stack::chain(&mut self.engine);
    }

    /// The calling thread, with what is above `sp`. The registers that a function preserves are
    /// in `registers`.
    pub(super) fn of_caller(tid: i32, sp: u64, registers: &[u64]) -> Self {
        let mut look = Self {
            tid,
            // It has called something, so that nothing of its own is below.
            sp: sp + RED_ZONE,
            ..Self::default()
        };
        for (register, value) in look.registers.iter_mut().zip(registers) {
            *register = *value;
        }
        look.fill_stacks();
        look
    }

    /// A thread that sleeps in a system call.
    ///
    /// Of its registers, the kernel tells the arguments. The others can't hold an address to jump
    /// to: a call loads its slot immediately before it jumps, and no system call is between; where
    /// a caller wants to be returned to is on the stack (or, in glibc's `vfork`, an argument).
    pub(super) fn of_sleeper(tid: i32, call: &Call, memory: &mut Memory) -> Self {
        let mut look = Self {
            tid,
            sp: call.sp,
            thread_pointer: thread_pointer_of(tid, memory).unwrap_or(0),
            ..Self::default()
        };
        look.registers[..6].copy_from_slice(&call.arguments);
        look.registers[6] = call.pc;
        if look.thread_pointer == 0
            && let Some(on) = stack::in_use().find(|one| one.range().contains(&call.sp))
        {
            look.thread_pointer = on.owner;
        }
        let mut count = 0;
        for one in stack::in_use() {
            if one.owner == look.thread_pointer || one.range().contains(&call.sp) {
                let Some(place) = look.engine.get_mut(count) else {
                    return look;
                };
                *place = one;
                count += 1;
            }
        }
        look.engine_count = Some(count);
        look
    }

    /// Has all words checked that could lead this thread somewhere. The thread must not run
    /// meanwhile.
    ///
    /// Registered stacks that it isn't on are not its business; one that it is on is read with the
    /// others by whoever scans them.
    pub(super) fn examine(
        &self,
        registered: &[Range<u64>],
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Result<(), Strange> {
        suspects.check(&self.registers);
        let result = self.examine_stacks(&self.alternate, registered, memory, suspects);
        let Err(Strange::At(at)) = result else {
            return result;
        };
        match alternate_around(at, memory) {
            Some(alternate) => self.examine_stacks(&alternate, registered, memory, suspects),
            None => result,
        }
    }

    fn examine_stacks(
        &self,
        alternate: &Range<u64>,
        registered: &[Range<u64>],
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Result<(), Strange> {
        let engine = match self.engine_count {
            Some(count) => &self.engine[..count],
            None => return Err(Strange::At(self.sp)),
        };
        // Where it is, and where it left other stacks.
        let points = || {
            let left = engine.iter().map(|one| one.from);
            std::iter::once(self.sp).chain(left)
        };
        let lowest_in = |range: &Range<u64>| points().filter(|at| range.contains(at)).min();
        if let Some(point) = lowest_in(alternate) {
            let live = point.saturating_sub(RED_ZONE).max(alternate.start)..alternate.end;
            memory.readable_words(live, |words| suspects.check(words));
        }
        for one in engine {
            // If it isn't left at a known place, it was left by a switch to another stack.
            let live = match lowest_in(&one.range()) {
                Some(point) => (point - RED_ZONE).max(one.low)..one.high,
                None => one.range(),
            };
            memory.touched_words(live, |words| suspects.check(words));
        }
        let elsewhere = |at: &u64| {
            alternate.contains(at)
                || engine.iter().any(|one| one.range().contains(at))
                || registered.iter().any(|range| is_on(*at, range))
        };
        match points().filter(|at| !elsewhere(at)).min() {
            Some(point) => {
                let highest = points().filter(|at| !elsewhere(at)).max().unwrap_or(point);
                self.own_from(point, highest, memory, suspects)
            }
            None => self.own_in_whole(memory, suspects),
        }
    }

    /// 0 if it isn't known.
    pub(super) fn thread_pointer(&self) -> u64 {
        self.thread_pointer
    }

    /// The main thread has the process's number.
    fn is_main(&self) -> bool {
        // SAFETY: no preconditions.
        self.tid == unsafe { libc::getpid() }
    }

    /// Reads the thread's own stack from a place on it up. If that place isn't on it after all, an
    /// error.
    fn own_from(
        &self,
        point: u64,
        highest: u64,
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Result<(), Strange> {
        let start = point.saturating_sub(RED_ZONE);
        let mut reaches = |top: u64| {
            start < top
                && highest <= top
                && is_plausible(start, top)
                && memory
                    .words(start..top, |words| suspects.check(words))
                    .is_ok()
        };
        if self.is_main() {
            let Some(main) = main_stack_end() else {
                return Err(Strange::NoOwnStack);
            };
            if reaches(main) {
                return Ok(());
            }
            // After a fork by another thread, the main thread has that one's stack. Whether that
            // is so can't be known, so the other is looked at as well.
            if self.thread_pointer != 0 && reaches(self.thread_pointer) {
                return self.main_in_whole(memory, suspects);
            }
            return Err(Strange::At(point));
        }
        if self.thread_pointer == 0 {
            return Err(Strange::NoOwnStack);
        }
        if reaches(self.thread_pointer) {
            return Ok(());
        }
        Err(Strange::At(point))
    }

    fn own_in_whole(
        &self,
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Result<(), Strange> {
        if self.is_main() {
            self.main_in_whole(memory, suspects)?;
        }
        let mapping = mapping_of(self.thread_pointer).ok_or(Strange::NoOwnStack)?;
        let range = mapping.range.start..self.thread_pointer;
        if mapping.anonymous {
            memory.touched_words(range, |words| suspects.check(words));
        } else {
            memory.readable_words(range, |words| suspects.check(words));
        }
        Ok(())
    }

    fn main_in_whole(
        &self,
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Result<(), Strange> {
        let mapping = find_mapping(|mapping| mapping.is_main_stack).ok_or(Strange::NoOwnStack)?;
        memory.touched_words(mapping.range, |words| suspects.check(words));
        Ok(())
    }
}

/// The alternate stack for signals that an address lies on, of a thread that can't be asked.
///
/// A signal's frame above tells: it is a word with where the handler returns to, and a
/// `ucontext_t`, which has the alternate stack's address and size (psABI, section 3.4.1;
/// `rt_sigframe` in the kernel).
fn alternate_around(address: u64, memory: &mut Memory) -> Option<Range<u64>> {
    const MOST: u64 = 1 << 20;
    let (mapping, restorer) = (mapping_of(address)?, restorer()?);
    let mut frame = None;
    let mut at = address & !7;
    let end = mapping.range.end.min(at.saturating_add(MOST));
    // What can't be read ends the search.
    let _ = memory.words(at..end, |words| {
        let place = words.iter().position(|word| *word == restorer);
        frame = frame.or(place.map(|place| at + 8 * place as u64));
        at += 8 * words.len() as u64;
    });
    // The return address, flags, and a link, of 8 bytes each; then the address, flags, the size.
    let start = memory.word(frame? + 24)?;
    let size = memory.word(frame? + 40)?;
    let range = start..start.checked_add(size)?;
    range.contains(&address).then_some(range)
}

/// Whether a stack pointer is one of this stack. Where nothing was pushed yet, it is the stack's
/// end.
pub(super) fn is_on(sp: u64, stack: &Range<u64>) -> bool {
    (stack.start..=stack.end).contains(&sp)
}

/// Whether a stack may begin and end there: what is large must be one mapping. It keeps us from
/// reading a heap that lies before the next gap.
fn is_plausible(start: u64, end: u64) -> bool {
    const SMALL: u64 = 1 << 20;
    end - start <= SMALL
        || mapping_of(start).is_some_and(|mapping| mapping.range.contains(&(end - 1)))
}

/// Where the stack ends that the process began with. It never changes.
fn main_stack_end() -> Option<u64> {
    static END: AtomicU64 = AtomicU64::new(0);
    match END.load(Ordering::Relaxed) {
        0 => {
            let mapping = find_mapping(|mapping| mapping.is_main_stack)?;
            END.store(mapping.range.end, Ordering::Relaxed);
            Some(mapping.range.end)
        }
        end => Some(end),
    }
}

/// Where signal handlers return to, or 0; set at the start of each scan.
static RESTORER: AtomicU64 = AtomicU64::new(0);

pub(super) fn set_restorer(address: Option<u64>) {
    RESTORER.store(address.unwrap_or(0), Ordering::Relaxed);
}

fn restorer() -> Option<u64> {
    Some(RESTORER.load(Ordering::Relaxed)).filter(|address| *address != 0)
}

/// The thread pointer of another thread.
///
/// The kernel doesn't tell it, but it tells the head of a thread's list of robust mutexes
/// (get_robust_list(2)), which the C library keeps at a fixed distance from it.
pub(super) fn thread_pointer_of(tid: i32, memory: &mut Memory) -> Option<u64> {
    let own = robust_list(0)?;
    let other = robust_list(tid)?;
    let pointer = other.wrapping_sub(own.wrapping_sub(stack::thread_pointer()));
    // The word there is the pointer itself (psABI, section 3.4.6).
    (memory.word(pointer)? == pointer).then_some(pointer)
}

fn robust_list(tid: i32) -> Option<u64> {
    let (mut head, mut length) = (0u64, 0usize);
    // SAFETY: the call fills in two words.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_get_robust_list,
            tid,
            &raw mut head,
            &raw mut length,
        )
    };
    (failed == 0 && head != 0).then_some(head)
}

/// Checks a stack that isn't a thread's own.
pub(super) fn examine_registered(
    range: &Range<u64>,
    memory: &mut Memory,
    suspects: &mut Suspects<'_>,
) {
    memory.readable_words(range.clone(), |words| suspects.check(words));
}

/// Whether anything of a range is mapped.
pub(super) fn is_mapped(range: &Range<u64>, memory: &mut Memory) -> bool {
    if memory.word(range.start).is_some() || memory.word(range.end.saturating_sub(8)).is_some() {
        return true;
    }
    let overlaps = |mapping: &Range<u64>| mapping.start < range.end && range.start < mapping.end;
    find_mapping(|mapping| overlaps(&mapping.range)).is_some()
}
