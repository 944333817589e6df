//! Keys: what an entry was made from, as one hash.

use std::fmt;

use crate::bytes::{Reader, Writer};

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The compiled code of one function.
    Function = 1,
    /// The end state of a whole program: many functions that are restored together.
    Image = 2,
    /// Hit counts and profiles of a module. A later one takes the place of an earlier one.
    Profile = 3,
    /// The index of a module: what it defines and where.
    ModuleIndex = 4,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Function,
        Self::Image,
        Self::Profile,
        Self::ModuleIndex,
    ];

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Image => "image",
            Self::Profile => "profile",
            Self::ModuleIndex => "module index",
        })
    }
}

/// Identifies an entry: its kind, and the hash of all that it was made from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    kind: Kind,
    hash: [u8; 32],
}

impl Key {
    /// The key with this hash, for a client that keeps keys in its own files.
    #[must_use]
    pub const fn from_hash(kind: Kind, hash: [u8; 32]) -> Self {
        Self { kind, hash }
    }

    /// What the entry holds.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The hash, kind included.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    pub(crate) fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.hash).to_hex().to_string()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, &self.hex()[..16])
    }
}

/// The hash of bytes, for [`Value::Hash`]: of a file, say, that several keys name.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> [u8; 32] {
    blake3::hash(bytes).into()
}

/// What a [`Part`] of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PartKind {
    /// The function's own IR, without what doesn't change code.
    Body = 1,
    /// The body of another function, which may have been inlined.
    ImportedBody = 2,
    /// A variable's value, which may have been folded.
    Constant = 3,
    /// An option of the compiler: the level, a relocation model, a flag.
    Option = 4,
    /// The passes of a tier, as text or as the identity of a client's transformation.
    Passes = 5,
    /// The processor: its name, and each feature or all of them.
    Cpu = 6,
    /// The version of whatever made the code: LLVM, Rewire.
    Version = 7,
    /// A client's own word, which keeps its entries apart from others'.
    Salt = 8,
    /// A file or module, by its identity.
    Module = 9,
    /// Another entry, by its key: an image names the functions that it holds.
    Entry = 10,
}

impl PartKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Body,
        Self::ImportedBody,
        Self::Constant,
        Self::Option,
        Self::Passes,
        Self::Cpu,
        Self::Version,
        Self::Salt,
        Self::Module,
        Self::Entry,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "body",
            Self::ImportedBody => "imported body",
            Self::Constant => "constant",
            Self::Option => "option",
            Self::Passes => "passes",
            Self::Cpu => "CPU",
            Self::Version => "version",
            Self::Salt => "salt",
            Self::Module => "module",
            Self::Entry => "entry",
        })
    }
}

/// The value of a [`Part`]. Values of different types are different, even if their bytes agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// The content itself, which is hashed.
    Bytes(&'a [u8]),
    /// A hash that the caller has already: of a body, or another entry's key.
    Hash([u8; 32]),
    /// Text: a level, a CPU, a version. Text of up to 120 bytes is kept to be shown.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}

/// Longer text is hashed, but not kept to be shown.
const LONGEST_SHOWN: usize = 120;

/// One thing that an entry was made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its name: a function's, a variable's, an option's.
    pub name: String,
    /// The hash of its type and value.
    pub hash: [u8; 32],
    /// The value, where it is short text, a number or a flag.
    pub shown: Option<String>,
}

impl Part {
    /// A part with this value.
    #[must_use]
    pub fn new(kind: PartKind, name: &str, value: Value<'_>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let shown = match value {
            Value::Bytes(bytes) => {
                hasher.update(b"b").update(bytes);
                None
            }
            Value::Hash(hash) => {
                hasher.update(b"h").update(&hash);
                None
            }
            Value::Text(text) => {
                hasher.update(b"t").update(text.as_bytes());
                (text.len() <= LONGEST_SHOWN).then(|| text.to_owned())
            }
            Value::Number(number) => {
                hasher.update(b"n").update(&number.to_le_bytes());
                Some(number.to_string())
            }
            Value::Flag(flag) => {
                hasher.update(b"f").update(&[u8::from(flag)]);
                Some(flag.to_string())
            }
        };
        Self {
            kind,
            name: name.to_owned(),
            hash: hasher.finalize().into(),
            shown,
        }
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.byte(self.kind as u8);
        to.bytes(self.name.as_bytes());
        to.array(&self.hash);
        match &self.shown {
            None => to.byte(0),
            Some(text) => {
                to.byte(1);
                to.bytes(text.as_bytes());
            }
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            kind: PartKind::from_byte(from.byte()?)?,
            name: from.text()?.to_owned(),
            hash: from.array()?,
            shown: match from.byte()? {
                0 => None,
                1 => Some(from.text()?.to_owned()),
                _ => return None,
            },
        })
    }
}

/// All that an entry is made from. Its [`key`](Recipe::key) is the entry's.
///
/// The order in which parts are added doesn't count: bodies are imported in whatever order the
/// compiler finds them. A part that is added twice is in it twice.
#[derive(Debug, Clone)]
pub struct Recipe {
    kind: Kind,
    parts: Vec<Part>,
}

impl Recipe {
    /// A recipe without parts.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            parts: Vec::new(),
        }
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, kind: PartKind, name: &str, value: Value<'_>) -> Self {
        self.add(kind, name, value);
        self
    }

    /// Adds a part.
    pub fn add(&mut self, kind: PartKind, name: &str, value: Value<'_>) {
        self.push(Part::new(kind, name, value));
    }

    /// Adds a part that was made before: what all functions of a program share is hashed once.
    pub fn push(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// What the entry holds.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The parts, as they were added.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> Key {
        key_of(self.kind, &self.parts)
    }
}

/// The key of a recipe. Each field is preceded by its length or has a fixed one, so that no two
/// recipes are written alike.
pub(crate) fn key_of(kind: Kind, parts: &[Part]) -> Key {
    let mut sorted: Vec<&Part> = parts.iter().collect();
    sorted.sort_unstable();
    let mut written = Writer::default();
    written.byte(kind as u8);
    written.number(sorted.len() as u64);
    for part in sorted {
        written.byte(part.kind as u8);
        written.bytes(part.name.as_bytes());
        written.array(&part.hash);
    }
    Key {
        kind,
        hash: blake3::derive_key("rewire-cache 1: key", &written.0),
    }
}
