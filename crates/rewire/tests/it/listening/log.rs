//! A listener that writes down what it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rewire::{CodeId, CodeListener, CodeTier, FunctionPart, LoadedCode, UnloadedCode};

/// What a listener was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Loaded {
        id: CodeId,
        unit: String,
        functions: Vec<(String, u32, FunctionPart)>,
        tier: CodeTier,
    },
    Unloaded(CodeId),
}

type OnLoad = Box<dyn Fn(&LoadedCode<'_>) + Send + Sync>;

/// Writes down what it is told, and then does what a test wants.
pub(super) struct Log {
    told: Mutex<Vec<Told>>,
    on_load: OnLoad,
}

impl Log {
    pub(super) fn new() -> Arc<Self> {
        Self::with(|_| ())
    }

    pub(super) fn with(on_load: impl Fn(&LoadedCode<'_>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            told: Mutex::default(),
            on_load: Box::new(on_load),
        })
    }

    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The functions that were loaded, with their generations, in their order.
    pub(super) fn loaded(&self) -> Vec<(String, u32)> {
        let functions = self.told().into_iter().filter_map(|told| match told {
            Told::Loaded { functions, .. } => Some(functions),
            Told::Unloaded(_) => None,
        });
        let functions = functions.flatten();
        functions
            .map(|(name, generation, _)| (name, generation))
            .collect()
    }

    pub(super) fn count(&self, name: &str) -> usize {
        let loaded = self.loaded();
        loaded.iter().filter(|(one, _)| one == name).count()
    }

    /// The identifiers of pieces with this function.
    pub(super) fn ids(&self, name: &str) -> Vec<CodeId> {
        let ids = self.told().into_iter().filter_map(|told| match told {
            Told::Loaded { id, functions, .. } => {
                functions.iter().any(|(one, ..)| one == name).then_some(id)
            }
            Told::Unloaded(_) => None,
        });
        ids.collect()
    }

    pub(super) fn has_left(&self, id: CodeId) -> bool {
        self.told().contains(&Told::Unloaded(id))
    }

    /// Checks that each piece was loaded once, and unloaded once after that. A compile thread may
    /// be the last that leaves the engine.
    pub(super) fn check_all_left(&self) {
        let counts = || {
            let told = self.told();
            let left = told.iter().filter(|one| matches!(one, Told::Unloaded(_)));
            (told.len(), left.count())
        };
        let began = Instant::now();
        while counts().0 != 2 * counts().1 && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(1));
        }
        let mut in_memory: BTreeMap<CodeId, bool> = BTreeMap::new();
        for told in self.told() {
            match told {
                Told::Loaded { id, .. } => assert_eq!(in_memory.insert(id, true), None),
                Told::Unloaded(id) => assert_eq!(in_memory.insert(id, false), Some(true)),
            }
        }
        assert!(!in_memory.is_empty(), "nothing was told");
        assert!(
            in_memory.values().all(|is_there| !is_there),
            "{in_memory:?}"
        );
    }
}

impl CodeListener for Log {
    fn loaded(&self, code: &LoadedCode<'_>) {
        let functions = code.functions().iter().map(|one| {
            let generation = one.generation.get();
            (one.name.to_string(), generation, one.part)
        });
        self.told.lock().unwrap().push(Told::Loaded {
            id: code.id(),
            unit: code.unit_name().to_owned(),
            functions: functions.collect(),
            tier: code.tier(),
        });
        (self.on_load)(code);
    }

    fn unloaded(&self, code: &UnloadedCode) {
        self.told.lock().unwrap().push(Told::Unloaded(code.id()));
    }
}
