//! Functions and variables of compiled code, with their types.

use std::marker::PhantomData;
use std::ops::Deref;

use rewire_memory::ExecAddr;

use super::code::HeldMemory;
use crate::base::error::Error;
use crate::core::lifetime::HeldEngine;
use crate::introspect::state::FunctionState;
use crate::ledger::EntryKind;

/// A function pointer type whose parameters and result have a meaning in IR. Implemented for
/// `extern "C" fn`, `extern "C-unwind" fn` and their unsafe forms, of up to twelve parameters.
///
/// # Safety
///
/// The type is a function pointer.
pub unsafe trait FunctionPointer: Copy + 'static {
    /// Whether a function whose IR has this type can be called as this one: `i32 (ptr, i64)`.
    fn fits(type_name: &str) -> bool;
    /// As IR would write the type.
    fn type_name() -> String;
}

/// A type that compiled code passes as one value.
///
/// # Safety
///
/// Values are passed and returned as those of one of the IR types named (psABI, section 3.2.3).
pub unsafe trait Passed {
    /// The types that IR may have for it; the first is the usual one.
    const IR: &'static [&'static str];
}

macro_rules! passed {
    ($($type:ty = $($ir:literal),+;)*) => {
        $(
            // SAFETY: it is what clang makes of the corresponding type of C.
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

// SAFETY: as above; whoever looks the function up vouches for the reference.
unsafe impl<T> Passed for &T {
    const IR: &'static [&'static str] = &["ptr"];
}

// SAFETY: as above.
unsafe impl<T> Passed for &mut T {
    const IR: &'static [&'static str] = &["ptr"];
}

/// Whether IR's list of types is this one.
fn matches(type_name: &str, result: &[&str], parameters: &[&[&str]]) -> bool {
    let Some((found, rest)) = type_name.split_once(" (") else {
        return false;
    };
    let Some(list) = rest.strip_suffix(')') else {
        return false;
    };
    let listed: Vec<&str> = if list.is_empty() {
        Vec::new()
    } else {
        list.split(", ").collect()
    };
    let fits = |found: &str, wanted: &[&str]| wanted.contains(&plain_pointer(found));
    fits(found, result)
        && listed.len() == parameters.len()
        && listed
            .iter()
            .zip(parameters)
            .all(|(one, wanted)| fits(one, wanted))
}

/// Pointers of all address spaces are passed alike, but for those of 32 bits (LLVM, "X86 address
/// spaces": 270 and 271).
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

/// A function of compiled code that can be called like a function pointer; it keeps its engine
/// alive. Calls go to the current body: a replacement is seen by the next one. The first call
/// compiles it, unless that was done before ([`Library::pin`](crate::Library::pin)).
#[derive(Clone, Debug)]
pub struct Function<F> {
    pointer: F,
    _core: HeldEngine,
}

impl<F: FunctionPointer> Function<F> {
    /// # Safety
    ///
    /// What the function does is of the type `F`, as far as IR's type doesn't tell.
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

    /// The pointer itself, which is the function's canonical address. It must not be called once
    /// the engine is gone.
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

/// A variable of compiled code; it keeps its engine alive, and the memory that the variable had
/// when it was asked for: if the variable is removed, or gets other memory, what is read here is
/// its last value there.
#[derive(Clone, Debug)]
pub struct Data<T> {
    address: ExecAddr,
    _held: HeldMemory,
    _type: PhantomData<*mut T>,
}

// SAFETY: it is an address and a handle of the engine, both of which may be used anywhere; what
// is done with the address is for whoever does it to vouch for.
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

    /// Where the variable is. Compiled code may read and write it at any time.
    #[must_use]
    pub fn pointer(&self) -> *mut T {
        self.address.get() as *mut T
    }

    /// Reads it.
    ///
    /// # Safety
    ///
    /// It holds a value of this type, and nobody writes it meanwhile.
    #[must_use]
    pub unsafe fn read(&self) -> T
    where
        T: Copy,
    {
        // SAFETY: as the caller promises.
        unsafe { self.pointer().read() }
    }

    /// Writes it.
    ///
    /// # Safety
    ///
    /// It is of this type and not constant, and nobody reads or writes it meanwhile.
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
