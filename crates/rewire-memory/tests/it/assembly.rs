//! Functions in assembly can be linked however a client's profile cuts the crate into object files:
//! optimised code of one file may name what the assembly in another defines.

use std::fs;
use std::path::Path;

/// The names after `directive` in the assembly of the sources below `folder`, with their files.
fn named(directive: &str, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            named(directive, &path, found);
        } else {
            let text = fs::read_to_string(&path).expect("a source is text");
            let lines = text.lines().filter_map(|line| {
                let name = line.trim().strip_prefix('"')?.strip_prefix(directive)?;
                Some(name.trim().trim_end_matches("\",").to_owned())
            });
            let file = path.display().to_string();
            found.extend(lines.map(|name| (name, file.clone())));
        }
    }
}

fn all_named(directive: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    named(directive, &sources, &mut found);
    found
}

#[test]
fn no_function_is_local_to_its_object_file() {
    let local = all_named(".local ");
    assert!(
        local.is_empty(),
        "not seen in other object files: {local:?}"
    );
}

#[test]
fn no_function_is_exported_from_the_client() {
    let (global, hidden) = (all_named(".globl "), all_named(".hidden "));
    assert!(!global.is_empty());
    assert_eq!(global, hidden);
}
