//! From a name to what it stands for: in the libraries, in the process, with the client.

pub(crate) mod lookup;
pub(crate) mod outside;
