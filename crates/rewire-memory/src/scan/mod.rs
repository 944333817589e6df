//! Which pieces of retired code a thread may still return into.
//!
//! Code is *unlinked* once no slot leads to it. From then on nobody can call it, but threads may
//! still run it or have its frames on their stacks. A piece can be freed when every thread's
//! registers and every stack were looked at, each once at any time after unlinking, and no word
//! lay in it: what doesn't lead into it then, never will again. The words are taken for what they
//! may be, so a stale one keeps a piece for longer than necessary; none is missed.
//!
//! - [`scan`] looks at everything. Threads that sleep are read without being disturbed; threads
//!   that run are asked by a signal and wait while they are read (`threads.rs`, `handler.rs`,
//!   `signal.rs`).
//! - Where a thread's stacks are: `stacks.rs`. Stacks that aren't a thread's own have to be known:
//!   [`register_stack`], [`makecontext`].
//! - What can't be looked at is reported as [`Unknown`], and nothing may be freed then.
//!
//! One look at each thread is enough because a thread's frames stay on its stacks, so what it may
//! return into is seen whenever it is looked at. Threads that begin during a scan need no look:
//! they begin with no frames, and reach code through slots alone. Coroutines move between threads;
//! therefore all threads are held at once when stacks are registered.
//!
//! What it relies on, beyond what compilers do: an address of code that isn't a function's
//! canonical one is nowhere but in registers and on stacks. Who keeps one elsewhere (a switch of
//! coroutines written in assembly that stores a label's address in the heap, code that copies
//! stacks away) isn't seen; neither is a coroutine's stack that lies inside a thread's own and
//! isn't registered. A stack that isn't registered is noticed when a thread is on it during a scan,
//! and not before. The engine itself must not keep the address of a body while it waits and go
//! there afterwards: a sleeper's registers aren't all known.
//!
//! Two effects on the program remain. A thread that was running for a while and goes into a system
//! call just when it is asked finds that call interrupted, if it is one of those that a handler
//! with `SA_RESTART` still interrupts (signal(7)); the time for that is some microseconds. And what
//! returned calls left on a stack keeps code that could be freed, until it is overwritten.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use rewire_object::ExecAddr;
use rewire_sync::{Mutex, MutexGuard, lock};

mod coroutines;
mod exceptions;
mod exempt;
mod handler;
mod memory;
mod procfs;
mod queued_signal;
mod signal;
mod stacks;
mod suspects;
mod threads;
#[cfg(rewire_tsan)]
mod tsan;

pub use coroutines::makecontext;
pub use exempt::{Exemption, exempt_this_thread};
pub(crate) use signal::sigaction_of_program;

use coroutines::Registry;
use exceptions::Exceptions;
use memory::Memory;
use procfs::Tasks;
use stacks::{Look, Strange};
use suspects::{HolderId, Suspects};
use threads::{Threads, Trouble};

/// Who may still be in a piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A thread, in its registers or on a stack that it is on.
    Thread {
        /// Its number (gettid(2)).
        tid: i32,
        /// Its name, as proc(5) shows it.
        name: String,
    },
    /// A registered stack.
    Stack(Range<ExecAddr>),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread { tid, name } => write!(f, "thread {tid} ({name})"),
            Self::Stack(range) => write!(f, "the stack at {}-{}", range.start, range.end),
        }
    }
}

/// What couldn't be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A thread runs and blocks the signal by which it would be asked.
    BlocksSignal {
        /// Its number.
        tid: i32,
        /// Its name.
        name: String,
    },
    /// A thread is, or was once, on a stack that nobody registered. There may be others like it,
    /// so this stays until the stack is registered.
    OnUnknownStack {
        /// The thread's number.
        tid: i32,
        /// Its stack pointer.
        sp: ExecAddr,
    },
    /// A thread's own stack can't be told.
    NoOwnStack {
        /// Its number.
        tid: i32,
    },
    /// A thread runs and didn't answer in time, or slept and ran by turns.
    NoAnswer {
        /// Its number.
        tid: i32,
        /// Its name.
        name: String,
    },
    /// A child runs on the thread's stack (vfork(2)).
    InVfork {
        /// The thread's number.
        tid: i32,
    },
    /// `/proc/self/task` can't be read, or there are more threads than fit.
    Threads,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlocksSignal { tid, name } => {
                write!(f, "thread {tid} ({name}) runs and blocks signals")
            }
            Self::OnUnknownStack { tid, sp } => {
                write!(
                    f,
                    "thread {tid} was on a stack at {sp} that isn't registered"
                )
            }
            Self::NoOwnStack { tid } => write!(f, "the stack of thread {tid} can't be found"),
            Self::NoAnswer { tid, name } => {
                write!(f, "thread {tid} ({name}) didn't answer in time")
            }
            Self::InVfork { tid } => write!(f, "thread {tid} waits in vfork for a child"),
            Self::Threads => f.write_str("the threads of the process can't be listed"),
        }
    }
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Scan {
    /// For each suspect: who may still be in it, `None` if nobody was found.
    pub held: Vec<Option<Holder>>,
    /// What couldn't be looked at: while there is anything, nobody found means nothing.
    pub unknown: Vec<Unknown>,
    /// Some thread has a C++ exception in flight, or handles one. `true` also where that can't be
    /// told. Exceptions that are kept for later (`std::exception_ptr`) don't count.
    pub in_flight: bool,
}

impl Scan {
    /// Whether a suspect can be freed, as far as threads are concerned.
    #[must_use]
    pub fn is_free(&self, suspect: usize) -> bool {
        self.unknown.is_empty() && matches!(self.held.get(suspect), Some(None))
    }
}

/// One scan at a time.
static SCANNING: Mutex<()> = Mutex::new(());

fn scanning() -> MutexGuard<'static, ()> {
    lock(&SCANNING)
}

/// Looks at all stacks and registers for words that lie in the suspects: sorted, disjoint ranges
/// of unlinked code.
///
/// The calling thread's own frames are looked at from the caller's on, unless it is exempt
/// ([`exempt_this_thread`]). Best it is: a caller's variables may hold a suspect's address, and
/// each scan leaves some on the stack.
///
/// Takes some tens of microseconds for each thread. It waits 100 ms for threads that can't be
/// looked at, and 5 ms longer for each thread that runs and doesn't answer. No lock may be held
/// that another thread needs to go on. Threads that run are stopped for as long as it takes to read
/// their stacks; with registered stacks, all at once, for about 20 ms at most.
#[inline(never)]
pub fn scan(suspects: &[Range<ExecAddr>]) -> Scan {
    scan_for(&Caller::here(), suspects)
}

/// As [`scan`], for a caller further up: the frames below it, which may hold suspects' addresses
/// because they are about those, are passed over.
pub fn scan_for(caller: &Caller, suspects: &[Range<ExecAddr>]) -> Scan {
    scan_from(suspects, caller.sp, &caller.registers)
}

/// Where a thread's frames that aren't the engine's begin.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    sp: u64,
    /// Those that functions preserve.
    registers: [u64; 6],
    _not_send: PhantomData<*const ()>,
}

impl Caller {
    /// Here: the frame of the function that this is inlined into is the first that counts. That
    /// one had better not be about suspects itself.
    #[inline(always)]
    #[must_use]
    pub fn here() -> Self {
        let mut registers = [0u64; 6];
        let sp: u64;
        // SAFETY: copies registers. Those that functions preserve hold what the caller has there,
        // or that was saved in this frame already, which is above the stack pointer.
        unsafe {
            std::arch::asm!(
                "mov qword ptr [{saved}], rbx",
                "mov qword ptr [{saved} + 8], rbp",
                "mov qword ptr [{saved} + 16], r12",
                "mov qword ptr [{saved} + 24], r13",
                "mov qword ptr [{saved} + 32], r14",
                "mov qword ptr [{saved} + 40], r15",
                "mov {pointer}, rsp",
                saved = in(reg) registers.as_mut_ptr(),
                pointer = out(reg) sp,
                options(nostack, preserves_flags)
            );
        }
        Self {
            sp,
            registers,
            _not_send: PhantomData,
        }
    }
}

#[inline(never)]
fn scan_from(ranges: &[Range<ExecAddr>], sp: u64, registers: &[u64]) -> Scan {
    let _one = scanning();
    let nothing = |unknown| Scan {
        held: vec![None; ranges.len()],
        unknown,
        in_flight: true,
    };
    let Ok(tasks) = Tasks::open() else {
        return nothing(vec![Unknown::Threads]);
    };
    let mut registry = coroutines::lock();
    let strangers = registry.strangers();
    if !strangers.is_empty() {
        // Nothing can be freed, so nobody need be stopped.
        return nothing(strangers.into_iter().map(unknown_stack).collect());
    }
    let registered = registry.ranges();
    // Without registered stacks, threads may register some meanwhile: what is on them began after
    // the suspects were unlinked. With some, nobody may wait for this lock while others are held.
    let registry = (!registered.is_empty()).then_some(registry);
    let signal = signal::ready();
    stacks::set_restorer(signal::restorer());
    let exempt = exempt::lock().clone();
    // SAFETY: no preconditions.
    let own = unsafe { libc::gettid() };
    let own_is_exempt = exempt
        .iter()
        .any(|(tid, started)| *tid == own && tasks.started(own) == Some(*started));
    let mut memory = Memory::new();
    let exceptions = Exceptions::find(&mut memory);
    let mut suspects = Suspects::new(ranges);
    let mut troubles = Vec::new();
    let mut in_flight = false;
    if !own_is_exempt {
        let look = Look::of_caller(own, sp, registers);
        suspects.begin();
        if let Err(strange) = look.examine(&registered, &mut memory, &mut suspects) {
            troubles.push((own, Trouble::Strange(strange)));
        }
        suspects.keep_hits(HolderId::Thread(own));
        in_flight |= exceptions.in_flight(look.thread_pointer(), &mut memory);
    }
    let mut threads = Threads::new(&tasks, &registered, exceptions, signal, exempt);
    {
        // A handler of the program's could wait for a thread that is held.
        let _blocked = crate::signals::SignalsBlocked::block();
        threads.run(&mut memory, &mut suspects);
    }
    in_flight |= threads.in_flight || threads.troubles().next().is_some();
    troubles.extend(threads.troubles());
    let mut unknown = Vec::new();
    if threads.overflow {
        unknown.push(Unknown::Threads);
    }
    drop(threads);
    drop(registry);
    let mut registry = coroutines::lock();
    registry.drop_unmapped(|range| stacks::is_mapped(range, &mut memory));
    unknown.extend(troubles.into_iter().map(|(tid, trouble)| {
        let name = || tasks.name(tid);
        match trouble {
            Trouble::BlocksSignal => Unknown::BlocksSignal { tid, name: name() },
            Trouble::NoAnswer => Unknown::NoAnswer { tid, name: name() },
            Trouble::Vfork => Unknown::InVfork { tid },
            Trouble::Strange(Strange::NoOwnStack) => Unknown::NoOwnStack { tid },
            Trouble::Strange(Strange::At(sp)) => {
                registry.note_stranger(tid, sp);
                unknown_stack((tid, sp))
            }
        }
    }));
    drop(registry);
    let held = suspects.into_held().into_iter().map(|place| {
        Some(match place? {
            HolderId::Thread(tid) => Holder::Thread {
                tid,
                name: tasks.name(tid),
            },
            HolderId::Stack(start, end) => Holder::Stack(ExecAddr::new(start)..ExecAddr::new(end)),
        })
    });
    Scan {
        held: held.collect(),
        unknown,
        in_flight,
    }
}

fn unknown_stack((tid, sp): (i32, u64)) -> Unknown {
    Unknown::OnUnknownStack {
        tid,
        sp: ExecAddr::new(sp),
    }
}

/// A registered stack; dropping it takes it out.
#[derive(Debug)]
#[must_use]
pub struct StackRegistration {
    number: u64,
}

/// Makes a stack known that isn't a thread's own: of a coroutine, or a fiber. It has to stay
/// registered from before anything runs on it until nothing that is on it will be returned to.
/// Parts that aren't mapped are passed over.
///
/// May wait for a scan to end; not for signal handlers.
pub fn register_stack(range: Range<ExecAddr>) -> StackRegistration {
    let number = coroutines::lock().add(range.start.get()..range.end.get());
    StackRegistration { number }
}

impl Drop for StackRegistration {
    fn drop(&mut self) {
        coroutines::lock().remove(self.number);
    }
}

/// Holds still what scans share, while the process forks; dropping it, in the parent and in the
/// child, lets go.
#[must_use]
pub struct ScansHeld {
    // Dropped in this order.
    _exempt: MutexGuard<'static, Vec<(i32, u64)>>,
    _registry: MutexGuard<'static, Registry>,
    _scanning: MutexGuard<'static, ()>,
    _not_send: PhantomData<*const ()>,
}

impl fmt::Debug for ScansHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScansHeld")
    }
}

/// Waits until no scan is under way, and keeps it so.
pub fn hold_for_fork() -> ScansHeld {
    let scanning = scanning();
    let registry = coroutines::lock();
    ScansHeld {
        _exempt: exempt::lock(),
        _registry: registry,
        _scanning: scanning,
        _not_send: PhantomData,
    }
}
