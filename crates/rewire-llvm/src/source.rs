//! IR as bytes.

use std::sync::Arc;

/// IR as it was read from somewhere: bitcode, or text.
#[derive(Clone, Debug)]
pub struct Source {
    /// What messages call it, a path mostly.
    pub name: Arc<str>,
    /// The bytes. Modules read from bitcode refer to them.
    pub bytes: Arc<[u8]>,
    /// They were written from a module that was verified.
    pub(crate) is_verified: bool,
    /// Whether the bytes are an object file instead of IR.
    is_object: bool,
}

impl Source {
    /// IR that somebody gave; `name` is what messages call it.
    pub fn new(name: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            is_verified: false,
            is_object: false,
        }
    }

    /// An object file, which stands where IR may stand. LLVM doesn't read it:
    /// [`Module::read`](crate::Module::read) returns an error.
    pub fn object(name: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            is_object: true,
            ..Self::new(name, bytes)
        }
    }

    /// Bitcode that was written from a module that LLVM's verifier accepted
    /// ([`verified_bitcode`](crate::verified_bitcode)): it isn't verified again.
    pub fn verified(name: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            is_verified: true,
            ..Self::new(name, bytes)
        }
    }

    /// Whether the bytes are an object file instead of IR.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.is_object
    }

    /// Whether these are bitcode's magic numbers (LLVM Bitcode File Format, "Magic Numbers" and
    /// "Wrapper Magic Number"), rather than what can only be text.
    #[must_use]
    pub fn is_bitcode(&self) -> bool {
        self.bytes.starts_with(b"BC\xC0\xDE") || self.bytes.starts_with(b"\xDE\xC0\x17\x0B")
    }
}
