//! A module in a context of its own.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use llvm_sys::core::{
    LLVMContextSetDiscardValueNames, LLVMDisposeModule, LLVMGetDataLayoutStr, LLVMGetInitializer,
    LLVMGetModuleInlineAsm, LLVMGetTarget, LLVMIsAGlobalVariable, LLVMPrintValueToString,
};
use llvm_sys::prelude::{LLVMContextRef, LLVMModuleRef, LLVMValueRef};

use crate::bitcode;
use crate::context::{self, Context};
use crate::diagnostics::take_message;
use crate::error::LlvmError;
use crate::ffi;
use crate::host::Host;
use crate::known_types::KnownTypes;
use crate::ordinal::Ordinal;
use crate::refusal;
use crate::source::Source;
use crate::verification::Verification;

/// Which names a module keeps that is read from bitcode. The parser of text needs all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Those that the engine needs.
    OfGlobals,
    /// Those of arguments, blocks and instructions as well, which are for people who read IR.
    All,
}

/// What was verified of a module, in any of its copies ([`Module::read_copy`]).
#[derive(Clone, Debug)]
pub struct Verified(Option<Arc<Verification>>);

impl Verified {
    /// Nothing was verified yet.
    pub const NOTHING: Self = Self(None);
}

/// A module, the `LLVMContext` it lives in, and the numbers of its globals.
///
/// One thread works on it at a time; it may move between threads.
#[derive(Debug)]
pub struct Module {
    name: Arc<str>,
    index: *mut ffi::RewireIndex,
    module: LLVMModuleRef,
    /// Which of its bodies were verified. The index refers to it.
    verification: Option<Arc<Verification>>,
    /// LLVM gave up on something in its context, which is in an unknown state: nothing in it may be
    /// used or freed.
    is_lost: Cell<bool>,
    /// Others may have the context afterwards.
    shares_context: bool,
    /// Only `drop` takes it out. Dropped after the module that lives in it.
    context: Option<Context>,
    // Dropped after the module that reads from them.
    _bytes: Arc<[u8]>,
}

// SAFETY: a module, its context and its index refer to nothing outside of themselves but the
// shared immutable bytes, so they can be used from any thread, by one at a time.
unsafe impl Send for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        if self.is_lost.get() {
            std::mem::forget((self.context.take(), self._bytes.clone()));
            return;
        }
        // SAFETY: these are ours, and the index refers to the module.
        unsafe {
            if !self.index.is_null() {
                ffi::rewire_index_free(self.index);
            }
            if !self.module.is_null() {
                LLVMDisposeModule(self.module);
            }
        }
        // What was never read may have left anything behind.
        let is_read = !self.index.is_null();
        if let Some(context) = self.context.take() {
            context.release(self.shares_context && is_read);
        }
    }
}

impl Module {
    /// Reads IR. Of bitcode, bodies are read and verified when they are first wanted; text is read
    /// and verified as a whole. Debug information is dropped.
    ///
    /// # Errors
    ///
    /// Bytes that are no IR, IR that breaks a rule, IR for another kind of machine.
    pub fn read(source: &Source) -> Result<Self, LlvmError> {
        Self::read_with(source, None, Names::OfGlobals)
    }

    /// Reads another copy from the bytes that this one was read from. What was verified in either
    /// isn't verified again in the other.
    ///
    /// # Errors
    ///
    /// As [`Module::read`].
    pub fn read_copy(source: &Source, verified: &Verified) -> Result<Self, LlvmError> {
        Self::read_with(source, verified.0.clone(), Names::OfGlobals)
    }

    /// As [`Module::read_copy`]; arguments, blocks and instructions keep their names, too.
    ///
    /// # Errors
    ///
    /// As [`Module::read`].
    pub fn read_named(source: &Source, verified: &Verified) -> Result<Self, LlvmError> {
        Self::read_with(source, verified.0.clone(), Names::All)
    }

    /// What was verified of it, for [`Module::read_copy`].
    #[must_use]
    pub fn verified(&self) -> Verified {
        Verified(self.verification.clone())
    }

    fn read_with(
        source: &Source,
        verification: Option<Arc<Verification>>,
        names: Names,
    ) -> Result<Self, LlvmError> {
        if source.is_object() {
            return Err(LlvmError::Malformed {
                module: source.name.clone(),
                reason: "it is machine code, of which there is no IR".to_owned(),
            });
        }
        let shares_context = context::can_be_shared(source);
        let mut module = Self {
            name: source.name.clone(),
            index: ptr::null_mut(),
            module: ptr::null_mut(),
            verification,
            is_lost: Cell::new(false),
            shares_context,
            context: Some(Context::of(source, shares_context)),
            _bytes: source.bytes.clone(),
        };
        module.parse(source, names)?;
        module.check_target()?;
        // SAFETY: the module was just read.
        unsafe {
            module.index = ffi::rewire_index_new(module.module);
            ffi::rewire_strip_debug(module.index);
        }
        module.verify(source.is_verified)?;
        module.read_for_fronts(source)?;
        Ok(module)
    }

    /// The context; null only while the module is dropped.
    fn context(&self) -> LLVMContextRef {
        self.context.as_ref().map_or(ptr::null_mut(), Context::raw)
    }

    /// What is known of the context's types.
    pub(crate) fn known_types(&self) -> Option<&RefCell<KnownTypes>> {
        self.context.as_ref().map(|context| &context.known)
    }

    /// What LLVM said of the module since the last call.
    pub(crate) fn take_diagnostics(&self) -> Option<String> {
        self.context.as_ref()?.diagnostics.take()
    }

    fn parse(&mut self, source: &Source, names: Names) -> Result<(), LlvmError> {
        let host = Host::get()?;
        let is_bitcode = source.is_bitcode();
        let read = if is_bitcode {
            let discard = (names == Names::OfGlobals).into();
            // SAFETY: the context is valid, and no other module is in it.
            unsafe { LLVMContextSetDiscardValueNames(self.context(), discard) };
            ffi::rewire_read_bitcode
        } else {
            ffi::rewire_read_text
        };
        let mut message = ptr::null_mut();
        // SAFETY: the context is valid, and the bytes live as long as the module, which holds a
        // share of them; a message is ours to free.
        let (failed, reason) = unsafe {
            let failed = read(
                self.context(),
                host.target(),
                source.bytes.as_ptr().cast(),
                source.bytes.len(),
                &raw mut self.module,
                &raw mut message,
            );
            (failed, take_message(message))
        };
        let said = self.take_diagnostics();
        let refused = |reason| {
            let text = (!is_bitcode).then_some(&*source.bytes);
            refusal::refused(source.name.clone(), text, reason)
        };
        if failed {
            return Err(refused(reason));
        }
        match said {
            Some(reason) if is_bitcode => Err(refused(reason)),
            _ => Ok(()),
        }
    }

    /// Verifies all but the bodies that aren't read yet, unless that was done before.
    fn verify(&mut self, is_done: bool) -> Result<(), LlvmError> {
        let globals = self.len();
        let verification = self
            .verification
            .get_or_insert_with(|| Arc::new(Verification::new(globals, is_done)));
        let mut message = ptr::null_mut();
        // SAFETY: the index is valid, and `self` keeps the words as long; there is a bit for each
        // global, and one more.
        let (failed, reason) = unsafe {
            ffi::rewire_index_verified(self.index, verification.words());
            let failed = ffi::rewire_verify(self.index, &raw mut message);
            (failed, take_message(message))
        };
        self.invalid(failed, reason)
    }

    /// Reads the bodies, where those may say what lies before a function's address.
    fn read_for_fronts(&self, source: &Source) -> Result<(), LlvmError> {
        let mut message = ptr::null_mut();
        // SAFETY: the index is valid; a message is ours to free.
        let (failed, reason) = unsafe {
            let failed = ffi::rewire_read_for_fronts(
                self.index,
                source.bytes.as_ptr().cast(),
                source.bytes.len(),
                source.is_bitcode(),
                &raw mut message,
            );
            (failed, take_message(message))
        };
        self.invalid(failed, reason)
    }

    /// Reads every body that isn't read yet, and verifies those that weren't.
    ///
    /// # Errors
    ///
    /// Bodies that can't be read or that break a rule.
    pub fn verify_all(&self) -> Result<(), LlvmError> {
        let mut message = ptr::null_mut();
        // SAFETY: the index is valid; a message is ours to free.
        let (failed, reason) = unsafe {
            let failed = ffi::rewire_read_all(self.index, &raw mut message);
            (failed, take_message(message))
        };
        self.invalid(failed, reason)
    }

    fn invalid(&self, failed: bool, reason: String) -> Result<(), LlvmError> {
        if !failed {
            return Ok(());
        }
        self.take_diagnostics();
        Err(LlvmError::Invalid {
            module: self.name.clone(),
            reason,
        })
    }

    /// IR without a triple or layout is taken for the host's; other machines' is refused.
    fn check_target(&self) -> Result<(), LlvmError> {
        let host = Host::get()?;
        // SAFETY: the module is valid, and LLVM returns C strings that live in it.
        unsafe {
            let triple = std::ffi::CStr::from_ptr(LLVMGetTarget(self.module)).to_string_lossy();
            if triple.is_empty() {
                host.set_triple(self.module);
            } else if !is_host_triple(&triple) {
                return Err(LlvmError::OtherTarget {
                    module: self.name.clone(),
                    found: triple.into_owned(),
                    host: host.triple.to_string_lossy().into_owned(),
                });
            }
            let layout = std::ffi::CStr::from_ptr(LLVMGetDataLayoutStr(self.module));
            if layout.is_empty() {
                host.set_layout(self.module);
            } else if layout != host.data_layout.as_c_str() {
                return Err(LlvmError::OtherTarget {
                    module: self.name.clone(),
                    found: format!("the data layout \"{}\"", layout.to_string_lossy()),
                    host: format!("\"{}\"", host.data_layout.to_string_lossy()),
                });
            }
        }
        Ok(())
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The module as bitcode, from which copies can be read. Reads all bodies.
    ///
    /// # Errors
    ///
    /// As [`Module::verify_all`].
    pub fn to_bitcode(&self) -> Result<Source, LlvmError> {
        self.verify_all()?;
        // SAFETY: the module is valid, and verified.
        let bytes = unsafe { bitcode::written(self.module) };
        Ok(Source::verified(self.name.clone(), bytes))
    }

    /// Whether the module was [extracted in place](Module::extract_in_place): nothing is left of
    /// it, and nothing else can be asked of it.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.module.is_null() || self.is_lost.get()
    }

    /// Whether a body couldn't be read: others can't be read from this copy either.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        // SAFETY: the index is valid.
        unsafe { ffi::rewire_is_unreadable(self.index) }
    }

    /// IR text that defines `void call_adapter(ptr function, ptr arguments, ptr result)`: it calls
    /// a function of the given one's type, calling convention included, with the arguments that the
    /// array of addresses leads to, and stores what it returns. `None` for what is no function, and
    /// where the number of arguments varies.
    #[must_use]
    pub fn call_adapter_text(&mut self, function: Ordinal) -> Option<String> {
        assert!(function.index() < self.len());
        // SAFETY: the ordinal is in range; a message is ours.
        let text = unsafe {
            let text = ffi::rewire_call_adapter(self.index, function.index());
            (!text.is_null()).then(|| take_message(text))
        };
        self.take_diagnostics();
        text
    }

    /// Whether no body was moved out of this copy of the module.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        // SAFETY: the index is valid.
        unsafe { ffi::rewire_is_intact(self.index) }
    }

    /// Whether a function's body was moved out of this copy of the module.
    #[must_use]
    pub fn is_taken(&self, function: Ordinal) -> bool {
        assert!(function.index() < self.len());
        // SAFETY: the ordinal is in range.
        unsafe { ffi::rewire_is_taken(self.index, function.index()) }
    }

    /// The value that a variable starts with, as IR writes it; empty when there is none.
    #[must_use]
    pub fn value_text(&self, variable: Ordinal) -> String {
        let global = self.global_ref(variable.index());
        // SAFETY: the value is a global of a live module; LLVM hands over the string.
        unsafe {
            if LLVMIsAGlobalVariable(global).is_null() {
                return String::new();
            }
            let value = LLVMGetInitializer(global);
            if value.is_null() {
                return String::new();
            }
            take_message(LLVMPrintValueToString(value))
        }
    }

    /// Takes the module itself out, which leaves it spent.
    pub(crate) fn take_module(&mut self) -> LLVMModuleRef {
        std::mem::replace(&mut self.module, ptr::null_mut())
    }

    /// Whether LLVM has given up on something in its context.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    /// LLVM has given up on something in its context.
    pub(crate) fn lose(&self) {
        self.is_lost.set(true);
    }

    pub(crate) fn len(&self) -> usize {
        // SAFETY: the index is valid.
        unsafe { ffi::rewire_index_len(self.index) }
    }

    pub(crate) fn global_ref(&self, ordinal: usize) -> LLVMValueRef {
        assert!(ordinal < self.len());
        // SAFETY: the ordinal is in range.
        unsafe { ffi::rewire_index_get(self.index, ordinal) }
    }

    pub(crate) fn index_ref(&self) -> *const ffi::RewireIndex {
        self.index
    }

    pub(crate) fn index_mut(&mut self) -> *mut ffi::RewireIndex {
        self.index
    }

    pub(crate) fn module_ref(&self) -> LLVMModuleRef {
        self.module
    }

    pub(crate) fn has_assembly(&self) -> bool {
        let mut length = 0;
        // SAFETY: the module is valid, and LLVM stores the length.
        unsafe { LLVMGetModuleInlineAsm(self.module, &raw mut length) };
        length > 0
    }
}

/// Whether code for this triple runs in this process.
fn is_host_triple(triple: &str) -> bool {
    let mut parts = triple.split('-');
    let arch = parts.next().unwrap_or_default();
    matches!(arch, "x86_64" | "amd64" | "x86_64h")
        && triple.contains("linux")
        && !triple.ends_with("x32")
}
