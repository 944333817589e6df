//! Replacing a function of another unit while a loop that holds a copy of it runs.

use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rewire::{Engine, ExecAddr, Function, Options};

use crate::Outcome;
use crate::clock::{median, microseconds};

const LOOP: &str = "
@last = global i64 0
@stop = global i64 0
declare i64 @step(i64)
define i64 @loop() {
start:
  br label %again
again:
  %x = phi i64 [ 0, %start ], [ %y, %again ]
  %y = call i64 @step(i64 %x)
  store atomic i64 %y, ptr @last monotonic, align 8
  %s = load atomic i64, ptr @stop monotonic, align 8
  %more = icmp eq i64 %s, 0
  br i1 %more, label %again, label %end
end:
  ret i64 %y
}
";

/// How often the function is replaced: more, and it would no longer be inlined.
const REPLACEMENTS: usize = 3;

/// How long the loop runs with each body before it is timed, and while it is.
const SETTLING: Duration = Duration::from_millis(700);
const TIMED: Duration = Duration::from_millis(300);

/// The function counts up, and then down: the loop shows which body it runs.
fn step(is_up: bool) -> String {
    let by = if is_up { 1 } else { -1 };
    format!("define i64 @step(i64 %x) {{\n  %y = add i64 %x, {by}\n  ret i64 %y\n}}\n")
}

/// Prints the microseconds from a replacement until the loop runs the new body, and the nanoseconds
/// of a turn of the loop `before` and `after`.
pub(crate) fn run() -> Outcome<()> {
    let engine = Engine::new(Options {
        threads: 1,
        ..Options::default()
    })?;
    engine.add_ir("step", step(true).as_bytes())?;
    engine.add_ir("loop", LOOP.as_bytes())?;
    // SAFETY: the IR above defines it with this type, and it only computes.
    let function: Function<extern "C" fn() -> i64> = unsafe { engine.main().function("loop")? };
    let [last, stop] = ["last", "stop"].map(|name| engine.lookup(name));
    let (last, stop) = (Counter(last?), Counter(stop?));
    thread::scope(|scope| {
        scope.spawn(|| function());
        let measured = measure(&engine, last);
        stop.get().store(1, Ordering::Relaxed);
        measured
    })
}

fn measure(engine: &Engine, last: Counter) -> Outcome<()> {
    thread::sleep(SETTLING);
    println!("before {:.4}", turn(last));
    let (mut delays, mut turns) = (Vec::new(), Vec::new());
    for number in 0..REPLACEMENTS {
        let is_up = number % 2 == 1;
        let begin = Instant::now();
        engine.replace("step", step(is_up).as_bytes())?;
        let mut former = last.get().load(Ordering::Relaxed);
        loop {
            let now = last.get().load(Ordering::Relaxed);
            if now != former && (now > former) == is_up {
                break;
            }
            former = now;
            if begin.elapsed() > Duration::from_secs(5) {
                return Err("the loop runs the former body".into());
            }
        }
        delays.push(microseconds(begin.elapsed()));
        thread::sleep(SETTLING);
        turns.push(turn(last));
    }
    println!("us {:.1}", delays.into_iter().fold(0.0, f64::max));
    println!("after {:.4}", median(turns)?);
    Ok(())
}

/// Nanoseconds for a turn of the loop.
fn turn(last: Counter) -> f64 {
    let (begin, from) = (Instant::now(), last.get().load(Ordering::Relaxed));
    thread::sleep(TIMED);
    let turns = last.get().load(Ordering::Relaxed).abs_diff(from);
    begin.elapsed().as_secs_f64() * 1e9 / turns.max(1) as f64
}

/// A variable of the program.
#[derive(Clone, Copy)]
struct Counter(ExecAddr);

impl Counter {
    fn get(&self) -> &AtomicI64 {
        let at = ptr::with_exposed_provenance::<AtomicI64>(self.0.get() as usize);
        // SAFETY: the engine outlives this, the variable stays where it is, and all of its accesses
        // are atomic.
        unsafe { &*at }
    }
}
