//! What macros are given: parsed where it is a list of expressions or a match, and scanned for
//! paths and method calls where it isn't.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;

/// The tokens of a macro's call.
pub(super) enum Body {
    /// `format!`, `assert!`, `vec!` and all that look like them.
    Expressions(Vec<syn::Expr>),
    /// `matches!`.
    Match(Box<(syn::Expr, syn::Pat)>),
    Tokens(TokenStream),
}

/// Something that tokens name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Path(Vec<String>, usize),
    Call {
        /// The name before the dot, if it is one.
        receiver: Option<String>,
        name: String,
        line: usize,
    },
}

/// Parses what a macro is given.
pub(super) fn body(used: &syn::Macro) -> Body {
    let tokens = used.tokens.clone();
    if used
        .path
        .segments
        .last()
        .is_some_and(|it| it.ident == "matches")
    {
        return match a_match.parse2(tokens) {
            Ok(parts) => Body::Match(Box::new(parts)),
            Err(_) => Body::Tokens(used.tokens.clone()),
        };
    }
    let list = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
    if let Ok(values) = list.parse2(tokens.clone()) {
        return Body::Expressions(values.into_iter().collect());
    }
    let repeated = Punctuated::<syn::Expr, syn::Token![;]>::parse_separated_nonempty;
    match repeated.parse2(tokens) {
        Ok(values) => Body::Expressions(values.into_iter().collect()),
        Err(_) => Body::Tokens(used.tokens.clone()),
    }
}

fn a_match(input: ParseStream<'_>) -> syn::Result<(syn::Expr, syn::Pat)> {
    let value = input.parse()?;
    input.parse::<syn::Token![,]>()?;
    let mut pattern = syn::Pat::parse_multi_with_leading_vert(input)?;
    if input.peek(syn::Token![if]) {
        pattern = syn::Pat::Guard(syn::PatGuard {
            attrs: Vec::new(),
            pat: Box::new(pattern),
            if_token: input.parse()?,
            guard: input.parse()?,
        });
    }
    input.parse::<Option<syn::Token![,]>>()?;
    Ok((value, pattern))
}

/// The paths and method calls in tokens that aren't parsed. `$crate` is taken for `crate`.
pub(super) fn scan(tokens: TokenStream) -> Vec<Found> {
    let mut found = Vec::new();
    scan_into(tokens, &mut found);
    found
}

fn scan_into(tokens: TokenStream, found: &mut Vec<Found>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_punct = |at: usize, what: char| matches!(tokens.get(at), Some(TokenTree::Punct(it)) if it.as_char() == what);
    let ident = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(it)) => Some(it.to_string()),
        _ => None,
    };
    let mut at = 0;
    while at < tokens.len() {
        if let TokenTree::Group(group) = &tokens[at] {
            scan_into(group.stream(), found);
        }
        let Some(first) = ident(at) else {
            at += 1;
            continue;
        };
        let line = tokens[at].span().start().line;
        let is_after_dot = at > 0 && is_punct(at - 1, '.') && !(at > 1 && is_punct(at - 2, '.'));
        if is_after_dot {
            let is_call = matches!(tokens.get(at + 1), Some(TokenTree::Group(it)) if it.delimiter() == Delimiter::Parenthesis);
            if is_call {
                // Before `name` and the dot stands a name, or the arguments of a call of one.
                let before = at.checked_sub(2);
                let is_group = before.is_some_and(|it| matches!(tokens[it], TokenTree::Group(_)));
                let before = if is_group { at.checked_sub(3) } else { before };
                found.push(Found::Call {
                    receiver: before.and_then(ident),
                    name: first,
                    line,
                });
            }
            at += 1;
            continue;
        }
        let mut path = vec![first];
        at += 1;
        while is_punct(at, ':') && is_punct(at + 1, ':') {
            let Some(next) = ident(at + 2) else { break };
            path.push(next);
            at += 3;
        }
        found.push(Found::Path(path, line));
    }
}
