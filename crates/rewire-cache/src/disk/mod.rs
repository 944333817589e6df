//! The store on disk.

mod evict;
mod explain;
mod info;
mod keep;
mod loaded;
mod state;
mod tally;
mod verify;

pub use explain::{Difference, Explanation};
pub use info::DiskInfo;
pub use state::{Disk, DiskOptions};
pub use verify::{DamagedFile, Verification};
