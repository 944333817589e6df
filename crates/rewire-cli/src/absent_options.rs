//! Options of `rewire run` that are part of its interface and do nothing yet: using one ends with a
//! message. Take an option out when it comes.

use std::ffi::OsString;
use std::path::PathBuf;

/// See the module's documentation.
#[derive(Debug, clap::Args)]
pub(crate) struct AbsentOptions {
    /// Load all members of the archives that follow (not there yet).
    #[arg(long)]
    whole_archive: bool,

    /// Load only the members that are needed of the archives that follow (not there yet).
    #[arg(long)]
    no_whole_archive: bool,

    /// Begin a group of archives that need one another (not there yet).
    #[arg(long)]
    start_group: bool,

    /// End the group (not there yet).
    #[arg(long)]
    end_group: bool,

    /// Look for included files of sources in DIR first (not there yet).
    #[arg(short = 'I', value_name = "DIR")]
    include_paths: Vec<PathBuf>,

    /// Define a macro for sources (not there yet).
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    macros: Vec<String>,

    /// The language standard of sources; also written -std=STD (not there yet).
    #[arg(long, value_name = "STD")]
    std: Option<String>,

    /// Options for clang when it compiles C (not there yet).
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    cflags: Vec<String>,

    /// Options for clang when it compiles C++ (not there yet).
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    cxxflags: Vec<String>,

    /// Options for rustc (not there yet).
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    rustflags: Vec<String>,

    /// Reload what changed whenever a FILE changes (not there yet).
    #[arg(long)]
    watch: bool,

    /// Register code with the debugger (not there yet).
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "WHEN")]
    gdb: Option<Option<String>>,

    /// Write perf's map and jitdump (not there yet).
    #[arg(long)]
    perf: bool,
}

impl AbsentOptions {
    /// One of these options that was given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let given = [
            (self.whole_archive, "--whole-archive"),
            (self.no_whole_archive, "--no-whole-archive"),
            (self.start_group, "--start-group"),
            (self.end_group, "--end-group"),
            (!self.include_paths.is_empty(), "-I"),
            (!self.macros.is_empty(), "-D"),
            (self.std.is_some(), "-std"),
            (!self.cflags.is_empty(), "--cflags"),
            (!self.cxxflags.is_empty(), "--cxxflags"),
            (!self.rustflags.is_empty(), "--rustflags"),
            (self.watch, "--watch"),
            (self.gdb.is_some(), "--gdb"),
            (self.perf, "--perf"),
        ];
        given.into_iter().find(|one| one.0).map(|one| one.1)
    }
}

/// Writes `-std=STD`, as compilers take it, with two hyphens, as the reader of options takes it.
pub(crate) fn with_long_std(
    arguments: impl Iterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut is_over = false;
    arguments.map(move |argument| {
        is_over |= argument == "--";
        match argument.to_str() {
            Some(text) if !is_over && text.starts_with("-std=") => format!("-{text}").into(),
            _ => argument,
        }
    })
}
