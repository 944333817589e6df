//! The frame description of discarded code.

use rewire_check::Meaning;

use crate::link::Link;

const TWO: &str = r#"
    .section .text.kept, "ax"
    .globl main
    .type main, @function
main:
    .cfi_startproc
    .cfi_personality 0x1b, kept_personality
    .cfi_lsda 0x1b, kept_data
    ret
    .cfi_endproc
    .section .text.dead, "ax"
    .globl dead
dead:
    .cfi_startproc
    .cfi_personality 0x1b, kept_personality
    .cfi_lsda 0x1b, dead_data
    ret
    .cfi_endproc
    .section .gcc_except_table.kept, "a"
kept_data: .quad 1
    .section .gcc_except_table.dead, "a"
dead_data: .quad dead
    .section .note.GNU-stack, ""
"#;

const REST: &str = ".globl kept_personality\nkept_personality: ret\n\
    .section .note.GNU-stack, \"\"\n";

#[test]
fn frames_of_discarded_code_may_be_cleared() {
    let mut link = Link::new(&["gcc"], TWO, REST, &[]);
    link.assert_right();
    // As if the linker had thrown the function away with its table.
    let dead = [".text.dead", ".gcc_except_table.dead"].map(|name| link.section(name));
    let starts = dead.map(|section| link.sections.remove(&section).unwrap());
    link.assert_wrong("a description of code that is gone");
    let mut fields = Vec::new();
    for site in link.sites() {
        let to = i32::from_le_bytes(link.read(site.address)) as u64;
        if starts.contains(&site.address.wrapping_add(to)) {
            fields.push(site.address);
        }
    }
    assert_eq!(
        fields.len(),
        2,
        "initial location and language-specific data"
    );
    for field in &fields {
        link.write(*field, &[0; 4]);
    }
    link.assert_right();
    // But what isn't gone must be there.
    let kept = link.section(".gcc_except_table.kept");
    let start = link.sections.remove(&kept).unwrap();
    link.assert_wrong("the table of a function that is kept");
    link.sections.insert(kept, start);
    let personality = link.symbol("kept_personality");
    link.symbols.insert(personality, Meaning::Unbound);
    link.assert_wrong("a personality that is gone");
}

/// A frame describes the body in the object, wherever its name leads.
#[test]
fn a_frame_describes_the_body_whatever_its_name_means() {
    let source = TWO.replace(".gcc_except_table.dead", ".data.rel");
    let mut link = Link::new(&["clang-22"], &source, REST, &[]);
    link.assert_right();
    let (main, dead) = (link.symbol("main"), link.symbol("dead"));
    let elsewhere = Meaning::Address {
        address: 0x1000,
        call: None,
    };
    link.symbols.insert(main, elsewhere);
    link.assert_right();
    link.symbols.insert(dead, elsewhere);
    link.assert_wrong("the address of a function in data");
}
