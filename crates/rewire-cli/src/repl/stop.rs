//! Calls that crash, or that the user ends with Ctrl-C.

use rewire::{Stopped, Unable};

use crate::message;

/// What the REPL's own functions are called, before their number: nobody asked for those.
pub(super) const PREFIX: &str = "bridge.";

/// What stopped a call and where, in a line for each function.
pub(super) fn describe(stopped: &Stopped) -> String {
    let mut what = stopped.what.clone();
    let places = stopped.places().into_iter();
    let places = places.filter(|it| !it.starts_with(PREFIX));
    for (number, place) in places.enumerate() {
        what.push_str(if number == 0 {
            ", in "
        } else {
            "\n  called by "
        });
        what.push_str(&place);
    }
    what
}

/// Tells the user that there is no coming back from a call, or not yet. Called in a signal's
/// handler.
pub(super) fn unable(unable: Unable<'_>) {
    match unable {
        Unable::Crashed(stopped) => {
            let help = "the session ends: what runs outside compiled code may hold locks";
            message::error(&describe(stopped), Some(help));
        }
        Unable::Waits(stopped) => {
            let what = format!(
                "{}, which can't be left until it returns",
                describe(stopped)
            );
            message::warning(&what, "Ctrl-C once more ends the session");
        }
        Unable::Destructor(stopped) => {
            let what = format!("a destructor failed: {}", describe(stopped));
            message::warning(
                &what,
                "what it would have destroyed after that is left as it was",
            );
        }
        Unable::NoCall => {
            let text = "\nbusy; Ctrl-C once more ends the session\n";
            // SAFETY: the text is that long.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        }
        _ => {}
    }
}
