//! Keeps the IR of units in compressed form.
//!
//! Two thirds of a small module's bitcode are the same in all modules of its producer: the
//! abbreviations of blocks, the names of metadata kinds. So small bitcode is compressed, with the
//! first small bitcode of the process as the dictionary. Compressing takes a microsecond or two,
//! which is little compared to reading the module.

use std::sync::Arc;

use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use rewire_llvm::{LlvmError, Source};
use rewire_sync::OnceLock;

/// Bitcode of more bytes than this is kept uncompressed.
const MOST: usize = 4 << 10;

/// The dictionary: the first small bitcode of the process.
static DICTIONARY: OnceLock<Arc<[u8]>> = OnceLock::new();

/// The bitcode or text from which a unit was made.
#[derive(Debug)]
pub(crate) enum Packed {
    Whole(Source),
    Bitcode {
        /// The source without its bytes.
        source: Source,
        /// The size of the uncompressed bytes.
        size: usize,
        bytes: Box<[u8]>,
    },
}

impl Packed {
    pub(crate) fn new(mut source: Source) -> Self {
        if !source.is_bitcode() || source.bytes.len() > MOST {
            return Self::Whole(source);
        }
        let dictionary = DICTIONARY.get_or_init(|| source.bytes.clone());
        let bytes = compress_with_dict(&source.bytes, dictionary);
        if bytes.len() >= source.bytes.len() {
            return Self::Whole(source);
        }
        let size = source.bytes.len();
        source.bytes = Arc::default();
        Self::Bitcode {
            source,
            size,
            bytes: bytes.into(),
        }
    }

    /// Returns the IR as it was added.
    pub(crate) fn source(&self) -> Result<Source, LlvmError> {
        match self {
            Self::Whole(source) => Ok(source.clone()),
            Self::Bitcode {
                source,
                size,
                bytes,
            } => {
                let dictionary = DICTIONARY.get().map_or(&[][..], |it| it);
                let unpacked = decompress_with_dict(bytes, *size, dictionary);
                let bytes = unpacked.map_err(|error| LlvmError::Malformed {
                    module: source.name.clone(),
                    reason: error.to_string(),
                })?;
                let mut source = source.clone();
                source.bytes = bytes.into();
                Ok(source)
            }
        }
    }

    /// The number of bytes that are kept.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Whole(source) => source.bytes.len(),
            Self::Bitcode { bytes, .. } => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> Source {
        Source::new("test", bytes)
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let text = source(b"define void @f() {\n ret void\n}\n");
        assert_eq!(
            Packed::new(text.clone()).source().unwrap().bytes,
            text.bytes
        );
        let bitcode = |last: u8| {
            let mut bytes = b"BC\xC0\xDE".to_vec();
            bytes.extend((0..1500u32).map(|at| ((at * at) >> 3) as u8));
            bytes.push(last);
            source(&bytes)
        };
        for last in 0..3 {
            let packed = Packed::new(bitcode(last));
            assert_eq!(packed.source().unwrap().bytes, bitcode(last).bytes);
            // They are so alike that each takes hardly any memory.
            assert!(packed.size() < 100, "{}", packed.size());
        }
        let mut large = bitcode(0).bytes.to_vec();
        large.resize(MOST + 1, 0);
        assert!(matches!(Packed::new(source(&large)), Packed::Whole(_)));
    }
}
