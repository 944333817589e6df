//! Calls of a function in a hot loop, before and after it was replaced.

use std::time::Instant;

use rewire::Function;

use crate::clock::median;
use crate::replaced::Unary;
use crate::{Outcome, engine, expect};

/// How many new bodies are tried: where a body lies matters a little.
const BODIES: usize = 5;

/// How often the loop is run with each.
const RUNS: usize = 20;

const BODY: &str = "define i32 @f(i32 %x) {\n  %r = add i32 %x, 1\n  ret i32 %r\n}\n";

const LOOP: &str = "
define i32 @loop(i32 %n) {
start:
  br label %again
again:
  %i = phi i32 [ 0, %start ], [ %next, %again ]
  %x = phi i32 [ 0, %start ], [ %y, %again ]
  %y = call i32 @f(i32 %x)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, %n
  br i1 %more, label %again, label %end
end:
  ret i32 %y
}
";

/// Prints nanoseconds a call, `before` and `after`.
pub(crate) fn run(calls: i32) -> Outcome<()> {
    let engine = engine(None)?;
    engine.add_ir("program", format!("{BODY}{LOOP}").as_bytes())?;
    // SAFETY: the IR above defines it with this type, and it only computes.
    let run = unsafe { engine.main().function::<Unary>("loop")? };
    // So that no time has compiling in it.
    engine.compile_all()?;
    println!("before {:.4}", time(&run, calls)?);
    let mut after = Vec::new();
    for _ in 0..BODIES {
        engine.replace("f", BODY.as_bytes())?;
        after.push(time(&run, calls)?);
    }
    println!("after {:.4}", median(after)?);
    Ok(())
}

/// Nanoseconds a call: the best of the runs, because whatever else the machine does only adds to
/// them.
fn time(run: &Function<Unary>, calls: i32) -> Outcome<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        let counted = (*run)(calls);
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
        expect(counted, calls, "the loop")?;
    }
    Ok(best)
}
