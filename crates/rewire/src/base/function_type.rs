//! Function types as IR writes them.

/// The parts of a function's type, as IR writes it: `i32 (ptr, ...)`.
///
/// ```
/// use rewire::FunctionType;
///
/// let read = FunctionType::parse("{ i32, i32 } (ptr addrspace(1), { i8, i8 }, ...)").unwrap();
/// assert_eq!(read.result, "{ i32, i32 }");
/// assert_eq!(read.parameters, ["ptr addrspace(1)", "{ i8, i8 }", "..."]);
/// assert!(FunctionType::parse("{ i32, i32 }").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionType<'a> {
    /// What it returns.
    pub result: &'a str,
    /// What it takes. The last one is `...` if there may be more.
    pub parameters: Vec<&'a str>,
}

impl<'a> FunctionType<'a> {
    /// Takes a type apart; `None` if it is no function's.
    #[must_use]
    pub fn parse(type_name: &'a str) -> Option<Self> {
        let within = type_name.strip_suffix(')')?;
        // The bracket that the last one closes has a space before it; that of an address space
        // has none.
        let mut depth = 0_usize;
        let open = within.char_indices().rev().find_map(|(at, c)| {
            match c {
                ')' => depth += 1,
                '(' if depth == 0 => return Some(at),
                '(' => depth -= 1,
                _ => {}
            }
            None
        })?;
        let (result, parameters) = within.split_at(open);
        Some(Self {
            result: result.strip_suffix(' ')?,
            parameters: type_list(&parameters[1..]),
        })
    }

    /// Whether nothing is said of what it takes (C before C23).
    pub(crate) fn says_nothing(&self) -> bool {
        self.parameters == ["..."]
    }
}

/// The parts of a list that commas divide, without those within brackets and quotes.
fn type_list(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut start) = (0_usize, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim_ascii();
    parts.extend((!last.is_empty()).then_some(last));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_quotes_keep_parts_together() {
        let parse = |text| FunctionType::parse(text).map(|it| (it.result, it.parameters));
        assert_eq!(parse("void ()"), Some(("void", vec![])));
        assert_eq!(parse("i32 (...)"), Some(("i32", vec!["..."])));
        let odd = "%\"a (b\" (<4 x i32>, %\"c, d\", target(\"x.y\", 1))";
        let parts = vec!["<4 x i32>", "%\"c, d\"", "target(\"x.y\", 1)"];
        assert_eq!(parse(odd), Some(("%\"a (b\"", parts)));
        for other in [
            "",
            "i32",
            "ptr addrspace(1)",
            "target(\"x\", 1)",
            ")",
            "i32 )",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
