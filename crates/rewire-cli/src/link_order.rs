//! What `rewire run` loads, in the order of the command line: FILEs, `-l`, and the options between
//! them that say how archives are taken.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// One step of loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkStep {
    File(PathBuf),
    /// `-l NAME`.
    Library(String),
    /// Whether all members of the archives that follow are loaded.
    Whole(bool),
    /// Whether a group of archives that need one another begins or ends.
    Group(bool),
}

/// The steps, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkOrder(pub(crate) Vec<LinkStep>);

/// The options between FILEs: what each is called, what it does, and its help.
const BETWEEN: [(&str, LinkStep, &str); 4] = [
    (
        "whole-archive",
        LinkStep::Whole(true),
        "Load all members of the archives that follow",
    ),
    (
        "no-whole-archive",
        LinkStep::Whole(false),
        "Load only the members that are needed of the archives that follow (the default)",
    ),
    (
        "start-group",
        LinkStep::Group(true),
        "Begin a group of archives that need one another: they are searched until none of them has \
         what is missing",
    ),
    ("end-group", LinkStep::Group(false), "End the group"),
];

impl clap::FromArgMatches for LinkOrder {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut steps: Vec<(usize, LinkStep)> = Vec::new();
        let indices = |name: &str| matches.indices_of(name).into_iter().flatten();
        let files = matches.get_many::<PathBuf>("files").into_iter().flatten();
        steps.extend(indices("files").zip(files.cloned().map(LinkStep::File)));
        let libraries = matches.get_many::<String>("libraries");
        let libraries = libraries.into_iter().flatten().cloned();
        steps.extend(indices("libraries").zip(libraries.map(LinkStep::Library)));
        for (name, step, _) in &BETWEEN {
            // An option that wasn't given has a default, which has no place of its own.
            if matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine) {
                steps.extend(indices(name).map(|at| (at, step.clone())));
            }
        }
        steps.sort_by_key(|(at, _)| *at);
        Ok(Self(steps.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for LinkOrder {
    fn augment_args(command: Command) -> Command {
        let options = BETWEEN.into_iter().map(|(name, _, help)| {
            Arg::new(name)
                .long(name)
                .num_args(0)
                .action(ArgAction::Append)
                .default_missing_value("true")
                .help(help)
        });
        command.args(options)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
