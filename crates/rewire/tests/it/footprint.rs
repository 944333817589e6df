//! How much memory a unit of one small function takes, whichever way it came.

use std::ffi::CString;

use rewire::{Engine, Library};

use crate::changing::{Case, said_in_process, say};
use rewire::Level;

type Add = extern "C-unwind" fn(i64) -> i64;

/// At most this for each unit, its machine code, slot and stub included.
const MOST: u64 = 4096;

fn text(number: usize) -> String {
    format!("define i64 @f{number}(i64 %x) {{\n %y = add i64 %x, {number}\n ret i64 %y\n}}\n")
}

/// What a compiler would give.
fn bitcode(text: &str) -> Vec<u8> {
    use llvm::*;
    let length = text.len();
    let text = CString::new(text).unwrap();
    // SAFETY: each thing is made, used and freed once.
    unsafe {
        let context = LLVMContextCreate();
        let buffer =
            LLVMCreateMemoryBufferWithMemoryRangeCopy(text.as_ptr(), length, c"text".as_ptr());
        let (mut module, mut message) = (std::ptr::null_mut(), std::ptr::null_mut());
        assert_eq!(
            LLVMParseIRInContext(context, buffer, &raw mut module, &raw mut message),
            0
        );
        let written = LLVMWriteBitcodeToMemoryBuffer(module);
        let start = LLVMGetBufferStart(written).cast::<u8>();
        let bytes = std::slice::from_raw_parts(start, LLVMGetBufferSize(written)).to_vec();
        LLVMDisposeMemoryBuffer(written);
        LLVMDisposeModule(module);
        LLVMContextDispose(context);
        bytes
    }
}

/// LLVM's C API, as far as it takes to write bitcode; it is linked into the tests.
#[allow(non_snake_case, reason = "the names are LLVM's")]
mod llvm {
    use std::ffi::{c_char, c_int, c_void};

    unsafe extern "C" {
        pub(super) fn LLVMContextCreate() -> *mut c_void;
        pub(super) fn LLVMContextDispose(context: *mut c_void);
        pub(super) fn LLVMCreateMemoryBufferWithMemoryRangeCopy(
            bytes: *const c_char,
            length: usize,
            name: *const c_char,
        ) -> *mut c_void;
        pub(super) fn LLVMParseIRInContext(
            context: *mut c_void,
            buffer: *mut c_void,
            module: *mut *mut c_void,
            message: *mut *mut c_char,
        ) -> c_int;
        pub(super) fn LLVMWriteBitcodeToMemoryBuffer(module: *mut c_void) -> *mut c_void;
        pub(super) fn LLVMGetBufferStart(buffer: *mut c_void) -> *const c_char;
        pub(super) fn LLVMGetBufferSize(buffer: *mut c_void) -> usize;
        pub(super) fn LLVMDisposeMemoryBuffer(buffer: *mut c_void);
        pub(super) fn LLVMDisposeModule(module: *mut c_void);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Text,
    Bitcode,
    Frozen,
    Define,
    Lazily,
}

fn bring(main: &Library, way: Way, number: usize, given: &[u8]) {
    match way {
        Way::Text | Way::Bitcode => {
            main.add_ir("unit", given).unwrap();
        }
        Way::Frozen => {
            main.add_ir_frozen("unit", given).unwrap();
        }
        Way::Define => {
            let mut change = main.change();
            change.define("unit", given);
            change.commit().unwrap();
        }
        Way::Lazily => {
            // The closure's own copy isn't the engine's.
            let text = move || Ok(text(number).into_bytes());
            main.define_lazily(&format!("f{number}"), text).unwrap();
        }
    }
}

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Brings units, calls each, and measures; the first hundred pay for what there is once.
fn measure(way: Way, count: usize) {
    const ONCE: usize = 100;
    let engine: Engine = Case::new(Level::O0, 0).engine();
    let main = engine.main();
    let given = |number: usize| match way {
        Way::Bitcode | Way::Define => bitcode(&text(number)),
        Way::Text | Way::Frozen | Way::Lazily => text(number).into_bytes(),
    };
    let call = |number: usize| {
        // SAFETY: it has this type.
        let f = unsafe { main.function::<Add>(&format!("f{number}")).unwrap() };
        assert_eq!(f(1), 1 + number as i64);
    };
    for number in 0..ONCE {
        bring(&main, way, number, &given(number));
        call(number);
    }
    let before = resident();
    for number in ONCE..ONCE + count {
        bring(&main, way, number, &given(number));
    }
    (ONCE..ONCE + count).for_each(call);
    let each = (resident() - before) / count as u64;
    println!("{way:?}: {each} bytes each");
    assert!(each <= MOST, "{way:?}: {each} bytes each");
    // They are all there, and what the engine tells of one replaces it.
    for number in (ONCE..ONCE + count).step_by(97) {
        let name = format!("f{number}");
        if way != Way::Frozen {
            let ir = main.ir(&name).unwrap();
            main.replace(&name, ir.as_bytes()).unwrap();
        }
        call(number);
    }
    say(1);
}

#[test]
fn five_thousand_units_of_one_function() {
    for way in [
        Way::Text,
        Way::Bitcode,
        Way::Frozen,
        Way::Define,
        Way::Lazily,
    ] {
        let said = said_in_process(
            "footprint::five_thousand_units_of_one_function",
            &format!("{way:?}"),
            || measure(way, 5000),
        );
        assert!(said.is_empty() || said == [1]);
    }
}
