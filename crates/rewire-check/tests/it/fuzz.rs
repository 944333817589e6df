//! Links that are damaged in ways that nobody thought of.

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use rewire_fuzz::{Damage, list};

use crate::link::Link;
use crate::malformed::links;

/// A link by GNU ld, and what is done to it.
#[derive(Arbitrary, Clone, Debug)]
struct Damaged {
    link: u8,
    object: Damage,
    /// What is done to pieces of memory.
    #[arbitrary(with = list::<_, 3>)]
    memory: Vec<(u8, Damage)>,
}

impl Damaged {
    fn link(&self) -> Link {
        static LINKS: OnceLock<[Link; 3]> = OnceLock::new();
        let links = LINKS.get_or_init(links);
        let mut link = links[usize::from(self.link) % links.len()].clone();
        self.object.apply(&mut link.object);
        for (piece, damage) in &self.memory {
            let piece = usize::from(*piece) % link.memory.len();
            damage.apply(&mut link.memory[piece].1);
        }
        link
    }
}

#[test]
fn damaged_links_are_errors_or_differences() {
    rewire_fuzz::run(|damaged: &Damaged| match damaged.link().try_check() {
        Ok(outcome) => {
            let mut differences = outcome.differences.iter();
            assert!(differences.all(|one| !one.to_string().is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    });
}
