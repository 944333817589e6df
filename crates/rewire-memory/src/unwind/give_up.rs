//! Giving up what a thread does in compiled code, back to where it was entered.
//!
//! A function that can't run has callers that expect it to. Where all frames between it and a call
//! of [`catch`] can be unwound, the thread goes back there with a panic of Rust's, so that cleanups
//! run, and Rust code between may catch it as any panic.
//!
//! Compiled code doesn't get to see it: a `catch (...)` would take the failure for an exception of
//! the program's, and `noexcept` would end the process. So, for this thread and until it has
//! arrived, such frames have descriptions without handlers ([`super::answer`] gives them
//! out); what they would have cleaned up isn't.

use std::any::Any;
use std::arch::global_asm;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, resume_unwind};
use std::ptr;

use rewire_object::ExecAddr;

use super::description::Description;
use super::exception_table::{Reaction, reaction};
use super::handlerless::{GIVING_UP, GivingUp, HandlerlessFrame};
use super::library::{_Unwind_Backtrace, _Unwind_GetCFA, _Unwind_GetIPInfo};
use super::{Bases, answer, find};

unsafe extern "C" {
    fn _Unwind_GetLanguageSpecificData(context: *mut c_void) -> *const u8;
    fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
    /// Of the standard library, for all Rust code.
    fn rust_eh_personality();
}

unsafe extern "C-unwind" {
    fn _Unwind_RaiseException(exception: *mut c_void) -> c_int;
}

/// A place that a thread comes back to.
struct Catch {
    /// The stack pointer there.
    stack: usize,
}

thread_local! {
    // No destructor: compiled code runs until the very end of a thread.
    static CATCH: Cell<*const Catch> = const { Cell::new(ptr::null()) };
}

// rdi: what to pass; rsi: what to call; rdx: where to say what the stack pointer is. Returns null,
// or the exception with which the thread came back.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_catch",
    ".hidden rewire_catch",
    ".type rewire_catch, @function",
    "rewire_catch:",
    ".cfi_startproc",
    // A distance of 32 bits.
    ".cfi_personality 0x1b, {personality}",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov qword ptr [rdx], rsp",
    "call rsi",
    "xor eax, eax",
    ".globl rewire_catch_landing",
    ".hidden rewire_catch_landing",
    "rewire_catch_landing:",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size rewire_catch, . - rewire_catch",
    personality = sym personality,
);

unsafe extern "C-unwind" {
    fn rewire_catch(
        data: *mut c_void,
        work: extern "C-unwind" fn(*mut c_void),
        stack: *mut usize,
    ) -> *mut c_void;
}

unsafe extern "C" {
    fn rewire_catch_landing();
}

/// The class of a Rust panic.
const RUST: u64 = u64::from_ne_bytes(*b"MOZ\0RUST");

/// Stops this thread's panic where it is going, and lets all else pass.
extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    class: u64,
    exception: *mut c_void,
    context: *mut c_void,
) -> c_int {
    const SEARCH: c_int = 1;
    const HANDLER_FRAME: c_int = 4;
    const FORCED: c_int = 8;
    const FOUND: c_int = 6;
    const INSTALL: c_int = 7;
    const CONTINUE: c_int = 8;
    // SAFETY: what this thread is doing is its own.
    let target = unsafe { GIVING_UP.get().as_ref() }.map(|it| it.target);
    // SAFETY: the context is the unwinder's.
    let here = unsafe { _Unwind_GetCFA(context) };
    if class != RUST || actions & FORCED != 0 || target != Some(here) {
        return CONTINUE;
    }
    if actions & SEARCH != 0 {
        return FOUND;
    }
    if actions & HANDLER_FRAME == 0 {
        return CONTINUE;
    }
    // SAFETY: as above. %rax is register 0 (psABI, section 3.6.2).
    unsafe {
        _Unwind_SetGR(context, 0, exception as usize);
        _Unwind_SetIP(context, rewire_catch_landing as *const () as usize);
    }
    INSTALL
}

/// Does something in compiled code; `None` if it was given up ([`prepare`], [`give_up`]). Whatever
/// else unwinds goes on unwinding.
pub fn catch<R>(work: impl FnOnce() -> R) -> Option<R> {
    struct Attempt<R, F> {
        work: Option<F>,
        result: Option<R>,
        catch: Catch,
    }
    /// Takes the place out again, however it is left.
    struct FormerCatch(*const Catch);
    impl Drop for FormerCatch {
        fn drop(&mut self) {
            CATCH.set(self.0);
        }
    }
    extern "C-unwind" fn run<R, F: FnOnce() -> R>(data: *mut c_void) {
        // SAFETY: it is the work below, which nobody else uses meanwhile but through `CATCH`, whose
        // part of it doesn't change any more.
        let work = unsafe { &mut *data.cast::<Attempt<R, F>>() };
        CATCH.set(&raw const work.catch);
        if let Some(todo) = work.work.take() {
            work.result = Some(todo());
        }
    }
    fn enter<R, F: FnOnce() -> R>(work: F) -> (*mut c_void, Option<R>) {
        let _former = FormerCatch(CATCH.get());
        let mut work = Attempt {
            work: Some(work),
            result: None,
            catch: Catch { stack: 0 },
        };
        let data = &raw mut work;
        // SAFETY: `run` fits the data, which stays where it is until this returns.
        let exception =
            unsafe { rewire_catch(data.cast(), run::<R, F>, &raw mut (*data).catch.stack) };
        (exception, work.result)
    }
    let (exception, result) = enter(work);
    if !exception.is_null() {
        // The standard library alone can take its exceptions apart.
        // SAFETY: it is a panic that this thread is unwinding with.
        let taken = catch_unwind(|| unsafe { _Unwind_RaiseException(exception) });
        drop(taken);
        return None;
    }
    result
}

/// Whether this thread is in a [`catch`].
#[must_use]
pub fn is_caught() -> bool {
    !CATCH.get().is_null()
}

/// Prepares this thread for giving up, from a call that returns to `caller`; whether all frames on
/// the way can be unwound. It is if [`give_up`] runs in place of the function that was called, or
/// if a panic with [`GivenUp`] goes on there.
///
/// To be called below the call, on any stack.
#[must_use]
pub fn prepare(caller: ExecAddr) -> bool {
    let catch = CATCH.get();
    // A cleanup that fails in turn has nowhere to go.
    if catch.is_null() || !GIVING_UP.get().is_null() {
        return false;
    }
    // SAFETY: it is further up on this thread's stack.
    let target = unsafe { (*catch).stack };
    let mut walk = WayToCatch {
        caller: caller.get(),
        has_begun: false,
        arrives: false,
        giving_up: GivingUp {
            target,
            frames: Vec::new(),
        },
    };
    // SAFETY: the callback doesn't unwind, and the data outlives the call.
    unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
    if walk.arrives {
        GIVING_UP.set(Box::into_raw(Box::new(walk.giving_up)));
    }
    walk.arrives
}

/// Prepares a thread that is giving up, and that was held up in a call which returns to `caller`,
/// for going on from there.
pub fn go_on(caller: ExecAddr) {
    let former = GIVING_UP.get();
    GIVING_UP.set(ptr::null_mut());
    if prepare(caller) && !former.is_null() {
        // SAFETY: `prepare` made it by a box, and nobody else has it.
        drop(unsafe { Box::from_raw(former) });
    } else {
        GIVING_UP.set(former);
    }
}

/// A look at the frames from a failed call to where it is caught.
struct WayToCatch {
    caller: u64,
    has_begun: bool,
    /// Somebody on the way catches it, or the way leads to the end.
    arrives: bool,
    giving_up: GivingUp,
}

extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
    const NORMAL_STOP: c_int = 4;
    // SAFETY: the unwinder passes the pointer that goes with the callback.
    let walk = unsafe { &mut *data.cast::<WayToCatch>() };
    // SAFETY: the context is the unwinder's.
    match unsafe { walk.look(context) } {
        Some(()) => 0,
        None => NORMAL_STOP,
    }
}

impl WayToCatch {
    /// Looks at one frame; `None` if it is the last.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `context` is one that the unwinder has just passed to a
    /// callback.
    unsafe fn look(&mut self, context: *mut c_void) -> Option<()> {
        let mut is_interrupted = 0;
        // SAFETY: as the caller promises.
        let (address, stack, table, start) = unsafe {
            (
                _Unwind_GetIPInfo(context, &raw mut is_interrupted) as u64,
                _Unwind_GetCFA(context),
                _Unwind_GetLanguageSpecificData(context),
                _Unwind_GetRegionStart(context) as u64,
            )
        };
        self.has_begun |= address == self.caller;
        if !self.has_begun {
            return Some(());
        }
        if stack == self.giving_up.target {
            self.arrives = true;
            return None;
        }
        // What a signal has interrupted may be halfway through anything.
        if is_interrupted != 0 {
            return None;
        }
        let pc = address - 1;
        if table.is_null() {
            return Some(());
        }
        let is_compiled = find(pc).is_some();
        // SAFETY: it is the table of a frame on this stack.
        let reaction = unsafe { reaction(table, start, pc) };
        match reaction {
            Some(Reaction::Passes) => Some(()),
            _ if is_compiled => {
                self.giving_up.frames.push(without_handlers(pc)?);
                Some(())
            }
            // Rust code catches panics to look after them, and may well let them go on.
            Some(Reaction::Caught)
                if describe(pc)?.personality == rust_eh_personality as *const () as u64 =>
            {
                self.arrives = true;
                Some(())
            }
            _ => None,
        }
    }
}

/// The description of the frame that an address lies in.
fn describe(pc: u64) -> Option<Description> {
    let mut bases = Bases::default();
    // SAFETY: the bases are ours, and what is found is an entry that the unwinder uses.
    unsafe {
        let found = answer(pc as *mut c_void, &raw mut bases);
        (!found.is_null()).then(|| Description::read(found.cast()))?
    }
}

/// The frame that an address lies in, without its handlers.
fn without_handlers(pc: u64) -> Option<HandlerlessFrame> {
    let description = describe(pc)?;
    let (bytes, place) = description.without_handlers();
    Some(HandlerlessFrame {
        pc,
        start: description.start,
        bytes,
        place,
    })
}

/// What a thread unwinds with while it gives up. When it is dropped, the thread has arrived.
#[derive(Debug)]
pub struct GivenUp(());

impl Drop for GivenUp {
    fn drop(&mut self) {
        let arrived = GIVING_UP.replace(ptr::null_mut());
        if !arrived.is_null() {
            // SAFETY: `prepare` made it by a box, and nobody else has it.
            drop(unsafe { Box::from_raw(arrived) });
        }
    }
}

/// Where to go instead of a function that can't run, in its caller's place, after [`prepare`].
#[must_use]
pub fn give_up() -> ExecAddr {
    ExecAddr::new(rewire_give_up as *const () as u64)
}

// Functions are also called from prologues (`"probe-stack"`, `__fentry__`), where the stack isn't
// aligned as the psABI has it at calls.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_give_up",
    ".hidden rewire_give_up",
    ".type rewire_give_up, @function",
    "rewire_give_up:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "and rsp, -16",
    "call {resume}",
    "ud2",
    ".cfi_endproc",
    ".size rewire_give_up, . - rewire_give_up",
    resume = sym resume,
);

unsafe extern "C" {
    fn rewire_give_up();
}

extern "C-unwind" fn resume() {
    resume_unwind(Box::new(GivenUp(())));
}

/// Whether a panic is a thread's that gives up.
#[must_use]
pub fn is_given_up(payload: &(dyn Any + Send)) -> bool {
    payload.is::<GivenUp>()
}
