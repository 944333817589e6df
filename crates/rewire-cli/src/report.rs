//! What was done, as a table or as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rewire::{Engine, Report, escape_path};
use serde::Serialize;

use crate::source_time;

/// About when the process started: now, less the processor time that it has used. The kernel's
/// own record counts in hundredths of a second.
pub(crate) fn process_start() -> Instant {
    let now = Instant::now();
    // SAFETY: the call fills in plain data.
    let used = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    };
    now.checked_sub(used).unwrap_or(now)
}

/// Where the report goes, and what it has to know.
struct Pending {
    engine: Engine,
    to: Option<PathBuf>,
    /// A child of a fork writes no report: the file is its parent's.
    process: u32,
    started: Instant,
    to_main: Option<Duration>,
}

static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

/// Has the report written when the process exits, after everything that the program registered.
pub(crate) fn at_exit(engine: &Engine, to: Option<PathBuf>, started: Instant) {
    set(Some(Pending {
        engine: engine.clone(),
        // The program may change its directory.
        to: to.map(|path| std::path::absolute(&path).unwrap_or(path)),
        process: std::process::id(),
        started,
        to_main: None,
    }));
    rewire::at_exit(write_pending);
    engine.at_failure(|| write_pending());
}

fn set(pending: Option<Pending>) {
    *PENDING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner()) = pending;
}

/// Notes that the program's main function is about to be called.
pub(crate) fn main_begins() {
    let mut pending = PENDING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(pending) = pending.as_mut() {
        pending.to_main = Some(pending.started.elapsed());
    }
}

pub(crate) extern "C" fn write_pending() {
    let pending = PENDING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .take();
    let Some(pending) = pending else { return };
    if pending.process != std::process::id() {
        return;
    }
    let total = pending.started.elapsed();
    let report = Summary::new(&pending.engine.report(), pending.to_main, total);
    match &pending.to {
        Some(path) => report.write_json(path),
        None => crate::message::say(format_args!("{}", report.table())),
    }
}

/// The report's JSON.
#[derive(Debug, Serialize)]
struct Summary {
    functions_defined: u64,
    functions_called: u64,
    functions_compiled: u64,
    functions_restored: u64,
    compiled_ahead: u64,
    functions_optimised: u64,
    loops_optimised: u64,
    compiled_by_tier: BTreeMap<String, u64>,
    functions_replaced: u64,
    bodies_inlined: u64,
    definitions_retired: u64,
    definitions_freed: u64,
    relocations_applied: u64,
    code_bytes: u64,
    data_bytes: u64,
    memory_maps: u64,
    cache_hits: u64,
    cache_misses: u64,
    ms: Milliseconds,
}

/// Disjoint phases, summed over threads; then two that are not.
#[derive(Debug, Serialize)]
struct Milliseconds {
    sources: f64,
    load: f64,
    index: f64,
    extract: f64,
    find: f64,
    optimise: f64,
    codegen: f64,
    link: f64,
    publish: f64,
    record: f64,
    to_main: f64,
    total: f64,
}

impl Summary {
    fn new(report: &Report, to_main: Option<Duration>, total: Duration) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let mut compiled_by_tier =
            BTreeMap::from([(format!("O{}", report.level), report.functions_compiled)]);
        let optimised = report.functions_optimised + report.loops_optimised;
        if optimised > 0 {
            compiled_by_tier.insert("O2".to_owned(), optimised);
        }
        Self {
            functions_defined: report.functions_defined,
            functions_called: report.functions_called,
            functions_compiled: report.functions_compiled,
            functions_restored: report.functions_restored,
            compiled_ahead: report.compiled_ahead,
            functions_optimised: report.functions_optimised,
            loops_optimised: report.loops_optimised,
            compiled_by_tier,
            functions_replaced: report.functions_replaced,
            bodies_inlined: report.bodies_inlined,
            definitions_retired: report.definitions_retired,
            definitions_freed: report.definitions_freed,
            relocations_applied: report.relocations_applied,
            code_bytes: report.code_bytes,
            data_bytes: report.data_bytes,
            memory_maps: report.memory_maps,
            cache_hits: report.cache_hits,
            cache_misses: report.cache_misses,
            ms: Milliseconds {
                sources: ms(source_time::total()),
                load: ms(report.load),
                index: ms(report.index),
                extract: ms(report.extract),
                find: ms(report.find),
                optimise: ms(report.optimise),
                codegen: ms(report.codegen),
                link: ms(report.link),
                publish: ms(report.publish),
                record: ms(report.record),
                to_main: ms(to_main.unwrap_or(total)),
                total: ms(total),
            },
        }
    }

    fn write_json(&self, path: &Path) {
        let written = serde_json::to_string_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|json| fs::write(path, json + "\n"));
        if let Err(error) = written {
            crate::message::error(
                &format!("cannot write the report to {}: {error}", escape_path(path)),
                None,
            );
        }
    }

    fn table(&self) -> String {
        let ms = &self.ms;
        let counts = [
            ("functions defined", self.functions_defined),
            ("functions called", self.functions_called),
            ("functions compiled", self.functions_compiled),
            ("functions restored", self.functions_restored),
            ("of them, before their first call", self.compiled_ahead),
            ("functions optimised", self.functions_optimised),
            ("loops optimised", self.loops_optimised),
            ("bodies inlined", self.bodies_inlined),
            ("found in the cache", self.cache_hits),
            ("not found in the cache", self.cache_misses),
            ("relocations applied", self.relocations_applied),
            ("bytes of code", self.code_bytes),
            ("bytes of data", self.data_bytes),
            ("memory maps", self.memory_maps),
        ];
        let times = [
            ("compilers of sources", ms.sources),
            ("load", ms.load),
            ("index", ms.index),
            ("extract", ms.extract),
            ("find in the cache", ms.find),
            ("optimise", ms.optimise),
            ("codegen", ms.codegen),
            ("link", ms.link),
            ("publish", ms.publish),
            ("record", ms.record),
            ("until main", ms.to_main),
            ("total", ms.total),
        ];
        let mut table = String::new();
        for (what, count) in counts {
            table.push_str(&format!("{what:<20} {count:>12}\n"));
        }
        for (what, time) in times {
            table.push_str(&format!("{what:<20} {time:>12.2} ms\n"));
        }
        table
    }
}
