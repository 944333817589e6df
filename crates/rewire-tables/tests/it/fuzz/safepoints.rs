//! Stack maps as data, written by the format's description.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use rewire_fuzz::{Damage, list};
use rewire_tables::{
    BaseRegister, DeoptValue, Root, RootLocation, SafepointTable, StackMap, StackSlot, TableError,
};

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Program {
    /// Where the first function lies.
    start: u32,
    #[arbitrary(with = list::<_, 12>)]
    functions: Vec<Function>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Function {
    /// The bytes between the end of the function in front and this one, in powers of two.
    gap: u8,
    #[arbitrary(with = list::<_, 24>)]
    calls: Vec<Call>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Call {
    /// The bytes of code in front of it.
    distance: u16,
    id: Option<u64>,
    #[arbitrary(with = list::<_, 4>)]
    deopt: Vec<Value>,
    #[arbitrary(with = list::<_, 4>)]
    roots: Vec<(Place, Option<Place>)>,
    #[arbitrary(with = list::<_, 2>)]
    objects: Vec<(u8, i16)>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Slot(u8, i32),
    Null,
    Large(u64),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Value {
    Small(i32),
    Large(u64),
    Slot(u8, i32, u16),
    Address(u8, i32),
    Register(u16, u16),
}

const BASES: [(BaseRegister, u16); 3] = [
    (BaseRegister::Rsp, 7),
    (BaseRegister::Rbp, 6),
    (BaseRegister::Rbx, 3),
];

fn base(number: u8) -> (BaseRegister, u16) {
    BASES[usize::from(number) % BASES.len()]
}

fn slot(number: u8, offset: i32) -> StackSlot {
    let base = base(number).0;
    StackSlot { base, offset }
}

/// What a table has to say of a safepoint.
#[derive(Debug, PartialEq)]
struct Expected {
    id: u64,
    roots: BTreeSet<Root>,
    objects: Vec<StackSlot>,
    deopt: Vec<DeoptValue>,
}

/// A section in the making.
#[derive(Default)]
struct Writer {
    functions: Vec<u8>,
    constants: Vec<u64>,
    records: Vec<u8>,
    expected: BTreeMap<u64, Expected>,
}

impl Writer {
    fn location(&mut self, kind: u8, size: u16, register: u16, offset: i32) {
        self.records.extend([kind, 0]);
        self.records.extend(size.to_le_bytes());
        self.records.extend(register.to_le_bytes());
        self.records.extend([0, 0]);
        self.records.extend(offset.to_le_bytes());
    }

    fn large(&mut self, value: u64) {
        self.constants.push(value);
        self.location(5, 8, 0, self.constants.len() as i32 - 1);
    }

    fn place(&mut self, place: Place) -> RootLocation {
        match place {
            Place::Slot(number, offset) => {
                self.location(3, 8, base(number).1, offset);
                RootLocation::Slot(slot(number, offset))
            }
            Place::Null => {
                self.location(4, 8, 0, 0);
                RootLocation::Constant(0)
            }
            Place::Large(value) => {
                self.large(value);
                RootLocation::Constant(value)
            }
        }
    }

    fn value(&mut self, value: Value) -> DeoptValue {
        match value {
            Value::Small(value) => {
                self.location(4, 8, 0, value);
                DeoptValue::Constant(i64::from(value) as u64)
            }
            Value::Large(value) => {
                self.large(value);
                DeoptValue::Constant(value)
            }
            Value::Slot(number, offset, size) => {
                self.location(3, size, base(number).1, offset);
                let slot = slot(number, offset);
                DeoptValue::Slot { slot, size }
            }
            Value::Address(number, offset) => {
                self.location(2, 8, base(number).1, offset);
                DeoptValue::Address(slot(number, offset))
            }
            Value::Register(register, size) => {
                self.location(1, size, register, 0);
                DeoptValue::Register { register, size }
            }
        }
    }

    fn call(&mut self, call: &Call, function: u64, offset: u32) {
        let id = call.id.unwrap_or(0xABCD_EF00);
        self.records.extend(id.to_le_bytes());
        self.records.extend(offset.to_le_bytes());
        let locations = 3 + call.deopt.len() + call.roots.len() * 2 + call.objects.len();
        self.records.extend([0, 0]);
        self.records.extend((locations as u16).to_le_bytes());
        for constant in [0, 0, call.deopt.len() as i32] {
            self.location(4, 8, 0, constant);
        }
        let deopt = call.deopt.iter().map(|value| self.value(*value)).collect();
        let roots = call.roots.iter().map(|(base, derived)| {
            let start = self.place(*base);
            let derived = self.place(derived.unwrap_or(*base));
            Root {
                base: start,
                derived,
            }
        });
        let roots = roots.collect();
        let objects = call.objects.iter().map(|(number, offset)| {
            self.location(2, 8, base(*number).1, (*offset).into());
            slot(*number, (*offset).into())
        });
        let objects = objects.collect();
        self.align();
        self.records.extend([0; 4]);
        self.align();
        let expected = Expected {
            id,
            roots,
            objects,
            deopt,
        };
        self.expected.insert(function + u64::from(offset), expected);
    }

    fn align(&mut self) {
        self.records
            .resize(self.records.len().next_multiple_of(8), 0);
    }
}

impl Program {
    fn write(&self) -> (Vec<u8>, BTreeMap<u64, Expected>) {
        let mut writer = Writer::default();
        let mut at = u64::from(self.start);
        let mut records = 0_u32;
        for function in &self.functions {
            at += 1 << (function.gap % 20);
            let mut offset = 0;
            for call in &function.calls {
                offset += u32::from(call.distance) + 1;
                writer.call(call, at, offset);
            }
            for number in [at, 8, function.calls.len() as u64] {
                writer.functions.extend(number.to_le_bytes());
            }
            records += function.calls.len() as u32;
            at += u64::from(offset);
        }
        let mut bytes = vec![3, 0, 0, 0];
        let counts = [
            self.functions.len() as u32,
            writer.constants.len() as u32,
            records,
        ];
        bytes.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
        bytes.extend(writer.functions);
        bytes.extend(writer.constants.iter().flat_map(|one| one.to_le_bytes()));
        bytes.extend(writer.records);
        (bytes, writer.expected)
    }
}

/// Looks up every safepoint, and the addresses around it.
pub(crate) fn find_all(program: &Program) {
    let (bytes, expected) = program.write();
    let maps = StackMap::parse_all(&bytes).unwrap();
    let table = SafepointTable::build(&maps, |_| true).unwrap();
    assert_eq!(table.len(), expected.len());
    for (address, expected_one) in &expected {
        let found = table.find(*address).expect("a safepoint is found");
        let of_table = Expected {
            id: found.id(),
            roots: found.roots().collect(),
            objects: found.stack_objects().collect(),
            deopt: found.deopt_state().collect(),
        };
        assert_eq!(of_table, *expected_one, "at {address:#x}");
        assert_eq!(found.roots().count(), expected_one.roots.len());
        for other in [
            address - 1,
            address + 1,
            address + 0x1_0000,
            address ^ (1 << 32),
        ] {
            assert_eq!(table.find(other).is_some(), expected.contains_key(&other));
        }
    }
    assert!(
        table
            .iter()
            .map(|(address, _)| address)
            .eq(expected.into_keys())
    );
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct DamagedMap {
    program: Program,
    damage: Damage,
}

impl DamagedMap {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.program.write().0;
        self.damage.apply(&mut bytes);
        bytes
    }
}

/// Reads everything that can be read. Errors are fine if they say where.
pub(crate) fn take_through(bytes: &[u8]) {
    let check = |error: TableError| {
        assert!(error.offset <= bytes.len(), "{error}");
        assert!(
            error.to_string().starts_with(".llvm_stackmaps+0x"),
            "{error}"
        );
    };
    let maps = match StackMap::parse_all(bytes) {
        Ok(maps) => maps,
        Err(error) => return check(error),
    };
    for map in &maps {
        let counted: u64 = map.functions().map(|one| u64::from(one.records)).sum();
        assert_eq!(map.records().count() as u64, counted);
        for record in map.records() {
            assert_eq!(record.locations().len(), record.locations().count());
            let _ = record.live_outs().count();
        }
    }
    match SafepointTable::build(&maps, |_| true) {
        Ok(table) => {
            for (address, safepoint) in table.iter() {
                assert!(table.find(address).is_some());
                let _ = (safepoint.id(), safepoint.roots().count());
                let _ = (
                    safepoint.stack_objects().count(),
                    safepoint.deopt_state().count(),
                );
            }
        }
        Err(error) => check(error),
    }
}
