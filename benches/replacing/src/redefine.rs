//! What many replacements of one function leave behind.

use crate::clock::{median, microseconds};
use crate::process::{count_maps, resident_kib};
use crate::replaced::Replaced;
use crate::{Outcome, engine};

const PROGRAM: &str = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n\
    define i32 @caller(i32 %x) {\n  %r = call i32 @f(i32 %x)\n  ret i32 %r\n}\n";

/// Prints by how many KiB resident memory has grown since a tenth of the replacements was done,
/// the number of mappings, and the median of the microseconds for a replacement.
pub(crate) fn run(count: usize) -> Outcome<()> {
    let engine = engine(None)?;
    engine.add_ir("program", PROGRAM.as_bytes())?;
    let mut function = Replaced::new(&engine, "f")?;
    // In memory from the start: it must not grow with the replacements.
    let mut times = vec![1.0; count];
    let mut at_tenth = 0;
    for (number, time) in times.iter_mut().enumerate() {
        if number == count / 10 {
            at_tenth = resident_kib()?;
        }
        *time = microseconds(function.once()?);
    }
    println!("grown {}", resident_kib()? - at_tenth);
    println!("maps {}", count_maps()?);
    println!("us {:.3}", median(times)?);
    Ok(())
}
