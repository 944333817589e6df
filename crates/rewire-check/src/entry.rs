//! The stubs that a call may go through: entries of a procedure linkage table, or what a linker
//! makes instead where a function is out of reach.

use crate::memory::Memory;

/// Where control goes from the stub at `address`; `None` if there is no stub that is known here.
///
/// A stub jumps through a word (`jmp *word(%rip)`), or to an address that it holds
/// (`movabs $address, %r11; jmp *%r11` with some register that no convention passes arguments
/// in), or directly, or to null (`xor %eax, %eax; jmp *%rax`).
pub(crate) fn leads_to(memory: &Memory<'_>, address: u64) -> Option<u64> {
    let mut at = address;
    let mut code = memory.from(address)?;
    // endbr64, then bnd or notrack: these change nothing in where the jump goes.
    for prefix in [&[0xf3, 0x0f, 0x1e, 0xfa][..], &[0xf2], &[0x3e]] {
        if let Some(rest) = code.strip_prefix(prefix) {
            code = rest;
            at = at.wrapping_add(prefix.len() as u64);
        }
    }
    match *code {
        [0xff, 0x25, a, b, c, d, ..] => {
            memory.word(after(at, 6).wrapping_add(distance([a, b, c, d])))
        }
        [0xe9, a, b, c, d, ..] => Some(after(at, 5).wrapping_add(distance([a, b, c, d]))),
        // rax
        [0x48, 0xb8, a, b, c, d, e, f, g, h, 0xff, 0xe0, ..]
        // r11
        | [0x49, 0xbb, a, b, c, d, e, f, g, h, 0x41, 0xff, 0xe3, ..] => {
            Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
        }
        [0x31, 0xc0, 0xff, 0xe0, ..] => Some(0),
        _ => None,
    }
}

fn after(at: u64, length: u64) -> u64 {
    at.wrapping_add(length)
}

fn distance(bytes: [u8; 4]) -> u64 {
    i32::from_le_bytes(bytes) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linked::Span;

    fn leads(bytes: &[u8]) -> Option<u64> {
        let spans = [Span {
            address: 0x1000,
            bytes,
        }];
        leads_to(&Memory::new(&spans).unwrap(), 0x1000)
    }

    #[test]
    fn stubs_lead_where_their_word_says() {
        let word = [0x88, 0x77, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            leads(&[&[0xff, 0x25, 0, 0, 0, 0][..], &word].concat()),
            Some(0x7788)
        );
        let plt = [0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 1, 0, 0, 0, 0x90];
        assert_eq!(leads(&[&plt[..], &word].concat()), Some(0x7788));
        assert_eq!(leads(&[0xe9, 0xfb, 0xff, 0xff, 0xff]), Some(0x1000));
        assert_eq!(
            leads(&[&[0x48, 0xb8][..], &word, &[0xff, 0xe0]].concat()),
            Some(0x7788)
        );
        assert_eq!(leads(&[0x31, 0xc0, 0xff, 0xe0]), Some(0));
        assert_eq!(leads(&[0xff, 0x25, 0, 0, 0, 0, 1]), None, "no whole word");
        assert_eq!(leads(&[0xc3]), None);
        assert_eq!(leads(&[]), None);
    }
}
