//! Finds the names that assembly defines, as far as its text tells.

use std::sync::Arc;

/// Returns the names that an assembly text defines: its labels, and the names to which directives
/// give a value.
pub(crate) fn defined_in(assembly: &str) -> Vec<Arc<str>> {
    let statements = assembly.split(['\n', ';']);
    let mut names = Vec::new();
    for mut rest in statements.map(str::trim_start) {
        while let Some((name, after)) = leading_name(rest) {
            let after = after.trim_start();
            if let Some(next) = after.strip_prefix(':') {
                names.push(name.into());
                rest = next.trim_start();
                continue;
            }
            if after.starts_with('=') && !after.starts_with("==") {
                names.push(name.into());
            } else if VALUED.contains(&name)
                && let Some((name, _)) = leading_name(after)
            {
                names.push(name.into());
            }
            break;
        }
    }
    names
}

/// Directives that define the name that follows them.
const VALUED: [&str; 5] = [".set", ".equ", ".equiv", ".comm", ".lcomm"];

/// Splits a text into the name that it begins with, without quotes, and the rest.
fn leading_name(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted.split_once('"');
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '@');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::defined_in;

    #[test]
    fn labels_and_values_are_defined() {
        let names = |text| {
            defined_in(text)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(".globl spot\nspot: nop"), ["spot"]);
        assert_eq!(names("a: b : jmp c; \"d e\": call f"), ["a", "b", "d e"]);
        assert_eq!(names(".set g, 1\n h = 2\n.comm i,8"), ["g", "h", "i"]);
        assert!(names("call f\n\tmov $$1, %eax # x: y").is_empty());
        assert!(names("").is_empty());
    }
}
