//! A function that gets new bodies, and whoever calls it.

use std::time::{Duration, Instant};

use rewire::{Engine, Function};

use crate::{Outcome, expect};

/// The type of the functions here.
pub(crate) type Unary = extern "C" fn(i32) -> i32;

/// A function under replacement.
pub(crate) struct Replaced<'e> {
    engine: &'e Engine,
    name: &'static str,
    caller: Function<Unary>,
    replacements: i32,
}

impl<'e> Replaced<'e> {
    /// The function `name`, which a function `caller` calls with its argument.
    pub(crate) fn new(engine: &'e Engine, name: &'static str) -> Outcome<Self> {
        // SAFETY: the IR that is loaded defines it with this type, and it only computes.
        let caller: Function<Unary> = unsafe { engine.main().function("caller")? };
        // It is in use before it is replaced.
        (*caller)(0);
        Ok(Self {
            engine,
            name,
            caller,
            replacements: 0,
        })
    }

    /// Replaces the body until the caller sees it; returns how long that took.
    pub(crate) fn once(&mut self) -> Outcome<Duration> {
        self.replacements += 1;
        let (name, number) = (self.name, self.replacements);
        let ir = format!(
            "define i32 @{name}(i32 %x) {{\n  %p = alloca i32\n  store i32 %x, ptr %p\n  %v = load \
             i32, ptr %p\n  %m = mul i32 %v, 3\n  %r = add i32 %m, {number}\n  ret i32 %r\n}}\n"
        );
        let start = Instant::now();
        self.engine.replace(name, ir.as_bytes())?;
        let seen = (*self.caller)(7);
        let took = start.elapsed();
        expect(seen, 21 + number, "the caller")?;
        Ok(took)
    }
}
