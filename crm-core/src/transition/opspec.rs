//! Names of operations on the command line: `RESOURCE_TASK_INTERVALMS@NODE=RC` (O-18).

/// The parts of an operation key, `RESOURCE_TASK_INTERVALMS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpKey<'a> {
    /// The resource.
    pub resource: &'a str,
    /// `start`, `migrate_to`, ...; for a notification what is announced.
    pub task: &'a str,
    /// For a notification `pre` or `post`.
    pub notify: Option<&'a str>,
    /// Milliseconds.
    pub interval_ms: u64,
}

impl<'a> OpKey<'a> {
    /// Takes a key apart, from its right end; `None` if it is none.
    pub fn parse(key: &'a str) -> Option<OpKey<'a>> {
        let (rest, interval) = key.rsplit_once('_')?;
        let interval_ms = interval.parse().ok()?;
        for task in ["migrate_to", "migrate_from"] {
            if let Some(resource) = rest.strip_suffix(task).and_then(|r| r.strip_suffix('_')) {
                return Some(OpKey { resource, task, notify: None, interval_ms });
            }
        }
        let (rest, task) = rest.rsplit_once('_')?;
        for kind in ["pre", "post"] {
            let resource = rest
                .strip_suffix("_notify")
                .and_then(|r| r.strip_suffix(kind))
                .and_then(|r| r.strip_suffix('_'));
            if let Some(resource) = resource {
                return Some(OpKey { resource, task, notify: Some(kind), interval_ms });
            }
        }
        Some(OpKey { resource: rest, task, notify: None, interval_ms })
    }
}

/// An operation with its place and result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpSpec<'a> {
    /// What.
    pub key: OpKey<'a>,
    /// Where.
    pub node: &'a str,
    /// The exit code.
    pub rc: i32,
}

impl<'a> OpSpec<'a> {
    /// Takes a specification apart.
    ///
    /// # Errors
    /// How many of the three fields (key, node, result) could be read.
    pub fn parse(spec: &'a str) -> Result<OpSpec<'a>, usize> {
        let (key, rest) = spec.split_once('@').ok_or(1usize)?;
        let (node, rc) = rest.split_once('=').ok_or(2usize)?;
        let rc = rc.parse().map_err(|_| 2usize)?;
        let key = OpKey::parse(key).ok_or(0usize)?;
        Ok(OpSpec { key, node, rc })
    }
}

#[cfg(test)]
mod tests {
    use super::{OpKey, OpSpec};

    fn parts(key: &str) -> Option<(&str, &str, Option<&str>, u64)> {
        OpKey::parse(key).map(|k| (k.resource, k.task, k.notify, k.interval_ms))
    }

    #[test]
    fn keys_are_read_from_the_right() {
        assert_eq!(parts("a_b:0_monitor_20000"), Some(("a_b:0", "monitor", None, 20000)));
        assert_eq!(parts("a_migrate_to_0"), Some(("a", "migrate_to", None, 0)));
        assert_eq!(parts("a_pre_notify_start_0"), Some(("a", "start", Some("pre"), 0)));
        assert_eq!(parts("monitor_0"), None);
        assert_eq!(parts("a_monitor_x"), None);
    }

    #[test]
    fn specifications_say_how_far_they_could_be_read() {
        let spec = OpSpec::parse("a_start_0@n.example=7").unwrap();
        assert_eq!((spec.key.resource, spec.node, spec.rc), ("a", "n.example", 7));
        assert_eq!(OpSpec::parse("bogus"), Err(1));
        assert_eq!(OpSpec::parse("a_start_0@n"), Err(2));
    }
}
