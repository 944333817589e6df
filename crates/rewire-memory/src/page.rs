//! The size of the pages that protections and mappings are made of.

/// Bytes in a page of x86-64.
pub(crate) const PAGE: u64 = 4096;
