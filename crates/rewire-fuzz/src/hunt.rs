//! Looks for an input that fails, and shrinks it.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::bytes;
use crate::list;
use crate::shrink::{Failing, shrink};
use crate::trial::{Settings, Starter};

/// How long one input may take, on a machine that does much else.
const HANG: Duration = Duration::from_secs(120);

/// The same while shrinking, and how long all of that may take.
const SHRINKING_HANG: Duration = Duration::from_secs(20);
const SHRINKING: Duration = Duration::from_secs(120);

/// The input that bytes stand for, as Rust.
type Text = fn(&[u8]) -> Option<String>;

/// Tries inputs of the test with this path.
pub(crate) fn hunt(test: &str, text: Text) {
    let settings = Settings::from_environment();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let starter = Starter {
        test,
        folder: folder.path(),
    };
    let start = Instant::now();
    let tried = starter.many(settings, HANG);
    let (count, failure) = tried.expect("the test's program can be started again");
    let seed = settings.seed;
    let time = start.elapsed().as_secs_f64();
    println!("{test}: {count} inputs of seed {seed} in {time:.1} s");
    let Some(failure) = failure else {
        return;
    };
    let number = count - 1;
    let bytes = bytes::bytes(seed, number);
    let mut attempts = Attempts {
        starter,
        text,
        kind: failure.kind,
        said: failure.said,
        known: HashMap::new(),
        end: Instant::now() + SHRINKING,
    };
    let fails_alone = attempts.fails(&bytes);
    let (bytes, note) = match fails_alone {
        Some(true) => (shrink(bytes, &mut attempts), ""),
        _ => (
            bytes,
            "\nIt does not fail so by itself: those before it matter.",
        ),
    };
    panic!(
        "input {number} of seed {seed} fails; after {} runs to shrink it:\n\n{}\n\n{}{note}",
        attempts.known.len(),
        text(&bytes).unwrap_or_default(),
        attempts.said.trim_end(),
    );
}

/// Tries smaller inputs.
struct Attempts<'a> {
    starter: Starter<'a>,
    text: Text,
    /// Only what fails in the same way counts.
    kind: String,
    /// What was said about the smallest one.
    said: String,
    /// Whether inputs fail: different bytes may stand for the same one.
    known: HashMap<String, bool>,
    end: Instant,
}

impl Failing for Attempts<'_> {
    fn fails(&mut self, bytes: &[u8]) -> Option<bool> {
        let Some(text) = (self.text)(bytes) else {
            return Some(false);
        };
        if let Some(known) = self.known.get(&text) {
            return Some(*known);
        }
        if Instant::now() > self.end {
            return None;
        }
        let failure = self.starter.one(bytes, SHRINKING_HANG);
        let failure = failure.expect("the test's program can be started again");
        let fails = failure.is_some_and(|failure| {
            let is_same = failure.kind == self.kind;
            if is_same {
                self.said = failure.said;
            }
            is_same
        });
        self.known.insert(text, fails);
        Some(fails)
    }

    fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        list::spans(bytes.len(), || drop((self.text)(bytes)))
    }
}
