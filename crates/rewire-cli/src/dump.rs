//! Writes every linked object to a directory, for the link checker: the object (`N.o`), the
//! linked bytes (`N.bin`), and what was bound to what (`N.json`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rewire::{Binding, LinkObserver, LinkRecord, escape_path};
use serde_json::{Value, json};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Dump {
    directory: PathBuf,
    count: AtomicU64,
}

impl Dump {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            count: AtomicU64::new(0),
        }
    }

    fn write(&self, record: &LinkRecord) -> std::io::Result<()> {
        // A child of a fork counts on by itself.
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{}-{number}", std::process::id());
        let path = |extension: &str| self.directory.join(format!("{stem}.{extension}"));
        let mut bytes = Vec::new();
        let mut spans = Vec::new();
        for (address, span) in &record.memory {
            spans.push(json!({
                "address": address.get(),
                "file_offset": bytes.len(),
                "size": span.len(),
            }));
            bytes.extend_from_slice(span);
        }
        let sections = record
            .sections
            .iter()
            .map(|(index, address)| json!({"index": index, "address": address.get()}));
        let symbols = record.symbols.iter().filter_map(|(index, name, binding)| {
            let meaning = meaning(*binding)?;
            Some(json!({"index": index, "name": name, "meaning": meaning}))
        });
        let uses = record
            .uses
            .iter()
            .map(|used| json!({"name": used.name, "symbol": used.symbol, "at": used.at.get()}));
        let description = json!({
            "sections": sections.collect::<Vec<_>>(),
            "symbols": symbols.collect::<Vec<_>>(),
            "memory": spans,
            "uses": uses.collect::<Vec<_>>(),
        });
        fs::write(path("o"), &record.object)?;
        fs::write(path("bin"), bytes)?;
        // Last and at once: whoever sees it finds the rest.
        fs::write(path("part"), description.to_string())?;
        fs::rename(path("part"), path("json"))
    }
}

/// What a symbol was bound to; `None` where it is the object's own.
fn meaning(binding: Binding) -> Option<Value> {
    Some(match binding {
        Binding::Own => return None,
        Binding::Address(address) | Binding::Canonical(address) | Binding::Tied(address) => {
            json!({"kind": "address", "address": address.get(), "call": null})
        }
        Binding::Foreign { address, call } => {
            json!({"kind": "address", "address": address.get(), "call": call.get()})
        }
        Binding::FixedSlot { slot, function } => {
            json!({"kind": "address", "address": slot.get(), "call": function.get()})
        }
        Binding::Null => json!({"kind": "null"}),
        Binding::Thread { module, offset } => {
            json!({"kind": "thread", "module": module, "offset": offset})
        }
        Binding::ThreadOffset(offset) => json!({"kind": "thread_offset", "offset": offset}),
        Binding::Unbound => json!({"kind": "unbound"}),
    })
}

impl LinkObserver for Dump {
    fn linked(&self, record: &LinkRecord) {
        if let Err(error) = self.write(record) {
            crate::message::error(
                &format!("cannot write to {}: {error}", escape_path(&self.directory)),
                None,
            );
        }
    }
}
