//! The answer to "may this be used now?", and how answers about several levels combine.

use super::class::FailureClass;
use crate::wire::Millis;

/// May a target or credential be used now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Ready,
    /// Its cooldown is over and nobody has tried it yet: one request may.
    Probe {
        /// Why it was cooling.
        class: FailureClass,
    },
    /// Another request is trying it right now.
    Probing {
        /// Why it was cooling.
        class: FailureClass,
        /// When the next probe may go if that one never ends.
        until: Millis,
    },
    /// Not before `until`.
    Cooling {
        /// Why.
        class: FailureClass,
        /// First moment of the next probe.
        until: Millis,
    },
    /// Not before its secret or the catalog changes.
    Dead {
        /// Why.
        class: FailureClass,
    },
}

impl Gate {
    /// True for [`Gate::Ready`] and [`Gate::Probe`].
    pub const fn usable(self) -> bool {
        matches!(self, Self::Ready | Self::Probe { .. })
    }

    /// True when not even a last-resort attempt may go: dead, or cooling for a reason that another attempt cannot change.
    pub const fn hard(self) -> bool {
        match self {
            Self::Ready | Self::Probe { .. } => false,
            Self::Probing { class, .. } | Self::Cooling { class, .. } => class.rule().hard,
            Self::Dead { .. } => true,
        }
    }

    /// When it may be usable again; `None` for never and for "now".
    pub const fn until(self) -> Option<Millis> {
        match self {
            Self::Ready | Self::Probe { .. } | Self::Dead { .. } => None,
            Self::Probing { until, .. } | Self::Cooling { until, .. } => Some(until),
        }
    }

    /// Why it is not simply ready.
    pub const fn class(self) -> Option<FailureClass> {
        match self {
            Self::Ready => None,
            Self::Probe { class }
            | Self::Probing { class, .. }
            | Self::Cooling { class, .. }
            | Self::Dead { class } => Some(class),
        }
    }

    /// `ready`, `cooling`, `probing`, `dead`: the words of the admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Probe { .. } | Self::Probing { .. } => "probing",
            Self::Cooling { .. } => "cooling",
            Self::Dead { .. } => "dead",
        }
    }

    /// Both must let a request through: the stricter of the two, until the later of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let stricter = if other.rank() > self.rank() { other } else { self };
        match (stricter, self.until().max(other.until())) {
            (Self::Probing { class, .. }, Some(until)) => Self::Probing { class, until },
            (Self::Cooling { class, .. }, Some(until)) => Self::Cooling { class, until },
            _ => stricter,
        }
    }

    fn rank(self) -> (u8, bool, Millis) {
        let kind = match self {
            Self::Ready => 0,
            Self::Probe { .. } => 1,
            Self::Probing { .. } => 2,
            Self::Cooling { .. } => 3,
            Self::Dead { .. } => 4,
        };
        // A hard probe in flight outranks a soft cooldown: it must not be broken through.
        (
            if kind == 2 && self.hard() { 3 } else { kind },
            self.hard(),
            self.until().unwrap_or_default(),
        )
    }
}
