//! Options that are passed on to the compilers of sources.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::problem::Problem;
use crate::source_language::Language;

/// What the command line says of how sources are compiled, besides `-O` and `--cpu`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Options for sources")]
pub(crate) struct SourceFlags {
    /// Look for included files of C and C++ sources in DIR first.
    #[arg(short = 'I', value_name = "DIR")]
    include_paths: Vec<PathBuf>,

    /// Define a macro for C and C++ sources.
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    macros: Vec<OsString>,

    /// The language standard, also written -std=STD: of C++ sources if STD begins with c++ or
    /// gnu++, else of C sources. May be given once for each language.
    #[arg(long, value_name = "STD")]
    std: Vec<String>,

    /// Options for clang when it compiles C, separated by blanks as in a shell.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    cflags: Vec<String>,

    /// Options for clang when it compiles C++.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    cxxflags: Vec<String>,

    /// Options for rustc.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    rustflags: Vec<String>,
}

impl SourceFlags {
    /// The arguments for the compiler of a language, in the order of a compiler's command line:
    /// the later of two that contradict each other counts, so `--cflags` beats the others.
    pub(crate) fn arguments(&self, language: Language) -> Result<Vec<OsString>, Problem> {
        let (option, flags) = match language {
            Language::C => ("--cflags", &self.cflags),
            Language::Cxx => ("--cxxflags", &self.cxxflags),
            Language::Rust => ("--rustflags", &self.rustflags),
        };
        let mut arguments = Vec::new();
        if language != Language::Rust {
            for folder in &self.include_paths {
                arguments.extend(["-I".into(), folder.into()]);
            }
            for definition in &self.macros {
                arguments.extend(["-D".into(), definition.clone()]);
            }
            let standards = self.std.iter();
            let standards = standards.filter(|name| is_of_cxx(name) == (language == Language::Cxx));
            arguments.extend(standards.map(|name| format!("-std={name}").into()));
        }
        for text in flags {
            let Some(words) = shlex::split(text) else {
                return Err(Problem::usage(
                    format!("{option} {text}: a quote or a backslash is left open"),
                    "write the options as in a shell, all of them in one argument",
                ));
            };
            arguments.extend(words.into_iter().map(OsString::from));
        }
        Ok(arguments)
    }
}

fn is_of_cxx(standard: &str) -> bool {
    standard.starts_with("c++") || standard.starts_with("gnu++")
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
