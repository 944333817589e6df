//! IR as clients give it.

use std::borrow::Cow;
use std::sync::Arc;

use rewire_llvm::{LlvmError, Source};

use super::error::Error;

/// IR of a module, in whichever form a client has it: bytes of bitcode or text, text in a string,
/// or, with the feature `inkwell`, a module that was built with that crate. Whatever takes IR takes
/// each of these.
///
/// A module is verified and copied at once, so it may be changed or dropped afterwards. Where the
/// verifier rejects it, the method that was given it returns that error.
///
/// ```
/// # use rewire::{Engine, Options};
/// # let engine = Engine::new(Options::default())?;
/// let main = engine.main();
/// main.add_ir("one.ll", "define i32 @one() {\n ret i32 1\n}")?;
/// main.add_ir("two.ll", b"define i32 @two() {\n ret i32 2\n}")?;
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ir<'a> {
    bytes: Result<Cow<'a, [u8]>, String>,
    /// They are of a module that was verified.
    is_verified: bool,
}

impl Ir<'_> {
    /// The bytes, or what LLVM's verifier says against the module. Closures that make IR
    /// ([`LazyIr`](crate::LazyIr)) return just this.
    ///
    /// # Errors
    ///
    /// The module breaks a rule of the language.
    pub fn into_bytes(self) -> Result<Vec<u8>, String> {
        self.bytes.map(Cow::into_owned)
    }

    /// What the engine reads, under the name that messages call it.
    pub(crate) fn source(self, name: &str) -> Result<Source, Error> {
        let name: Arc<str> = name.into();
        match self.bytes {
            Ok(bytes) if self.is_verified => Ok(Source::verified(name, bytes)),
            Ok(bytes) => Ok(Source::new(name, bytes)),
            Err(reason) => Err(LlvmError::Invalid {
                module: name,
                reason,
            }
            .into()),
        }
    }
}

macro_rules! from_bytes {
    ($($given:ty => $bytes:expr;)*) => {
        $(
            impl<'a> From<$given> for Ir<'a> {
                fn from(given: $given) -> Self {
                    let bytes: fn($given) -> Cow<'a, [u8]> = $bytes;
                    Self {
                        bytes: Ok(bytes(given)),
                        is_verified: false,
                    }
                }
            }
        )*
    };
}

from_bytes! {
    &'a [u8] => |given| Cow::Borrowed(given);
    &'a Vec<u8> => |given| Cow::Borrowed(given);
    &'a Box<[u8]> => |given| Cow::Borrowed(given);
    &'a Arc<[u8]> => |given| Cow::Borrowed(given);
    Vec<u8> => |given| Cow::Owned(given);
    &'a str => |given| Cow::Borrowed(given.as_bytes());
    &'a String => |given| Cow::Borrowed(given.as_bytes());
    String => |given| Cow::Owned(given.into_bytes());
}

impl<'a, const N: usize> From<&'a [u8; N]> for Ir<'a> {
    fn from(given: &'a [u8; N]) -> Self {
        Self::from(given.as_slice())
    }
}

#[cfg(feature = "inkwell")]
impl From<&inkwell::module::Module<'_>> for Ir<'_> {
    fn from(module: &inkwell::module::Module<'_>) -> Self {
        // SAFETY: inkwell links the same LLVM, and neither its modules nor their contexts can be
        // used by another thread while one is borrowed here.
        let bitcode = unsafe { rewire_llvm::verified_bitcode(module.as_mut_ptr().cast()) };
        Self {
            bytes: bitcode.map(|bytes| Cow::Owned(bytes.to_vec())),
            is_verified: true,
        }
    }
}
