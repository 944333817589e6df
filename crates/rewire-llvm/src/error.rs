//! What can go wrong on LLVM's side.

use std::sync::Arc;

/// An error of reading, extracting or compiling IR. Each names the module it is about.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LlvmError {
    /// The text breaks the grammar of IR.
    #[error("{module}:{line}:{column}: {reason}")]
    Syntax {
        /// The module's name.
        module: Arc<str>,
        /// The line, from 1.
        line: u32,
        /// The column, from 1.
        column: u32,
        /// What LLVM said; then, each in a line of its own, the text's line and a mark below the
        /// column.
        reason: String,
        /// Whether nothing but blanks and comments stands before this place: then it may be no IR
        /// at all.
        is_first: bool,
    },
    /// The bitcode was written by a newer LLVM, and has something that this one doesn't know.
    #[error(
        "{module}: LLVM {version} wrote it, which is newer than the one that reads it: {reason}"
    )]
    Newer {
        /// The module's name.
        module: Arc<str>,
        /// The LLVM that wrote it, its major version.
        version: u32,
        /// What LLVM said.
        reason: String,
    },
    /// The bitcode is damaged or not complete.
    #[error("{module}: {reason}")]
    Malformed {
        /// The module's name.
        module: Arc<str>,
        /// What LLVM said.
        reason: String,
    },
    /// The IR breaks a rule of the language, or a body of it can't be read.
    #[error("{module}: {reason}")]
    Invalid {
        /// The module's name.
        module: Arc<str>,
        /// Which function it is about, and what LLVM said.
        reason: String,
    },
    /// The IR is for another kind of machine.
    #[error("{module}: it is for {found}, and this machine is {host}")]
    OtherTarget {
        /// The module's name.
        module: Arc<str>,
        /// The module's triple or data layout.
        found: String,
        /// That of the host.
        host: String,
    },
    /// A body could not be read, or breaks a rule, as was found when it was first needed.
    #[error("{module}: {reason}")]
    Body {
        /// The module's name.
        module: Arc<str>,
        /// Which function it is about, and what LLVM said.
        reason: String,
    },
    /// Code generation reported an error.
    #[error("{module}: LLVM cannot generate code: {reason}")]
    Codegen {
        /// The module's name.
        module: Arc<str>,
        /// What LLVM said.
        reason: String,
    },
    /// LLVM knows no processor, or no feature, of this name.
    #[error("LLVM knows no {what} `{name}`")]
    UnknownCpu {
        /// Which of the two.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A text names no IR passes.
    #[error("`{text}` is no pipeline of passes: {reason}")]
    Passes {
        /// The text.
        text: String,
        /// What LLVM said.
        reason: String,
    },
    /// A client's transform failed, or made of a function what LLVM's verifier rejects.
    #[error("{module}: the transform `{transform}` failed: {reason}")]
    Transform {
        /// The module's name.
        module: Arc<str>,
        /// The transform's identity.
        transform: Arc<str>,
        /// What it said, or the verifier.
        reason: String,
    },
    /// LLVM has no code generator for this machine.
    #[error("LLVM cannot generate code for this machine: {reason}")]
    NoTarget {
        /// What LLVM said.
        reason: String,
    },
}
