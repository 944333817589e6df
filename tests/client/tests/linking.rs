//! A client may use inkwell as if rewire weren't there.

use std::path::Path;
use std::process::Command;

#[test]
fn both_engines_run_in_one_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_client")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said,
        "rewire 49\ninkwell 64\nrewire 81\naarch64\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success());
}

/// Cargo unites the features that all crates of a program ask for: one that rewire asked for would
/// be forced on its clients, and some exclude one another.
#[test]
fn how_llvm_is_linked_is_left_to_the_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args([
        "tree",
        "--offline",
        "--package",
        "rewire",
        "--all-features",
        "--edges",
        "features,normal",
        "--invert",
        "llvm-sys",
    ]);
    let output = cargo.output().unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && tree.starts_with("llvm-sys"),
        "{tree}{errors}"
    );
    let chosen = tree.lines().filter_map(|line| {
        line.split_once("llvm-sys feature ")?
            .1
            .split_whitespace()
            .next()
            .map(str::to_owned)
    });
    let chosen: Vec<String> = chosen.filter(|feature| feature != "\"default\"").collect();
    assert_eq!(chosen, [""; 0], "{tree}");
}
