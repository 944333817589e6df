//! An engine all of whose links are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rewire::{Binding, Engine, Level, LinkObserver, LinkRecord, OptLevel, Options};
use rewire_check::{Linked, Meaning, Span};
use rewire_memory::scan::exempt_this_thread;

/// Collects what was linked.
#[derive(Default)]
struct Collector(Mutex<Vec<LinkRecord>>);

impl LinkObserver for Collector {
    fn linked(&self, record: &LinkRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// An engine, and everything that it has linked.
pub(crate) struct Checked {
    pub(crate) engine: Engine,
    collector: Arc<Collector>,
}

impl Checked {
    pub(crate) fn new(level: Level) -> Self {
        Self::with_threads(level, 0)
    }

    /// An engine that compiles with threads besides.
    pub(crate) fn with_threads(level: Level, threads: usize) -> Self {
        Self::with_options(Options {
            level: OptLevel::Fixed(level),
            threads,
            ..Options::default()
        })
    }

    pub(crate) fn with_options(options: Options) -> Self {
        let collector = Arc::new(Collector::default());
        let engine = Engine::new(Options {
            observer: Some(collector.clone()),
            ..options
        });
        Self {
            engine: engine.unwrap(),
            collector,
        }
    }

    /// An engine whose links nobody looks at, for tests that make very many.
    pub(crate) fn without_records(level: Level, threads: usize) -> Self {
        let engine = Engine::new(Options {
            level: OptLevel::Fixed(level),
            threads,
            ..Options::default()
        });
        Self {
            engine: engine.unwrap(),
            collector: Arc::default(),
        }
    }

    /// An engine that holds this IR.
    pub(crate) fn with(level: Level, ir: &str) -> Self {
        let checked = Self::new(level);
        checked.engine.add_ir("test.ll", ir.as_bytes()).unwrap();
        checked
    }

    /// The function of this name, as a pointer of type `F`.
    pub(crate) fn function<F: Copy>(&self, name: &str) -> F {
        let address = self.engine.lookup(name).unwrap().get();
        assert_eq!(size_of::<F>(), size_of::<u64>());
        // SAFETY: the test says which type the function has, and keeps the engine alive.
        unsafe { std::mem::transmute_copy(&address) }
    }

    /// Puts every link through the checker, and compares the ledger's uses with those in the
    /// linked bytes.
    pub(crate) fn verify(&self) {
        assert!(
            !self.collector.0.lock().unwrap().is_empty(),
            "nothing was linked"
        );
        self.verify_all();
    }

    /// The same, also if nothing was linked.
    pub(crate) fn verify_all(&self) {
        let records = self.collector.0.lock().unwrap();
        for record in records.iter() {
            verify(record);
        }
    }

    /// Every use of `name` that the linked bytes show, whatever was replaced since.
    pub(crate) fn uses_in_bytes(&self, name: &str) -> BTreeSet<u64> {
        let records = self.collector.0.lock().unwrap();
        let uses = records.iter().flat_map(|record| {
            let outcome = check(record);
            let named = move |one: &rewire_check::Use| {
                one.name == name || one.name.strip_prefix(name) == Some(".rewire.slot")
            };
            outcome.uses.into_iter().filter(named).map(|one| one.at)
        });
        uses.collect()
    }
}

fn check(record: &LinkRecord) -> rewire_check::Outcome {
    let spans: Vec<Span<'_>> = record
        .memory
        .iter()
        .map(|(address, bytes)| Span {
            address: address.get(),
            bytes,
        })
        .collect();
    let sections = record.sections.iter().map(|(index, at)| (*index, at.get()));
    let symbols = record
        .symbols
        .iter()
        .filter_map(|(index, _, binding)| Some((*index, meaning(*binding)?)));
    let linked = Linked {
        object: &record.object,
        sections: sections.collect::<BTreeMap<_, _>>(),
        memory: &spans,
        symbols: symbols.collect(),
    };
    rewire_check::check(&linked).unwrap()
}

fn verify(record: &LinkRecord) {
    let outcome = check(record);
    let differences: Vec<String> = outcome
        .differences
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let in_bytes: BTreeSet<(usize, u64)> = outcome
        .uses
        .iter()
        .map(|one| (one.symbol, one.at))
        .collect();
    for used in &record.uses {
        assert!(
            in_bytes.contains(&(used.symbol, used.at.get())),
            "the ledger has a use of {} at {:?} that the bytes don't show",
            used.name,
            used.at
        );
    }
}

fn meaning(binding: Binding) -> Option<Meaning> {
    Some(match binding {
        Binding::Own => return None,
        Binding::Address(address) | Binding::Canonical(address) | Binding::Tied(address) => {
            Meaning::Address {
                address: address.get(),
                call: None,
            }
        }
        Binding::Foreign { address, call } => Meaning::Address {
            address: address.get(),
            call: Some(call.get()),
        },
        Binding::FixedSlot { slot, function } => Meaning::Address {
            address: slot.get(),
            call: Some(function.get()),
        },
        Binding::Null => Meaning::Null,
        Binding::Thread { module, offset } => Meaning::Thread { module, offset },
        Binding::ThreadOffset(offset) => Meaning::ThreadOffset(offset),
        Binding::Unbound => Meaning::Unbound,
    })
}

/// Runs a test on a stack that no thread has had before. Stacks of ended threads are used again.
/// What is left on them may be an address at which the test's engine has code too, which then
/// counts as entered.
pub(crate) fn on_fresh_stack(test: impl FnOnce() + Send) {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    // This thread only waits, in no compiled code, and its own stack isn't fresh.
    let _exempt = exempt_this_thread();
    // The C library takes a stack that is as large, or somewhat larger.
    let size = (64 + TAKEN.fetch_add(1, Ordering::Relaxed)) << 20;
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(size);
        let thread = thread.spawn_scoped(scope, test).unwrap();
        if let Err(panic) = thread.join() {
            resume_unwind(panic);
        }
    });
}
