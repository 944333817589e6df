//! A unit that comes, is called, and goes, again and again.

use std::fmt::Write as _;
use std::time::Instant;

use rewire::Function;

use crate::clock::{median, microseconds};
use crate::replaced::Unary;
use crate::{Outcome, engine, expect};

const FUNCTIONS: i32 = 10;

/// Prints the median of the microseconds for a cycle: from the text of ten functions until one of
/// them has been called and all are gone.
pub(crate) fn run(cycles: usize) -> Outcome<()> {
    let engine = engine(None)?;
    let mut ir = String::new();
    for number in 0..FUNCTIONS {
        writeln!(
            ir,
            "define i32 @u{number}(i32 %x) {{\n  %p = alloca i32\n  store i32 %x, ptr %p\n  %v = \
             load i32, ptr %p\n  %m = mul i32 %v, 3\n  %r = add i32 %m, {number}\n  ret i32 %r\n}}"
        )?;
    }
    let mut times = Vec::with_capacity(cycles);
    for _ in 0..cycles {
        let start = Instant::now();
        let unit = engine.add_ir("unit", ir.as_bytes())?;
        // SAFETY: the unit defines it with this type, and it only computes.
        let function: Function<Unary> = unsafe { engine.main().function("u1")? };
        let seen = (*function)(7);
        drop(function);
        engine.remove_unit(unit)?;
        times.push(microseconds(start.elapsed()));
        expect(seen, 22, "u1")?;
    }
    println!("us {:.3}", median(times)?);
    Ok(())
}
