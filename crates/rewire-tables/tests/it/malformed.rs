//! Each thing that can be wrong with a table, and where the error says it is.

use rewire_tables::{
    Action, ExceptionTable, Protection, SafepointTable, StackMap, Statepoint, TableError,
    TableProblem, TypeInfo, frame_table,
};

/// A stack map of one function with one record, in parts that a test can change.
#[derive(Clone)]
struct Section {
    version: u8,
    counts: [u32; 3],
    functions: Vec<[u64; 3]>,
    records: Vec<(u32, Vec<[u8; 12]>)>,
}

const CONSTANT: [u8; 12] = [4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn spilled(register: u8, offset: i32, size: u16) -> [u8; 12] {
    let mut bytes = [3, 0, 0, 0, register, 0, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&size.to_le_bytes());
    bytes[8..].copy_from_slice(&offset.to_le_bytes());
    bytes
}

impl Section {
    fn new(locations: &[[u8; 12]]) -> Self {
        Self {
            version: 3,
            counts: [1, 0, 1],
            functions: vec![[0x1000, 8, 1]],
            records: vec![(16, locations.to_vec())],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.version, 0, 0, 0];
        bytes.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        let words = self.functions.iter().flatten();
        bytes.extend(words.flat_map(|word| word.to_le_bytes()));
        for (offset, locations) in &self.records {
            bytes.extend(1_u64.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend((locations.len() as u16).to_le_bytes());
            bytes.extend(locations.iter().flatten());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend([0; 8]);
        }
        bytes
    }

    fn build(&self) -> Result<SafepointTable, TableError> {
        let bytes = self.bytes();
        let maps = StackMap::parse_all(&bytes)?;
        SafepointTable::build(&maps, |_| true)
    }

    /// The offset and the problem.
    fn problem(&self) -> (usize, TableProblem) {
        let error = self.build().unwrap_err();
        assert!(
            error.to_string().starts_with(".llvm_stackmaps+0x"),
            "{error}"
        );
        (error.offset, error.problem)
    }
}

/// Where the record begins, and its first location.
const RECORD: usize = 40;
const LOCATIONS: usize = RECORD + 16;

fn good() -> Section {
    let root = spilled(7, 8, 8);
    Section::new(&[CONSTANT, CONSTANT, CONSTANT, root, root])
}

#[test]
fn stack_maps_that_are_cut_off() {
    let bytes = good().bytes();
    assert_eq!(good().build().unwrap().len(), 1);
    assert!(StackMap::parse_all(&[]).unwrap().is_empty());
    for length in 1..bytes.len() {
        let error = StackMap::parse_all(&bytes[..length]).unwrap_err();
        assert_eq!(error.problem, TableProblem::Truncated, "{length}");
        assert!(error.offset <= length);
    }
}

#[test]
fn stack_maps_whose_numbers_are_wrong() {
    let mut section = good();
    section.version = 2;
    assert_eq!(section.problem(), (0, TableProblem::Version(2)));
    for records in [0, 2, u64::MAX] {
        let mut section = good();
        section.functions[0][2] = records;
        let (offset, problem) = section.problem();
        assert_eq!(offset, 0);
        assert!(matches!(
            problem,
            TableProblem::RecordCount { table: 1, .. }
        ));
    }
    let mut section = good();
    section.records[0].1[1][0] = 6;
    let at = LOCATIONS + 12;
    assert_eq!(section.problem(), (at, TableProblem::LocationKind(6)));
    section.records[0].1[1][0] = 5;
    let problem = TableProblem::ConstantIndex { index: 0, count: 0 };
    assert_eq!(section.problem(), (at, problem));
    section.counts[0] = u32::MAX;
    assert_eq!(section.problem().1, TableProblem::Truncated);
}

#[test]
fn records_that_are_not_of_statepoints() {
    let not_one = |locations: &[[u8; 12]]| {
        let (offset, problem) = Section::new(locations).problem();
        assert_eq!(offset, RECORD);
        assert!(
            matches!(problem, TableProblem::NotAStatepoint(_)),
            "{problem}"
        );
    };
    let root = spilled(7, 8, 8);
    not_one(&[]);
    not_one(&[CONSTANT, CONSTANT]);
    not_one(&[CONSTANT, root, CONSTANT]);
    not_one(&[CONSTANT, CONSTANT, CONSTANT, root]);
    let mut deopt = CONSTANT;
    deopt[8] = 3;
    not_one(&[CONSTANT, CONSTANT, deopt, root, root]);
    deopt[11] = 0xff;
    not_one(&[CONSTANT, CONSTANT, deopt, root, root]);
    // A stack map with three constants can't be told from a statepoint.
    assert!(Section::new(&[CONSTANT; 3]).build().is_ok());
}

#[test]
fn roots_that_no_collector_can_find() {
    let problem = |base, derived| {
        let section = Section::new(&[CONSTANT, CONSTANT, CONSTANT, base, derived]);
        let (offset, problem) = section.problem();
        assert_eq!(offset, LOCATIONS + 36);
        problem
    };
    let root = spilled(7, 8, 8);
    let mut register = root;
    register[0] = 1;
    assert_eq!(problem(root, register), TableProblem::RootInRegister(7));
    let based = spilled(12, 8, 8);
    assert_eq!(problem(based, based), TableProblem::BaseRegister(12));
    for size in [0, 4, 12, 4096] {
        let odd = spilled(7, 8, size);
        assert_eq!(problem(odd, odd), TableProblem::RootSize(size));
    }
    let vector = spilled(7, 8, 16);
    assert!(matches!(
        problem(vector, root),
        TableProblem::NotAStatepoint(_)
    ));
    let mut address = root;
    address[0] = 2;
    assert!(matches!(
        problem(address, root),
        TableProblem::NotAStatepoint(_)
    ));
    let high = spilled(7, i32::MAX, 16);
    assert_eq!(problem(high, high), TableProblem::AddressOutOfRange);
}

#[test]
fn addresses_that_no_linked_code_has() {
    let mut section = good();
    section.counts = [2, 0, 2];
    section.records.push(section.records[0].clone());
    section.functions.push([0x1000, 8, 1]);
    // The second record: behind the header, two functions, and a record of 88 bytes.
    let second = 16 + 2 * 24 + 88;
    let same = TableProblem::SameAddress(0x1010);
    assert_eq!(section.problem(), (second, same));
    section.functions[1][0] = 0x1000 + (1 << 32);
    assert_eq!(section.problem().1, TableProblem::AddressOutOfRange);
    section.functions[1][0] = u64::MAX - 8;
    assert_eq!(section.problem().1, TableProblem::AddressOutOfRange);
    section.functions[1][0] = 0xfff + (1 << 32);
    let table = section.build().unwrap();
    assert!(table.find(0x1010).is_some() && table.find(0x100f + (1 << 32)).is_some());
    assert!(table.find(0x100f).is_none() && table.find(u64::MAX).is_none());
}

#[test]
fn a_constant_is_a_root_that_stays() {
    let mut null = CONSTANT;
    null[8] = 0;
    let root = spilled(7, -8, 8);
    let section = Section::new(&[CONSTANT, CONSTANT, CONSTANT, null, root]);
    let table = section.build().unwrap();
    let roots: Vec<_> = table.find(0x1010).unwrap().roots().collect();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].base.slot(), None);
    assert_eq!(roots[0].derived.slot().unwrap().offset, -8);
    let bytes = section.bytes();
    let maps = StackMap::parse_all(&bytes).unwrap();
    let statepoint = Statepoint::read(&maps[0].records().next().unwrap()).unwrap();
    assert_eq!(
        (statepoint.calling_convention(), statepoint.flags()),
        (0, 0)
    );
    assert_eq!(statepoint.stack_objects().count(), 0);
}

/// A function at 0x1000 with a call site at 4 to 9, whose landing pad at 16 catches everything.
const EXCEPTIONS: [u8; 16] = [0xff, 3, 13, 1, 4, 4, 5, 16, 1, 1, 0, 0, 0, 0, 0, 0];

fn problem_of(bytes: &[u8]) -> (usize, TableProblem) {
    let table = ExceptionTable::parse(bytes, 0x2000, 0x1000);
    let error = table.and_then(|table| table.verify()).unwrap_err();
    assert!(
        error.to_string().starts_with(".gcc_except_table+0x"),
        "{error}"
    );
    (error.offset, error.problem)
}

fn changed(place: usize, byte: u8) -> (usize, TableProblem) {
    let mut bytes = EXCEPTIONS;
    bytes[place] = byte;
    problem_of(&bytes)
}

#[test]
fn exception_tables_that_are_damaged() {
    let table = ExceptionTable::parse(&EXCEPTIONS, 0x2000, 0x1000).unwrap();
    table.verify().unwrap();
    for length in 0..EXCEPTIONS.len() {
        assert_eq!(problem_of(&EXCEPTIONS[..length]).1, TableProblem::Truncated);
    }
    assert_eq!(changed(0, 0x93), (0, TableProblem::PointerEncoding(0x93)));
    assert_eq!(changed(1, 1), (1, TableProblem::PointerEncoding(1)));
    assert_eq!(changed(2, 14), (2, TableProblem::Truncated));
    assert_eq!(changed(3, 0x11), (3, TableProblem::PointerEncoding(0x11)));
    assert_eq!(changed(3, 0x05), (5, TableProblem::PointerEncoding(5)));
    assert_eq!(changed(4, 14).1, TableProblem::Truncated);
    // The call sites end in the middle of one.
    assert_eq!(changed(4, 3), (8, TableProblem::Truncated));
    assert_eq!(changed(8, 0x40), (9 + 0x3f, TableProblem::Truncated));
    assert_eq!(changed(9, 3), (9, TableProblem::TypeIndex(3)));
    assert_eq!(changed(9, 0x7e), (9, TableProblem::FilterIndex(-2)));
    assert_eq!(changed(10, 0x7f), (9, TableProblem::ActionOffset));
    assert_eq!(changed(10, 0x7e), (9, TableProblem::ActionOffset));
    let without_types = [0xff, 0xff, 1, 4, 4, 5, 16, 1, 1, 0];
    assert_eq!(problem_of(&without_types), (8, TableProblem::TypeIndex(1)));
    let two = [0xff, 0xff, 1, 8, 4, 5, 0, 0, 8, 1, 0, 0];
    assert_eq!(problem_of(&two), (8, TableProblem::CallSiteOrder));
}

#[test]
fn what_a_call_site_says() {
    // Three call sites: one without a landing pad, one that cleans up, one with a chain of actions
    // for two types, a filter and a cleanup. Types are 8 bytes; the filter lets type 2 pass.
    let mut bytes = vec![0xff, 0x00, 0, 1, 12];
    bytes.extend([0, 4, 0, 0, 4, 4, 32, 0, 8, 4, 33, 7]);
    // Actions from byte 17 on: cleanup; filter -1, then cleanup; type 2, then the filter; type 1,
    // then type 2.
    bytes.extend([0, 0, 0x7f, 0x7d, 2, 0x7d, 1, 0x7d]);
    let types = bytes.len().next_multiple_of(8);
    bytes.resize(types, 0);
    bytes.extend(0x4444_u64.to_le_bytes());
    bytes.extend(0x3333_u64.to_le_bytes());
    bytes[2] = (bytes.len() - 3) as u8;
    bytes.extend([2, 0]);
    let table = ExceptionTable::parse(&bytes, 0x2000, 0x1000).unwrap();
    table.verify().unwrap();
    assert!(matches!(table.protection(0x1003), Ok(Protection::None)));
    assert!(matches!(
        table.protection(0x100c),
        Ok(Protection::Terminate)
    ));
    let Ok(Protection::LandingPad { address, actions }) = table.protection(0x1004) else {
        panic!("no landing pad");
    };
    assert_eq!(address, 0x1020);
    assert_eq!(actions.collect::<Vec<_>>(), [Ok(Action::Cleanup)]);
    let Ok(Protection::LandingPad { address, actions }) = table.protection(0x100b) else {
        panic!("no landing pad");
    };
    assert_eq!(address, 0x1021);
    let actions = actions.collect::<Result<Vec<_>, _>>().unwrap();
    let catches = |action: &Action<'_>| match action {
        Action::Catch {
            selector,
            type_info,
        } => Some((*selector, *type_info)),
        _ => None,
    };
    assert_eq!(catches(&actions[0]), Some((1, TypeInfo::At(0x3333))));
    assert_eq!(catches(&actions[1]), Some((2, TypeInfo::At(0x4444))));
    let Action::Filter {
        selector: -1,
        types,
    } = &actions[2]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(
        types.clone().collect::<Vec<_>>(),
        [Ok(TypeInfo::At(0x4444))]
    );
    assert_eq!(actions[3], Action::Cleanup);
    assert_eq!(actions.len(), 4);
}

/// A common entry, and at 21 an entry whose exception table is 0x40 behind the field that says so.
const FRAMES: [u8; 42] = [
    17, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'L', b'R', 0, 1, 0x78, 16, 2, 0x1b, 0x1b, 0,
    0, // common
    17, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0x40, 0, 0, 0,
];

#[test]
fn frame_descriptions_that_are_damaged() {
    assert_eq!(
        frame_table(&FRAMES, 0x1000, 21),
        Ok(Some(0x1000 + 38 + 0x40))
    );
    for length in 0..FRAMES.len() {
        let error = frame_table(&FRAMES[..length], 0x1000, 21).unwrap_err();
        assert_eq!(error.problem, TableProblem::Truncated, "{length}");
    }
    let changed = |place: usize, byte: u8| {
        let mut bytes = FRAMES;
        bytes[place] = byte;
        let error = frame_table(&bytes, 0x1000, 21).map_err(|error| (error.offset, error.problem));
        assert!(error.is_err() || error == Ok(None), "{error:?}");
        error
    };
    assert_eq!(changed(21, 0), Err((21, TableProblem::FrameRecord)));
    assert_eq!(changed(25, 0), Err((25, TableProblem::FrameRecord)));
    assert_eq!(changed(25, 26), Err((25, TableProblem::FrameRecord)));
    // The entry itself is no common entry.
    assert_eq!(changed(25, 4), Err((25, TableProblem::FrameRecord)));
    assert_eq!(changed(8, 2), Err((8, TableProblem::FrameVersion(2))));
    assert_eq!(changed(9, b'e'), Err((9, TableProblem::Augmentation(b'e'))));
    assert_eq!(
        changed(10, b'X'),
        Err((10, TableProblem::Augmentation(b'X')))
    );
    assert_eq!(
        changed(17, 0x9b),
        Err((38, TableProblem::PointerEncoding(0x9b)))
    );
    assert_eq!(changed(17, 0xff), Ok(None));
    assert_eq!(changed(38, 0), Ok(None));
    for entry in [0, 4, 42, usize::MAX] {
        assert!(frame_table(&FRAMES, 0x1000, entry).is_err());
    }
}
