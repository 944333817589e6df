//! The command line.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rewire::{Level, OptLevel};

use crate::color::{Color, is_coloured};
use crate::cpu;
use crate::link_order::LinkOrder;
use crate::message;
use crate::source_flags::{SourceFlags, with_long_std};

/// Exit code for wrong usage, or for an option that is not there yet.
pub(crate) const EXIT_USAGE: i32 = 2;

/// A command line that was understood.
#[derive(Debug)]
pub(crate) enum Invocation {
    Run(Box<RunOptions>),
    Repl(Box<ReplOptions>),
    Inspect(Box<InspectOptions>),
    Cache(Box<CacheOptions>),
}

/// Runs LLVM IR: a function is compiled and linked when it is first called.
#[derive(Debug, Parser)]
#[command(name = "rewire", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, Subcommand)]
enum Sub {
    Run(Box<RunOptions>),
    Repl(Box<ReplOptions>),
    Inspect(Box<InspectOptions>),
    Cache(Box<CacheOptions>),
    /// Write completions for a shell to standard output.
    ///
    /// Example: rewire completions bash > /etc/bash_completion.d/rewire
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// Load every FILE and call `main(argc, argv, envp)`.
///
/// Constructors run before it, destructors and `atexit` functions after it. The exit code is the
/// program's own; 65 if the input is bad, 70 if a function could not be compiled or resolved when
/// it was first called.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "Example:
  clang-22 -O2 -c -emit-llvm hello.c
  rewire run hello.bc -- an argument
  rewire run --trace hello.json hello.bc    # then open hello.json with ui.perfetto.dev

FILEs are LLVM IR (.bc, .ll; `-` reads it from standard input), object files (.o), archives of both
(.a), of which the members are loaded that FILEs before them need, shared libraries (.so), and sources
that the installed clang turns into IR (C: .c; C++: .cc, .cpp, .cxx, .C) or the installed rustc
(Rust: .rs, one file, edition 2024). argv[0] is the first FILE, a frozen one if there is no other.

IR of C++ gets libstdc++ by itself. IR of rustc needs
  -L $(rustc --print target-libdir) -l std-HASH"
)]
pub(crate) struct RunOptions {
    /// FILEs, libraries and what is said of archives, in their order. It comes first, because the
    /// fields behind it take their values away from the reader of options.
    #[command(flatten)]
    pub(crate) order: LinkOrder,

    /// What to load.
    #[arg(value_name = "FILE", required_unless_present_any = ["frozen", "cpu"])]
    pub(crate) files: Vec<PathBuf>,

    /// Arguments of the program.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<OsString>,

    /// Compile everything before `main`, rather than each function when it is called.
    #[arg(long)]
    pub(crate) eager: bool,

    /// How hard LLVM works on each function, IR passes included; the last one counts.
    #[arg(short = 'O', value_name = "LEVEL", default_value = "auto")]
    pub(crate) level: LevelName,

    /// The processor to compile for: `baseline` (any x86-64), `host` (this one), or a name of
    /// LLVM's; then features to add or to leave out. Functions whose IR names a processor or
    /// features keep to these. `help` lists all names.
    #[arg(long, value_name = "NAME[,+F,-F]", default_value = "baseline")]
    pub(crate) cpu: String,

    /// Start with the function NAME.
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub(crate) entry: String,

    /// Load the shared library libNAME.so, or what is needed of the archive libNAME.a; `:NAME` is
    /// the name of a file.
    #[arg(short = 'l', value_name = "NAME")]
    pub(crate) libraries: Vec<String>,

    /// Look for libraries in DIR first.
    #[arg(short = 'L', value_name = "DIR")]
    pub(crate) library_paths: Vec<PathBuf>,

    /// Load FILE as code that will not be replaced: it is compiled whole when it is first entered,
    /// and its calls are direct. Loaded before the other FILEs.
    #[arg(long, value_name = "FILE")]
    pub(crate) frozen: Vec<PathBuf>,

    /// IR whose function bodies may be inlined, and which is not otherwise linked: its machine code
    /// is in a shared library, say.
    #[arg(long, value_name = "FILE")]
    pub(crate) inline_from: Vec<PathBuf>,

    /// After the program ended, write what was done: a table on standard error, or JSON in FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(crate) report: Option<Option<PathBuf>>,

    /// Say more.
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Say only what went wrong.
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,

    /// When to colour messages.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    /// Write every linked object to DIR, for the link checker.
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) dump_links: Option<PathBuf>,

    /// Keep compiled code in DIR, and look for it there. The default is REWIRE_CACHE, else `rewire`
    /// in the user's cache directory.
    #[arg(long, value_name = "DIR", overrides_with = "no_cache")]
    pub(crate) cache: Option<PathBuf>,

    /// Compile everything, and keep nothing. REWIRE_CACHE=off does the same.
    #[arg(long, overrides_with = "cache")]
    pub(crate) no_cache: bool,

    /// Compile with up to N threads besides the program's own: what will surely be called soon,
    /// and with --eager, everything. The default is 1 where there are two processors, else 0.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,

    /// Compile the function NAME at one level (0 to 3), whatever -O says; may be given several
    /// times.
    #[arg(long, value_name = "NAME=LEVEL", value_parser = level_of_name)]
    pub(crate) pin: Vec<(String, Level)>,

    /// Write each decision about tiers with its reason to FILE, a line of JSON each.
    #[arg(long, value_name = "FILE")]
    pub(crate) tier_log: Option<PathBuf>,

    /// Compile functions at random levels at random moments, replace them by themselves, and drop
    /// and recompile their code, while the program runs. What it does must not change. SEED is a
    /// number; without it, another is drawn each time, and printed.
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true)]
    pub(crate) stress: Option<Option<u64>>,

    /// Write a timeline of loading, compiling, linking and waiting to FILE when the program ends,
    /// in the Trace Event format: open it with ui.perfetto.dev or chrome://tracing.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Make compiled functions known to gdb and lldb: breakpoints by name, names in back-traces.
    /// `auto`, which is the default, does so when a debugger is attached as the program starts;
    /// --gdb alone is `always`.
    #[arg(
        long,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_value = "auto",
        default_missing_value = "always"
    )]
    pub(crate) gdb: DebuggerWhen,

    /// Make compiled functions known to perf: write jit-PROCESS.dump, here or in JITDUMPDIR, and
    /// /tmp/perf-PROCESS.map. `perf record -k 1 rewire run --perf ...`, then `perf inject --jit`.
    #[arg(long)]
    pub(crate) perf: bool,

    /// Reload a FILE whenever it changes, or a header that a C or C++ source includes: callers
    /// follow at once, and variables keep their values. An error leaves what runs as it is.
    #[arg(long)]
    pub(crate) watch: bool,

    #[command(flatten)]
    pub(crate) source_flags: SourceFlags,
}

/// Show what would be loaded: units, functions and variables with their sizes, who calls whom.
///
/// All of every FILE is read and checked; nothing is run, and nothing compiled but for --why. The
/// exit code is 65 if the input is bad.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "Example:
  clang-22 -O2 -c -emit-llvm hello.c
  rewire inspect hello.bc
  rewire inspect --calls main hello.bc
  rewire inspect --undefined --json hello.bc | jq '.undefined[] | select(.found_in == null).name'

FILEs are as for `rewire run`. Of shared libraries (.so, -l) only the tables of names are read, to
tell which of them have what the FILEs leave undefined. Calls through pointers are counted, but
whom they reach is not known; LLVM's own functions (llvm.memcpy) are left out."
)]
pub(crate) struct InspectOptions {
    /// What to look at.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Only who calls NAME and whom it calls, who names it otherwise and whom it names.
    #[arg(long, value_name = "NAME", conflicts_with = "undefined")]
    pub(crate) calls: Option<String>,

    /// Only what the FILEs don't define, and whether the process or a library has it.
    #[arg(long)]
    pub(crate) undefined: bool,

    /// Write JSON, for scripts: an object with `units`, `functions`, `variables`, `aliases` and
    /// `undefined`; with --calls, `symbols`.
    #[arg(long)]
    pub(crate) json: bool,

    /// What comes first.
    #[arg(long, value_name = "ORDER", default_value = "size")]
    pub(crate) sort: Sort,

    /// Look up undefined names in the shared library libNAME.so.
    #[arg(short = 'l', value_name = "NAME")]
    pub(crate) libraries: Vec<String>,

    /// Look for libraries in DIR first.
    #[arg(short = 'L', value_name = "DIR")]
    pub(crate) library_paths: Vec<PathBuf>,

    /// When to colour.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    /// Write one page to FILE, for a browser: what there is, and the call graph around it. It needs
    /// no other file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["calls", "undefined", "json", "why"])]
    pub(crate) html: Option<PathBuf>,

    /// Only what the code of the function NAME is made from: its IR, the bodies that were inlined
    /// into it, and the constants whose values it may hold. It is compiled for that.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["calls", "undefined"])]
    pub(crate) why: Option<String>,

    /// The level at which --why compiles; `auto` stands for that of hot functions.
    #[arg(short = 'O', value_name = "LEVEL", default_value = "auto")]
    pub(crate) level: LevelName,

    /// IR whose function bodies may be inlined, and which is not otherwise linked, for --why.
    #[arg(long, value_name = "FILE")]
    pub(crate) inline_from: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) source_flags: SourceFlags,
}

/// Look after compiled code that was kept.
///
/// `rewire run` keeps what it compiles, and finds it again as long as it would be compiled from the
/// same: a function's own IR, what is inlined or folded into it, options, versions of LLVM and
/// Rewire. What was used longest ago is forgotten first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rewire run --cache kept hello.bc
  rewire cache --cache kept info
  rewire cache --cache kept explain hello.bc main")]
pub(crate) struct CacheOptions {
    /// Where it is kept. The default is REWIRE_CACHE, else `rewire` in the user's cache directory.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) cache: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) act: CacheAct,
}

/// What `rewire cache` does.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheAct {
    /// Tell where the cache is, how much it holds, and how often something was found.
    Info,
    /// Remove all that is kept.
    Clear,
    /// Read and check all that is kept; remove what is damaged, and what killed processes left.
    ///
    /// The exit code is 1 if something was damaged.
    Verify,
    /// Tell why the function NAME of FILE would or wouldn't be found.
    Explain {
        /// What defines it: IR, or a source, as for `rewire run`.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// The function.
        #[arg(value_name = "NAME")]
        name: String,

        /// The level that it would be compiled at.
        #[arg(short = 'O', value_name = "LEVEL", default_value = "auto")]
        level: LevelName,

        /// FILE would be loaded as code that will not be replaced.
        #[arg(long)]
        frozen: bool,

        #[command(flatten)]
        source_flags: SourceFlags,
    },
}

/// Take definitions and calls, one after the other: from a terminal, or from a pipe.
///
/// A definition or declaration of LLVM IR is added, or replaces what has its name, and all callers
/// follow at once. Commands begin with a colon. What was declared or defined before, or loaded with
/// a FILE, needn't be declared again.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "Example:
  $ rewire repl
  rewire> define i32 @twice(i32 %x) {
            %y = shl i32 %x, 1
            ret i32 %y
          }
  defined twice
  rewire> :call twice 21
  42

Commands:
  :call NAME ARGS...  call it: numbers, true, false, null, @name for an address, \"text\"
  :load FILE          load IR or a source (as FILE); what it defines replaces what there is
  :unload UNIT        remove all that an input or a file defined
  :remove NAME        remove a definition that nothing uses; :remove! NAME one that is used, after
                      which its callers get an error
  :undo               take back the last change
  :list [TEXT]        what is defined; only names with TEXT in them
  :state NAME         what the engine knows of it: definition, generation, users, address, tier
  :users NAME, :ir NAME, :asm NAME
                      who uses it, its IR, its machine code
  :memory, :time on, :time off
                      bytes of code and data; how long each input takes
  :help, :quit

NAME may have an @, and stands in quotes if it has blanks in it.

At a terminal, Enter ends an input when its braces balance, Tab completes names, Ctrl-C drops what
was typed, Ctrl-D leaves; the history is in the user's state directory ($XDG_STATE_HOME/rewire). While
compiled code runs, Ctrl-C comes back to the prompt.

From a pipe there is no prompt; results are on standard output, errors with their lines on standard
error. The exit code is 0 at the end of the input, 1 with --strict at the first error, 65 if a FILE
is bad. A crash of compiled code is an error of the call, where the call can be left; else it ends
the process as it would natively."
)]
pub(crate) struct ReplOptions {
    /// What to load first.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Stop at the first error, with exit code 1.
    #[arg(long)]
    pub(crate) strict: bool,

    /// What definitions are written in.
    #[arg(long, value_name = "LANGUAGE", default_value = "ir")]
    lang: Lang,

    /// How hard LLVM works on each function, IR passes included; the last one counts.
    #[arg(short = 'O', value_name = "LEVEL", default_value = "auto")]
    pub(crate) level: LevelName,

    /// Load the shared library libNAME.so.
    #[arg(short = 'l', value_name = "NAME")]
    pub(crate) libraries: Vec<String>,

    /// Look for libraries in DIR first.
    #[arg(short = 'L', value_name = "DIR")]
    pub(crate) library_paths: Vec<PathBuf>,

    /// Compile with up to N threads besides the REPL's own what will surely be called soon. The
    /// default is 1 where there are two processors, else 0.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,

    /// At the end, write what was done: a table on standard error, or JSON in FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(crate) report: Option<Option<PathBuf>>,

    /// Say more.
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to colour messages.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    #[command(flatten)]
    pub(crate) source_flags: SourceFlags,
}

/// Languages of the REPL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// LLVM IR.
    Ir,
    /// C (not there yet).
    C,
}

/// When compiled functions are made known to debuggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DebuggerWhen {
    /// If one is attached when the program starts.
    Auto,
    /// Whether or not one is attached.
    Always,
    /// Never.
    Never,
}

/// What comes first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The largest: by instructions of functions, bytes of variables.
    Size,
    /// What has the most users.
    Users,
    /// By name.
    Name,
}

/// The levels by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelName {
    /// Quickly at first, and at full optimisation what is hot.
    Auto,
    /// No IR passes, fast code generation.
    #[value(name = "0")]
    Zero,
    /// Cheap passes.
    #[value(name = "1")]
    One,
    /// The usual passes.
    #[value(name = "2")]
    Two,
    /// All passes.
    #[value(name = "3")]
    Three,
}

impl LevelName {
    pub(crate) fn level(self) -> OptLevel {
        match self {
            Self::Auto => OptLevel::Auto,
            Self::Zero => OptLevel::Fixed(Level::O0),
            Self::One => OptLevel::Fixed(Level::O1),
            Self::Two => OptLevel::Fixed(Level::O2),
            Self::Three => OptLevel::Fixed(Level::O3),
        }
    }
}

/// Reads `NAME=LEVEL`.
fn level_of_name(text: &str) -> Result<(String, Level), String> {
    let (name, level) = text.rsplit_once('=').ok_or("it has to be NAME=LEVEL")?;
    let level = match level {
        "0" => Level::O0,
        "1" => Level::O1,
        "2" => Level::O2,
        "3" => Level::O3,
        other => return Err(format!("there is no level {other}; it is 0, 1, 2 or 3")),
    };
    Ok((name.to_owned(), level))
}

/// `--cpu help` alone needs no FILE.
fn with_files(arguments: Arguments) -> Result<Arguments, clap::Error> {
    let is_missing = matches!(&arguments.command, Sub::Run(run)
        if run.first_file().is_none() && run.cpu != cpu::HELP);
    if !is_missing {
        return Ok(arguments);
    }
    // As clap itself says it.
    Arguments::try_parse_from(["rewire", "run"])
}

/// Reads the command line. An error is the exit code of what is done already.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, i32> {
    let parsed = Arguments::try_parse_from(with_long_std(arguments)).and_then(with_files);
    let arguments = parsed.map_err(|error| {
        // Help that was asked for goes to standard output, errors go to standard error.
        if !error.use_stderr() {
            return match error.print() {
                Err(problem) => message::no_output(&problem),
                Ok(()) => error.exit_code(),
            };
        }
        let text = error.render();
        match is_coloured(io::stderr().is_terminal()) {
            true => message::say_coloured(&text.ansi().to_string()),
            false => message::say_coloured(&text.to_string()),
        }
        error.exit_code()
    })?;
    match arguments.command {
        Sub::Run(run) if run.cpu == cpu::HELP => Err(cpu::list()),
        Sub::Run(run) => Ok(Invocation::Run(run)),
        Sub::Repl(repl) => match repl.lang {
            Lang::Ir => Ok(Invocation::Repl(repl)),
            Lang::C => {
                let help =
                    "give definitions as LLVM IR; C files can be loaded: FILE, or :load FILE";
                message::error("--lang c is not there yet", Some(help));
                Err(EXIT_USAGE)
            }
        },
        Sub::Inspect(inspect) => Ok(Invocation::Inspect(inspect)),
        Sub::Cache(cache) => Ok(Invocation::Cache(cache)),
        Sub::Completions { shell } => {
            let mut command = Arguments::command();
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command, "rewire", &mut text);
            let written = io::stdout().write_all(&text);
            Err(written.map_or_else(|error| message::no_output(&error), |()| 0))
        }
    }
}

impl RunOptions {
    /// The FILE that the program is called by.
    pub(crate) fn first_file(&self) -> Option<&PathBuf> {
        self.files.first().or(self.frozen.first())
    }
}
