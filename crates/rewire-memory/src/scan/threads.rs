//! Looking at all threads: sleeping ones are read, running ones are asked.
//!
//! A signal would end `nanosleep`, `poll` and others early, and the program would notice. So a
//! thread that sleeps is read as it is, and it counts if it slept all the time
//! ([`Watch::runs`](super::procfs::Watch::runs)). One that seems to run is observed for a short
//! while first: only when it hasn't slept meanwhile, it is asked, so that the signal hardly ever
//! meets it on its way into a system call.
//!
//! Where there are registered stacks, all threads have to be held at once. A coroutine's frames
//! are in the registers of the thread that runs it and on its stack, by turns; if the two were
//! looked at one after the other, it could slip from the one to the other between. Otherwise a
//! thread goes on as soon as its own stack was read.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::exceptions::Exceptions;
use super::handler::Asking;
use super::memory::Memory;
use super::procfs::{Call, Doing, Tasks};
use super::stacks::{Look, Strange, examine_registered};
use super::suspects::{HolderId, Suspects};

/// How long a scan waits for threads that can't be asked; and how long for answers, with how much
/// more for each: there may be many more threads than processors.
const LIMIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(5));

/// How long threads are held at once.
const HOLD_LIMIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(1));

/// For how long a thread must not have slept before it is asked.
const CALM: Duration = Duration::from_micros(100);

/// When a thread is asked although it sleeps now and then.
const RESTLESS: Duration = Duration::from_millis(20);

/// Between two attempts, at first and at last.
const PAUSE: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(2));

/// Why a thread couldn't be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    BlocksSignal,
    Strange(Strange),
    NoAnswer,
    Vfork,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting,
    /// Answer's place.
    Asked(usize),
    /// Looked at, and waits to be released.
    Parked,
    /// Looked at while it slept.
    Slept(Call, u64),
    /// Looked at, or nothing to look at.
    Done,
    Failed(Trouble),
}

struct Thread {
    tid: i32,
    stage: Stage,
    /// How often it had given up its processor, and when that was first seen.
    awake: Option<(u64, Instant)>,
    /// What is in its way.
    trouble: Trouble,
    /// Whether it may be asked now.
    askable: bool,
}

/// The threads of one scan. Once it is made, it allocates nothing.
pub(super) struct Threads<'a> {
    tasks: &'a Tasks,
    registered: &'a [Range<u64>],
    exceptions: Exceptions,
    signal: Option<i32>,
    own: i32,
    exempt: Vec<(i32, u64)>,
    threads: Vec<Thread>,
    listed: Vec<i32>,
    asking: Asking,
    begun: Instant,
    /// When the last thread was asked.
    asked: Instant,
    held_since: Option<Instant>,
    pub(super) in_flight: bool,
    /// More threads than there was room for.
    pub(super) overflow: bool,
}

impl<'a> Threads<'a> {
    pub(super) fn new(
        tasks: &'a Tasks,
        registered: &'a [Range<u64>],
        exceptions: Exceptions,
        signal: Option<i32>,
        exempt: Vec<(i32, u64)>,
    ) -> Self {
        let room = 2 * tasks.count().unwrap_or(0) + 32;
        Self {
            tasks,
            registered,
            exceptions,
            signal,
            // SAFETY: no preconditions.
            own: unsafe { libc::gettid() },
            exempt,
            threads: Vec::with_capacity(room),
            listed: Vec::with_capacity(room),
            asking: Asking::new(room),
            begun: Instant::now(),
            asked: Instant::now(),
            held_since: None,
            in_flight: false,
            overflow: false,
        }
    }

    /// Looks at all threads but the calling one, and at the registered stacks, and lets all go on.
    /// No signal may arrive on the calling thread meanwhile.
    pub(super) fn run(&mut self, memory: &mut Memory, suspects: &mut Suspects<'_>) {
        let mut pause = PAUSE.0;
        loop {
            let (pass, answered) = (Instant::now(), self.asking.answered());
            self.list();
            let settled = self.look(memory, suspects);
            // A thread that another one started meanwhile can't hold what wasn't held before; but
            // one that the kernel left out of the list may.
            if self.overflow || settled && !self.list() && self.finish(memory, suspects) {
                break;
            }
            if self.is_over() {
                self.give_up();
                break;
            }
            // With many threads, going through them is pause enough; whoever sleeps may have to
            // wait for a processor long after.
            if let Some(rest) = pause.checked_sub(pass.elapsed()) {
                self.asking.wait(answered, rest);
            }
            pause = (2 * pause).min(PAUSE.1);
        }
        self.asking.release_all();
    }

    /// What couldn't be looked at.
    pub(super) fn troubles(&self) -> impl Iterator<Item = (i32, Trouble)> {
        self.threads.iter().filter_map(|thread| match thread.stage {
            Stage::Failed(trouble) => Some((thread.tid, trouble)),
            _ => None,
        })
    }

    fn holds(&self) -> bool {
        !self.registered.is_empty()
    }

    fn is_over(&self) -> bool {
        let count = self.threads.len() as u32;
        let held_too_long = self
            .held_since
            .is_some_and(|since| since.elapsed() > HOLD_LIMIT.0 + count * HOLD_LIMIT.1);
        let asked = |thread: &&Thread| matches!(thread.stage, Stage::Asked(_));
        let asked = self.threads.iter().filter(asked).count() as u32;
        let since = if asked > 0 { self.asked } else { self.begun };
        held_too_long || since.elapsed() > LIMIT.0 + asked * LIMIT.1
    }

    /// Enters threads that aren't known yet; whether there were any.
    fn list(&mut self) -> bool {
        let mut news = false;
        // Threads that end while they are listed make the kernel leave out others.
        for _ in 0..4 {
            if self.tasks.list(&mut self.listed).is_err() {
                self.overflow = true;
                return news;
            }
            for place in 0..self.listed.len() {
                news |= self.enter(self.listed[place]);
            }
            if self.tasks.count() == Some(self.listed.len()) {
                break;
            }
        }
        news
    }

    fn enter(&mut self, tid: i32) -> bool {
        if tid == self.own || self.threads.iter().any(|thread| thread.tid == tid) {
            return false;
        }
        if self.threads.len() == self.threads.capacity() {
            self.overflow = true;
            return false;
        }
        let mut exempt = self.exempt.iter().filter(|(of, _)| *of == tid);
        let is_exempt = exempt.any(|(_, started)| self.tasks.started(tid) == Some(*started));
        self.threads.push(Thread {
            tid,
            stage: if is_exempt {
                Stage::Done
            } else {
                Stage::Waiting
            },
            awake: None,
            trouble: Trouble::NoAnswer,
            askable: false,
        });
        true
    }

    /// Goes through all threads once; whether none is waited for any more.
    fn look(&mut self, memory: &mut Memory, suspects: &mut Suspects<'_>) -> bool {
        let mut settled = true;
        let mut all_askable = true;
        for index in 0..self.threads.len() {
            let stage = match self.threads[index].stage {
                Stage::Waiting => self.try_asleep(index, memory, suspects),
                Stage::Asked(place) => self.try_answer(index, place, memory, suspects),
                stage => stage,
            };
            self.threads[index].stage = stage;
            settled &= !matches!(stage, Stage::Waiting | Stage::Asked(_));
            all_askable &= !matches!(stage, Stage::Waiting) || self.threads[index].askable;
        }
        // Nobody is held while it isn't likely that all can be.
        if !self.holds() || all_askable {
            self.ask();
        }
        settled
    }

    fn ask(&mut self) {
        let Some(signal) = self.signal else { return };
        for thread in &mut self.threads {
            if !matches!(thread.stage, Stage::Waiting) || !thread.askable {
                continue;
            }
            if let Some(place) = self.asking.ask(signal, thread.tid) {
                thread.stage = Stage::Asked(place);
                self.asked = Instant::now();
                if !self.registered.is_empty() {
                    self.held_since.get_or_insert_with(Instant::now);
                }
            }
        }
    }

    fn try_asleep(
        &mut self,
        index: usize,
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Stage {
        let tid = self.threads[index].tid;
        let watch = match self.tasks.watch(tid) {
            Ok(watch) => watch,
            Err(Doing::Nothing) => return Stage::Done,
            Err(_) => return self.busy(index),
        };
        let runs = watch.runs();
        let call = match watch.doing() {
            Doing::Asleep(call) => call,
            Doing::Nothing => return Stage::Done,
            Doing::Running | Doing::NotTold => return self.busy(index),
        };
        let Some(runs) = runs else {
            return self.busy(index);
        };
        if matches!(call.number, libc::SYS_exit | libc::SYS_exit_group) {
            return Stage::Done;
        }
        if is_vfork(&call) {
            self.threads[index].trouble = Trouble::Vfork;
            self.threads[index].askable = false;
            return Stage::Waiting;
        }
        suspects.begin();
        let look = Look::of_sleeper(tid, &call, memory);
        let result = look.examine(self.registered, memory, suspects);
        let in_flight = self.in_flight_on(&look, memory);
        if watch.doing() != Doing::Asleep(call) || watch.runs() != Some(runs) {
            return self.busy(index);
        }
        self.in_flight |= in_flight;
        suspects.keep_hits(HolderId::Thread(tid));
        match result {
            Ok(()) => Stage::Slept(call, runs),
            Err(Strange::NoOwnStack) => {
                self.threads[index].trouble = Trouble::Strange(Strange::NoOwnStack);
                self.threads[index].askable = false;
                Stage::Waiting
            }
            Err(strange) => Stage::Failed(Trouble::Strange(strange)),
        }
    }

    fn in_flight_on(&self, look: &Look, memory: &mut Memory) -> bool {
        self.exceptions.in_flight(look.thread_pointer(), memory)
    }

    /// A thread that isn't asleep: whether it may be asked.
    fn busy(&mut self, index: usize) -> Stage {
        let restless = self.begun.elapsed() > RESTLESS;
        let tid = self.threads[index].tid;
        let status = self.tasks.status(tid);
        if status.is_none() && !self.tasks.exists(tid) {
            return Stage::Done;
        }
        let thread = &mut self.threads[index];
        let blocks = match (status, self.signal) {
            (Some(status), Some(signal)) => status.blocks(signal),
            _ => false,
        };
        let voluntary = status.map(|status| status.voluntary);
        let calm = match (voluntary, thread.awake) {
            (Some(now), Some((before, since))) if now == before => since.elapsed() >= CALM,
            (Some(now), _) => {
                thread.awake = Some((now, Instant::now()));
                false
            }
            // Where the kernel tells nothing of threads, there is nothing to wait for.
            (None, _) => true,
        };
        thread.askable = !blocks && (calm || restless);
        thread.trouble = match blocks {
            true => Trouble::BlocksSignal,
            false => Trouble::NoAnswer,
        };
        Stage::Waiting
    }

    fn try_answer(
        &mut self,
        index: usize,
        place: usize,
        memory: &mut Memory,
        suspects: &mut Suspects<'_>,
    ) -> Stage {
        let tid = self.threads[index].tid;
        let Some(look) = self.asking.take(place) else {
            #[cfg(rewire_tsan)]
            self.asking.ask_again(self.signal.unwrap_or(0), place);
            return match self.tasks.exists(tid) {
                true => Stage::Asked(place),
                false => Stage::Done,
            };
        };
        suspects.begin();
        let result = look.examine(self.registered, memory, suspects);
        let in_flight = self.in_flight_on(look, memory);
        suspects.keep_hits(HolderId::Thread(tid));
        self.in_flight |= in_flight;
        if !self.holds() {
            self.asking.release(place);
        }
        match result {
            Ok(()) if self.holds() => Stage::Parked,
            Ok(()) => Stage::Done,
            Err(strange) => Stage::Failed(Trouble::Strange(strange)),
        }
    }

    /// With all threads held or asleep, looks at the registered stacks; false if one of the
    /// sleepers has run meanwhile, so that it has to be looked at again.
    fn finish(&mut self, memory: &mut Memory, suspects: &mut Suspects<'_>) -> bool {
        if !self.holds() {
            return true;
        }
        for range in self.registered {
            suspects.begin();
            examine_registered(range, memory, suspects);
            suspects.keep_hits(HolderId::Stack(range.start, range.end));
        }
        let mut same = true;
        for thread in &mut self.threads {
            let Stage::Slept(call, runs) = thread.stage else {
                continue;
            };
            let slept_on = match self.tasks.watch(thread.tid) {
                Ok(watch) => watch.doing() == Doing::Asleep(call) && watch.runs() == Some(runs),
                Err(doing) => doing == Doing::Nothing,
            };
            if !slept_on {
                thread.stage = Stage::Waiting;
                thread.askable = false;
                same = false;
            }
        }
        same && !self.list()
    }

    fn give_up(&mut self) {
        for thread in &mut self.threads {
            match thread.stage {
                Stage::Waiting => thread.stage = Stage::Failed(thread.trouble),
                Stage::Asked(place) => {
                    self.asking.release(place);
                    let signal = self.signal.unwrap_or(0);
                    let status = self.tasks.status(thread.tid);
                    thread.stage = Stage::Failed(match status {
                        Some(status) if status.blocks(signal) => Trouble::BlocksSignal,
                        _ => Trouble::NoAnswer,
                    });
                }
                _ => {}
            }
        }
    }
}

/// Whether a child runs on the caller's stack while it waits (vfork(2)); what that one does isn't
/// seen.
fn is_vfork(call: &Call) -> bool {
    let [flags, stack, ..] = call.arguments;
    call.number == libc::SYS_vfork
        || call.number == libc::SYS_clone && flags & libc::CLONE_VFORK as u64 != 0 && stack == 0
}
