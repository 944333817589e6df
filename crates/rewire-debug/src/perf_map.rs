//! [`PerfMap`]: `/tmp/perf-PROCESS.map`, in which `perf report` looks for the names of addresses
//! that lie in no file (Linux, `tools/perf/Documentation/jit-interface.txt`).
//!
//! The map says nothing about time: where code comes to lie in the place of other code, the later
//! name counts. [`JitDump`](crate::jitdump::JitDump) tells them apart.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::process::getpid;

use crate::Function;

/// The map of this process.
#[derive(Debug)]
pub struct PerfMap {
    path: PathBuf,
}

impl PerfMap {
    /// Begins the map; a former one is overwritten, which another process of the same number left.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn create() -> io::Result<Self> {
        Self::create_in(Path::new("/tmp"))
    }

    fn create_in(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("perf-{}.map", getpid().as_raw_nonzero()));
        // Another user may have put something else there.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self { path })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds functions.
    ///
    /// # Errors
    ///
    /// The file can't be written any more.
    pub fn add(&self, functions: &[Function<'_>]) -> io::Result<()> {
        let mut lines = String::new();
        for function in functions {
            let (start, size) = (function.start, function.code.len());
            let name = function.name.replace(['\n', '\0'], "?");
            // Writing to a string can't fail.
            let _ = writeln!(lines, "{start:x} {size:x} {name}");
        }
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(lines.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_a_line() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let map = PerfMap::create_in(folder.path())?;
        let one = Function {
            name: "operator new\n",
            start: 0x1234,
            code: &[0x90; 31],
            frames: None,
        };
        map.add(&[one, Function { name: "g", ..one }])?;
        map.add(&[one])?;
        let text = std::fs::read_to_string(map.path())?;
        assert_eq!(
            text,
            "1234 1f operator new?\n1234 1f g\n1234 1f operator new?\n"
        );
        drop(PerfMap::create_in(folder.path())?);
        assert_eq!(std::fs::read_to_string(map.path())?, "");
        Ok(())
    }
}
