//! Contexts, and using them again.
//!
//! Making and destroying an `LLVMContext` takes a tenth of the time in which a function of a few
//! lines is replaced. A context never forgets a type or a constant, though, so each serves a
//! bounded amount of text. A few wait here for the next small module of any engine, with what was
//! found out about their types and attributes.

use llvm_sys::core::LLVMContextDispose;
use llvm_sys::prelude::LLVMContextRef;
use rewire_sync::{Mutex, try_lock};
use std::cell::RefCell;

use crate::diagnostics::Diagnostics;
use crate::known_types::KnownTypes;
use crate::source::Source;
use crate::start;

/// How many contexts wait at most.
const MOST_FREE: usize = 4;

/// How many modules a context serves at most.
const MOST_USES: u32 = 64;

/// How many bytes of text a context serves at most, and how many a module may have that another
/// follows.
const MOST_TEXT: usize = 64 << 10;
const MOST_TEXT_OF_ONE: usize = 4 << 10;

static FREE: Mutex<Vec<Context>> = Mutex::new(Vec::new());

/// An `LLVMContext`, of which errors are collected.
#[derive(Debug)]
pub(crate) struct Context {
    raw: LLVMContextRef,
    // Dropped after the context that reports to it.
    pub(crate) diagnostics: Diagnostics,
    /// Of the modules that were in it: all have the host's layout, and where several may have been
    /// in it, no type has a name.
    pub(crate) known: RefCell<KnownTypes>,
    uses: u32,
    text: usize,
}

// SAFETY: it refers to nothing outside of itself, so it can be used from any thread, by one at a
// time.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing lives in it any more.
        unsafe { LLVMContextDispose(self.raw) };
    }
}

impl Context {
    /// Makes a context.
    pub(crate) fn new() -> Self {
        let raw = start::context();
        Self {
            raw,
            diagnostics: Diagnostics::install(raw),
            known: RefCell::default(),
            uses: 0,
            text: 0,
        }
    }

    /// A context for a module from this source. With `shares`, it may have served other modules
    /// before (see [`can_be_shared`]).
    pub(crate) fn of(source: &Source, shares: bool) -> Self {
        let free = if shares {
            // The lock is never waited for: a child of fork may find it locked for ever.
            try_lock(&FREE).and_then(|mut free| free.pop())
        } else {
            None
        };
        let mut context = free.unwrap_or_else(Self::new);
        context.uses += 1;
        context.text = context.text.saturating_add(source.bytes.len());
        context
    }

    /// Leaves it to others, as far as it may `share`: nothing lives in it any more.
    pub(crate) fn release(self, shares: bool) {
        if !shares || self.uses >= MOST_USES || self.text >= MOST_TEXT {
            return;
        }
        self.diagnostics.take();
        let Some(mut free) = try_lock(&FREE) else {
            return;
        };
        if free.len() < MOST_FREE {
            free.push(self);
        }
    }

    pub(crate) fn raw(&self) -> LLVMContextRef {
        self.raw
    }
}

/// Whether a module reads the same in a context that others were in before. Types with names
/// don't: the second of a name gets another. Bitcode and large text have contexts of their own.
pub(crate) fn can_be_shared(source: &Source) -> bool {
    let text = &source.bytes;
    !source.is_bitcode()
        && text.len() <= MOST_TEXT_OF_ONE
        && memchr::memmem::find(text, b"type").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Module;

    fn source(text: &str) -> Source {
        Source::new("text", text.as_bytes())
    }

    #[test]
    fn only_small_text_without_named_types_shares_a_context() {
        assert!(can_be_shared(&source(
            "define void @f() {\n  ret void\n}\n"
        )));
        assert!(!can_be_shared(&source("%a = type { i32 }\n")));
        assert!(!can_be_shared(&source(&" ".repeat(MOST_TEXT_OF_ONE + 1))));
        let bitcode = Source::new("bitcode", &b"BC\xC0\xDE"[..]);
        assert!(!can_be_shared(&bitcode));
    }

    #[test]
    fn names_of_types_are_those_of_the_text_each_time() {
        for _ in 0..3 {
            let text = "%a = type { i32 }\ndefine %a @f(%a %x) {\n  ret %a %x\n}\n";
            let module = Module::read(&source(text)).unwrap();
            let index = module.index().unwrap();
            assert_eq!(&*index.globals[0].type_name, "%a (%a)");
        }
    }

    #[test]
    fn a_context_serves_a_bounded_number_of_modules() {
        let text = source("define i32 @f() {\n  ret i32 1\n}\n");
        let mut context = Context::of(&text, true);
        while context.uses < MOST_USES {
            let before = context.raw;
            context.release(true);
            let mut free = FREE.lock().unwrap();
            let place = free.iter().position(|one| one.raw == before);
            let Some(place) = place else {
                // Tests of other modules may hold as many as wait.
                return;
            };
            context = free.swap_remove(place);
            context.uses += 1;
        }
        let last = context.raw;
        context.release(true);
        assert!(FREE.lock().unwrap().iter().all(|one| one.raw != last));
    }
}
