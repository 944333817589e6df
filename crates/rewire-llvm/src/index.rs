//! What a module defines and declares, read without reading a body.

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::sync::Arc;

use llvm_sys::core::{
    LLVMGetLinkage, LLVMGetSection, LLVMGetTypeKind, LLVMGetValueKind, LLVMGetValueName2,
    LLVMGetVisibility, LLVMGlobalGetValueType, LLVMIsDeclaration, LLVMIsGlobalConstant,
    LLVMIsThreadLocal, LLVMPrintTypeToString, LLVMTypeIsSized,
};
use llvm_sys::prelude::{LLVMTypeRef, LLVMValueRef};
use llvm_sys::target::{LLVMABISizeOfType, LLVMGetModuleDataLayout};
use llvm_sys::{LLVMLinkage, LLVMTypeKind, LLVMValueKind, LLVMVisibility};

use crate::contract::Contract;
use crate::diagnostics::take_message;
use crate::error::LlvmError;
use crate::ffi;
use crate::function_contracts::contract_of;
use crate::known_types::KnownTypes;
use crate::module::Module;
use crate::ordinal::Ordinal;
use crate::type_id::TypeId;
use crate::types::Types;

/// What a module holds, by [`Ordinal`].
#[derive(Clone, Debug, Default)]
pub struct ModuleIndex {
    /// The globals; an ordinal is an index here.
    pub globals: Vec<Global>,
    /// `llvm.global_ctors`, in order.
    pub constructors: Vec<Structor>,
    /// `llvm.global_dtors`, in order.
    pub destructors: Vec<Structor>,
    /// The members of `llvm.used` and `llvm.compiler.used`.
    pub used: Vec<Ordinal>,
    /// Whether there is module-level assembly.
    pub has_assembly: bool,
    /// If this is the index of an object file: what its symbols don't tell.
    pub object: Option<ObjectTraits>,
}

/// What has to be known of an object file besides its symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectTraits {
    /// Whether it has parts of tables that are walked as a whole: of constructors and destructors,
    /// or sections whose names are C identifiers.
    pub has_tables: bool,
    /// Whether its functions have to call the very bodies of one another that they were compiled
    /// with, because the compiler may have relied on what these do to registers and the stack.
    pub is_tied: bool,
}

impl ModuleIndex {
    /// The globals with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (Ordinal, &Global)> {
        (0..).map(Ordinal::new).zip(&self.globals)
    }
}

/// A function that runs before or after the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structor {
    /// Lower ones run first (constructors) or last (destructors); 65535 is the usual one.
    pub priority: u32,
    /// The function.
    pub function: Ordinal,
    /// It runs only if this definition is the elected one.
    pub associated: Option<Ordinal>,
}

/// One global of a module.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its name as the linker sees it, empty for unnamed ones. LLVM's mark for "do not mangle"
    /// is gone.
    pub name: Arc<str>,
    /// Whether the module defines it, rather than declares it. An `available_externally`
    /// definition counts as a declaration.
    pub is_definition: bool,
    /// Its linkage (LangRef, "Linkage Types").
    pub linkage: Linkage,
    /// Its visibility.
    pub visibility: Visibility,
    /// Its type as IR writes it: `i32 (i32, ptr)`, `[4 x i8]`. For people: two types of one name
    /// may differ, and one type may have two names.
    pub type_name: Arc<str>,
    /// What tells its type from others.
    pub type_id: TypeId,
    /// The COMDAT it is in.
    pub comdat: Option<Arc<str>>,
    /// What callers may rely on; empty for what is no function.
    pub contract: Arc<Contract>,
    /// A function with something before its first instruction, or in its place: prefix and
    /// prologue data, marks of sanitizers. Its address has to lead there.
    pub has_front: bool,
    /// Whether it is part of a coroutine that the front end has split: what goes on with a
    /// suspended one, or ends it.
    pub coroutine: Option<CoroutinePart>,
    /// A function that must be inlined, and isn't needed where all that name it have inlined it.
    pub is_inlined_away: bool,
    /// What it is.
    pub kind: GlobalKind,
}

impl Global {
    /// Whether only its own module knows the name.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.linkage == Linkage::Local || self.name.is_empty()
    }
}

/// How a function that is part of a coroutine is known to be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoroutinePart {
    /// Frames of the coroutine are counted where they begin and where they end.
    Counted,
    /// Nothing tells where a frame ends.
    Uncounted,
}

/// What a global is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GlobalKind {
    /// A function.
    Function,
    /// One of LLVM's own functions or variables (`llvm.memcpy...`, `llvm.used`).
    Intrinsic,
    /// A variable.
    Variable {
        /// Bytes; 0 where the type has no size.
        size: u64,
        /// Bytes: what code that was compiled with this definition or declaration may rely on.
        align: u64,
        /// Each thread has its own.
        thread_local: bool,
        /// It is never written.
        constant: bool,
        /// The section that the source asked for; empty when none.
        section: Box<str>,
    },
    /// Another name for a place in another global.
    Alias {
        /// The other global; `None` where it is no constant offset from one.
        target: Option<(Ordinal, i64)>,
    },
    /// A function that is chosen by a resolver when it is first needed.
    Ifunc {
        /// The resolver.
        resolver: Option<Ordinal>,
    },
    /// A name that an object file uses without saying what it names. IR has none.
    Untyped,
}

/// LLVM's linkage types, as far as they differ for a linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// The one definition.
    External,
    /// `private` and `internal`: names of this module alone.
    Local,
    /// `linkonce`, `linkonce_odr`: one of several alike, dropped when unused.
    LinkOnce,
    /// `weak`, `weak_odr`: any other definition may take its place.
    Weak,
    /// A tentative definition: merged with others of its name, the largest size wins.
    Common,
    /// A declaration whose address is null when nothing defines it.
    ExternWeak,
    /// Arrays that a linker concatenates (`llvm.global_ctors`).
    Appending,
}

/// LLVM's visibility styles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Seen by everyone.
    Default,
    /// Seen within the program.
    Hidden,
    /// Seen by everyone, replaceable by none.
    Protected,
}

impl Visibility {
    /// Whether other libraries see it.
    #[must_use]
    pub const fn is_seen_outside(self) -> bool {
        !matches!(self, Self::Hidden)
    }
}

impl Module {
    /// What the module defines and declares. Costs O(globals).
    ///
    /// # Errors
    ///
    /// A name that is not UTF-8.
    pub fn index(&self) -> Result<ModuleIndex, LlvmError> {
        read(self)
    }
}

fn read(module: &Module) -> Result<ModuleIndex, LlvmError> {
    let mut reader = Reader {
        module,
        types: Types::new(module),
        known: module.known_types().map(RefCell::take).unwrap_or_default(),
    };
    let mut index = ModuleIndex {
        globals: Vec::with_capacity(module.len()),
        has_assembly: module.has_assembly(),
        ..ModuleIndex::default()
    };
    for ordinal in 0..module.len() {
        index.globals.push(reader.global(ordinal)?);
    }
    index.constructors = structors(module, c"llvm.global_ctors");
    index.destructors = structors(module, c"llvm.global_dtors");
    if let Some(known) = module.known_types() {
        known.replace(reader.known);
    }
    // SAFETY: the index is valid; the callback writes through the pointer that goes with it.
    unsafe {
        let data: *mut Vec<Ordinal> = &raw mut index.used;
        ffi::rewire_used(module.index_ref(), push_used, data.cast());
    }
    Ok(index)
}

struct Reader<'m> {
    module: &'m Module,
    types: Types<'m>,
    known: KnownTypes,
}

impl Reader<'_> {
    fn global(&mut self, ordinal: usize) -> Result<Global, LlvmError> {
        let value = self.module.global_ref(ordinal);
        let name = self.name(value)?;
        // SAFETY: `value` is a global of a live module.
        let (kind, mut linkage, visibility, is_declaration, value_type) = unsafe {
            (
                LLVMGetValueKind(value),
                LLVMGetLinkage(value),
                LLVMGetVisibility(value),
                ffi::is_true(LLVMIsDeclaration(value)),
                LLVMGlobalGetValueType(value),
            )
        };
        let is_available = linkage == LLVMLinkage::LLVMAvailableExternallyLinkage;
        if is_available {
            linkage = LLVMLinkage::LLVMExternalLinkage;
        }
        let kind = if name.starts_with("llvm.") {
            GlobalKind::Intrinsic
        } else {
            self.kind(value, kind, ordinal)
        };
        // LLVM gives parts such names, and makes them local.
        let is_part_name = !is_declaration
            && linkage == LLVMLinkage::LLVMInternalLinkage
            && (name.contains('.') || name.ends_with('_'));
        let (type_name, type_id) = self.value_type(value_type);
        Ok(Global {
            name,
            is_definition: !is_declaration && !is_available,
            linkage: match linkage {
                LLVMLinkage::LLVMLinkOnceAnyLinkage | LLVMLinkage::LLVMLinkOnceODRLinkage => {
                    Linkage::LinkOnce
                }
                LLVMLinkage::LLVMWeakAnyLinkage | LLVMLinkage::LLVMWeakODRLinkage => Linkage::Weak,
                LLVMLinkage::LLVMInternalLinkage | LLVMLinkage::LLVMPrivateLinkage => {
                    Linkage::Local
                }
                LLVMLinkage::LLVMCommonLinkage => Linkage::Common,
                LLVMLinkage::LLVMExternalWeakLinkage => Linkage::ExternWeak,
                LLVMLinkage::LLVMAppendingLinkage => Linkage::Appending,
                _ => Linkage::External,
            },
            visibility: match visibility {
                LLVMVisibility::LLVMHiddenVisibility => Visibility::Hidden,
                LLVMVisibility::LLVMProtectedVisibility => Visibility::Protected,
                LLVMVisibility::LLVMDefaultVisibility => Visibility::Default,
            },
            type_name,
            type_id,
            comdat: comdat(value),
            contract: contract_of(&mut self.known, &self.types, value),
            // SAFETY: `value` is a global of a live module.
            has_front: unsafe { ffi::rewire_has_front(value) },
            coroutine: part_of_coroutine(value, is_part_name),
            // SAFETY: as above, `value` is a global.
            is_inlined_away: unsafe { ffi::rewire_is_inlined_away(value) },
            kind,
        })
    }

    fn name(&self, value: LLVMValueRef) -> Result<Arc<str>, LlvmError> {
        // SAFETY: `value` is a global of a live module; the name is ours to free.
        let mangled = unsafe { take_message(ffi::rewire_symbol_name(value)) };
        if !mangled.is_empty() {
            return Ok(mangled.into());
        }
        let mut length = 0;
        // SAFETY: LLVM returns the name's bytes and stores their number.
        let bytes = unsafe {
            let start = LLVMGetValueName2(value, &raw mut length);
            std::slice::from_raw_parts(start.cast::<u8>(), length)
        };
        let bytes = bytes.strip_prefix(b"\x01").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(name) => Ok(name.into()),
            Err(_) => Err(LlvmError::Malformed {
                module: self.module.name().clone(),
                reason: format!("the name {} is not UTF-8", bytes.escape_ascii()),
            }),
        }
    }

    fn kind(&self, value: LLVMValueRef, kind: LLVMValueKind, ordinal: usize) -> GlobalKind {
        match kind {
            LLVMValueKind::LLVMFunctionValueKind => GlobalKind::Function,
            LLVMValueKind::LLVMGlobalAliasValueKind => GlobalKind::Alias {
                target: self.target(value, ordinal),
            },
            LLVMValueKind::LLVMGlobalIFuncValueKind => GlobalKind::Ifunc {
                resolver: self.target(value, ordinal).map(|(ordinal, _)| ordinal),
            },
            _ => self.variable(value),
        }
    }

    fn variable(&self, value: LLVMValueRef) -> GlobalKind {
        // SAFETY: `value` is a variable of a live module, and the type is its own.
        unsafe {
            let value_type = LLVMGlobalGetValueType(value);
            let sized = ffi::is_true(LLVMTypeIsSized(value_type))
                && LLVMGetTypeKind(value_type) != LLVMTypeKind::LLVMTargetExtTypeKind;
            let layout = LLVMGetModuleDataLayout(self.module.module_ref());
            let section = LLVMGetSection(value);
            GlobalKind::Variable {
                size: if sized {
                    LLVMABISizeOfType(layout, value_type)
                } else {
                    0
                },
                align: if sized {
                    ffi::rewire_variable_align(value)
                } else {
                    1
                },
                thread_local: ffi::is_true(LLVMIsThreadLocal(value)),
                constant: ffi::is_true(LLVMIsGlobalConstant(value)),
                section: if section.is_null() {
                    Box::default()
                } else {
                    CStr::from_ptr(section).to_string_lossy().into()
                },
            }
        }
    }

    fn target(&self, value: LLVMValueRef, ordinal: usize) -> Option<(Ordinal, i64)> {
        let (mut target, mut offset) = (0, 0);
        // SAFETY: `value` is an alias or ifunc of the indexed module.
        let failed = unsafe {
            ffi::rewire_alias_target(
                self.module.index_ref(),
                value,
                &raw mut target,
                &raw mut offset,
            )
        };
        (!failed && target != ordinal).then(|| (Ordinal::new(target as u32), offset))
    }

    /// Looks at each type once: contexts have far fewer types than their modules have globals.
    fn value_type(&mut self, value_type: LLVMTypeRef) -> (Arc<str>, TypeId) {
        let look = || {
            // SAFETY: the type is valid; LLVM hands over the string.
            let printed = unsafe { take_message(LLVMPrintTypeToString(value_type)) };
            (printed.into(), self.types.id(value_type))
        };
        let known = self.known.types.entry(value_type);
        known.or_insert_with(look).clone()
    }
}

fn part_of_coroutine(value: LLVMValueRef, is_candidate: bool) -> Option<CoroutinePart> {
    let mut is_counted = false;
    // SAFETY: `value` is a global of a live module.
    let is_part =
        is_candidate && unsafe { ffi::rewire_is_coroutine_part(value, &raw mut is_counted) };
    is_part.then_some(if is_counted {
        CoroutinePart::Counted
    } else {
        CoroutinePart::Uncounted
    })
}

fn comdat(value: LLVMValueRef) -> Option<Arc<str>> {
    let mut length = 0;
    // SAFETY: the shim returns a pointer into the live module and stores the length.
    let bytes = unsafe {
        let start = ffi::rewire_comdat(value, &raw mut length);
        std::slice::from_raw_parts(start.cast::<u8>(), length)
    };
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into())
}

fn structors(module: &Module, list: &CStr) -> Vec<Structor> {
    let mut found: Vec<Structor> = Vec::new();
    // SAFETY: the index is valid; the callback writes through the pointer that goes with it.
    unsafe {
        let data: *mut Vec<Structor> = &raw mut found;
        ffi::rewire_structors(
            module.index_ref(),
            list.as_ptr(),
            push_structor,
            data.cast(),
        );
    }
    found
}

extern "C" fn push_structor(
    data: *mut c_void,
    priority: u32,
    function: usize,
    has_associated: bool,
    associated: usize,
) {
    // SAFETY: `structors` passes a vector that outlives the call.
    let list = unsafe { &mut *data.cast::<Vec<Structor>>() };
    list.push(Structor {
        priority,
        function: Ordinal::new(function as u32),
        associated: has_associated.then(|| Ordinal::new(associated as u32)),
    });
}

extern "C" fn push_used(data: *mut c_void, ordinal: usize) {
    // SAFETY: `read` passes a vector that outlives the call.
    let list = unsafe { &mut *data.cast::<Vec<Ordinal>>() };
    list.push(Ordinal::new(ordinal as u32));
}
