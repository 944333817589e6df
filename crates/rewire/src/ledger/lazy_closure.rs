//! Functions whose IR the client makes when they are called.

use std::fmt;

use crate::base::resolver::LazyIr;

/// A closure in the ledger.
#[derive(Clone)]
pub(crate) struct Lazy(pub(crate) LazyIr);

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}
