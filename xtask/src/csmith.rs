//! `cargo xtask csmith`: random C programs of Debian's `csmith`, in every mode and with
//! replacements while they run, against their native builds.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use std::{env, result, thread};

use crate::error::{Context, Result};
use crate::matrix::difference;
use crate::paths::{self, shown};
use crate::process::{Ended, Job, Outcome, command, output_of, run};
use crate::rewire::Rewire;
use crate::setup;
use crate::tally::Tally;

/// Which programs to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first: u32,
    /// The last seed.
    #[arg(long, value_name = "SEED", default_value_t = 1000)]
    last: u32,
    /// Run with this program instead of a new release build.
    #[arg(long, value_name = "PROGRAM")]
    rewire: Option<PathBuf>,
    /// Leave out the runs during which functions are replaced.
    #[arg(long)]
    no_replacing: bool,
}

/// The programs that every run of the tests tries.
pub(crate) const IN_TESTS: Options = Options {
    first: 1,
    last: 4,
    rewire: None,
    no_replacing: false,
};

/// A native build that runs longer than this is left out: csmith's programs may run for ever.
const NATIVE_LIMIT: Duration = Duration::from_secs(5);

/// A program that runs longer than this under test hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// How a file is given to `rewire run`, in which the whole unit is compiled: when it is called,
/// before the program starts, as code that is never replaced.
const MODES: [&[&str]; 3] = [&[], &["--eager"], &["--frozen"]];
const LEVELS: [&str; 2] = ["0", "2"];
const THREADS: [&str; 3] = ["0", "1", "3"];

/// The least number of functions that are replaced while a program runs.
const LEAST_REPLACED: u64 = 20;

/// One seed's program: what its native build does, and its bitcode.
struct Sample {
    expected: Outcome,
    bitcode: PathBuf,
    /// The same with all functions global, each of which tells when it is entered.
    instrumented: PathBuf,
}

/// What is tried with each sample.
struct Trials<'a> {
    rewire: &'a Rewire,
    /// The program that replaces functions while it runs them.
    replacing: Option<PathBuf>,
    tally: Mutex<Tally>,
}

/// Runs all; whether nothing differs.
pub(crate) fn run_all(options: &Options) -> Result<bool> {
    setup::ensure(false)?;
    let mut tally = Tally::default();
    try_all(options, &mut tally)?;
    Ok(tally.close())
}

/// Runs all, and counts one test for each seed and kind of run.
pub(crate) fn try_all(options: &Options, tally: &mut Tally) -> Result<()> {
    let rewire = Rewire::given_or_built(options.rewire.as_deref(), true)?;
    let replacing = match options.no_replacing {
        true => None,
        false => Some(build_replacing()?),
    };
    let folder = paths::target().join("csmith");
    fs::create_dir_all(&folder).context(|| format!("make {}", shown(&folder)))?;
    let trials = Trials {
        rewire: &rewire,
        replacing,
        tally: Mutex::new(std::mem::take(tally)),
    };
    let seeds: Mutex<VecDeque<u32>> = Mutex::new((options.first..=options.last).collect());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = next(&seeds) {
                    trials.seed(seed, &folder);
                }
            });
        }
    });
    *tally = trials.tally.into_inner().unwrap_or_default();
    Ok(())
}

fn next(seeds: &Mutex<VecDeque<u32>>) -> Option<u32> {
    seeds.lock().ok()?.pop_front()
}

fn build_replacing() -> Result<PathBuf> {
    let mut cargo = command("cargo");
    run(cargo.args([
        "build",
        "--release",
        "-p",
        "rewire",
        "--example",
        "replacing",
    ]))?;
    Ok(paths::target().join("release/examples/replacing"))
}

impl Trials<'_> {
    fn seed(&self, seed: u32, folder: &Path) {
        let folder = folder.join(seed.to_string());
        let result = match Sample::make(seed, &folder) {
            Ok(Some(sample)) => self.sample(&sample),
            Ok(None) => {
                println!("left out: csmith, seed {seed}: the native builds don't agree in time");
                return;
            }
            Err(error) => Err(error.to_string()),
        };
        if result.is_ok() {
            // What passed is of no use any more.
            let _ = fs::remove_dir_all(&folder);
        }
        if let Ok(mut tally) = self.tally.lock() {
            let name = format!("csmith, seed {seed}");
            match result {
                Ok(()) => tally.pass(&name),
                Err(why) => tally.fail(&name, &why),
            }
        }
    }

    /// All modes of one program; what differed, with the command that shows it.
    fn sample(&self, sample: &Sample) -> result::Result<(), String> {
        let mut wrong = Vec::new();
        for threads in THREADS {
            for level in LEVELS {
                for mode in MODES {
                    let options = [&["--threads", threads, "-O", level], mode].concat();
                    let files = std::slice::from_ref(&sample.bitcode);
                    let job = self.rewire.job(&options, files, &[] as &[&str]);
                    wrong.extend(sample.compare(&job).err());
                }
                let Some(replacing) = &self.replacing else {
                    continue;
                };
                for mode in [&[][..], &["--eager"]] {
                    let job = Job::new(replacing)
                        .arg(&sample.instrumented)
                        .args(["--threads", threads, "-O", level])
                        .args(mode);
                    wrong.extend(sample.compare_replacing(&job).err());
                }
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("\n  ")),
        }
    }
}

impl Sample {
    /// Generates and compiles a program. `None`: it runs too long, or the compilers disagree about
    /// it.
    fn make(seed: u32, folder: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(folder).context(|| format!("make {}", shown(folder)))?;
        let source = folder.join("program.c");
        let mut csmith = command("csmith");
        // It leaves a description of the machine where it runs.
        csmith
            .args(["--seed", &seed.to_string()])
            .current_dir(folder);
        let text = output_of(&mut csmith)?;
        write(&source, &text)?;
        let mut outcomes = Vec::new();
        for level in ["-O0", "-O2"] {
            let native = folder.join(format!("native{level}"));
            compile(&source, &native, &[level])?;
            outcomes.push(Job::new(native).dir(folder).capture(NATIVE_LIMIT)?);
        }
        let [unoptimised, optimised] = &outcomes[..] else {
            return Ok(None);
        };
        if unoptimised.ended == Ended::TimedOut || difference(unoptimised, optimised).is_some() {
            return Ok(None);
        }
        let bitcode = folder.join("program.bc");
        compile(&source, &bitcode, &["-O0", "-c", "-emit-llvm"])?;
        let global = folder.join("global.c");
        write(&global, global_definitions(&text).as_bytes())?;
        let instrumented = folder.join("global.bc");
        let instrument = ["-O0", "-c", "-emit-llvm", "-finstrument-functions"];
        compile(&global, &instrumented, &instrument)?;
        Ok(Some(Self {
            expected: outcomes.swap_remove(0),
            bitcode,
            instrumented,
        }))
    }

    fn compare(&self, job: &Job) -> result::Result<Outcome, String> {
        let found = job.capture(LIMIT).map_err(|error| error.to_string())?;
        match difference(&self.expected, &found) {
            None => Ok(found),
            Some(difference) => Err(format!(
                "{difference}\n  {}\n  {}",
                job.line(),
                found.stderr.trim_end()
            )),
        }
    }

    fn compare_replacing(&self, job: &Job) -> result::Result<(), String> {
        let found = self.compare(job)?;
        let numbers = replaced(&found.stderr);
        match numbers {
            // A program that enters few functions replaces few.
            Some((entered, replaced)) if replaced >= entered.min(LEAST_REPLACED) => Ok(()),
            _ => Err(format!(
                "too few functions were replaced\n  {}\n  {}",
                job.line(),
                found.stderr.trim_end()
            )),
        }
    }
}

/// The numbers in `N functions entered, M replaced, ...`.
fn replaced(said: &str) -> Option<(u64, u64)> {
    let (entered, rest) = said.split_once(" functions entered, ")?;
    let (replaced, _) = rest.split_once(" replaced")?;
    let entered = entered.rsplit('\n').next()?;
    Some((entered.parse().ok()?, replaced.parse().ok()?))
}

/// The program with external linkage for what it defines at file scope, which csmith begins with
/// `static` at the start of a line.
fn global_definitions(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines();
    let lines = lines.map(|line| line.strip_prefix("static ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn compile(source: &Path, to: &Path, options: &[&str]) -> Result<()> {
    let mut clang = command(paths::llvm_tool("clang")?);
    clang.args(["-w", "-fPIC"]).args(options);
    clang.arg("-I").arg(headers()).arg(source);
    clang.arg("-o").arg(to);
    output_of(&mut clang).map(drop)
}

/// Where Debian's libcsmith-dev has its headers.
fn headers() -> PathBuf {
    env::var_os("CSMITH_HOME").map_or_else(
        || "/usr/include/csmith".into(),
        |home| Path::new(&home).join("include"),
    )
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).context(|| format!("write {}", shown(file)))
}
