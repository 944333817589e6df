//! Collects the engine's [`Report`].

use crate::base::report::{Phase, Report};
use crate::core::Core;

impl Report {
    pub(crate) fn of(core: &Core) -> Self {
        let ledger = core.ledger();
        let usage = core.memory.usage();
        let counts = ledger.counts;
        let kept = core.kept.as_ref();
        let cache = kept.map(|kept| kept.cache.counts()).unwrap_or_default();
        let time = |phase| core.timings.get(phase);
        Self {
            functions_defined: ledger.functions_defined(),
            functions_called: counts.functions_called + core.slots.found_ready(),
            functions_compiled: counts.functions_compiled,
            functions_restored: counts.functions_restored,
            compiled_ahead: counts.compiled_ahead,
            functions_optimised: counts.functions_optimised,
            loops_optimised: counts.loops_optimised,
            functions_replaced: counts.functions_replaced,
            bodies_inlined: counts.bodies_inlined,
            definitions_retired: counts.definitions_retired,
            definitions_freed: counts.definitions_freed,
            definitions_beside: ledger.definitions_beside(),
            suspended_coroutines: ledger.suspended_coroutines(&core.memory),
            tombstones: ledger.tombstones() as u64,
            bytes_kept: counts.bytes_kept,
            relocations_applied: counts.relocations_applied,
            code_bytes: usage.code,
            data_bytes: usage.data,
            memory_maps: core.memory.count_maps().map_or(0, |maps| maps.all as u64),
            unwind_entries: core.unwind.len() as u64,
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            level: core.tiers.first.level().digit(),
            load: time(Phase::Load),
            index: time(Phase::Index),
            extract: time(Phase::Extract),
            find: time(Phase::Find),
            optimise: time(Phase::Optimise),
            codegen: time(Phase::Codegen),
            link: time(Phase::Link),
            publish: time(Phase::Publish),
            record: time(Phase::Record),
        }
    }
}
