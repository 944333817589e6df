//! [`Transform`]: what a client does to the IR of functions before they are compiled.

use std::fmt;
use std::sync::Arc;

use rewire_llvm::Extracted;

type Transformed<T> = Result<Option<T>, String>;
type OfText = dyn Fn(&str) -> Transformed<String> + Send + Sync;
type OfBitcode = dyn Fn(&[u8]) -> Transformed<Vec<u8>> + Send + Sync;
#[cfg(feature = "inkwell")]
type OfModule = dyn Fn(&inkwell::module::Module<'_>) -> Result<(), String> + Send + Sync;

/// A client's step between a function's IR and LLVM's passes, as ORC's transform layers: a closure
/// over the IR of each function that is compiled ([`Options::transform`](crate::Options)).
///
/// The closure gets a module with the function, or with a few that are compiled together, and what
/// they name. Names that are local to the unit have a suffix (`.rewire.N`). The closure may change
/// bodies; each function has to keep its name and type, and only names that the module has may be
/// used. It must do the same to the same IR each time, because a function may be compiled again.
/// It runs on whichever thread compiles, so on compile threads too, and must not call compiled
/// code. If it returns an error, or panics, the function can't be compiled.
///
/// ```
/// use rewire::{Engine, Options, Transform};
///
/// // Each function that adds 1 adds 2.
/// let transform = Transform::text("twice as much, version 1", |ir| {
///     Ok(ir.contains("add i32 %x, 1").then(|| ir.replace("add i32 %x, 1", "add i32 %x, 2")))
/// });
/// let engine = Engine::new(Options {
///     transform: Some(transform),
///     ..Options::default()
/// })?;
/// engine.add_ir("next.ll", b"define i32 @next(i32 %x) {
///     %y = add i32 %x, 1
///     ret i32 %y
/// }")?;
/// let next = engine.lookup("next")?;
/// // SAFETY: it has this type, and the engine lives on.
/// let next: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(next.get()) };
/// assert_eq!(next(40), 42);
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone)]
pub struct Transform {
    identity: Arc<str>,
    work: TransformWork,
}

#[derive(Clone)]
enum TransformWork {
    Text(Arc<OfText>),
    Bitcode(Arc<OfBitcode>),
    #[cfg(feature = "inkwell")]
    Module(Arc<OfModule>),
}

impl Transform {
    /// A transform of IR as text. The closure returns the changed text, or `None` if the IR stays
    /// as it is.
    ///
    /// `identity` stands for what the closure does: two transforms of one identity must do the
    /// same, also in other processes.
    pub fn text(
        identity: &str,
        work: impl Fn(&str) -> Result<Option<String>, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            identity: identity.into(),
            work: TransformWork::Text(Arc::new(work)),
        }
    }

    /// As [`Transform::text`], of IR as bitcode; the closure may return bitcode or text.
    pub fn bitcode(
        identity: &str,
        work: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            identity: identity.into(),
            work: TransformWork::Bitcode(Arc::new(work)),
        }
    }

    /// As [`Transform::text`]; the closure changes the module itself.
    #[cfg(feature = "inkwell")]
    pub fn module(
        identity: &str,
        work: impl Fn(&inkwell::module::Module<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            identity: identity.into(),
            work: TransformWork::Module(Arc::new(work)),
        }
    }

    /// What stands for the closure.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Changes a module. `client` runs the client's closure.
    pub(crate) fn apply(
        &self,
        extracted: &mut Extracted<'_>,
        client: impl FnOnce(&mut dyn FnMut()) -> Result<(), String>,
    ) -> Result<(), String> {
        let changed = match &self.work {
            TransformWork::Text(work) => {
                let (ir, mut changed) = (extracted.to_text(), Ok(None));
                client(&mut || changed = work(&ir))?;
                changed?.map(String::into_bytes)
            }
            TransformWork::Bitcode(work) => {
                let (ir, mut changed) = (extracted.to_bitcode(), Ok(None));
                client(&mut || changed = work(&ir))?;
                changed?
            }
            #[cfg(feature = "inkwell")]
            TransformWork::Module(work) => {
                let raw = extracted.as_raw();
                // SAFETY: it is a module of the LLVM that inkwell is linked with, and nobody else
                // uses it meanwhile. It isn't inkwell's to dispose of.
                let module = std::mem::ManuallyDrop::new(unsafe {
                    inkwell::module::Module::new(raw.cast())
                });
                let mut done = Ok(());
                client(&mut || done = work(&module))?;
                done?;
                return extracted.verify();
            }
        };
        match changed {
            Some(ir) => extracted.replace_by(&ir),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transform").field(&self.identity).finish()
    }
}
