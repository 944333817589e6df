//! C++ exceptions that nobody catches. Rust can't: the process would end. So calls go through a
//! function of IR that catches what C++ throws, once the process has a C++ library.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rewire::ExecAddr;

/// The catcher, called NAME; it calls its first argument with its third, and its second with that,
/// with the name of the type of what was thrown, and with its text, if it is a `std::exception`.
///
/// What isn't C++'s (the first bytes of an exception say whose it is; Itanium C++ ABI, "Exception
/// Handling", 2.2.1) is passed on: a panic of Rust's goes to who catches those.
pub(crate) const CATCHER: &str = "
@_ZTISt9exception = external constant ptr
declare i32 @__gxx_personality_v0(...)
declare ptr @__cxa_begin_catch(ptr)
declare void @__cxa_end_catch()
declare ptr @__cxa_current_exception_type()
declare i32 @_Unwind_Resume_or_Rethrow(ptr)
declare i32 @llvm.eh.typeid.for.p0(ptr)

define void @NAME(ptr %run, ptr %tell, ptr %data) personality ptr @__gxx_personality_v0 {
  invoke void %run(ptr %data) to label %done unwind label %caught
done:
  ret void
caught:
  %pad = landingpad { ptr, i32 } catch ptr @_ZTISt9exception catch ptr null
  %exception = extractvalue { ptr, i32 } %pad, 0
  %class = load i64, ptr %exception
  %language = lshr i64 %class, 8
  ; GNUCC++
  %is_ours = icmp eq i64 %language, 20070851454118699
  br i1 %is_ours, label %begin, label %pass_on
pass_on:
  %never = call i32 @_Unwind_Resume_or_Rethrow(ptr %exception)
  unreachable
begin:
  %object = call ptr @__cxa_begin_catch(ptr %exception)
  %type = call ptr @__cxa_current_exception_type()
  %place_of_name = getelementptr ptr, ptr %type, i64 1
  %name = load ptr, ptr %place_of_name
  %selected = extractvalue { ptr, i32 } %pad, 1
  %standard = call i32 @llvm.eh.typeid.for.p0(ptr @_ZTISt9exception)
  %is_standard = icmp eq i32 %selected, %standard
  br i1 %is_standard, label %ask, label %tell_all
ask:
  %table = load ptr, ptr %object
  %place_of_what = getelementptr ptr, ptr %table, i64 2
  %what = load ptr, ptr %place_of_what
  %said = call ptr %what(ptr %object)
  br label %tell_all
tell_all:
  %text = phi ptr [ null, %begin ], [ %said, %ask ]
  call void %tell(ptr %data, ptr %name, ptr %text)
  call void @__cxa_end_catch()
  ret void
}
";

/// How something ended.
pub(crate) enum Ended<R> {
    /// Well.
    Returned(R),
    /// With a C++ exception.
    Thrown(Thrown),
    /// With a panic.
    Panicked,
}

/// A C++ exception: its type, and what it says.
pub(crate) struct Thrown {
    type_name: String,
    said: Option<String>,
}

impl Thrown {
    /// As the user is told, with what it came out of.
    pub(crate) fn out_of(&self, what: &str) -> String {
        let said = self.said.iter().map(|said| format!(": {said}"));
        format!(
            "{} came out of {what}{}",
            self.type_name,
            said.collect::<String>()
        )
    }
}

/// Something to be run, and what came of it.
struct Call<R, F> {
    run: Option<F>,
    ended: Option<Ended<R>>,
}

/// Runs something that calls compiled code, and catches what comes out of it.
pub(crate) fn catching<R>(catcher: Option<ExecAddr>, run: impl FnOnce() -> R) -> Ended<R> {
    let mut call = Call {
        run: Some(run),
        ended: None,
    };
    let result = catch_unwind(AssertUnwindSafe(|| call.go(catcher)));
    match (result, call.ended) {
        (Ok(()), Some(ended)) => ended,
        _ => Ended::Panicked,
    }
}

impl<R, F: FnOnce() -> R> Call<R, F> {
    fn go(&mut self, catcher: Option<ExecAddr>) {
        let data = (&raw mut *self).cast();
        let Some(catcher) = catcher else {
            return Self::run(data);
        };
        type RunFunction = extern "C-unwind" fn(*mut c_void);
        type TellFunction = extern "C-unwind" fn(*mut c_void, *const c_char, *const c_char);
        // SAFETY: `Bridges::catcher` gave the address, of a function of this type; `data` is this
        // call, which stays where it is.
        unsafe {
            let catcher: extern "C-unwind" fn(RunFunction, TellFunction, *mut c_void) =
                std::mem::transmute(catcher.get());
            catcher(Self::run, Self::tell, data);
        }
    }

    extern "C-unwind" fn run(data: *mut c_void) {
        // SAFETY: it is what `go` passed, and nobody else uses it meanwhile.
        let call = unsafe { &mut *data.cast::<Self>() };
        if let Some(run) = call.run.take() {
            call.ended = Some(Ended::Returned(run()));
        }
    }

    extern "C-unwind" fn tell(data: *mut c_void, name: *const c_char, said: *const c_char) {
        // SAFETY: the texts are C strings, and stay as long as the exception, or are null.
        let text = |text: *const c_char| unsafe {
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        let name = text(name).unwrap_or_default();
        // SAFETY: as above.
        let call = unsafe { &mut *data.cast::<Self>() };
        call.ended = Some(Ended::Thrown(Thrown {
            type_name: readable(&name),
            said: text(said),
        }));
    }
}

/// A type as C++ writes it. GCC marks the names of types that are one file's with a star.
fn readable(name: &str) -> String {
    let name = name.trim_start_matches('*');
    let whole = rewire::demangle(&format!("_ZTI{name}"));
    let type_name = whole.strip_prefix("typeinfo for ");
    type_name.unwrap_or(name).to_owned()
}
