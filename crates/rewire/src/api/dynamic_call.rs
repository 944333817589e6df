//! Calls of functions whose type is known only at run time
//! ([`Library::call`](crate::Library::call)).
//!
//! The engine compiles one call adapter for each function type (calling convention and attributes
//! included). An adapter is a function that reads the arguments from memory, calls the function,
//! and writes the result to memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rewire_llvm::Source;
use rewire_memory::ExecAddr;

use super::function::plain_pointer;
use crate::base::demangle::demangle;
use crate::base::error::Error;
use crate::base::function_type::FunctionType;
use crate::base::recovery::{self, FrameNames, StoppedFrame};
use crate::base::sync::lock;
use crate::core::lifetime::HeldEngine;
use crate::core::observations::ObservedLoading;
use crate::core::{CALL_ADAPTERS, Core, FrameOwner, frame_owner};
use crate::ledger::unit::UnitPlace;
use crate::ledger::{Definition, EntryKind, LibraryId, Standing};

/// An argument or a result of [`Library::call`](crate::Library::call).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `i1`.
    Bool(bool),
    /// `i8`.
    I8(i8),
    /// `i16`.
    I16(i16),
    /// `i32`.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// `i128`.
    I128(i128),
    /// `float`.
    F32(f32),
    /// `double`.
    F64(f64),
    /// `ptr`.
    Pointer(ExecAddr),
}

impl Value {
    /// Returns the IR type of the value, as IR writes it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "i1",
            Self::I8(_) => "i8",
            Self::I16(_) => "i16",
            Self::I32(_) => "i32",
            Self::I64(_) => "i64",
            Self::I128(_) => "i128",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Pointer(_) => "ptr",
        }
    }

    fn to_cell(self) -> ValueCell {
        let mut cell = ValueCell([0; 16]);
        let mut set = |bytes: &[u8]| cell.0[..bytes.len()].copy_from_slice(bytes);
        match self {
            Self::Bool(value) => set(&[u8::from(value)]),
            Self::I8(value) => set(&value.to_le_bytes()),
            Self::I16(value) => set(&value.to_le_bytes()),
            Self::I32(value) => set(&value.to_le_bytes()),
            Self::I64(value) => set(&value.to_le_bytes()),
            Self::I128(value) => set(&value.to_le_bytes()),
            Self::F32(value) => set(&value.to_le_bytes()),
            Self::F64(value) => set(&value.to_le_bytes()),
            Self::Pointer(value) => set(&value.get().to_le_bytes()),
        }
        cell
    }

    /// Reads a value of the IR type `type_name`; `None` if no [`Value`] has that type.
    fn of_cell(type_name: &str, cell: &ValueCell) -> Option<Self> {
        fn first<const N: usize>(cell: &ValueCell) -> [u8; N] {
            let mut bytes = [0; N];
            bytes.copy_from_slice(&cell.0[..N]);
            bytes
        }
        Some(match plain_pointer(type_name) {
            "i1" => Self::Bool(cell.0[0] & 1 != 0),
            "i8" => Self::I8(i8::from_le_bytes(first(cell))),
            "i16" => Self::I16(i16::from_le_bytes(first(cell))),
            "i32" => Self::I32(i32::from_le_bytes(first(cell))),
            "i64" => Self::I64(i64::from_le_bytes(first(cell))),
            "i128" => Self::I128(i128::from_le_bytes(first(cell))),
            "float" => Self::F32(f32::from_le_bytes(first(cell))),
            "double" => Self::F64(f64::from_le_bytes(first(cell))),
            "ptr" => Self::Pointer(ExecAddr::new(u64::from_le_bytes(first(cell)))),
            _ => return None,
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I8(value) => value.fmt(f),
            Self::I16(value) => value.fmt(f),
            Self::I32(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::I128(value) => value.fmt(f),
            Self::F32(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Pointer(value) => value.fmt(f),
        }
    }
}

/// Memory for one argument or result, as an adapter reads and writes it.
#[repr(C, align(16))]
struct ValueCell([u8; 16]);

/// A function, and the call adapter through which it is called.
#[derive(Debug)]
pub(crate) struct CallAdapter {
    name: Arc<str>,
    function: ExecAddr,
    adapter: ExecAddr,
    result: String,
    parameters: Vec<String>,
    /// Keeps the engine alive during the call.
    core: HeldEngine,
}

/// Finds a function, and compiles a call adapter for its type if there is none yet.
pub(crate) fn open(
    core: &HeldEngine,
    library: LibraryId,
    name: &str,
) -> Result<CallAdapter, Error> {
    let function = core.lookup(library, name, EntryKind::Function, None)?;
    make_lazy(core, library, name)?;
    let unfit = |found: &str| Error::WrongType {
        name: name.into(),
        found: found.into(),
        wanted: "a function of a fixed number of plain values".to_owned(),
    };
    let (type_name, unit, ordinal) = {
        let ledger = core.ledger();
        let id = ledger.seen_by_code(library, name);
        // A function that only the host defines, and that no loaded code has declared, has no known
        // type.
        let id = id.ok_or_else(|| unfit("unknown"))?;
        let entry = ledger.entry(ledger.target(id).0);
        let type_name = entry
            .type_name()
            .cloned()
            .unwrap_or_else(|| "unknown".into());
        let described = entry
            .described()
            .filter(|_| entry.kind() == EntryKind::Function);
        let Some((unit, ordinal)) = described else {
            return Err(unfit(&type_name));
        };
        (
            type_name,
            ledger.unit(unit).cloned().ok_or(Error::NoUnit)?,
            ordinal,
        )
    };
    let FunctionType { result, parameters } =
        FunctionType::parse(&type_name).ok_or_else(|| unfit(&type_name))?;
    let zero = ValueCell([0; 16]);
    let are_values = parameters
        .iter()
        .all(|one| Value::of_cell(one, &zero).is_some())
        && (result == "void" || Value::of_cell(result, &zero).is_some());
    let text = unit.copy(&[])?.gate(ordinal);
    let text = text.filter(|_| are_values);
    let text = text.ok_or_else(|| unfit(&type_name))?;
    Ok(CallAdapter {
        name: name.into(),
        function,
        adapter: core
            .call_adapter(text)
            .map_err(|it| without_adapter(name, it))?,
        result: result.to_owned(),
        parameters: parameters.into_iter().map(str::to_owned).collect(),
        core: core.clone(),
    })
}

/// The prefix of adapters' names; a number follows.
const PREFIX: &str = "call_adapter.";

/// Rewrites an error about the adapter, which the client doesn't know, as one about the function
/// that the client named. Leaves other errors unchanged.
pub(super) fn without_adapter(name: &str, error: Error) -> Error {
    let is_own = match error.cause() {
        Error::Compile { function, .. } => function.starts_with(PREFIX),
        Error::Llvm(_) => true,
        _ => false,
    };
    if !is_own {
        return error;
    }
    let text = error.cause().to_string();
    // LLVM's message follows the adapter's name.
    let rest = text.rsplit_once(PREFIX).map_or(&*text, |(_, rest)| rest);
    let reason = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let reason = reason.strip_prefix(": ").unwrap_or(reason);
    Error::Uncallable {
        name: name.into(),
        reason: reason.lines().next().unwrap_or_default().to_owned(),
    }
}

/// If a function was defined lazily, has the client's closure make its IR now, because its type is
/// unknown until then.
fn make_lazy(core: &Core, library: LibraryId, name: &str) -> Result<(), Error> {
    let id = {
        let ledger = core.ledger();
        let id = ledger.seen_by_code(library, name);
        let id = id.map(|id| ledger.target(id).0);
        id.filter(|id| ledger.entry(*id).definition() == Definition::Lazy)
    };
    match id {
        Some(id) => core.materialize(id, None).map(|_| ()),
        None => Ok(()),
    }
}

impl Core {
    /// Returns the address of the adapter with this IR; compiles the adapter if it is new.
    fn call_adapter(&self, text: String) -> Result<ExecAddr, Error> {
        if let Some(known) = lock(&self.call_adapters.made).get(&text) {
            return Ok(*known);
        }
        let library = {
            let mut ledger = self.ledger();
            let known = ledger.library(CALL_ADAPTERS);
            known.or_else(|| ledger.add_library(CALL_ADAPTERS))
        };
        let missing = || Error::Internal("there is no library for call adapters".to_owned());
        let library = library.ok_or_else(missing)?;
        // Two threads may compile the same adapter under two names; one of the two stays unused.
        let number = self.call_adapters.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{number}");
        let text_of_name = text.replacen("@call_adapter(", &format!("@{name}("), 1);
        let source = Source::new(name.as_str(), text_of_name.into_bytes());
        let place = UnitPlace {
            library,
            is_frozen: false,
            standing: Standing::UntilRemoved,
        };
        self.add(source, place, ObservedLoading::begin(self))?;
        self.finish_loading()?;
        let address = self.lookup(library, &name, EntryKind::Function, None)?;
        Ok(*lock(&self.call_adapters.made)
            .entry(text)
            .or_insert(address))
    }
}

impl FrameNames for Core {
    fn frame_at(&self, address: ExecAddr) -> Option<StoppedFrame> {
        let ledger = self.ledger();
        let Some(FrameOwner::Function(defined)) = frame_owner(&ledger, address) else {
            return None;
        };
        let entry = ledger.entry(defined.entry);
        let generation = defined.is_live.then(|| entry.generation().get());
        let name = entry.label();
        let frame = StoppedFrame::new(name.into(), demangle(name), generation);
        Some(frame.marked(defined.is_continuation))
    }

    fn called_at(&self, address: ExecAddr) -> Option<Arc<str>> {
        /// The relocated field is at or near the end of the call instruction: at most this many
        /// bytes before the return address.
        const LONGEST: i64 = 8;
        let start = address.checked_add_signed(-LONGEST)?;
        let ledger = self.ledger();
        let (block, _) = ledger.definition_at(address.checked_add_signed(-1)?)?;
        let uses = ledger.block(block)?.uses.iter();
        let within = uses.filter(|one| (start..address).contains(&one.at));
        let one = within.max_by_key(|one| one.at)?;
        Some(ledger.entry(one.entry).label().into())
    }
}

impl CallAdapter {
    /// Calls the function with `arguments`. Returns `None` if it returns nothing.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the function has no undefined behaviour when called with
    /// `arguments`, and that each pointer among them is valid for what the function does with it.
    pub(crate) unsafe fn call(&self, arguments: &[Value]) -> Result<Option<Value>, Error> {
        let fits = arguments.len() == self.parameters.len()
            && arguments
                .iter()
                .zip(&self.parameters)
                .all(|(one, wanted)| one.type_name() == plain_pointer(wanted));
        if !fits {
            let given: Vec<&str> = arguments.iter().map(Value::type_name).collect();
            return Err(Error::WrongArguments {
                name: self.name.clone(),
                wanted: self.parameters.join(", "),
                given: given.join(", "),
            });
        }
        let cells: Vec<ValueCell> = arguments.iter().map(|one| one.to_cell()).collect();
        let places: Vec<*const ValueCell> = cells.iter().map(|cell| &raw const *cell).collect();
        let mut result = ValueCell([0; 16]);
        if recovery::is_wanted() {
            let (places, into) = (places.as_ptr(), &raw mut result);
            let arguments = [self.function.get(), places as u64, into as u64];
            // SAFETY: as below.
            unsafe { recovery::call(&**self.core, self.adapter, arguments) }
                .map_err(|stopped| Error::Stopped { stopped })?;
            return Ok(Value::of_cell(&self.result, &result));
        }
        // SAFETY: the adapter was compiled for the function's type, and accesses only as many bytes
        // of each cell as the value has; the caller vouches for the rest.
        unsafe {
            type AdapterFn = extern "C-unwind" fn(u64, *const *const ValueCell, *mut ValueCell);
            let adapter = std::mem::transmute::<u64, AdapterFn>(self.adapter.get());
            adapter(self.function.get(), places.as_ptr(), &raw mut result);
        }
        Ok(Value::of_cell(&self.result, &result))
    }
}
