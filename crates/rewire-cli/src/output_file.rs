//! Files that are written when the program ends: whether they can be is found out at the start.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rewire::escape_path;

use crate::problem::Problem;

/// Makes or empties a file for the `what` of this run.
///
/// The file isn't kept open: the program that runs may close or use any descriptor.
pub(crate) fn claim(what: &str, path: &Path) -> Result<(), Problem> {
    try_to_write(path).map_err(|error| {
        let path = escape_path(path);
        Problem::usage(
            format!("cannot write the {what} to {path}: {error}"),
            "give a file in a folder that this user may write to",
        )
    })
}

fn try_to_write(path: &Path) -> io::Result<()> {
    // A pipe tells its reader that all is over when the first writer closes it.
    let kind = path.metadata().map(|found| found.file_type());
    if kind.as_ref().is_ok_and(FileTypeExt::is_fifo) {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).open(path)?;
    // Opening says nothing about a device. White space is no part of what is written there later.
    if kind.is_ok_and(|kind| kind.is_char_device()) && !file.is_terminal() {
        file.write_all(b"\n")?;
    }
    Ok(())
}
