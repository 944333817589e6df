//! Whether the file of the index is as this program last left it.
//!
//! To check the whole file takes 0.6 ms for each thousand functions in it, and is needed only after
//! somebody else has changed it. So each write notes in a file of its own how it left the index:
//! its inode, size and times, and in which boot of the machine, for a power failure may leave
//! anything.
//!
//! The kernel's clock for files stands still for some milliseconds, in which a second change would
//! leave the times as they are. So the modification time is set back by an hour: whatever changes
//! the file later gives it another one.

use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::time::{Duration, SystemTime};

use crate::bytes::Writer;
use crate::folder::{Folder, check_file_size};

const BACK: Duration = Duration::from_secs(3600);

/// After this time the file is checked again, whoever wrote it last: disks forget, too.
const VALID: Duration = Duration::from_secs(24 * 3600);

const NAME: &str = "index/stamp";

/// Notes that the file is as it should be.
pub(super) fn set(folder: &Folder) -> io::Result<()> {
    let file = File::options().write(true).open(folder.index_file())?;
    file.set_times(FileTimes::new().set_modified(SystemTime::now() - BACK))?;
    let stamp = stamp(&file.metadata()?)?;
    // In its place, because to write a file anew takes 50 us. Half a stamp is another one.
    let path = folder.inside(NAME);
    check_file_size(&path, stamp.len() as u64).map_err(io::Error::other)?;
    let mut options = File::options();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.write_all_at(&stamp, 0)
}

/// Whether the file is as it was when that was last noted.
pub(super) fn is_set(folder: &Folder, metadata: &Metadata) -> bool {
    let path = folder.inside(NAME);
    let Ok(noted) = fs::read(&path) else {
        return false;
    };
    let age = fs::metadata(&path)
        .and_then(|metadata| metadata.modified())
        .map(|t| t.elapsed());
    let is_recent = matches!(age, Ok(Ok(age)) if age < VALID);
    is_recent && stamp(metadata).is_ok_and(|stamp| stamp == noted)
}

fn stamp(metadata: &Metadata) -> io::Result<Vec<u8>> {
    let mut stamp = Writer::default();
    stamp.bytes(&fs::read("/proc/sys/kernel/random/boot_id")?);
    stamp.number(metadata.dev());
    stamp.number(metadata.ino());
    stamp.number(metadata.size());
    for time in [
        metadata.mtime(),
        metadata.ctime(),
        metadata.mtime_nsec(),
        metadata.ctime_nsec(),
    ] {
        stamp.number(time.cast_unsigned());
    }
    Ok(stamp.0)
}
