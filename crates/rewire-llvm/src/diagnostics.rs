//! What LLVM says while it works: diagnostics of a context, and errors it does not survive.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use llvm_sys::LLVMDiagnosticSeverity;
use llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription,
    LLVMGetDiagInfoSeverity,
};
use llvm_sys::prelude::{LLVMContextRef, LLVMDiagnosticInfoRef};
use rewire_sync::OnceLock;

/// Takes ownership of a message that LLVM or the shim made.
///
/// # Safety
///
/// The caller must ensure that `message` is null, or comes from `LLVMCreateMessage` and isn't used
/// afterwards.
pub(crate) unsafe fn take_message(message: *mut c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises, it is a C string of ours to free.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().trim().to_owned();
        LLVMDisposeMessage(message);
        text
    }
}

/// Collects the errors that LLVM reports to a context; warnings and remarks are dropped.
///
/// It has to outlive the context, and its address must not change: hence the box.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    errors: Box<RefCell<Vec<String>>>,
}

impl Diagnostics {
    /// Makes the context report here.
    pub(crate) fn install(context: LLVMContextRef) -> Self {
        let errors = Box::new(RefCell::new(Vec::new()));
        let data: *const RefCell<Vec<String>> = &raw const *errors;
        // SAFETY: the context is valid, and the box outlives it: `Module` drops it last.
        unsafe {
            LLVMContextSetDiagnosticHandler(context, Some(collect), data as *mut c_void);
        }
        Self { errors }
    }

    /// The errors since the last call, a line each; `None` when there were none.
    pub(crate) fn take(&self) -> Option<String> {
        let errors = std::mem::take(&mut *self.errors.borrow_mut());
        (!errors.is_empty()).then(|| errors.join("\n"))
    }
}

extern "C" fn collect(info: LLVMDiagnosticInfoRef, data: *mut c_void) {
    // SAFETY: LLVM passes a valid diagnostic, and `data` is what `install` gave it.
    unsafe {
        if LLVMGetDiagInfoSeverity(info) != LLVMDiagnosticSeverity::LLVMDSError {
            return;
        }
        let text = take_message(LLVMGetDiagInfoDescription(info));
        let errors = &*data.cast::<RefCell<Vec<String>>>();
        errors.borrow_mut().push(text);
    }
}

static FATAL: OnceLock<fn(&str)> = OnceLock::new();

thread_local! {
    /// Whether this thread is in [`contained`].
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What a thread unwinds with from an error that LLVM doesn't survive.
struct Fatal(String);

/// Takes the hook for errors that LLVM doesn't survive, unless there is one.
pub(crate) fn keep_hook(hook: fn(&str)) -> bool {
    FATAL.set(hook).is_ok()
}

/// Has LLVM do something, which may fail with an error that it doesn't survive: the answer is that
/// error then. Whatever LLVM was working on is in an unknown state, and must not be used or freed.
pub(crate) fn contained<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    let was = IS_CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_CONTAINED.set(was);
    result.map_err(|panic| match panic.downcast::<Fatal>() {
        Ok(fatal) => fatal.0,
        Err(other) => resume_unwind(other),
    })
}

/// What LLVM calls for an error that it doesn't survive.
pub(crate) extern "C-unwind" fn fatal(reason: *const c_char) {
    // SAFETY: LLVM passes a C string.
    let reason = unsafe { CStr::from_ptr(reason) }.to_string_lossy();
    if IS_CONTAINED.get() {
        resume_unwind(Box::new(Fatal(reason.into_owned())));
    }
    if let Some(hook) = FATAL.get() {
        hook(&reason);
    }
    // As LLVM says it without a handler.
    eprintln!("LLVM ERROR: {reason}");
}

/// What LLVM calls when it finds no memory.
pub(crate) extern "C" fn out_of_memory(reason: *const c_char) {
    // SAFETY: LLVM passes a C string.
    let reason = unsafe { CStr::from_ptr(reason) };
    if let Some(hook) = FATAL.get() {
        let mut text = reason.to_string_lossy().into_owned();
        let limits = [
            ("ulimit -v", libc::RLIMIT_AS),
            ("ulimit -d", libc::RLIMIT_DATA),
        ];
        for (name, which) in limits {
            if let Some(bytes) = limit(which) {
                text.push_str(&format!("; {name} is {} KiB", bytes / 1024));
            }
        }
        hook(&text);
    }
}

/// A limit of resources that is in force, unless it is infinite.
fn limit(which: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limits = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the call fills in plain data.
    unsafe { libc::getrlimit(which, &raw mut limits) };
    (limits.rlim_cur != libc::RLIM_INFINITY).then_some(limits.rlim_cur)
}
