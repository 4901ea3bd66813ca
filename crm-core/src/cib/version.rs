//! The version triple of a CIB.

use std::fmt;

use super::Element;

/// `admin_epoch`, `epoch` and `num_updates`, compared in that order.
///
/// `epoch` grows with every change of the configuration, `num_updates` with every change of the
/// status and starts again at 0 with a new epoch, as in Pacemaker. `admin_epoch` is only ever
/// changed by an administrator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Set by hand, to make one copy win over all others.
    pub admin_epoch: u64,
    /// Counts configuration changes.
    pub epoch: u64,
    /// Counts status changes since the last configuration change.
    pub num_updates: u64,
}

impl Version {
    /// The version written at the root of `cib`; a missing or unreadable part is 0.
    pub fn of(cib: &Element) -> Version {
        let part = |name| cib.attr(name).and_then(|v| v.parse().ok()).unwrap_or(0);
        Version {
            admin_epoch: part("admin_epoch"),
            epoch: part("epoch"),
            num_updates: part("num_updates"),
        }
    }

    /// Writes this version at the root of `cib`.
    pub fn write(self, cib: &mut Element) {
        cib.set_attr("admin_epoch", self.admin_epoch.to_string());
        cib.set_attr("epoch", self.epoch.to_string());
        cib.set_attr("num_updates", self.num_updates.to_string());
    }

    /// The version of the configuration alone: a status change does not change it.
    pub fn configuration(self) -> Version {
        Version { num_updates: 0, ..self }
    }

    /// The version after a change of the configuration.
    #[must_use]
    pub fn next_epoch(self) -> Version {
        Version { epoch: self.epoch.saturating_add(1), num_updates: 0, ..self }
    }

    /// The version after a change of the status.
    #[must_use]
    pub fn next_update(self) -> Version {
        Version { num_updates: self.num_updates.saturating_add(1), ..self }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.admin_epoch, self.epoch, self.num_updates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    #[test]
    fn a_version_is_read_written_and_ordered() {
        let mut cib = parse("<cib epoch='7' num_updates='x'/>").unwrap();
        let v = Version::of(&cib);
        assert_eq!(v, Version { admin_epoch: 0, epoch: 7, num_updates: 0 });
        assert!(v < v.next_update() && v.next_update() < v.next_epoch());
        assert_eq!(v.next_update().configuration(), v);
        v.next_epoch().write(&mut cib);
        assert_eq!(Version::of(&cib).to_string(), "0.8.0");
    }
}
