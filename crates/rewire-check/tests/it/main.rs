//! Links by GNU ld are right; what is broken afterwards is found.

mod corrupt;
mod frames;
mod fuzz;
mod ld;
mod link;
mod malformed;
mod sources;
mod uses;
