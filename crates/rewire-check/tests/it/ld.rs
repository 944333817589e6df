//! GNU ld's links have no differences.

use crate::sources::{c, fixed, shared};

#[test]
fn a_link_at_a_fixed_address_is_right() {
    let outcome = fixed(&[]).assert_right();
    assert!(outcome.relocations >= 40, "{}", outcome.relocations);
}

#[test]
fn a_link_without_rewriting_is_right() {
    fixed(&["--no-relax"]).assert_right();
}

#[test]
fn any_padding_of_a_rewritten_call_is_right() {
    for nop in ["prefix-addr", "suffix-nop", "prefix-0x40", "prefix-0x90"] {
        let option = format!("call-nop={nop}");
        fixed(&["-z", &option]).assert_right();
    }
}

#[test]
fn a_shared_object_is_right() {
    let outcome = shared().assert_right();
    assert!(outcome.relocations >= 25, "{}", outcome.relocations);
}

#[test]
fn the_place_of_the_got_is_found() {
    for mut link in [fixed(&[]), shared()] {
        let got = link.symbol("_GLOBAL_OFFSET_TABLE_");
        assert!(link.symbols.remove(&got).is_some());
        link.assert_right();
    }
}

#[test]
fn links_of_compiled_c_are_right() {
    let pic = ["-O2", "-fPIC", "-ffunction-sections", "-fdata-sections"];
    let fixed = ["-O1", "-fno-pic", "-mcmodel=small"];
    let pie = ["-Os", "-fpie"];
    let large = ["-O1", "-fno-pic", "-mcmodel=large"];
    for compiler in [&["gcc", "-fno-merge-constants"][..], &["clang-22"]] {
        for (flags, ld) in [
            (&pic[..], &["-shared", "-Bsymbolic"][..]),
            (&pic, &["-pie"]),
            (&pie, &["-pie"]),
            (&fixed, &["-no-pie"]),
            (&large, &["-no-pie"]),
        ] {
            let outcome = c(&[compiler, flags].concat(), ld).assert_right();
            assert!(outcome.relocations > 20, "{compiler:?} {flags:?}");
        }
    }
}
