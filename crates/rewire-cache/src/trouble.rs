//! Why a cache isn't used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a cache isn't used, or isn't written to. The program that would have used it runs as if
/// there were none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Where the folder should be is something else.
    #[error("`{}` isn't a folder", path.display())]
    NotAFolder {
        /// What is there.
        path: PathBuf,
    },
    /// Another user could have put code there.
    #[error("`{}` belongs to user {owner}, and this is user {user}", path.display())]
    Owner {
        /// The folder, the file, or a symbolic link to the folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this process.
        user: u32,
    },
    /// Other users may write there.
    #[error(
        "others may write to `{}` (mode {mode:o}); `chmod go-w` on it lets it be used",
        path.display()
    )]
    Writable {
        /// The folder or file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The operating system refused.
    #[error("can't {action} `{}`: {cause}", path.display())]
    System {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The operating system's message, or LMDB's.
        cause: String,
    },
    /// A file would be larger than this process may make one (`ulimit -f`). To write it would end
    /// the process by a signal.
    #[error("`{}` would be larger than this process may write ({limit} bytes)", path.display())]
    FileSize {
        /// The file.
        path: PathBuf,
        /// The process's limit.
        limit: u64,
    },
    /// Another process has been writing for too long.
    #[error("another process has held `{}` for too long", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
}

impl Trouble {
    pub(crate) fn system(action: &'static str, path: &Path, cause: &io::Error) -> Self {
        Self::System {
            action,
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }
}
