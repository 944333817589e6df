//! What was read of the index, and finding keys in it.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::page::{META_SIZE, Meta, NodeValue, TreePage};

/// For so long, what another process has written may not be seen. To look each time takes 4 us.
const FRESH: Duration = Duration::from_millis(10);

/// A file of up to this size is read as a whole: 3,000 functions.
const READ_WHOLE: u64 = 1 << 20;

/// Counts what this process has written, to any index. That is seen at once.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Has all snapshots of this process look at their files again.
pub(super) fn note_write() {
    WRITTEN.fetch_add(1, Ordering::Release);
}

/// Pages that were read, of one state of the file.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// The file's device and number, and the newest meta page; `None` if there is no sound file.
    state: Option<((u64, u64), Meta)>,
    pages: HashMap<u64, Arc<[u8]>>,
    /// When the file was looked at, and what this process had written until then.
    looked_at: Option<(Instant, u64)>,
}

/// What a snapshot has for a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Value(Vec<u8>),
    Absent,
    /// A page that leads there wasn't read yet.
    Unread,
}

impl Snapshot {
    /// Whether the file was looked at since this process last wrote.
    pub(super) fn has_own_writes(&self) -> bool {
        self.looked_at
            .is_some_and(|(_, written)| written == WRITTEN.load(Ordering::Acquire))
    }

    /// Whether the file, or that there is none, was looked at a moment ago.
    pub(super) fn is_fresh(&self) -> bool {
        self.has_own_writes()
            && self
                .looked_at
                .is_some_and(|(time, _)| time.elapsed() < FRESH)
    }

    /// Drops what was read if the file has changed since.
    pub(super) fn refresh(&mut self, file: Option<(&File, &Metadata)>) {
        let looked_at = Some((Instant::now(), WRITTEN.load(Ordering::Acquire)));
        let state = file.and_then(|(file, metadata)| {
            let meta = Meta::newest(|at| {
                let mut bytes = [0; META_SIZE];
                file.read_exact_at(&mut bytes, at).ok()?;
                Some(bytes)
            });
            Some(((metadata.dev(), metadata.ino()), meta?))
        });
        if state == self.state {
            self.looked_at = looked_at;
        } else {
            *self = Self {
                state,
                pages: HashMap::new(),
                looked_at,
            };
            if let Some((file, metadata)) = file
                && metadata.size() <= READ_WHOLE
            {
                self.read_all(file, metadata.size());
            }
        }
    }

    /// Reads all pages, so that the file need not be opened for the next ones.
    fn read_all(&mut self, file: &File, size: u64) {
        let Some((_, meta)) = self.state else { return };
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        if file.read_exact_at(&mut bytes, 0).is_err() {
            // It was cut off meanwhile. What is needed is read when it is needed.
            return;
        }
        let pages = (0..).zip(bytes.chunks_exact(meta.page_size));
        self.pages = pages
            .map(|(number, page)| (number, Arc::from(page)))
            .collect();
    }

    /// Goes from the root to a key. Without a file, only as far as pages were read before.
    pub(super) fn find(&mut self, key: &[u8], file: Option<&File>) -> Found {
        let Some((_, meta)) = self.state else {
            return Found::Absent;
        };
        let Some(mut number) = meta.main.root else {
            return Found::Absent;
        };
        for _ in 0..meta.main.depth {
            if file.is_none() && !self.pages.contains_key(&number) {
                return Found::Unread;
            }
            let Some(bytes) = self.page(number, meta.page_size, file) else {
                return Found::Absent;
            };
            match TreePage::read(&bytes, number).and_then(|page| page.find(key)) {
                Some(NodeValue::Child(child)) => number = child,
                Some(NodeValue::Data(data)) => return Found::Value(data.to_vec()),
                Some(NodeValue::Overflow(..)) | None => return Found::Absent,
            }
        }
        Found::Absent
    }

    fn page(&mut self, number: u64, size: usize, file: Option<&File>) -> Option<Arc<[u8]>> {
        if let Some(bytes) = self.pages.get(&number) {
            return Some(Arc::clone(bytes));
        }
        let mut bytes = vec![0; size];
        file?
            .read_exact_at(&mut bytes, number.checked_mul(size as u64)?)
            .ok()?;
        let bytes: Arc<[u8]> = bytes.into();
        self.pages.insert(number, Arc::clone(&bytes));
        Some(bytes)
    }
}
