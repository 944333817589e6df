//! `--gdb` and `--perf`: who else knows the code that is compiled.

use std::path::PathBuf;
use std::sync::Arc;

use rewire::{CodeMapping, DebuggerListener, Engine, PerfListener, escape_path};

use crate::args::{DebuggerWhen, RunOptions};
use crate::problem::Problem;

/// How code has to be mapped: perf looks its map up only for memory that is no file's.
pub(crate) fn code_mapping(run: &RunOptions) -> CodeMapping {
    match run.perf {
        true => CodeMapping::Anonymous,
        false => CodeMapping::default(),
    }
}

/// Tells debuggers and profilers of all code that is loaded from here on.
pub(crate) fn begin(engine: &Engine, run: &RunOptions) -> Result<(), Problem> {
    let is_wanted = match run.gdb {
        DebuggerWhen::Auto => DebuggerListener::is_wanted(),
        DebuggerWhen::Always => true,
        DebuggerWhen::Never => false,
    };
    if is_wanted {
        let listener = Arc::new(DebuggerListener::default());
        // For as long as the process lives.
        std::mem::forget(engine.listen(listener));
    }
    if run.perf {
        let folder = std::env::var_os("JITDUMPDIR").unwrap_or_else(|| ".".into());
        let folder = PathBuf::from(folder);
        let listener = PerfListener::create(&folder).map_err(|error| {
            let folder = escape_path(&folder);
            Problem::usage(
                format!("--perf: cannot write what perf reads to {folder} and /tmp: {error}"),
                "run it in a folder that this user may write to, or set JITDUMPDIR to one",
            )
        })?;
        std::mem::forget(engine.listen(Arc::new(listener)));
    }
    Ok(())
}
