//! Every row of docs/fusion.md "What happens when", with a virtual clock.

mod advisers;
mod caller;
mod fuzz;
mod requests;

use super::panel::Panel;

/// A streaming caller and one that waits for the whole.
fn both(mut check: impl FnMut(Panel)) {
    check(Panel::new());
    check(Panel::new().streaming(false));
}
