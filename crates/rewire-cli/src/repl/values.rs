//! Arguments and results of calls, by the types that the function has.

use rewire::{ExecAddr, Value};

use super::numbers;
use super::types::Type;
use super::words::Word;

/// Bytes that arguments point to; compiled code may keep the pointer.
#[derive(Debug, Default)]
pub(crate) struct KeptBytes(Vec<Box<[u8]>>);

impl KeptBytes {
    /// Keeps the bytes, with a zero behind them, and says where they are.
    fn keep(&mut self, bytes: &[u8]) -> ExecAddr {
        let mut kept = bytes.to_vec();
        kept.push(0);
        // Compiled code may write there too: the address is taken from a mutable slice.
        let mut kept = kept.into_boxed_slice();
        let address = kept.as_mut_ptr();
        self.0.push(kept);
        address.cast_const().into()
    }
}

/// What an argument of the type looks like.
pub(crate) fn how_to_give(type_name: &str) -> String {
    let bits = type_name.strip_prefix('i').map(str::parse::<u32>);
    match (type_name, bits) {
        ("i1", _) => "give true or false".to_owned(),
        (_, Some(Ok(bits))) => format!("give a number of {bits} bits: 42, -1, 0x2a"),
        ("ptr", _) => "give null, an address (0x7f00), @name, or a text in quotes".to_owned(),
        _ if type_name.starts_with(['<', '[', '{']) => {
            "give its parts in brackets, as IR does: <1, 2>, [1, 2], {1, 2.5}".to_owned()
        }
        _ => "give a number: 1.5, -2e10, inf".to_owned(),
    }
}

/// Whether a value of the type can be given or shown.
pub(crate) fn is_plain(type_name: &str) -> bool {
    bits(type_name).is_some() || matches!(type_name, "float" | "double" | "ptr")
}

fn bits(type_name: &str) -> Option<u32> {
    match type_name {
        "i1" => Some(1),
        "i8" => Some(8),
        "i16" => Some(16),
        "i32" => Some(32),
        "i64" => Some(64),
        "i128" => Some(128),
        _ => None,
    }
}

/// Reads an argument of the type; `None` if it is none.
pub(crate) fn parse(word: &Word, type_name: &str, kept: &mut KeptBytes) -> Option<Value> {
    match (word, type_name) {
        (Word::Text(bytes), "ptr") => Some(Value::Pointer(kept.keep(bytes))),
        (Word::Plain(word), "ptr") => Some(Value::Pointer(pointer(word)?)),
        (Word::Plain(word), "float") => Some(Value::F32(word.parse().ok()?)),
        (Word::Plain(word), "double") => Some(Value::F64(word.parse().ok()?)),
        (Word::Plain(word), _) => integer(word, type_name),
        _ => None,
    }
}

/// The type of an argument whose type nobody tells. Integers of 64 bits are passed as those of 32
/// are (psABI, section 3.2.3).
pub(crate) fn guess(word: &Word) -> Option<&'static str> {
    match word {
        Word::Text(_) | Word::Global(_) => Some("ptr"),
        Word::Plain(word) if word == "null" => Some("ptr"),
        Word::Plain(word) if parse_integer(word, 64).is_some() => Some("i64"),
        Word::Plain(word) => word.parse::<f64>().ok().map(|_| "double"),
    }
}

fn pointer(word: &str) -> Option<ExecAddr> {
    if word == "null" {
        return Some(ExecAddr::NULL);
    }
    let digits = word.strip_prefix("0x")?;
    Some(ExecAddr::new(u64::from_str_radix(digits, 16).ok()?))
}

/// A number that the type has room for, be it signed or unsigned.
fn integer(word: &str, type_name: &str) -> Option<Value> {
    let bits = bits(type_name)?;
    let value = match word {
        "true" if bits == 1 => 1,
        "false" if bits == 1 => 0,
        number => parse_integer(number, bits)?,
    };
    Some(match bits {
        1 => Value::Bool(value & 1 != 0),
        8 => Value::I8(value as i8),
        16 => Value::I16(value as i16),
        32 => Value::I32(value as i32),
        64 => Value::I64(value as i64),
        _ => Value::I128(value as i128),
    })
}

/// The bits of a number, decimal or hexadecimal, perhaps negative.
pub(super) fn parse_integer(word: &str, bits: u32) -> Option<u128> {
    let (is_negative, magnitude) = match word.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, word),
    };
    if magnitude.starts_with('+') {
        return None;
    }
    let magnitude = match magnitude.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u128::from_str_radix(digits, 16).ok()?,
        Some(_) => return None,
        None => magnitude.parse().ok()?,
    };
    let most = if is_negative {
        1 << (bits - 1)
    } else {
        u128::MAX >> (128 - bits)
    };
    let value = if is_negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    (magnitude <= most).then_some(value)
}

/// The words of a number of the type; `None` if it is none.
pub(super) fn number(word: &str, of: &Type) -> Option<Vec<u64>> {
    let bits = match of {
        Type::Integer(1) if matches!(word, "true" | "false") => u128::from(word == "true"),
        Type::Integer(bits) => {
            let value = parse_integer(word, (*bits).min(128))?;
            let is_negative = word.starts_with('-');
            let mut words = numbers::words_of(value as i128, of.words());
            if !is_negative && words.len() > 2 {
                words[2..].fill(0);
            }
            return Some(words);
        }
        // Rounded once.
        Type::Float(format) if format.name == "float" => {
            u128::from(word.parse::<f32>().ok()?.to_bits())
        }
        Type::Float(format) => format.bits_of(word.parse().ok()?),
        _ => return None,
    };
    let mut words = vec![bits as u64, (bits >> 64) as u64];
    words.truncate(of.words());
    Some(words)
}

/// A result as the user reads it: floating-point numbers in the fewest digits that read back as
/// the same number.
pub(crate) fn show(value: Option<Value>) -> String {
    match value {
        None => "void".to_owned(),
        Some(Value::F32(value)) => format!("{value:?}"),
        Some(Value::F64(value)) => format!("{value:?}"),
        Some(Value::Pointer(value)) => format!("{:#x}", value.get()),
        Some(other) => other.to_string(),
    }
}
