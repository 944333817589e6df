//! Times and their medians.

use std::time::Duration;

use crate::Outcome;

/// In microseconds.
pub(crate) fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The middle value; the upper one of two.
pub(crate) fn median(mut values: Vec<f64>) -> Outcome<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2);
    Ok(*middle.ok_or("nothing was measured")?)
}
