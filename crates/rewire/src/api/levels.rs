//! Levels of single functions.

use rewire_llvm::Level;
use rewire_memory::scan::Caller;

use super::code;
use super::library::Library;
use crate::base::error::Error;
use crate::host::fork_lock;

impl Library {
    /// Sets the level at which a function is compiled from now on, whatever the engine's options
    /// say; with `None`, leaves it to the options again. A function with a level is compiled once,
    /// alone, and never recompiled for being hot. Machine code that it has is dropped, so that its
    /// next call compiles it.
    ///
    /// ```
    /// use rewire::{Engine, Level, Options};
    ///
    /// let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("f.ll", b"define i32 @f(i32 %n) {
    ///   %twice = add i32 %n, %n
    ///   %less = sub i32 %twice, %n
    ///   ret i32 %less
    /// }")?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn(i32) -> i32>("f")? };
    /// assert_eq!(f(7), 7);
    /// let quick = main.machine_code("f").unwrap().bytes.len();
    /// main.set_level("f", Some(Level::O2))?;
    /// assert_eq!(f(7), 7);
    /// assert!(main.machine_code("f").unwrap().bytes.len() < quick);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The name is no function ([`Error::Unknown`]), or a frozen unit defines it
    /// ([`Error::Replace`]).
    pub fn set_level(&self, name: &str, level: Option<Level>) -> Result<(), Error> {
        let caller = Caller::here();
        let no_fork = fork_lock::enter_engine();
        code::set_level(&self.core, self.id, name, level)?;
        drop(no_fork);
        self.core.reclaim_if_much(&caller);
        Ok(())
    }
}
