//! Giving a function a new body while the program runs.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::{GlobalState, Linkage, Module, Source};

use crate::core::Core;
use crate::error::Error;
use crate::events::{Replacement, Why};
use crate::ledger::{Definition, Generation, LibraryId};
use crate::link::Purpose;
use crate::process::cxx;
use crate::recording::span_since;
use crate::sync::wait;

/// See [`Engine::replace`](crate::Engine::replace).
pub(crate) fn replace(
    core: &Arc<Core>,
    library: LibraryId,
    name: &str,
    ir: &[u8],
) -> Result<Generation, Error> {
    let began = Instant::now();
    let source = Source {
        name: format!("new body of {name}").into(),
        bytes: ir.into(),
    };
    let module = Module::read(&source)?;
    let index = module.index()?;
    let refuse = |reason: String| Error::Replace {
        name: name.into(),
        reason,
    };
    let mut definitions = index.globals.iter().filter(|global| {
        global.is_definition
            && global.linkage != Linkage::Local
            && !global.name.starts_with("llvm.")
    });
    let new_type = match (definitions.next(), definitions.next()) {
        (Some(one), None) if &*one.name == name => one.type_name.clone(),
        (None, _) => return Err(refuse("the new module does not define it".to_owned())),
        (Some(one), _) if &*one.name != name => {
            return Err(refuse(format!("the new module also defines {}", one.name)));
        }
        (_, other) => {
            let other = other.map_or("nothing", |other| &other.name);
            return Err(refuse(format!("the new module also defines {other}")));
        }
    };
    let mut ledger = core.ledger();
    let id = ledger
        .find(library, name)
        .ok_or_else(|| Error::Unknown { name: name.into() })?;
    let mut waiting = None;
    while ledger.entry(id).is_being_replaced {
        waiting.get_or_insert_with(Instant::now);
        ledger = wait(&core.changed, ledger);
    }
    let former = ledger.entry(id).definition;
    let Definition::Ir(former_unit, former_ordinal) = former else {
        return Err(refuse("it is not defined by IR".to_owned()));
    };
    if let Some(unit) = ledger.frozen_unit(id) {
        let name = &unit.name;
        return Err(refuse(format!(
            "{name}, which defines it, was added as frozen: its callers are bound for ever"
        )));
    }
    let known = ledger.entry(id).type_name.clone();
    if known.as_deref() != Some(&*new_type) {
        let known = known.unwrap_or_default();
        return Err(refuse(format!(
            "its type is {known}, and the new body's {new_type}"
        )));
    }
    let (unit, ordinal) = ledger.begin_replacement(id, source, module, index);
    drop(ledger);
    cxx::load_if_needed(core, &unit);
    if let Some(since) = waiting {
        core.tell_wait(name.into(), since);
    }
    let roots = [ordinal];
    let why = || Why::Replacement;
    let result = core.observed(&unit, &roots, why, || {
        core.compile(&unit, &roots, Purpose::Replace(id))
    });
    let mut ledger = core.ledger();
    ledger.entry_mut(id).is_being_replaced = false;
    let result = match result {
        Ok(_) => {
            ledger.counts.functions_replaced += 1;
            let left = GlobalState::default();
            ledger.unit(former_unit).set_state(former_ordinal, left);
            unit.forget_if_done();
            Ok(ledger.entry(id).generation)
        }
        Err(error) => {
            let entry = ledger.entry_mut(id);
            entry.definition = former;
            entry.elected = Some((former_unit, former_ordinal));
            Err(error)
        }
    };
    drop(ledger);
    core.changed.notify_all();
    if let (Some(observer), Ok(generation)) = (&core.compile_observer, &result) {
        observer.replaced(&Replacement {
            function: name.into(),
            generation: *generation,
            span: span_since(began),
        });
    }
    result
}
