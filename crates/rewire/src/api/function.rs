//! Typed handles to functions and variables of compiled code.

use std::marker::PhantomData;
use std::ops::Deref;

use rewire_memory::ExecAddr;

use super::code::HeldMemory;
use crate::base::error::Error;
use crate::base::function_type::FunctionType;
use crate::core::lifetime::HeldEngine;
use crate::introspect::state::FunctionState;
use crate::ledger::EntryKind;

/// A function pointer type that has a counterpart in IR. Implemented for `extern "C" fn` and
/// `extern "C-unwind" fn`, safe and unsafe, with up to twelve parameters.
///
/// # Safety
///
/// Implementors must be function pointer types, and [`FunctionPointer::fits`] must return `true`
/// only for IR types that can be called through a pointer of this type.
pub unsafe trait FunctionPointer: Copy + 'static {
    /// Returns whether a function of this IR type (`i32 (ptr, i64)`) can be called through this
    /// type.
    fn fits(type_name: &str) -> bool;
    /// Returns the IR type that corresponds to this type.
    fn type_name() -> String;
}

/// A type that compiled code passes and returns as one value.
///
/// # Safety
///
/// The C ABI must pass and return a value of this type exactly as a value of each of the IR types
/// in [`Passed::IR`] (psABI, section 3.2.3).
pub unsafe trait Passed {
    /// The IR types that a value of this type may have; the first is the usual one.
    const IR: &'static [&'static str];
}

macro_rules! passed {
    ($($type:ty = $($ir:literal),+;)*) => {
        $(
            // SAFETY: clang gives the corresponding C type these IR types.
            unsafe impl Passed for $type {
                const IR: &'static [&'static str] = &[$($ir),+];
            }
        )*
    };
}

passed! {
    () = "void";
    bool = "i1", "i8";
    i8 = "i8"; u8 = "i8", "i1";
    i16 = "i16"; u16 = "i16";
    i32 = "i32"; u32 = "i32";
    i64 = "i64"; u64 = "i64";
    isize = "i64"; usize = "i64";
    i128 = "i128"; u128 = "i128";
    f32 = "float"; f64 = "double";
}

// SAFETY: thin pointers are pointers.
unsafe impl<T> Passed for *const T {
    const IR: &'static [&'static str] = &["ptr"];
}

// SAFETY: as above.
unsafe impl<T> Passed for *mut T {
    const IR: &'static [&'static str] = &["ptr"];
}

// SAFETY: as above; the unsafe lookup, `Library::function`, vouches that the reference is valid.
unsafe impl<T> Passed for &T {
    const IR: &'static [&'static str] = &["ptr"];
}

// SAFETY: as above.
unsafe impl<T> Passed for &mut T {
    const IR: &'static [&'static str] = &["ptr"];
}

/// Whether an IR function type has this result and these parameters.
fn matches(type_name: &str, result: &[&str], parameters: &[&[&str]]) -> bool {
    let Some(found) = FunctionType::parse(type_name) else {
        return false;
    };
    let fits = |found: &str, wanted: &[&str]| wanted.contains(&plain_pointer(found));
    fits(found.result, result)
        && found.parameters.len() == parameters.len()
        && found
            .parameters
            .iter()
            .zip(parameters)
            .all(|(one, wanted)| fits(one, wanted))
}

/// The type as which a value is passed. Pointers of all address spaces are passed alike, except
/// those of 32 bits (LLVM's X86 address spaces 270 and 271).
pub(crate) fn plain_pointer(type_name: &str) -> &str {
    let space = type_name.strip_prefix("ptr addrspace(");
    let space = space.and_then(|space| space.strip_suffix(')')?.parse().ok());
    match space {
        None | Some(270 | 271) => type_name,
        Some(_) => "ptr",
    }
}

macro_rules! pointers {
    ($(($($parameter:ident)*))*) => {
        $(
            pointers!(@one [extern "C" fn] $($parameter)*);
            pointers!(@one [extern "C-unwind" fn] $($parameter)*);
            pointers!(@one [unsafe extern "C" fn] $($parameter)*);
            pointers!(@one [unsafe extern "C-unwind" fn] $($parameter)*);
        )*
    };
    (@one [$($kind:tt)*] $($parameter:ident)*) => {
        // SAFETY: it is a function pointer.
        unsafe impl<R: Passed + 'static, $($parameter: Passed + 'static),*> FunctionPointer
            for $($kind)*($($parameter),*) -> R
        {
            fn fits(type_name: &str) -> bool {
                matches(type_name, R::IR, &[$($parameter::IR),*])
            }

            fn type_name() -> String {
                let parameters: &[&str] = &[$($parameter::IR[0]),*];
                format!("{} ({})", R::IR[0], parameters.join(", "))
            }
        }
    };
}

pointers! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}

/// A function of compiled code that can be called like a function pointer. It keeps its engine
/// alive. Each call goes to the body in force: after a replacement, the next call runs the new
/// body. (A function that isn't defined by IR is called at the address that it had when the handle
/// was created.)
///
/// The first call compiles the function, unless [`Library::pin`](crate::Library::pin) did so
/// before. A call that can't be carried out has no error to return: **the process ends** if the
/// function, or one that it calls in turn, can't be compiled or found, unless the client has
/// provided for it (see [`Library::function`](crate::Library::function)).
///
/// The handle doesn't keep the function from being removed. A call afterwards goes to another copy
/// if there is one (COMDAT or weak), and otherwise fails in the same way, with
/// [`Error::Removed`].
#[derive(Clone, Debug)]
pub struct Function<F> {
    pointer: F,
    _core: HeldEngine,
}

impl<F: FunctionPointer> Function<F> {
    /// # Safety
    ///
    /// The caller must ensure that the function at `address` has the type `F`, also as far as its
    /// IR type doesn't say so (what its pointers point to, say).
    pub(crate) unsafe fn new(
        core: HeldEngine,
        name: &str,
        address: ExecAddr,
        state: Option<&FunctionState>,
    ) -> Result<Self, Error> {
        if let Some(state) = state {
            let is_function = matches!(state.kind, EntryKind::Function | EntryKind::Unknown);
            let found = state.type_name.as_deref();
            if !is_function || found.is_some_and(|found| !F::fits(found)) {
                return Err(Error::WrongType {
                    name: name.into(),
                    found: found.unwrap_or("no function's").into(),
                    wanted: F::type_name(),
                });
            }
            if let Some(passing) = &state.passing {
                let found = found.unwrap_or_default();
                return Err(Error::WrongType {
                    name: name.into(),
                    found: format!("{found}, {passing}").into(),
                    wanted: F::type_name(),
                });
            }
        }
        let bits = address.get() as *const ();
        assert_eq!(size_of::<F>(), size_of_val(&bits), "a function pointer");
        // SAFETY: `F` is a function pointer, and the address that of a function of its type.
        let pointer = unsafe { std::mem::transmute_copy::<*const (), F>(&bits) };
        Ok(Self {
            pointer,
            _core: core,
        })
    }

    /// Returns the function pointer, which is the function's canonical address. It must not be
    /// called after the engine was dropped.
    #[must_use]
    pub fn pointer(&self) -> F {
        self.pointer
    }
}

impl<F> Deref for Function<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.pointer
    }
}

/// A variable of compiled code. It keeps alive the engine, and also the memory that the variable
/// had when this handle was created. If the variable is removed or gets other memory, this handle
/// still reads the former memory, which keeps its last value.
#[derive(Clone, Debug)]
pub struct Data<T> {
    address: ExecAddr,
    _held: HeldMemory,
    _type: PhantomData<*mut T>,
}

// SAFETY: it consists of an address and an engine handle, both of which may be used on any thread.
// Whoever accesses memory through the address has to vouch for that access (the accessors are
// unsafe).
unsafe impl<T> Send for Data<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Data<T> {}

impl<T> Data<T> {
    pub(crate) fn new(
        held: HeldMemory,
        name: &str,
        address: ExecAddr,
        state: Option<&FunctionState>,
    ) -> Result<Self, Error> {
        let fits = |state: &FunctionState| {
            state.kind != EntryKind::Function
                && (state.size == 0 || state.size >= size_of::<T>() as u64)
        };
        if let Some(state) = state
            && !fits(state)
        {
            return Err(Error::WrongType {
                name: name.into(),
                found: state.type_name.clone().unwrap_or_default(),
                wanted: format!("a variable of {} bytes", size_of::<T>()),
            });
        }
        if !(address.get() as *const T).is_aligned() {
            return Err(Error::WrongType {
                name: name.into(),
                found: format!("at {address}").into(),
                wanted: format!("aligned to {} bytes", align_of::<T>()),
            });
        }
        Ok(Self {
            address,
            _held: held,
            _type: PhantomData,
        })
    }

    /// Returns the variable's address. Compiled code may read and write the variable at any time.
    #[must_use]
    pub fn pointer(&self) -> *mut T {
        self.address.get() as *mut T
    }

    /// Reads the variable.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the variable holds a valid value of type `T`, and that no other
    /// thread writes it at the same time.
    #[must_use]
    pub unsafe fn read(&self) -> T
    where
        T: Copy,
    {
        // SAFETY: as the caller promises.
        unsafe { self.pointer().read() }
    }

    /// Writes the variable.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the variable has type `T` and is not constant, and that no other
    /// thread reads or writes it at the same time.
    pub unsafe fn write(&self, value: T) {
        // SAFETY: as the caller promises.
        unsafe { self.pointer().write(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared() {
        type F = extern "C" fn(i32, *const u8) -> f64;
        assert!(F::fits("double (i32, ptr)"));
        assert!(!F::fits("double (i32)"));
        assert!(!F::fits("double (i32, ptr, ...)"));
        assert!(!F::fits("float (i32, ptr)"));
        assert!(!F::fits("[4 x i8]"));
        assert_eq!(F::type_name(), "double (i32, ptr)");
        assert!(<extern "C" fn()>::fits("void ()"));
        assert!(<unsafe extern "C-unwind" fn(bool)>::fits("void (i1)"));
        type G = extern "C" fn(*const u8) -> *mut u8;
        assert!(G::fits("ptr addrspace(1) (ptr addrspace(256))"));
        assert!(!G::fits("ptr (ptr addrspace(270))"), "it has 32 bits");
    }
}
