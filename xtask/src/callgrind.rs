//! Counting the functions that a native run enters, with valgrind's callgrind.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{Context, Error, Result};
use crate::paths::{self, shown};
use crate::process::Job;

/// Valgrind is some fifty times slower than the program alone.
const LIMIT: Duration = Duration::from_secs(600);

/// How many distinct functions of its own `program` enters when it runs with `args`.
///
/// The program needs line tables: by them its functions are told from the C runtime's start-up
/// code, and functions of one name in several files from one another.
pub(crate) fn functions_entered<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> Result<u64> {
    let dir = paths::target().join("tmp");
    fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
    let out = dir.join(format!("callgrind-{}.out", std::process::id()));
    let job = Job::new("valgrind")
        .args([
            "--tool=callgrind",
            "--compress-strings=no",
            "--compress-pos=no",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(args);
    // The exit code is the program's, and may be any.
    let outcome = job.capture(LIMIT)?;
    let text = fs::read(&out).context(|| {
        format!(
            "count with `{}` ({})\n{}",
            job.line(),
            outcome.ended,
            outcome.stderr.trim_end()
        )
    })?;
    let _ = fs::remove_file(&out);
    let count = count(&String::from_utf8_lossy(&text), &program.to_string_lossy());
    if count == 0 {
        return Err(
            Error::new(format!("callgrind saw no function of {}", shown(program)))
                .help("valgrind may be unable to read the program's line tables"),
        );
    }
    Ok(count)
}

/// Counts functions in callgrind's format; object and file hold until they are named anew.
fn count(text: &str, object: &str) -> u64 {
    let mut functions = HashSet::new();
    let mut inside = false;
    let mut file = "???";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            inside = name == object;
        } else if let Some(name) = line.strip_prefix("fl=") {
            file = name;
        } else if let Some(name) = line.strip_prefix("fn=")
            && inside
            && file != "???"
        {
            // A recursive function has a second entry, `name'2`.
            let name = name.rsplit_once('\'').map_or(name, |(name, _)| name);
            functions.insert((file, name));
        }
    }
    functions.len() as u64
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_own_functions_once() {
        let text = "ob=/lib/libc.so\nfl=puts.c\nfn=puts\n1 2\nob=/p\nfl=???\nfn=_start\n1 1\n\
                    fl=a.c\nfn=main\ncob=/lib/libc.so\ncfn=puts\ncalls=1 1\n1 9\nfn=f\n1 1\n\
                    fn=f'2\n1 1\nfl=b.c\nfn=f\n2 2\n";
        assert_eq!(count(text, "/p"), 3);
    }
}
