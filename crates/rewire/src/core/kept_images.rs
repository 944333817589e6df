//! [`KeptImages`]: whether and of what an image of the program is kept.

use std::sync::atomic::{AtomicBool, Ordering};

use rewire_cache::PartKind;
use rewire_sync::Mutex;

use crate::base::ids::UnitKey;
use crate::base::module_hash::ModuleHash;
use crate::base::options::{OptLevel, Options};
use crate::base::sync::lock;

/// The image of a program: of all units that were added before anything was linked, with these
/// options. Its key names the units in their order.
#[derive(Debug)]
pub(crate) struct KeptImages {
    /// The level, and what else of the options code depends on.
    pub(crate) options: Vec<(PartKind, String, String)>,
    is_on: AtomicBool,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    units: Vec<ImageMember>,
    /// How many blocks had been linked when the image was last restored or written.
    known_blocks: u64,
    was_looked_for: bool,
}

/// A unit whose code may be part of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageMember {
    pub(crate) unit: UnitKey,
    pub(crate) module: ModuleHash,
    pub(crate) is_frozen: bool,
}

impl KeptImages {
    /// Where code is made at random, or somebody watches the linker, there are no images.
    pub(crate) fn new(options: &Options) -> Self {
        let level = match options.level {
            OptLevel::Auto => "auto".to_owned(),
            OptLevel::Fixed(level) => level.digit().to_string(),
        };
        let hot = &options.hot;
        let mut parts = vec![
            (PartKind::Option, "level".to_owned(), level),
            (
                PartKind::Option,
                "hot".to_owned(),
                format!("{} calls, {} passes", hot.calls, hot.loop_passes),
            ),
        ];
        if let Some(budget) = &options.inline_budget {
            let budget = format!("{budget:?}");
            parts.push((PartKind::Option, "inline budget".to_owned(), budget));
        }
        for (level, passes) in &options.passes {
            let name = level.digit().to_string();
            parts.push((PartKind::Passes, name, passes.identity().to_owned()));
        }
        Self {
            options: parts,
            is_on: AtomicBool::new(
                options.stress.is_none()
                    && options.observer.is_none()
                    && options.transform.is_none(),
            ),
            members: Mutex::default(),
        }
    }

    pub(crate) fn are_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// From now on no image is made: what is in memory isn't what the files say.
    pub(crate) fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    pub(crate) fn add_member(&self, member: ImageMember) {
        lock(&self.members).units.push(member);
    }

    pub(crate) fn members(&self) -> Vec<ImageMember> {
        lock(&self.members).units.clone()
    }

    pub(crate) fn is_member(&self, unit: UnitKey) -> bool {
        self.are_on() && lock(&self.members).units.iter().any(|one| one.unit == unit)
    }

    /// Returns whether nobody has looked for the image before.
    pub(crate) fn begin_looking(&self) -> bool {
        !std::mem::replace(&mut lock(&self.members).was_looked_for, true)
    }

    /// Notes how many blocks were linked when the image was restored or written, and returns how
    /// many were when that was last done.
    pub(crate) fn note_blocks(&self, blocks: u64) -> u64 {
        std::mem::replace(&mut lock(&self.members).known_blocks, blocks)
    }
}
