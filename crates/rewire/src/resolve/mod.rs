//! Finds what a name stands for: in the libraries, in the process, and by asking the client.

pub(crate) mod lookup;
pub(crate) mod outside;
