//! [`Lazy`]: a client's closure that makes the IR of a function.

use std::fmt;

use crate::base::resolver::LazyIr;

/// A closure as the ledger holds it.
#[derive(Clone)]
pub(crate) struct Lazy(pub(crate) LazyIr);

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}
