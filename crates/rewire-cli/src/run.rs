//! `rewire run`.

use std::ffi::{CString, OsString, c_char};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rewire::{Engine, Error, Failure, LinkObserver, Options, escape_path};

use crate::args::{EXIT_USAGE, RunOptions};
use crate::dump::Dump;
use crate::input::{self, Fate};
use crate::problem::Problem;
use crate::sources::SourceOptions;
use crate::{
    archives, cache_folder, color, cpu, debugging, libraries, limits, loader_end, message,
    output_file, report, tier_log, trace, watch,
};

/// Runs the program and returns its exit code.
pub(crate) fn run(run: &RunOptions, started: Instant, envp: *const *const c_char) -> i32 {
    color::set_color(run.color);
    let prepared = limits::with_enough_stack(|| {
        start_log(run.verbose, run.quiet);
        let prepared = prepare(run, started);
        loader_end::register();
        prepared
    });
    match prepared {
        Ok(engine) => start(&engine, run, envp),
        Err(problem) => report_problem(problem),
    }
}

/// Says why something could not be loaded, and returns the exit code for that.
pub(crate) fn report_problem(problem: Problem) -> i32 {
    match problem {
        Problem::Bad(error) => {
            message::engine_error(&error);
            rewire::EXIT_LOAD
        }
        Problem::Source { what, help } => {
            message::error(&what, help.as_deref());
            rewire::EXIT_LOAD
        }
        Problem::Refused { what, said } => {
            message::error(&what, None);
            message::say_coloured(&said);
            rewire::EXIT_LOAD
        }
        Problem::Usage { what, help } => {
            message::error(&what, help.as_deref());
            EXIT_USAGE
        }
    }
}

/// The log costs nothing unless somebody asked for it.
pub(crate) fn start_log(verbose: u8, quiet: bool) {
    let wanted = match (std::env::var("REWIRE_LOG"), verbose, quiet) {
        (Ok(filter), _, _) => filter,
        (Err(_), 0, _) | (Err(_), _, true) => return,
        (Err(_), 1, _) => "info".to_owned(),
        (Err(_), _, _) => "debug".to_owned(),
    };
    let filter = tracing_subscriber::EnvFilter::new(wanted);
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would panic where standard error can't be written.
        .log_internal_errors(false)
        .try_init();
}

/// Checks that each FILE behind the first exists, before any of them is compiled: a program's
/// arguments without `--` before them look like FILEs.
fn check_files(files: &[PathBuf]) -> Result<(), Problem> {
    for (number, path) in files.iter().enumerate().skip(1) {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let error = match path.symlink_metadata() {
            Err(error) if is_missing(&error) && path.as_os_str() != "-" => error,
            _ => continue,
        };
        let shown = |files: &[PathBuf]| -> String {
            let names = files.iter().map(|file| format!(" {}", escape_path(file)));
            names.collect()
        };
        let (before, rest) = files.split_at(number);
        return Err(Problem::Source {
            what: format!("cannot read {}: {error}", escape_path(path)),
            help: Some(format!(
                "arguments of the program go after `--`: rewire run{} --{}",
                shown(before),
                shown(rest)
            )),
        });
    }
    Ok(())
}

/// Finds the function to start with.
fn check_entry(engine: &Engine, entry: &str) -> Result<(), Problem> {
    match engine.check_main(entry) {
        Err(Error::Unknown { name }) if engine.report().functions_defined == 0 => {
            Err(Problem::Source {
                what: format!("nothing defines {name}: the input is empty, it has no function"),
                help: Some(format!("give a FILE that defines {name}")),
            })
        }
        Err(Error::Unknown { name }) => Err(Problem::Source {
            what: format!("nothing defines {name}"),
            help: Some(
                "`--entry NAME` starts with another function; `rewire inspect FILE` lists them"
                    .to_owned(),
            ),
        }),
        other => Ok(other?),
    }
}

fn prepare(run: &RunOptions, started: Instant) -> Result<Engine, Problem> {
    check_files(&run.files)?;
    let report = run.report.as_ref().and_then(Option::as_deref);
    let files = [
        ("report", report),
        ("trace", run.trace.as_deref()),
        ("tier log", run.tier_log.as_deref()),
    ];
    for (what, path) in files {
        if let Some(path) = path {
            output_file::claim(what, path)?;
        }
    }
    let observer = run
        .dump_links
        .as_deref()
        .map(|directory| -> Arc<dyn LinkObserver> { Arc::new(Dump::new(directory)) });
    let compile_observer = run.trace.as_deref().map(|path| {
        let title = run.files.first().map_or(path, PathBuf::as_path);
        trace::begin(path, title, started)
    });
    let compile_observer = match run.tier_log.as_deref() {
        Some(path) => Some(tier_log::begin(path, started, compile_observer)),
        None => compile_observer,
    };
    let watch = run.watch.then(|| watch::begin(run)).transpose()?;
    let level = run.level.level();
    let cpu = cpu::parse(&run.cpu)?;
    let engine = Engine::new(Options {
        level,
        cpu,
        stress: run.stress.map(stress_seed),
        threads: run.threads.unwrap_or_else(spare_processors),
        guard_crashes: true,
        observer,
        compile_observer,
        cache: cache_folder::open(run),
        code_mapping: debugging::code_mapping(run),
        ..Options::default()
    })?;
    debugging::begin(&engine, run)?;
    trace::also_at_failure(&engine);
    engine.on_failure(|failure| end_by(failure));
    if let Some(to) = &run.report {
        report::at_exit(&engine, to.clone(), started);
    }
    let is_shared = |name: &&String| libraries::archive(name, &run.library_paths).is_none();
    for library in run.libraries.iter().filter(is_shared) {
        trace::timed(
            || format!("load -l{library}"),
            || libraries::load(&engine, library, &run.library_paths),
        )?;
    }
    let mut load_library = |path: &Path| {
        trace::timed(
            || format!("load {}", escape_path(path)),
            || Ok(engine.load_library(&path.to_string_lossy())?),
        )
    };
    let how = SourceOptions {
        level,
        cpu: &run.cpu,
        flags: &run.source_flags,
    };
    for file in &run.inline_from {
        input::load(&engine, file, how, Fate::Described, &mut |path| {
            Err(Problem::usage(
                format!(
                    "{}: a shared library has no IR to inline from",
                    escape_path(path)
                ),
                "give the LLVM IR that it was made from",
            ))
        })?;
    }
    for file in &run.frozen {
        input::load(&engine, file, how, Fate::Frozen, &mut load_library)?;
    }
    let inputs = archives::LinkInputs {
        steps: &run.order.0,
        library_paths: &run.library_paths,
        how,
    };
    archives::link(&engine, &inputs, &mut load_library)?;
    engine.finish_loading()?;
    for (name, level) in &run.pin {
        engine.main().set_level(name, Some(*level))?;
    }
    check_entry(&engine, &run.entry)?;
    if run.eager {
        engine.compile_all()?;
    }
    if let Some(watch) = watch {
        watch.follow(&engine);
    }
    Ok(engine)
}

/// The seed that was given, or one that is drawn and printed.
fn stress_seed(given: Option<u64>) -> u64 {
    given.unwrap_or_else(|| {
        let drawn = RandomState::new().hash_one(0) >> 32;
        crate::message::say(format_args!("note: --stress={drawn}\n"));
        drawn
    })
}

/// One thread besides the program's own, where there is a processor for it.
pub(crate) fn spare_processors() -> usize {
    // SAFETY: zeroed bytes are a valid set, which the call fills in.
    let processors = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set);
        libc::CPU_COUNT(&set)
    };
    usize::from(processors > 1)
}

fn start(engine: &Engine, run: &RunOptions, envp: *const *const c_char) -> i32 {
    let Ok((argc, argv)) = arguments(run) else {
        message::error("an argument contains a zero byte", None);
        return EXIT_USAGE;
    };
    report::main_begins();
    trace::main_begins();
    // SAFETY: the arguments are never freed, and the environment is the process's own.
    let result = unsafe { engine.run_main(&run.entry, argc, argv, envp) };
    trace::main_ends();
    match result {
        Ok(code) => code,
        Err(error @ Error::Unknown { .. }) => {
            message::engine_error(&error);
            rewire::EXIT_LOAD
        }
        Err(error) => {
            message::engine_error(&error);
            rewire::EXIT_COMPILE
        }
    }
}

/// Ends the process because the program called a function that can't run. Natively it wouldn't have
/// started, so nothing of it runs any more, neither destructors nor exit functions.
fn end_by(failure: &Failure<'_>) -> ! {
    // SAFETY: C's streams may be flushed at any time.
    unsafe { libc::fflush(std::ptr::null_mut()) };
    message::say(format_args!("{failure}"));
    trace::write_pending();
    report::write_pending();
    // SAFETY: it ends the process.
    unsafe { libc::_exit(rewire::EXIT_COMPILE) }
}

/// The program's own `argc` and `argv`, which live as long as the process.
fn arguments(run: &RunOptions) -> Result<(i32, *const *const c_char), std::ffi::NulError> {
    let first: Option<OsString> = run.first_file().map(|file| file.as_os_str().to_owned());
    let all = first.iter().chain(&run.arguments);
    let strings: Vec<CString> = all
        .map(|one| CString::new(one.as_bytes()))
        .collect::<Result<_, _>>()?;
    let argc = strings.len() as i32;
    let mut pointers: Vec<*const c_char> = strings
        .into_iter()
        .map(|one| one.into_raw().cast_const())
        .collect();
    pointers.push(std::ptr::null());
    Ok((argc, Box::leak(pointers.into_boxed_slice()).as_ptr()))
}
