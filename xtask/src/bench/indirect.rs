//! What a loop pays for reaching a function or a variable by an address that is only known when it
//! runs: virtual calls, thread-local variables, callbacks of the C library.

use std::rc::Rc;

use super::calls::Program;
use super::cases::lli;
use super::measure::{Contender, Expected, Figure, LIMIT, PRINTED, Rounds};
use super::results::{Limit, Results, Table};
use crate::error::Result;
use crate::process::Job;
use crate::rewire::Rewire;

const fn figure(word: &'static str, suffix: &'static str) -> Figure {
    Figure { word, suffix }
}

const FIGURES: &[Figure] = &[
    figure("virtual", ", a virtual call"),
    figure("local", ", a thread-local"),
    figure("constructed", ", a thread-local with a constructor"),
    figure("sort", ", an element that `qsort` sorts"),
];

/// How much longer than natively each may take.
const BARS: [f64; 4] = [1.10, 1.2, 1.2, 1.05];

/// Measures them in one program.
pub(crate) fn indirect(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let program = Program::new("indirect", "", "indirect.cpp", &["-O2"])?;
    let native = Job::new(&program.native);
    let expected = Rc::new(Expected::from(native.capture(LIMIT)?));
    let file = std::slice::from_ref(&program.bitcode);
    let none: [&str; 0] = [];
    let jobs = [
        ("native -O2", native),
        ("rewire -O2", rewire.job(&["-O2"], file, &none)),
        ("lli orc -O2", lli("orc", &["-O2"], &program.bitcode)?),
    ];
    let contenders: Vec<Contender> = jobs
        .into_iter()
        .map(|(label, job)| Contender::new(label, job, &expected).prints_figures(FIGURES))
        .collect();
    let title = "Virtual calls, thread-locals and callbacks in loops";
    let key = "indirect";
    results.tables.push(Table {
        key: key.into(),
        title: title.into(),
        note: "Nanoseconds each. The virtual functions of two classes are called by turns. Native \
               is the same bitcode as a position-independent program."
            .into(),
        unit: PRINTED,
        rows: rounds.in_turn(title, &contenders)?,
    });
    for (figure, bar) in FIGURES.iter().zip(BARS) {
        let row = |who: &str| format!("{who}{}", figure.suffix);
        results.limits.push(Limit::ratio(
            format!("{} in a loop, rewire -O2", &figure.suffix[2..]),
            (key, &row("rewire -O2")),
            (key, &row("native -O2")),
            bar,
        ));
    }
    Ok(())
}
