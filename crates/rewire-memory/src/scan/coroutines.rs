//! Stacks that aren't a thread's own.
//!
//! A coroutine's stack holds return addresses while no thread is on it, so each is looked at in
//! whole. `makecontext` is given its stack by the program ([`makecontext`]); users of other
//! libraries register theirs ([`register_stack`](super::register_stack)).

use std::arch::global_asm;
use std::ops::Range;

use rewire_object::ExecAddr;
use rewire_sync::{Mutex, MutexGuard};

use super::stacks::is_on;

struct Stack {
    range: Range<u64>,
    /// A guard's number; 0 for `makecontext`.
    number: u64,
}

pub(super) struct Registry {
    stacks: Vec<Stack>,
    /// Numbers of guards.
    next: u64,
    /// Stack pointers that were seen on no known stack, and of which thread.
    strangers: Vec<(i32, u64)>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    stacks: Vec::new(),
    next: 1,
    strangers: Vec::new(),
});

/// Locks the registry. No thread may be parked before the scanning thread has it: another may
/// hold it.
pub(super) fn lock() -> MutexGuard<'static, Registry> {
    rewire_sync::lock(&REGISTRY)
}

impl Registry {
    pub(super) fn add(&mut self, range: Range<u64>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.stacks.push(Stack { range, number });
        number
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.stacks.retain(|stack| stack.number != number);
    }

    /// A stack that is made again replaces those of `makecontext` that it overlaps: their memory
    /// was given to it.
    fn add_context(&mut self, range: Range<u64>) {
        self.stacks.retain(|one| {
            one.number != 0 || one.range.end <= range.start || range.end <= one.range.start
        });
        self.stacks.push(Stack { range, number: 0 });
    }

    /// Forgets stacks of `makecontext` of which nothing is mapped any more.
    pub(super) fn drop_unmapped(&mut self, mut is_mapped: impl FnMut(&Range<u64>) -> bool) {
        self.stacks
            .retain(|stack| stack.number != 0 || is_mapped(&stack.range));
    }

    pub(super) fn ranges(&self) -> Vec<Range<u64>> {
        self.stacks.iter().map(|one| one.range.clone()).collect()
    }

    fn covers(&self, address: u64) -> bool {
        self.stacks.iter().any(|one| is_on(address, &one.range))
    }

    /// Notes that a thread was on a stack that nobody registered: there may be others like it,
    /// which no thread is on. False if it has been registered meanwhile.
    pub(super) fn note_stranger(&mut self, tid: i32, sp: u64) -> bool {
        const MOST: usize = 16;
        if self.covers(sp) {
            return false;
        }
        let known = self.strangers.contains(&(tid, sp));
        if !known && self.strangers.len() < MOST {
            self.strangers.push((tid, sp));
        }
        true
    }

    /// The strangers that are still unregistered.
    pub(super) fn strangers(&mut self) -> Vec<(i32, u64)> {
        let mut strangers = std::mem::take(&mut self.strangers);
        strangers.retain(|(_, sp)| !self.covers(*sp));
        self.strangers.clone_from(&strangers);
        strangers
    }
}

/// What compiled code is to get under the name `makecontext`: notes the context's stack and does
/// what the C library's does.
///
/// A stack stays known until another is made in its place, or nothing of it is mapped any more.
#[must_use]
pub fn makecontext() -> ExecAddr {
    ExecAddr::new(rewire_makecontext as *const () as u64)
}

unsafe extern "C" {
    fn rewire_makecontext();
}

/// Called with what `makecontext` is given.
extern "C" fn note_context(context: *const libc::ucontext_t) {
    // SAFETY: the errno is the thread's own, and the program gives a context that it has filled in
    // (makecontext(3)).
    unsafe {
        let errno = *libc::__errno_location();
        if let Some(context) = context.as_ref() {
            let start = context.uc_stack.ss_sp as u64;
            let end = start.saturating_add(context.uc_stack.ss_size as u64);
            if start != 0 && start < end {
                lock().add_context(start..end);
            }
        }
        *libc::__errno_location() = errno;
    }
}

// The function has any number of arguments, in registers and on the stack (psABI, section 3.5.7),
// so it goes on by a jump, with all as it was.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_makecontext",
    ".hidden rewire_makecontext",
    ".type rewire_makecontext, @function",
    "rewire_makecontext:",
    ".cfi_startproc",
    "push rdi",
    ".cfi_adjust_cfa_offset 8",
    "push rsi",
    ".cfi_adjust_cfa_offset 8",
    "push rdx",
    ".cfi_adjust_cfa_offset 8",
    "push rcx",
    ".cfi_adjust_cfa_offset 8",
    "push r8",
    ".cfi_adjust_cfa_offset 8",
    "push r9",
    ".cfi_adjust_cfa_offset 8",
    "push rax",
    ".cfi_adjust_cfa_offset 8",
    "call {note}",
    "pop rax",
    ".cfi_adjust_cfa_offset -8",
    "pop r9",
    ".cfi_adjust_cfa_offset -8",
    "pop r8",
    ".cfi_adjust_cfa_offset -8",
    "pop rcx",
    ".cfi_adjust_cfa_offset -8",
    "pop rdx",
    ".cfi_adjust_cfa_offset -8",
    "pop rsi",
    ".cfi_adjust_cfa_offset -8",
    "pop rdi",
    ".cfi_adjust_cfa_offset -8",
    "jmp {makecontext}",
    ".cfi_endproc",
    ".size rewire_makecontext, . - rewire_makecontext",
    note = sym note_context,
    makecontext = sym libc::makecontext,
);

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Registry {
        Registry {
            stacks: Vec::new(),
            next: 1,
            strangers: Vec::new(),
        }
    }

    #[test]
    fn contexts_replace_one_another() {
        let mut registry = empty();
        let number = registry.add(150..160);
        registry.add_context(100..200);
        registry.add_context(300..400);
        registry.add_context(50..120);
        registry.add_context(600..700);
        assert_eq!(registry.ranges(), [150..160, 300..400, 50..120, 600..700]);
        registry.drop_unmapped(|range| range.start != 300);
        assert_eq!(registry.ranges(), [150..160, 50..120, 600..700]);
        registry.remove(number);
        assert_eq!(registry.ranges(), [50..120, 600..700]);
    }

    #[test]
    fn strangers_stay_until_they_are_registered() {
        let mut registry = empty();
        assert!(registry.note_stranger(1, 500));
        assert!(registry.note_stranger(1, 500));
        assert_eq!(registry.strangers(), [(1, 500)]);
        assert_eq!(registry.strangers(), [(1, 500)]);
        registry.add(400..600);
        assert_eq!(registry.strangers(), []);
        assert!(!registry.note_stranger(1, 500));
        assert!(!registry.note_stranger(1, 600), "nothing is on it yet");
    }
}
