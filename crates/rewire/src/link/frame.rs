//! [`QuickFrame`]: the frame of a quick body, in which a continuation finds what it needs.

use std::sync::Arc;

use rewire_llvm::FrameLayout;
use rewire_object::{LinkGraph, Symbol, SymbolPlace};

use crate::base::frame_text::FrameText;

/// The frame of a quick body, around its transfer buffer.
#[derive(Clone, Debug)]
pub(crate) struct QuickFrame {
    /// The body's code.
    pub(crate) text: FrameText,
    pub(crate) layout: Arc<FrameLayout>,
}

/// The fingerprint of a function's code in an object; `None` if it isn't there.
pub(crate) fn frame_text(graph: &LinkGraph<'_>, function: &Symbol<'_>) -> Option<FrameText> {
    let SymbolPlace::Defined { section, offset } = function.place else {
        return None;
    };
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(function.size).ok()?)?;
    let code = graph.section(section)?.data.get(start..end)?;
    Some(FrameText::of(code))
}
