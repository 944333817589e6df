//! [`Tiers`]: when functions are compiled again, and which of them wait for it.
//!
//! What is done with a hot function is in `compile/optimise.rs`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rewire_llvm::Level;
use rewire_memory::ExecAddr;
use rewire_sync::Mutex;
use rustc_hash::FxBuildHasher;

use crate::base::frame_text::FrameText;
use crate::base::ids::EntryId;
use crate::base::options::{HotThresholds, OptLevel};
use crate::base::sync::lock;
use crate::base::tier::Tier;
use crate::ledger::{BlockId, Definition};

/// The policy of an engine for tiers, and its queue of hot functions.
#[derive(Debug)]
pub(crate) struct Tiers {
    /// The tier in which a function is first compiled.
    pub(crate) first: Tier,
    /// When bodies of that tier are hot.
    pub(crate) hot: HotThresholds,
    /// Makes decisions at random instead.
    pub(crate) stress: Option<Stress>,
    is_restored: AtomicBool,
    queue: Mutex<HotQueue>,
    /// How many calls a function had left until it was hot, when one of its loops last was.
    calls_left: Mutex<HashMap<EntryId, i32, FxBuildHasher>>,
    /// The loops for which a call has gone on in a continuation.
    left_at: Mutex<HashSet<(EntryId, u32), FxBuildHasher>>,
}

/// A function that is hot, and the definition that was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HotFunction {
    pub(crate) entry: EntryId,
    pub(crate) definition: Definition,
    /// The loop that is hot; without one, the function is called often.
    pub(crate) hot_loop: Option<HotLoop>,
}

/// A loop that is hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HotLoop {
    pub(crate) head: u32,
    /// The frame of the body that the loop is in.
    pub(crate) frame: Option<FrameText>,
    /// The word that counts its passes, and the block that the word is in.
    pub(crate) word: (BlockId, ExecAddr),
}

#[derive(Debug, Default)]
struct HotQueue {
    waiting: VecDeque<HotFunction>,
    /// Those that threads are compiling.
    under_way: Vec<HotFunction>,
}

impl Tiers {
    pub(crate) fn new(level: OptLevel, hot: HotThresholds, stress: Option<u64>) -> Self {
        Self {
            first: match level {
                OptLevel::Auto => Tier::Quick,
                OptLevel::Fixed(level) => Tier::Fixed(level),
            },
            hot,
            stress: stress.map(Stress::new),
            is_restored: AtomicBool::new(false),
            queue: Mutex::default(),
            calls_left: Mutex::default(),
            left_at: Mutex::default(),
        }
    }

    /// The tier for hot functions.
    pub(crate) fn best(&self) -> Tier {
        Tier::Optimised(match &self.stress {
            Some(stress) => stress.level(),
            None => Level::O2,
        })
    }

    /// After how many calls a body of a tier is hot; `None` if its calls aren't counted.
    pub(crate) fn counted_calls(&self, tier: Tier) -> Option<u32> {
        match (&self.stress, tier) {
            (_, Tier::Fixed(_)) => None,
            (Some(stress), _) => Some(stress.calls()),
            (None, Tier::Quick) => Some(self.hot.calls),
            (None, Tier::Optimised(_)) => None,
        }
    }

    /// Notes that code of an earlier run was restored: what was hot in it has been compiled again,
    /// as far as that pays in a run of its length.
    pub(crate) fn note_restored(&self) {
        self.is_restored.store(true, Ordering::Relaxed);
    }

    /// Whether compile threads may compile again now. In a short run that does what the last one
    /// did, they would only disturb the program.
    pub(crate) fn may_begin(&self) -> bool {
        const DELAY: Duration = Duration::from_millis(40);
        let delay = DELAY.min(self.hot.delay);
        !self.is_restored.load(Ordering::Relaxed) || processor_time() >= delay
    }

    /// After how many passes of its head a loop is hot.
    pub(crate) fn loop_passes(&self) -> u32 {
        match &self.stress {
            Some(stress) => stress.calls(),
            None => self.hot.loop_passes,
        }
    }

    /// Whether a thread that runs the program may compile again now, while the program waits.
    pub(crate) fn may_wait(&self) -> bool {
        self.hot.delay.is_zero() || self.stress.is_some() || processor_time() >= self.hot.delay
    }

    /// How many calls of a function were counted, of which so many are left until it is hot.
    pub(crate) fn calls_made(&self, left: Option<i32>) -> u32 {
        let made = left.map(|left| (self.hot.calls as i32).saturating_sub(left));
        made.map_or(0, |made| made.max(0) as u32)
    }

    /// Whether a loop is hot because its function was called many times since one of its loops last
    /// was. `left` is how many calls are left until the function itself is hot.
    pub(crate) fn is_spread_over_calls(&self, id: EntryId, left: Option<i32>) -> bool {
        let Some(left) = left else { return false };
        let before = lock(&self.calls_left).insert(id, left);
        let since = before.unwrap_or(self.hot.calls as i32).saturating_sub(left);
        // Calls that pass the head fewer than this many times are short.
        const FEW: u32 = 64;
        since.max(0) as u32 > self.hot.loop_passes / FEW
    }

    /// Notes that a call goes on in a continuation at a loop. Returns whether one did before: then
    /// the function is worth an optimised body, in which calls begin.
    pub(crate) fn is_left_again(&self, id: EntryId, head: u32) -> bool {
        !lock(&self.left_at).insert((id, head))
    }

    /// Forgets what is recorded for functions that were removed.
    pub(crate) fn forget(&self, functions: &[EntryId]) {
        let mut calls_left = lock(&self.calls_left);
        for id in functions {
            calls_left.remove(id);
        }
        drop(calls_left);
        lock(&self.left_at).retain(|(id, _)| !functions.contains(id));
    }

    pub(crate) fn push(&self, hot: HotFunction) {
        lock(&self.queue).waiting.push_back(hot);
    }

    /// Whether a body of the function waits to be compiled again, or is being compiled.
    pub(crate) fn is_under_way(&self, id: EntryId) -> bool {
        let queue = lock(&self.queue);
        let mut all = queue.waiting.iter().chain(&queue.under_way);
        all.any(|hot| hot.entry == id)
    }

    /// Takes the function that has waited longest. [`Tiers::is_done`] says that it needn't be
    /// compiled any more.
    pub(crate) fn take(&self) -> Option<HotFunction> {
        let mut queue = lock(&self.queue);
        let hot = queue.waiting.pop_front()?;
        queue.under_way.push(hot);
        Some(hot)
    }

    pub(crate) fn is_done(&self, hot: HotFunction) {
        let mut queue = lock(&self.queue);
        queue.under_way.retain(|one| *one != hot);
    }

    /// Whether no hot function waits to be compiled, or is being compiled.
    pub(crate) fn are_settled(&self) -> bool {
        let queue = lock(&self.queue);
        queue.waiting.is_empty() && queue.under_way.is_empty()
    }

    /// Queues again what other threads were compiling, in a forked child, where those threads don't
    /// exist.
    pub(crate) fn forget_threads(&self) {
        let mut queue = lock(&self.queue);
        let under_way = std::mem::take(&mut queue.under_way);
        queue.waiting.extend(under_way);
    }
}

/// How much processor time all threads of the process have used.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists, and the time is written to a variable of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Decisions at random, of a seed, to find faults: functions are optimised, replaced by themselves,
/// and dropped, when nobody expects it.
#[derive(Debug)]
pub(crate) struct Stress {
    drawn: AtomicU64,
}

/// What becomes of a function whose counted calls are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StressStep {
    /// Compile it again at a level.
    Compile(Tier),
    /// Drop its code, so that it is compiled when it is next called.
    Drop,
    /// Replace it by its own IR.
    Replace,
}

impl Stress {
    fn new(seed: u64) -> Self {
        Self {
            drawn: AtomicU64::new(seed),
        }
    }

    /// The next random number (SplitMix64).
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self
            .drawn
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Mostly few; sometimes so many that the program gets on.
    fn calls(&self) -> u32 {
        let drawn = self.next();
        1 + (drawn >> 8) as u32 % (1 << (drawn % 18))
    }

    fn level(&self) -> Level {
        [Level::O1, Level::O2, Level::O3][self.next() as usize % 3]
    }

    pub(crate) fn step(&self) -> StressStep {
        match self.next() % 8 {
            0 => StressStep::Drop,
            1 => StressStep::Replace,
            2 => StressStep::Compile(Tier::Quick),
            _ => StressStep::Compile(Tier::Optimised(self.level())),
        }
    }
}
