//! The one place where LMDB is used: it opens a file that was checked, writes, and is closed.
#![expect(
    unsafe_code,
    reason = "heed's `open` is unsafe: LMDB maps its file into memory"
)]

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, EnvFlags, EnvOpenOptions, RwTxn};

use super::rows::{KeepRow, Row};

/// Puts rows in, and removes those that `keep` doesn't want, in one transaction.
///
/// The caller holds the lock of the index, has checked the file that is in `folder`, and has no
/// other environment open there. `map_size` bounds the size of the file.
pub(super) fn write(
    folder: &Path,
    map_size: usize,
    puts: &[Row],
    keep: Option<&KeepRow<'_>>,
) -> heed::Result<()> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_size).max_readers(1);
    // NO_LOCK: the lock of the index excludes all others, and `lock.mdb` with its mutexes would be
    // one more file that may be damaged. NO_SYNC: after a power failure the index may be damaged;
    // that is noticed, and it is made anew from the files with the entries.
    let flags = EnvFlags::NO_LOCK | EnvFlags::NO_SYNC;
    // SAFETY: nobody else has the file open to write it: the lock of the index is held, here and by
    // all other processes that write, and nothing that reads the file maps it. What is in it was
    // checked, so that no page of it leads LMDB outside of the mapping. NO_LOCK needs one writer
    // and no readers, which is so for the same reason, and NO_SYNC endangers only what the check
    // finds.
    let env = unsafe { options.flags(flags).open(folder)? };
    let written = env.create_databases_and_commit(env.write_txn()?, |opener, transaction| {
        let database = opener.create_database(transaction, None)?;
        update(&database, transaction, puts, keep)?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(database))
    });
    written.map(|_| ())
}

fn update(
    database: &Database<'_, Bytes, Bytes>,
    transaction: &mut RwTxn<'_>,
    puts: &[Row],
    keep: Option<&KeepRow<'_>>,
) -> heed::Result<()> {
    if let Some(keep) = keep {
        let mut unwanted = Vec::new();
        for row in database.iter(transaction)? {
            let (key, value) = row?;
            if !keep(key, value) {
                unwanted.push(key.to_vec());
            }
        }
        for key in unwanted {
            database.delete(transaction, &key)?;
        }
    }
    for (key, value) in puts {
        database.put(transaction, key, value)?;
    }
    Ok(())
}
