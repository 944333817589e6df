//! Stack maps as llc writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use rewire_tables::{
    BaseRegister, DeoptValue, Location, MapRecord, RootLocation, Safepoint, SafepointTable,
    StackMap, StackSlot,
};

use crate::support::{compile_ir, run, section};

/// Functions with statepoints whose frames have every base register, a stack map and a patch point.
const SAFEPOINTS: &str = include_str!("data/safepoints.ll");

/// The identifiers of the stack map and the patch point among them.
const OTHER_RECORDS: [u64; 2] = [3, 4];

const LEVELS: [&str; 2] = ["-O0", "-O2"];

/// A stack map in the form of `llvm-readobj --stackmap`.
fn as_readobj_prints(map: &StackMap<'_>) -> String {
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| writeln!(text, "{arguments}").unwrap();
    line(format_args!("LLVM StackMap Version: 3"));
    line(format_args!("Num Functions: {}", map.functions().count()));
    for one in map.functions() {
        line(format_args!(
            "  Function address: {}, stack size: {}, callsite record count: {}",
            one.address, one.stack_size, one.records
        ));
    }
    line(format_args!("Num Constants: {}", map.constants().len()));
    for (place, constant) in (1..).zip(map.constants()) {
        line(format_args!("  #{place}: {constant}"));
    }
    line(format_args!("Num Records: {}", map.records().count()));
    for record in map.records() {
        let (id, offset) = (record.id(), record.offset());
        line(format_args!(
            "  Record ID: {id}, instruction offset: {offset}"
        ));
        line(format_args!("    {} locations:", record.locations().len()));
        for (place, location) in (1..).zip(record.locations()) {
            line(format_args!("      #{place}: {}", location_text(location)));
        }
        let live_outs: Vec<String> = record
            .live_outs()
            .map(|one| format!("R#{} ({}-bytes) ", one.register, one.size))
            .collect();
        line(format_args!(
            "    {} live-outs: [ {}]",
            live_outs.len(),
            live_outs.concat()
        ));
    }
    text
}

fn location_text(location: Location) -> String {
    match location {
        Location::Register { register, size } => format!("Register R#{register}, size: {size}"),
        Location::Direct {
            register,
            offset,
            size,
        } => format!("Direct R#{register} + {offset}, size: {size}"),
        Location::Indirect {
            register,
            offset,
            size,
        } => format!("Indirect [R#{register} + {offset}], size: {size}"),
        Location::Constant { value, size } => format!("Constant {value}, size: {size}"),
        Location::LargeConstant { index, value, size } => {
            format!("ConstantIndex #{index} ({value}), size: {size}")
        }
    }
}

#[test]
fn records_are_what_readobj_prints() {
    for level in LEVELS {
        let dir = compile_ir(SAFEPOINTS, level);
        let linked = dir.path().join("linked");
        let printed = run(Command::new("llvm-readobj-22")
            .arg("--stackmap")
            .arg(&linked));
        let section = section(&linked, ".llvm_stackmaps");
        let maps = StackMap::parse_all(&section.bytes).unwrap();
        assert_eq!(maps.len(), 1);
        let start = printed.find("LLVM StackMap").unwrap();
        assert_eq!(
            as_readobj_prints(&maps[0]).trim_end(),
            printed[start..].trim_end()
        );
    }
}

fn is_statepoint(record: &MapRecord<'_>) -> bool {
    !OTHER_RECORDS.contains(&record.id())
}

#[test]
fn a_table_has_the_roots_of_each_statepoint() {
    for level in LEVELS {
        let dir = compile_ir(SAFEPOINTS, level);
        let section = section(&dir.path().join("linked"), ".llvm_stackmaps");
        let maps = StackMap::parse_all(&section.bytes).unwrap();
        let table = SafepointTable::build(&maps, is_statepoint).unwrap();
        assert_eq!(table.len(), 6);
        let of_function = |function: u64, place: usize| {
            let records = maps[0]
                .records()
                .filter(|one| one.function().address == function);
            let record = records.collect::<Vec<_>>()[place];
            (record, table.find(record.address().unwrap()).unwrap())
        };
        let functions: Vec<u64> = maps[0].functions().map(|one| one.address).collect();
        // Two pointers, and two in a vector: four roots, none of them derived, since LLVM computes
        // the derived pointer anew after each call.
        for place in 0..2 {
            let (record, safepoint) = of_function(functions[0], place);
            assert_eq!(roots_of(&record), slots_of(&safepoint), "{level} {place}");
            assert_eq!(safepoint.roots().count(), 4);
            assert!(safepoint.roots().all(|root| !root.is_derived()));
        }
        assert_eq!(of_function(functions[0], 0).1.id(), 0xABCD_EF00);
        let (_, safepoint) = of_function(functions[0], 1);
        assert_eq!(safepoint.id(), 7);
        let deopt: Vec<DeoptValue> = safepoint.deopt_state().collect();
        assert_eq!(deopt[..2], [1 << 40, 5].map(DeoptValue::Constant));
        assert!(matches!(deopt[2], DeoptValue::Slot { size: 4, .. }));
        assert!(matches!(deopt[3], DeoptValue::Address(_)));
        assert!(matches!(deopt[4], DeoptValue::Slot { size: 8, .. }));
        assert_eq!(deopt.len(), 5);
        // Frames whose size is known only at run time, the second with a variable that is aligned.
        for (function, base) in [(1, BaseRegister::Rbp), (2, BaseRegister::Rbx)] {
            for place in 0..2 {
                let (_, safepoint) = of_function(functions[function], place);
                let slots = slots_of(&safepoint);
                assert_eq!(slots.len(), 1);
                assert!(slots.iter().all(|slot| slot.base == base));
                assert_eq!(safepoint.deopt_state().count(), 0);
            }
        }
    }
}

/// The slots that a record names behind its deoptimisation values, vectors taken apart.
fn roots_of(record: &MapRecord<'_>) -> BTreeSet<StackSlot> {
    let locations: Vec<Location> = record.locations().collect();
    let deopt = locations[2].constant().unwrap() as usize;
    let mut slots = BTreeSet::new();
    for location in &locations[3 + deopt..] {
        let Location::Indirect {
            register: 7,
            offset,
            size,
        } = *location
        else {
            panic!("{location:?}");
        };
        for lane in 0..i32::from(size / 8) {
            let base = BaseRegister::Rsp;
            let offset = offset + lane * 8;
            slots.insert(StackSlot { base, offset });
        }
    }
    slots
}

fn slots_of(safepoint: &Safepoint<'_>) -> BTreeSet<StackSlot> {
    let roots = safepoint.roots();
    roots.filter_map(|root| root.base.slot()).collect()
}

#[test]
fn derived_pointers_come_with_their_base_pointers() {
    // A pointer that walks through an object: LLVM can't compute it anew.
    let ir = r#"
declare void @g()
define void @walk(ptr addrspace(1) %object, i64 %steps) gc "statepoint-example" {
entry:
  br label %loop
loop:
  %at = phi ptr addrspace(1) [ %object, %entry ], [ %next, %loop ]
  %left = phi i64 [ %steps, %entry ], [ %less, %loop ]
  %next = getelementptr i8, ptr addrspace(1) %at, i64 8
  call void @g()
  store volatile i64 1, ptr addrspace(1) %next
  %less = sub i64 %left, 1
  %again = icmp ne i64 %less, 0
  br i1 %again, label %loop, label %exit
exit:
  ret void
}
"#;
    for level in LEVELS {
        let dir = compile_ir(ir, level);
        let section = section(&dir.path().join("linked"), ".llvm_stackmaps");
        let maps = StackMap::parse_all(&section.bytes).unwrap();
        let table = SafepointTable::build(&maps, |_| true).unwrap();
        let (address, safepoint) = table.iter().next().unwrap();
        assert_eq!(Some(address), maps[0].records().next().unwrap().address());
        let derived: Vec<_> = safepoint.roots().filter(|root| root.is_derived()).collect();
        assert_eq!(derived.len(), 1, "{level}");
        let base = derived[0].base;
        assert!(
            safepoint
                .roots()
                .any(|root| root.base == base && !root.is_derived())
        );
        assert!(matches!(derived[0].derived, RootLocation::Slot(_)));
    }
}

#[test]
fn tables_of_several_objects_follow_one_another() {
    let one = |name: &str| {
        format!(
            "declare void @g()\ndefine void @{name}(ptr addrspace(1) %p) gc \"coreclr\" {{\n\
             call void @g()\n%x = load volatile i64, ptr addrspace(1) %p\nret void\n}}\n"
        )
    };
    let dirs = ["a", "b"].map(|name| compile_ir(&one(name), "-O2"));
    let linked = dirs[0].path().join("both");
    run(Command::new("clang-22")
        .args(["-nostdlib", "-static"])
        .arg("-Wl,-e,0,--unresolved-symbols=ignore-all,-z,noexecstack")
        .arg("-o")
        .arg(&linked)
        .args(dirs.each_ref().map(|dir| dir.path().join("object.o"))));
    let section = section(&linked, ".llvm_stackmaps");
    let maps = StackMap::parse_all(&section.bytes).unwrap();
    assert_eq!(maps.len(), 2);
    let table = SafepointTable::build(&maps, |_| true).unwrap();
    assert_eq!(table.len(), 2);
}
