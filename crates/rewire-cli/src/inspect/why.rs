//! `rewire inspect --why NAME`: what the code of a function is made from.

use std::io::{self, Write};

use rewire::{BodyMaterials, Engine, Error, Level, Material, OptLevel, Options, demangle};
use serde_json::{Value, json};

use super::json;
use crate::args::InspectOptions;
use crate::input::{self, Fate};
use crate::libraries;
use crate::problem::Problem;
use crate::sources::SourceOptions;

/// Compiles the function, and tells what its code is made from.
pub(super) fn find(asked: &InspectOptions, name: &str) -> Result<BodyMaterials, Problem> {
    let level = match asked.level.level() {
        // As it is compiled when it is hot.
        OptLevel::Auto => OptLevel::Fixed(Level::O2),
        fixed => fixed,
    };
    let engine = Engine::new(Options {
        level,
        guard_crashes: true,
        ..Options::default()
    })?;
    for library in &asked.libraries {
        libraries::load(&engine, library, &asked.library_paths)?;
    }
    let how = SourceOptions::baseline(level, &asked.source_flags);
    let fates = [
        (&asked.inline_from, Fate::Described),
        (&asked.files, Fate::Replaceable),
    ];
    for (files, fate) in fates {
        for file in files {
            input::load(&engine, file, how, fate, &mut |path| {
                Ok(engine.load_library(&path.to_string_lossy())?)
            })?;
        }
    }
    let main = engine.main();
    let symbol = match (main.state(name), &*main.symbols_of(name)) {
        (None, [one]) => one.to_string(),
        _ => name.to_owned(),
    };
    let _body = main.pin(&symbol)?;
    let materials = main.materials(&symbol);
    Ok(materials.ok_or(Error::Unknown { name: name.into() })?)
}

pub(super) fn write_text(materials: &BodyMaterials, out: &mut dyn Write) -> io::Result<()> {
    let BodyMaterials { name, unit, .. } = materials;
    let level = materials.level.digit();
    writeln!(out, "{}, of {unit}, at level {level}", demangle(name))?;
    list(out, "bodies of", &materials.inlined)?;
    list(out, "values of", &materials.folded)
}

fn list(out: &mut dyn Write, what: &str, materials: &[Material]) -> io::Result<()> {
    for material in materials {
        let unit = match &material.unit {
            Some(unit) => format!("of {unit}"),
            None => "whose code is elsewhere".to_owned(),
        };
        writeln!(out, "  {what} {}, {unit}", shown(material))?;
    }
    Ok(())
}

fn shown(material: &Material) -> String {
    match &*material.name {
        "" => "(unnamed)".to_owned(),
        name => demangle(name),
    }
}

pub(super) fn write_json(materials: &BodyMaterials, out: &mut dyn Write) -> io::Result<()> {
    let value = json!({
        "name": &*materials.name,
        "unit": &*materials.unit,
        "level": materials.level.digit(),
        "inlined": all(&materials.inlined),
        "folded": all(&materials.folded),
    });
    json::write(out, &value)
}

fn all(materials: &[Material]) -> Value {
    let each = materials.iter().map(|one| {
        let unit = one.unit.as_deref();
        json!({ "name": &*one.name, "unit": unit })
    });
    each.collect()
}
