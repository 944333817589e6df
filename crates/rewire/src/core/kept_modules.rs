//! What the cache has of whole modules: their indexes, and images of programs. A module whose index
//! is found is not read before something of it is compiled, inspected or replaced.

use rewire_cache::{Entry, Kind, PartKind, Recipe, Value};
use rewire_llvm::ModuleIndex;

use crate::base::module_hash::ModuleHash;
use crate::core::kept_code::KeptCode;

impl KeptCode {
    /// Returns the index of a module, if it is known.
    pub(crate) fn find_index(&self, module: ModuleHash) -> Option<ModuleIndex> {
        let entry = self.cache.get(&self.index_recipe(module).key())?;
        ModuleIndex::from_bytes(entry.body())
    }

    /// Keeps the index of a module.
    pub(crate) fn keep_index(&self, module: ModuleHash, index: &ModuleIndex) {
        let recipe = self.index_recipe(module);
        self.add(Entry::new(&recipe, None, &index.to_bytes()));
    }

    fn index_recipe(&self, module: ModuleHash) -> Recipe {
        let mut recipe = Recipe::new(Kind::ModuleIndex);
        for version in self.versions() {
            recipe.push(version.clone());
        }
        recipe.add(PartKind::Module, "", Value::Hash(module.0));
        recipe
    }
}

impl KeptCode {
    /// What the image is looked for by. Places in it count for a range of this size.
    pub(crate) fn image_recipe(&self, range: u64) -> Recipe {
        let mut recipe = Recipe::new(Kind::Image);
        for part in &self.common {
            recipe.push(part.clone());
        }
        for (kind, name, value) in &self.images.options {
            recipe.add(*kind, name, Value::Text(value));
        }
        recipe.add(PartKind::Option, "range", Value::Number(range));
        for (place, member) in self.images.members().iter().enumerate() {
            let name = match member.is_frozen {
                true => format!("{place}, frozen"),
                false => place.to_string(),
            };
            recipe.add(PartKind::Module, &name, Value::Hash(member.module.0));
        }
        recipe
    }
}
