//! `:asm`: machine code with the names that it refers to.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Mnemonic, SymbolResolver,
    SymbolResult,
};
use rewire::{Engine, ExecAddr, Library, MachineCode};

use super::lexer::{TokenKind, Tokens};

/// Bytes of an instruction that are shown on a line; longer ones are rare.
const SHOWN: usize = 10;

/// The instructions of a function, a line each: offset, bytes, and what it says.
pub(crate) fn disassemble(code: &MachineCode, names: Names) -> String {
    let start = code.address.get();
    let mut decoder = Decoder::with_ip(64, &code.bytes, start, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::with_options(Some(Box::new(names)), None);
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_space_after_operand_separator(true);
    let mut lines = Vec::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let offset = instruction.ip() - start;
        let from = offset as usize;
        let bytes = code.bytes.iter().skip(from).take(instruction.len());
        let bytes: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let width = 3 * SHOWN;
        lines.push(format!("{offset:5x}: {:<width$} {text}", bytes.join(" ")));
    }
    lines.join("\n")
}

/// The names that a function's code refers to.
pub(crate) struct Names {
    engine: Engine,
    /// By the address of the field in the code that refers to it.
    fields: BTreeMap<u64, String>,
}

impl Names {
    /// Those that the function's IR has in it, as far as the ledger says where the code uses them.
    pub(crate) fn new(engine: &Engine, library: &Library, code: &MachineCode, ir: &str) -> Self {
        let end = code.address + code.bytes.len() as u64;
        let globals = Tokens::new(ir).filter(|token| token.kind == TokenKind::Global);
        let globals: BTreeSet<String> = globals.filter_map(|token| token.name()).collect();
        let mut fields = BTreeMap::new();
        for name in globals {
            let users = library.state(&name).map_or_else(Vec::new, |it| it.users);
            let within = users
                .iter()
                .filter(|it| it.at >= code.address && it.at < end);
            fields.extend(within.map(|user| (user.at.get(), name.clone())));
        }
        Self {
            engine: engine.clone(),
            fields,
        }
    }

    /// The function that code at an address belongs to, and how far from its start.
    fn at(&self, address: u64) -> Option<(String, u64)> {
        let here = self.engine.symbol_at(ExecAddr::new(address))?;
        Some((here.name.to_string(), here.offset))
    }

    /// The function that a slot leads to.
    fn through(&self, slot: u64) -> Option<String> {
        self.at(read_word(slot)?).map(|(name, _)| name)
    }
}

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        _instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let mut known = self.fields.range(instruction.ip()..instruction.next_ip());
        let is_relative = instruction.is_ip_rel_memory_operand();
        let is_memory = is_relative && instruction.ip_rel_memory_address() == address;
        let is_target = address != 0 && instruction.near_branch_target() == address;
        // Else it is a number: an address only if the linker wrote it, and alone.
        if let Some((_, name)) = known.next().filter(|_| is_memory || !is_relative) {
            return Some(SymbolResult::with_string(address, name.clone()));
        }
        let is_through = matches!(instruction.mnemonic(), Mnemonic::Call | Mnemonic::Jmp);
        if is_memory && is_through {
            return Some(SymbolResult::with_string(address, self.through(address)?));
        }
        let (name, offset) = self.at(address).filter(|_| is_memory || is_target)?;
        Some(SymbolResult::with_string(address - offset, name))
    }
}

/// A word of this process; `None` where there is no memory.
fn read_word(address: u64) -> Option<u64> {
    let mut word = 0u64;
    let size = size_of::<u64>();
    let to = libc::iovec {
        iov_base: (&raw mut word).cast(),
        iov_len: size,
    };
    let from = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: size,
    };
    // SAFETY: it writes no more than the word, and reads wherever it can: an address without
    // memory is an error (process_vm_readv(2)).
    let read =
        unsafe { libc::process_vm_readv(libc::getpid(), &raw const to, 1, &raw const from, 1, 0) };
    (read == size as isize).then_some(word)
}
