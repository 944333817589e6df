//! [`Ir`]: a module of IR in any of the forms in which clients have it.

use std::borrow::Cow;
use std::sync::Arc;

use rewire_llvm::{LlvmError, Source};

use super::error::Error;

/// A module of IR: bytes of bitcode or text, text in a string, or, with the feature `inkwell`, a
/// module that was built with that crate. Every method that takes IR accepts each of these.
///
/// An inkwell module is verified and copied when it is converted to `Ir`, so it may be changed or
/// dropped afterwards. If the verifier rejects it, the method that takes the `Ir` returns that
/// error.
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
    /// Whether the bytes come from a module that was verified already.
    is_verified: bool,
}

impl Ir<'_> {
    /// Returns the bytes, or the verifier's message if the module is invalid. A closure that makes
    /// IR ([`LazyIr`](crate::LazyIr)) can return this result as it is.
    ///
    /// # Errors
    ///
    /// LLVM's verifier rejected the module.
    pub fn into_bytes(self) -> Result<Vec<u8>, String> {
        self.bytes.map(Cow::into_owned)
    }

    /// Converts the IR to what the LLVM layer reads; messages call it `name`.
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
