//! What debuggers and profilers read of code that was compiled in this process.
//!
//! | who | reads | module |
//! |---|---|---|
//! | gdb, lldb | images in the process's memory, by the JIT interface | [`gdb`] |
//! | `perf inject --jit` | a file of all code with the times at which it was there | [`jitdump`] |
//! | `perf report` | a text file with one line for each function | [`perf_map`] |
//!
//! Knows neither LLVM nor the engine: it is given [`Function`]s, at the addresses where they can be
//! run.

mod frames;
pub mod gdb;
mod image;
pub mod jitdump;
pub mod perf_map;

/// A function in memory.
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    /// The name that people know it by.
    pub name: &'a str,
    /// Its first address.
    pub start: u64,
    /// Its machine code.
    pub code: &'a [u8],
    /// The frame descriptions among which its own are.
    pub frames: Option<EhFrame<'a>>,
}

/// A section of frame descriptions (`.eh_frame`; Linux Standard Base, section 10.6.1).
#[derive(Clone, Copy, Debug)]
pub struct EhFrame<'a> {
    /// Its address in memory.
    pub address: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What debuggers, which read the code in memory, are told of a function.
#[derive(Clone, Debug)]
struct PlacedFunction<'a> {
    name: &'a str,
    range: std::ops::Range<u64>,
    frames: Option<EhFrame<'a>>,
}

impl Function<'_> {
    /// Its addresses.
    fn range(&self) -> std::ops::Range<u64> {
        self.start..self.start + self.code.len() as u64
    }
}
