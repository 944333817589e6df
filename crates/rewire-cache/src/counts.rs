//! [`CacheCounts`]: how often something was found.

/// What was looked for and found since a [`Cache`](crate::Cache) was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Functions that were found, by themselves or in an image.
    pub hits: u64,
    /// Functions that weren't.
    pub misses: u64,
    /// How often something was found, of whatever kind, and was damaged.
    pub damaged: u64,
}
