//! What tables cost: their bytes, and looking up.

use std::hint::black_box;
use std::time::Instant;

use rewire_tables::{SafepointTable, StackMap};

use crate::support::{compile_ir, section};

const FUNCTIONS: usize = 2_000;
const SAFEPOINTS: usize = 10;

/// Functions with ten safepoints each, at which two to six pointers are alive.
fn many_functions() -> String {
    let mut ir = String::from("declare void @g()\ndeclare ptr addrspace(1) @new()\n");
    for function in 0..FUNCTIONS {
        ir += &format!(
            "define void @f{function}(ptr addrspace(1) %p0, ptr addrspace(1) %p1) \
             gc \"statepoint-example\" {{\n"
        );
        let kept = 1 + function % 4;
        for place in 0..kept {
            ir += &format!("  %o{place} = call ptr addrspace(1) @new()\n");
        }
        for _ in kept..SAFEPOINTS {
            ir += "  call void @g()\n";
        }
        for name in (0..2)
            .map(|n| format!("%p{n}"))
            .chain((0..kept).map(|n| format!("%o{n}")))
        {
            ir += &format!("  store volatile i64 1, ptr addrspace(1) {name}\n");
        }
        ir += "  ret void\n}\n";
    }
    ir
}

#[test]
fn a_root_takes_at_most_two_and_a_half_bytes() {
    let dir = compile_ir(&many_functions(), "-O0");
    let section = section(&dir.path().join("linked"), ".llvm_stackmaps");
    let maps = StackMap::parse_all(&section.bytes).unwrap();
    let table = SafepointTable::build(&maps, |_| true).unwrap();
    assert_eq!(table.len(), FUNCTIONS * SAFEPOINTS);
    let pairs: usize = table.iter().map(|(_, one)| one.roots().count()).sum();
    let (bytes, llvms) = (table.size_in_bytes(), section.bytes.len());
    println!(
        "{pairs} roots at {} safepoints: {bytes} bytes, {:.2} a root; LLVM's section {:.1}",
        table.len(),
        bytes as f64 / pairs as f64,
        llvms as f64 / pairs as f64
    );
    assert!(pairs > 3 * table.len() && pairs < 5 * table.len());
    assert!(bytes * 2 <= pairs * 5, "{bytes} bytes for {pairs} roots");
}

/// A stack map of functions of 400 bytes with two safepoints each.
fn section_of(functions: u64) -> Vec<u8> {
    let mut bytes = vec![3, 0, 0, 0];
    for count in [functions as u32, 0, functions as u32 * 2] {
        bytes.extend(count.to_le_bytes());
    }
    for function in 0..functions {
        for number in [0x7000_0000 + function * 400, 24, 2] {
            bytes.extend(number.to_le_bytes());
        }
    }
    for record in 0..functions * 2 {
        bytes.extend(0xABCD_EF00_u64.to_le_bytes());
        bytes.extend((100 + (record % 2) as u32 * 200).to_le_bytes());
        bytes.extend([0, 0, 5, 0]);
        for _ in 0..3 {
            bytes.extend([4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        for _ in 0..2 {
            bytes.extend([3, 0, 8, 0, 7, 0, 0, 0, (record % 16 * 8) as u8, 0, 0, 0]);
        }
        bytes.extend([0; 12]);
    }
    bytes
}

/// Prints the time of a look-up. A figure for people: what else runs on the machine changes it.
#[test]
#[ignore = "measures time"]
fn looking_up_among_many_functions() {
    const FUNCTIONS: u64 = 100_000;
    const LOOKUPS: u64 = 5_000_000;
    let section = section_of(FUNCTIONS);
    let maps = StackMap::parse_all(&section).unwrap();
    let table = SafepointTable::build(&maps, |_| true).unwrap();
    for round in 0..3 {
        let mut state = 88_172_645_463_325_252_u64;
        let start = Instant::now();
        let mut found = 0;
        for _ in 0..LOOKUPS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let function = state % FUNCTIONS;
            let address = 0x7000_0000 + function * 400 + 100 + (state >> 40) % 2 * 200;
            found += u64::from(black_box(&table).find(address).is_some());
        }
        assert_eq!(found, LOOKUPS);
        let nanoseconds = start.elapsed().as_nanos() as f64 / LOOKUPS as f64;
        println!("round {round}: {nanoseconds:.1} ns a look-up");
    }
}
