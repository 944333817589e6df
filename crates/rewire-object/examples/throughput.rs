//! Links one object with a million relocations again and again, and prints how many relocations
//! a second each step handles: `cargo run --release -p rewire-object --example throughput`.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use rewire_object::{Binding, ExecAddr, Image, Layout, Placement, Segment, link, parse};

const FUNCTIONS: usize = 2000;
const RELOCATIONS: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("rewire-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let (source, object) = (dir.join("a.s"), dir.join("a.o"));
    std::fs::write(&source, assembly()?)?;
    let status = Command::new("clang-22")
        .arg("-c")
        .arg(&source)
        .arg("-o")
        .arg(&object)
        .status()?;
    assert!(status.success(), "clang-22 failed");
    let bytes = std::fs::read(&object)?;
    std::fs::remove_dir_all(&dir)?;
    println!("{} bytes of object", bytes.len());

    let start = ExecAddr::new(0x7000_0000_0000);
    let reach = start..start + (1 << 30);
    let mut image = Image::default();
    for _ in 0..8 {
        let t0 = Instant::now();
        let graph = parse("a.o", &bytes)?;
        let t1 = Instant::now();
        let mut bindings = graph.default_bindings();
        for id in graph.undefined_references(|_| false) {
            let address = start + (1 << 29) + 16 * u64::from(id.0);
            bindings.set(id, Binding::Address(address));
        }
        let t2 = Instant::now();
        let layout = Layout::new(&graph, &bindings, |_| false, reach.clone())?;
        let t3 = Instant::now();
        let read_only = start + layout.extent(Segment::Code).size.next_multiple_of(4096);
        let placement = Placement {
            code: start,
            read_only,
            data: start + (1 << 28),
        };
        link(&graph, &bindings, &layout, &placement, &mut image)?;
        let t4 = Instant::now();
        let rate = |time: std::time::Duration| image.applied as f64 / 1e6 / time.as_secs_f64();
        println!(
            "{} relocations; millions a second: parse {:.0}, bind {:.0}, layout {:.0}, link {:.0}, all {:.1}",
            image.applied,
            rate(t1 - t0),
            rate(t2 - t1),
            rate(t3 - t2),
            rate(t4 - t3),
            rate(t4 - t0),
        );
    }
    Ok(())
}

/// Functions in sections of their own, each with calls, loads from slots and from the GOT.
fn assembly() -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for function in 0..FUNCTIONS {
        writeln!(
            text,
            ".section .text.f{function},\"ax\",@progbits\n.globl f{function}\nf{function}:"
        )?;
        for step in 0..RELOCATIONS {
            let other = (function * 31 + step * 17) % FUNCTIONS;
            match step % 4 {
                0 => writeln!(text, "call f{other}@PLT")?,
                1 => writeln!(text, "call *f{other}.slot(%rip)")?,
                2 => writeln!(text, "movq x{other}@GOTPCREL(%rip), %rax")?,
                _ => writeln!(text, "movl x{other}(%rip), %eax")?,
            }
        }
    }
    Ok(text)
}
