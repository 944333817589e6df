//! [`CacheCounts`]: how often something was found.

/// What was looked for and found since a [`Cache`](crate::Cache) was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Entries and images that were found.
    pub hits: u64,
    /// Those that weren't.
    pub misses: u64,
    /// Misses among them where something was found and was damaged.
    pub damaged: u64,
}
