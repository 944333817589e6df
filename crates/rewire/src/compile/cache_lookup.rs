//! [`CacheLookup`]: tells what a function's code is looked for by in the cache.

use rewire_cache::{Origin, Recipe};
use rewire_llvm::{InlineBudget, Level};

use super::compile_error;
use crate::base::error::Error;
use crate::base::tier::BodyPart;
use crate::core::Core;
use crate::ledger::unit::ExtractScope;
use crate::ledger::{Definition, LibraryId};

/// What the code of a function is looked for by in the cache
/// ([`Engine::cache_lookup`](crate::Engine::cache_lookup)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheLookup {
    /// Where the function comes from.
    pub origin: Origin,
    /// What its code may be made from: whether the variables that it names have memory by the time
    /// it is called depends on what was called before.
    pub recipes: Vec<Recipe>,
}

impl Core {
    /// See [`Engine::cache_lookup`](crate::Engine::cache_lookup).
    pub(crate) fn cache_lookup(&self, name: &str) -> Result<CacheLookup, Error> {
        let unknown = || Error::Unknown { name: name.into() };
        let kept = self.kept.as_ref().ok_or_else(unknown)?;
        let (unit, function) = {
            let ledger = self.ledger();
            let units = ledger.units();
            let local = || units.iter().find_map(|unit| unit.local(name));
            let id = ledger.find(LibraryId::MAIN, name).or_else(local);
            let id = id.ok_or_else(unknown)?;
            let Definition::Ir(unit, ordinal) = ledger.entry(ledger.target(id).0).definition()
            else {
                return Err(unknown());
            };
            let unit = ledger.unit(unit).cloned();
            (unit.ok_or_else(unknown)?, ordinal)
        };
        let scope = match unit.is_frozen {
            true => ExtractScope::Whole,
            false => ExtractScope::Values,
        };
        let mut recipes = Vec::new();
        let (tier, level) = (self.tiers.first, self.tiers.first.level());
        let budget = match (scope, &self.transform) {
            (ExtractScope::Values, None) => self.inline_budget(level),
            _ => InlineBudget::NONE,
        };
        for placed in [false, true] {
            let refused = |source| compile_error(&unit, &[function], source);
            let mut copy = unit.copy(&[function]).map_err(refused)?;
            let extracted = copy.extract_assuming(function, placed, (level > Level::O0, budget));
            let mut extracted = extracted.map_err(refused)?;
            self.apply_transform(&mut extracted, &unit, &[function])
                .map_err(refused)?;
            if scope == ExtractScope::Values {
                let how = self.made_from(vec![function], scope, (tier, BodyPart::All));
                self.with_codegen(level, |codegen| {
                    let checked = self.check_loops(codegen, &mut extracted, &how);
                    checked.map_err(refused)
                })?;
            }
            let identity = kept.identity(&extracted, level, scope);
            recipes.extend(identity.map(|identity| identity.recipe));
        }
        let origin = kept.origin(&unit, function, tier).ok_or_else(unknown)?;
        Ok(CacheLookup { origin, recipes })
    }
}
