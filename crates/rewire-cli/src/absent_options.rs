//! Options of `rewire run` that are part of its interface and do nothing yet: using one ends with a
//! message. Take an option out when it comes.

/// See the module's documentation.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options that are not there yet")]
pub(crate) struct AbsentOptions {
    /// Load all members of the archives that follow (not there yet).
    #[arg(long)]
    whole_archive: bool,

    /// Load only the members that are needed of the archives that follow (not there yet).
    #[arg(long)]
    no_whole_archive: bool,

    /// Begin a group of archives that need one another (not there yet).
    #[arg(long)]
    start_group: bool,

    /// End the group (not there yet).
    #[arg(long)]
    end_group: bool,
}

impl AbsentOptions {
    /// One of these options that was given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let given = [
            (self.whole_archive, "--whole-archive"),
            (self.no_whole_archive, "--no-whole-archive"),
            (self.start_group, "--start-group"),
            (self.end_group, "--end-group"),
        ];
        given.into_iter().find(|one| one.0).map(|one| one.1)
    }
}
