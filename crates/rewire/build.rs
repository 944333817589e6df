//! Finds libgcc's static part: it knows the processor's features under names that programs use.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let asked = Command::new(compiler)
        .arg("-print-libgcc-file-name")
        .output();
    let path = match asked {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        _ => panic!("the C compiler doesn't tell where its libgcc.a is"),
    };
    if let Some(directory) = Path::new(path.trim()).parent() {
        println!("cargo:rustc-link-search=native={}", directory.display());
    }
    println!("cargo:rustc-link-lib=static:-bundle=gcc");
}
