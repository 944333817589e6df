//! `--trace FILE`: a timeline in the Trace Event format ("Trace Event Format", Google, 2016),
//! which Perfetto and chrome://tracing open: an array of complete events (`X`) and of the names
//! of processes and threads (`M`).
//!
//! What happens is kept in memory as the engine tells it, and written when the process ends. A
//! child of a fork keeps and writes nothing: the file is its parent's.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rewire::{
    Compilation, CompileObserver, Engine, Loaded, PhaseSpan, Replacement, TimeSpan, Wait, Why,
    escape_path,
};
use serde::Serialize;
use serde_json::{Value, json};

/// The trace of this process, if one was asked for.
static TRACE: OnceLock<Trace> = OnceLock::new();

/// See the module's documentation.
struct Trace {
    path: PathBuf,
    /// What the timeline is called: the first FILE.
    title: String,
    process: u32,
    started: Instant,
    timeline: Mutex<Timeline>,
}

#[derive(Default)]
struct Timeline {
    events: Vec<Event>,
    /// Each thread that was met, with the name that it had then.
    threads: BTreeMap<u32, String>,
    /// When the program's main function was called, and when it returned.
    main: Option<(Instant, Option<Instant>)>,
    is_written: bool,
}

enum Event {
    Loaded(Loaded),
    Compiled(Compilation),
    Waited(Wait),
    Replaced(Replacement),
    /// Something that this program did by itself.
    Own(String, TimeSpan),
}

/// Begins a trace; what it returns is for the engine.
pub(crate) fn begin(path: &Path, title: &Path, started: Instant) -> Arc<dyn CompileObserver> {
    let trace = Trace {
        // The program may change its directory.
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        title: escape_path(title),
        process: std::process::id(),
        started,
        timeline: Mutex::default(),
    };
    // There is one run in a process.
    let _ = TRACE.set(trace);
    rewire::at_exit(write_pending);
    Arc::new(Keeper)
}

/// Has the trace written also when a function that is called can't be compiled.
pub(crate) fn also_at_failure(engine: &Engine) {
    if TRACE.get().is_some() {
        engine.at_failure(|| write_pending());
    }
}

/// Does something under a name in the timeline.
pub(crate) fn timed<R>(name: impl FnOnce() -> String, work: impl FnOnce() -> R) -> R {
    let Some(trace) = TRACE.get() else {
        return work();
    };
    let start = Instant::now();
    let result = work();
    let span = TimeSpan {
        thread: this_thread(),
        start,
        duration: start.elapsed(),
    };
    trace.keep(|| (span.thread, Event::Own(name(), span)));
    result
}

/// Notes that the program's main function is about to be called.
pub(crate) fn main_begins() {
    if let Some(trace) = TRACE.get() {
        trace.timeline().main = Some((Instant::now(), None));
    }
}

/// Notes that the program's main function returned.
pub(crate) fn main_ends() {
    if let Some(trace) = TRACE.get()
        && trace.is_own_process()
        && let Some((_, end)) = trace.timeline().main.as_mut()
    {
        *end = Some(Instant::now());
    }
}

pub(crate) extern "C" fn write_pending() {
    if let Some(trace) = TRACE.get()
        && trace.is_own_process()
        && let Err(error) = trace.write()
    {
        let path = escape_path(&trace.path);
        crate::message::error(&format!("cannot write the trace to {path}: {error}"), None);
    }
}

fn this_thread() -> u32 {
    // SAFETY: it asks for a number.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// What the kernel calls this thread: what the program named it, else its creator's name.
fn thread_name() -> String {
    let mut name = [0; 16];
    // SAFETY: the buffer has the size that this call fills in at most, its final zero included.
    let failed = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) } != 0;
    // SAFETY: it is a C string in either case.
    let name = unsafe { CStr::from_ptr(name.as_ptr().cast::<c_char>()) };
    if failed {
        return String::new();
    }
    name.to_string_lossy().into_owned()
}

/// Keeps what the engine tells.
struct Keeper;

impl Keeper {
    fn keep(&self, event: impl FnOnce() -> (u32, Event)) {
        if let Some(trace) = TRACE.get() {
            trace.keep(event);
        }
    }
}

impl CompileObserver for Keeper {
    fn loaded(&self, loaded: &Loaded) {
        self.keep(|| (loaded.span.thread, Event::Loaded(loaded.clone())));
    }

    fn compiled(&self, compilation: &Compilation) {
        self.keep(|| {
            let event = Event::Compiled(compilation.clone());
            (compilation.span.thread, event)
        });
    }

    fn waited(&self, wait: &Wait) {
        self.keep(|| (wait.span.thread, Event::Waited(wait.clone())));
    }

    fn replaced(&self, replacement: &Replacement) {
        self.keep(|| {
            let event = Event::Replaced(replacement.clone());
            (replacement.span.thread, event)
        });
    }
}

impl Trace {
    fn is_own_process(&self) -> bool {
        std::process::id() == self.process
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an event of the thread that calls this. A child of a fork doesn't get to the lock,
    /// which another thread may have held when it was made.
    fn keep(&self, event: impl FnOnce() -> (u32, Event)) {
        if !self.is_own_process() {
            return;
        }
        let (thread, event) = event();
        let mut timeline = self.timeline();
        timeline.threads.entry(thread).or_insert_with(thread_name);
        timeline.events.push(event);
    }

    fn write(&self) -> std::io::Result<()> {
        let mut timeline = self.timeline();
        if std::mem::replace(&mut timeline.is_written, true) {
            return Ok(());
        }
        let mut lines = Lines {
            trace: self,
            complete: Vec::with_capacity(timeline.events.len() * 8),
        };
        if let Some((start, end)) = timeline.main {
            let end = end.unwrap_or_else(Instant::now);
            // The first thread has the process's number.
            let span = TimeSpan {
                thread: self.process,
                start,
                duration: end.saturating_duration_since(start),
            };
            lines.add("run the program", "program", span, Value::Null);
        }
        for event in &timeline.events {
            lines.event(event);
        }
        let mut complete = lines.complete;
        // What contains others comes first.
        complete.sort_by(|one, other| {
            let of = |line: &Complete| (line.ts, -line.dur);
            let ((ts, dur), (other_ts, other_dur)) = (of(one), of(other));
            ts.total_cmp(&other_ts).then(dur.total_cmp(&other_dur))
        });
        let mut file = BufWriter::new(File::create(&self.path)?);
        let mut separator = "[\n";
        for line in self.names(&timeline) {
            file.write_all(separator.as_bytes())?;
            serde_json::to_writer(&mut file, &line)?;
            separator = ",\n";
        }
        for line in &complete {
            file.write_all(separator.as_bytes())?;
            serde_json::to_writer(&mut file, line)?;
        }
        file.write_all(b"\n]\n")?;
        file.flush()
    }

    /// What processes and threads are called.
    fn names(&self, timeline: &Timeline) -> Vec<Value> {
        let name = |what: &str, thread: u32, name: &str| {
            json!({"name": what, "ph": "M", "pid": self.process, "tid": thread,
                   "args": {"name": name}})
        };
        let title = format!("rewire run {}", self.title);
        let mut names = vec![
            name("process_name", self.process, &title),
            name("thread_name", self.process, "main thread"),
        ];
        let inherited = timeline.threads.get(&self.process);
        for (thread, own) in &timeline.threads {
            if *thread == self.process {
                continue;
            }
            let label = match own.is_empty() || inherited == Some(own) {
                true => "thread",
                false => own.as_str(),
            };
            names.push(name("thread_name", *thread, label));
        }
        names
    }
}

/// A complete event, as the format has it. Times are in microseconds.
#[derive(Serialize)]
struct Complete {
    name: String,
    cat: &'static str,
    ph: &'static str,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

struct Lines<'t> {
    trace: &'t Trace,
    complete: Vec<Complete>,
}

impl Lines<'_> {
    fn add(&mut self, name: impl Into<String>, cat: &'static str, span: TimeSpan, args: Value) {
        let since_start = span.start.saturating_duration_since(self.trace.started);
        self.complete.push(Complete {
            name: name.into(),
            cat,
            ph: "X",
            ts: microseconds(since_start),
            dur: microseconds(span.duration),
            pid: self.trace.process,
            tid: span.thread,
            args,
        });
    }

    fn phases(&mut self, thread: u32, phases: &[PhaseSpan]) {
        for one in phases {
            let span = TimeSpan {
                thread,
                start: one.start,
                duration: one.duration,
            };
            self.add(one.phase.name(), "phase", span, Value::Null);
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Loaded(one) => {
                let args = json!({"unit": &*one.unit, "globals": one.globals});
                self.add(format!("load {}", one.unit), "load", one.span, args);
                self.phases(one.span.thread, &one.phases);
            }
            Event::Compiled(one) => {
                self.add(compilation_name(one), "compile", one.span, arguments(one));
                self.phases(one.span.thread, &one.phases);
            }
            Event::Waited(one) => {
                self.add(
                    format!("wait for {}", one.function),
                    "wait",
                    one.span,
                    Value::Null,
                );
            }
            Event::Replaced(one) => {
                let args = json!({"generation": one.generation.get()});
                self.add(
                    format!("replace {}", one.function),
                    "replace",
                    one.span,
                    args,
                );
            }
            Event::Own(name, span) => self.add(name.as_str(), "load", *span, Value::Null),
        }
    }
}

/// Whole nanoseconds as microseconds: JSON has them exactly, with three decimals.
fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

fn compilation_name(one: &Compilation) -> String {
    let asked = one.asked.first().map_or("assembly", |name| name);
    match &one.functions[..] {
        [] if one.failed => format!("fail to compile {asked}"),
        // Another thread's copy was there first.
        [] if matches!(one.why, Why::Called { .. } | Why::Ahead) => {
            format!("compile {asked} in vain")
        }
        [] => format!("place {asked}"),
        [function] => format!("compile {}", function.name),
        [function, rest @ ..] => format!("compile {} and {} more", function.name, rest.len()),
    }
}

fn arguments(one: &Compilation) -> Value {
    let functions = one.functions.iter().map(|function| {
        json!({
            "name": &*function.name,
            "why": function.why.to_string(),
            "code_bytes": function.size,
        })
    });
    let functions: Vec<Value> = functions.collect();
    json!({
        "unit": &*one.unit,
        "why": one.why.to_string(),
        "code_bytes": one.functions.iter().map(|function| function.size).sum::<u64>(),
        "functions": functions,
        "variables": one.variables,
        "failed": one.failed,
    })
}
