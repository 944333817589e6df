//! `--tier-log`: each decision about tiers, a line of JSON each.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rewire::{
    Compilation, CompileObserver, Loaded, ReclaimedCode, Removal, Replacement, TierDecision,
    TierStep, Wait,
};
use serde_json::{Value, json};

/// Writes decisions to a file, and passes all events on to another observer, if there is one.
struct TierLog {
    path: PathBuf,
    started: Instant,
    process: u32,
    next: Option<Arc<dyn CompileObserver>>,
}

/// Begins a log; what it returns is for the engine. `next` is told everything as well.
pub(crate) fn begin(
    path: &Path,
    started: Instant,
    next: Option<Arc<dyn CompileObserver>>,
) -> Arc<dyn CompileObserver> {
    Arc::new(TierLog {
        // The program may change its directory.
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        started,
        process: std::process::id(),
        next,
    })
}

impl CompileObserver for TierLog {
    fn loaded(&self, loaded: &Loaded) {
        self.pass_on(|next| next.loaded(loaded));
    }

    fn compiled(&self, compilation: &Compilation) {
        self.pass_on(|next| next.compiled(compilation));
    }

    fn tier_decided(&self, decision: &TierDecision) {
        // A child of a fork doesn't write to its parent's file.
        if std::process::id() == self.process {
            self.write(decision);
        }
        self.pass_on(|next| next.tier_decided(decision));
    }

    fn waited(&self, wait: &Wait) {
        self.pass_on(|next| next.waited(wait));
    }

    fn replaced(&self, replacement: &Replacement) {
        self.pass_on(|next| next.replaced(replacement));
    }

    fn removed(&self, removal: &Removal) {
        self.pass_on(|next| next.removed(removal));
    }

    fn reclaimed(&self, given_back: &ReclaimedCode) {
        self.pass_on(|next| next.reclaimed(given_back));
    }
}

impl TierLog {
    fn pass_on(&self, tell: impl FnOnce(&dyn CompileObserver)) {
        if let Some(next) = &self.next {
            tell(&**next);
        }
    }

    /// Appends a line. The file isn't kept open, because the program may close any descriptor or
    /// use its number; decisions are few.
    fn write(&self, decision: &TierDecision) {
        let at = decision.at.saturating_duration_since(self.started);
        let mut line = json!({
            "ms": at.as_secs_f64() * 1000.0,
            "function": &*decision.function,
        });
        if let (Value::Object(line), Value::Object(step)) = (&mut line, describe(&decision.step)) {
            line.extend(step);
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path);
        // Without room or permission the log ends early; the program goes on.
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

fn describe(step: &TierStep) -> Value {
    match step {
        TierStep::Hot { calls } => json!({"decision": "hot", "calls": calls}),
        TierStep::HotInLoops { calls, passes } => {
            json!({"decision": "hot in loops", "calls": calls, "passes": passes})
        }
        TierStep::HotLoop { head, passes } => {
            json!({"decision": "hot loop", "loop": head, "passes": passes})
        }
        TierStep::Optimised { head, took } => {
            let took = took.as_secs_f64() * 1000.0;
            json!({"decision": "optimised", "loop": head, "took_ms": took})
        }
        TierStep::Outdated => json!({"decision": "outdated"}),
        TierStep::Failed { reason } => json!({"decision": "failed", "reason": &**reason}),
        TierStep::LeftCopy { head } => json!({"decision": "left copy", "loop": head}),
        _ => json!({"decision": "unknown"}),
    }
}
