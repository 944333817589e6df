//! Takes definitions out of a module, into small modules that can be compiled.

use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use llvm_sys::core::LLVMDisposeModule;
use llvm_sys::prelude::LLVMModuleRef;

use crate::diagnostics::take_message;
use crate::error::LlvmError;
use crate::ffi;
use crate::imports::{ImportSource, Importer};
use crate::inline_budget::InlineBudget;
use crate::module::Module;
use crate::ordinal::Ordinal;

impl Module {
    /// Takes the root definitions, the variables without memory that they name, and what those
    /// name, into a module of the same context. Costs what those cost, whatever the size of the
    /// module. Of most functions the body is moved: it can be extracted once
    /// ([`Module::is_taken`]).
    ///
    /// `states` has a byte for each global ([`GlobalState::to_byte`](crate::GlobalState::to_byte)),
    /// which others may change meanwhile: each is read at most once or twice, and the linker copes
    /// with either answer. With `fold`, values of constants that have memory already are shown to
    /// the optimiser. With a budget, bodies that the roots call come along, to be inlined; nothing
    /// is moved then, so the module stays [intact](Module::is_intact).
    ///
    /// # Errors
    ///
    /// A body that can't be read, or that breaks a rule.
    pub fn extract(
        &mut self,
        roots: &[Ordinal],
        states: &[AtomicU8],
        fold: bool,
        budget: InlineBudget,
    ) -> Result<Extracted<'_>, LlvmError> {
        self.extract_as(roots, states, fold, false, budget, None)
    }

    /// As [`Module::extract`]; bodies of other modules, as far as the budget goes, come from
    /// `imports`.
    ///
    /// # Errors
    ///
    /// As [`Module::extract`].
    pub fn extract_importing(
        &mut self,
        roots: &[Ordinal],
        states: &[AtomicU8],
        fold: bool,
        budget: InlineBudget,
        imports: &mut dyn ImportSource,
    ) -> Result<Extracted<'_>, LlvmError> {
        self.extract_as(roots, states, fold, false, budget, Some(imports))
    }

    /// Whether a function is all that the module defines, so that
    /// [`Module::extract_in_place`] can be used.
    #[must_use]
    pub fn can_extract_in_place(&self, root: Ordinal) -> bool {
        assert!(root.index() < self.len());
        // SAFETY: the ordinal is in range.
        !root.is_own_copy() && unsafe { ffi::rewire_is_all(self.index_ref(), root.index()) }
    }

    /// As [`Module::extract`] of one function, which is all that the module defines: the module
    /// itself becomes the extracted one, which costs next to nothing, and `self` is
    /// [spent](Module::is_spent).
    ///
    /// # Errors
    ///
    /// The function isn't all ([`Module::can_extract_in_place`]).
    pub fn extract_in_place(
        &mut self,
        root: Ordinal,
        states: &[AtomicU8],
    ) -> Result<Extracted<'_>, LlvmError> {
        assert_eq!(states.len(), self.len(), "a state for each global");
        if !self.can_extract_in_place(root) {
            return Err(LlvmError::Body {
                module: self.name().clone(),
                reason: "the function is not all of its module".to_owned(),
            });
        }
        // SAFETY: it was just checked, and there is a state for each global.
        unsafe {
            ffi::rewire_extract_in_place(self.index_mut(), root.index(), states.as_ptr().cast());
        }
        Ok(Extracted {
            module: self.take_module(),
            source: self,
            _context: PhantomData,
        })
    }

    /// As [`Module::extract`], for functions that are never replaced: they see one another's
    /// bodies.
    ///
    /// # Errors
    ///
    /// As [`Module::extract`].
    pub fn extract_whole(
        &mut self,
        roots: &[Ordinal],
        states: &[AtomicU8],
        fold: bool,
    ) -> Result<Extracted<'_>, LlvmError> {
        self.extract_as(roots, states, fold, true, InlineBudget::NONE, None)
    }

    fn extract_as(
        &mut self,
        roots: &[Ordinal],
        states: &[AtomicU8],
        fold: bool,
        whole: bool,
        budget: InlineBudget,
        imports: Option<&mut dyn ImportSource>,
    ) -> Result<Extracted<'_>, LlvmError> {
        assert_eq!(states.len(), self.len(), "a state for each global");
        assert!(roots.iter().all(|root| root.index() < self.len()));
        let roots: Vec<usize> = roots.iter().map(|root| root.bits()).collect();
        let (mut module, mut message) = (ptr::null_mut(), ptr::null_mut());
        let mut importer = imports.map(Importer::new);
        let raw_importer = importer.as_mut().map(Importer::raw);
        let raw_importer = raw_importer.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the index is valid, and the slices have the lengths that go with them; the
        // importer outlives the call.
        let (failed, reason) = unsafe {
            let failed = ffi::rewire_extract(
                self.index_mut(),
                roots.as_ptr(),
                roots.len(),
                states.as_ptr().cast(),
                fold,
                whole,
                budget,
                raw_importer,
                &raw mut module,
                &raw mut message,
            );
            (failed, take_message(message))
        };
        self.extracted(module, failed, reason)
    }

    /// Takes what stands at a function's canonical address into a module of the same context: its
    /// prefix and prologue data, and a jump through its slot.
    ///
    /// # Errors
    ///
    /// As [`Module::extract`].
    pub fn extract_front(
        &mut self,
        function: Ordinal,
        states: &[AtomicU8],
    ) -> Result<Extracted<'_>, LlvmError> {
        assert_eq!(states.len(), self.len(), "a state for each global");
        assert!(function.index() < self.len());
        let (mut module, mut message) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the index is valid, and there is a state for each of its globals.
        let (failed, reason) = unsafe {
            let failed = ffi::rewire_extract_front(
                self.index_mut(),
                function.bits(),
                states.as_ptr().cast(),
                &raw mut module,
                &raw mut message,
            );
            (failed, take_message(message))
        };
        self.extracted(module, failed, reason)
    }

    /// One definition with all that it says, to be printed ([`Extracted::into_text`]) and given
    /// back: declarations of names that are the unit's own are hidden, and only those.
    ///
    /// # Errors
    ///
    /// As [`Module::extract`].
    pub fn extract_text(
        &mut self,
        root: Ordinal,
        states: &[AtomicU8],
    ) -> Result<Extracted<'_>, LlvmError> {
        assert_eq!(states.len(), self.len(), "a state for each global");
        assert!(root.index() < self.len());
        let (mut module, mut message) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the index is valid, and there is a state for each of its globals.
        let (failed, reason) = unsafe {
            let failed = ffi::rewire_extract_text(
                self.index_mut(),
                root.index(),
                states.as_ptr().cast(),
                &raw mut module,
                &raw mut message,
            );
            (failed, take_message(message))
        };
        self.extracted(module, failed, reason)
    }

    /// What the shim extracted, or why it couldn't.
    fn extracted(
        &mut self,
        module: LLVMModuleRef,
        failed: bool,
        reason: String,
    ) -> Result<Extracted<'_>, LlvmError> {
        let said = self.take_diagnostics();
        if failed || said.is_some() {
            if !module.is_null() {
                // SAFETY: it was made by the shim for us and nobody else knows it.
                unsafe { LLVMDisposeModule(module) };
            }
            return Err(LlvmError::Body {
                module: self.name().clone(),
                reason: if reason.is_empty() {
                    said.unwrap_or_default()
                } else {
                    reason
                },
            });
        }
        Ok(Extracted {
            module,
            source: self,
            _context: PhantomData,
        })
    }

    /// A module with nothing but the module-level assembly.
    #[must_use]
    pub fn extract_assembly(&mut self) -> Option<Extracted<'_>> {
        // SAFETY: the index is valid.
        let module = unsafe { ffi::rewire_extract_asm(self.index_mut()) };
        (!module.is_null()).then_some(Extracted {
            module,
            source: self,
            _context: PhantomData,
        })
    }
}

/// A small module in the context of the [`Module`] that it was extracted from.
#[derive(Debug)]
pub struct Extracted<'m> {
    module: LLVMModuleRef,
    source: &'m Module,
    _context: PhantomData<&'m mut Module>,
}

impl Extracted<'_> {
    /// The constants whose values it may come to hold a copy of, though others may replace them. Of
    /// which bodies it holds a copy, [`Codegen::inlined`](crate::Codegen::inlined) says once it has
    /// been optimised.
    #[must_use]
    pub fn folds(&self) -> Vec<Ordinal> {
        let mut count = 0;
        // SAFETY: the index is valid, and what it lists stays until the next extraction, which
        // needs the module that `self` borrows.
        let shown = unsafe {
            let first = ffi::rewire_shown(self.source.index_ref(), &raw mut count);
            if count == 0 {
                return Vec::new();
            }
            std::slice::from_raw_parts(first, count)
        };
        let ordinals = shown.iter().map(|place| Ordinal::new(*place as u32));
        ordinals.collect()
    }

    /// Its text, for people and for being changed: globals have the names that they have in their
    /// unit. A local one without a name is called by its number and `unit`, the unit's
    /// ([`names::unnamed`](crate::names::unnamed)).
    #[must_use]
    pub fn into_text(self, unit: u64) -> String {
        // SAFETY: the module is ours; the text is ours to free.
        unsafe { take_message(ffi::rewire_text(self.module, unit)) }
    }

    /// Puts another module of the same context in its place, and returns the former one.
    pub(crate) fn put_module(&mut self, module: LLVMModuleRef) -> LLVMModuleRef {
        std::mem::replace(&mut self.module, module)
    }

    pub(crate) fn module_ref(&self) -> LLVMModuleRef {
        self.module
    }

    /// Whether LLVM has given up on it.
    pub(crate) fn is_lost(&self) -> bool {
        self.source.is_lost()
    }

    pub(crate) fn lose(&self) {
        self.source.lose();
    }

    pub(crate) fn source_name(&self) -> &Arc<str> {
        self.source.name()
    }

    pub(crate) fn take_diagnostics(&self) -> Option<String> {
        self.source.take_diagnostics()
    }
}

impl Drop for Extracted<'_> {
    fn drop(&mut self) {
        if self.is_lost() {
            return;
        }
        // SAFETY: it is ours, and its context lives.
        unsafe { LLVMDisposeModule(self.module) };
    }
}
