//! Dampening of transient attributes: values that come close together take effect together.
//!
//! `attrd_updater --delay` makes a value wait. Every member learns it at once, by an ordered
//! message; when the time of the member that set it is over, all values of that attribute that
//! wait, of whatever node, take effect in one step. So nodes that lose a common router one after
//! the other are compared with each other, and not with the one that has not noticed yet.
//!
//! What waits is no part of the replica: the message that ends the wait carries the values, so
//! that a member that came meanwhile does the same as the others.

use std::collections::BTreeMap;
use std::time::Duration;

use crm_messaging::proto::peer::AttributeChange;

/// Values under way to taking effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Damping {
    /// By attribute and node.
    waiting: BTreeMap<(String, String), AttributeChange>,
    /// How long the values of an attribute wait, as this node was last told.
    delays: BTreeMap<String, Duration>,
    /// When this node ends the wait of an attribute.
    due: BTreeMap<String, Duration>,
}

/// Values that may wait; more take effect at once.
const MAX_WAITING: usize = 4096;

impl Damping {
    /// How long a value waits: as is said with it, where nothing was said before or it is to be
    /// changed, else as before.
    pub(super) fn delay(&mut self, name: &str, said: Option<Duration>, change: bool) -> Duration {
        match (said, self.delays.get(name)) {
            (Some(said), None) => self.remember(name, said),
            (Some(said), Some(_)) if change => self.remember(name, said),
            (_, Some(known)) => *known,
            (None, None) => Duration::ZERO,
        }
    }

    fn remember(&mut self, name: &str, delay: Duration) -> Duration {
        if self.delays.len() < MAX_WAITING || self.delays.contains_key(name) {
            self.delays.insert(name.to_string(), delay);
        }
        delay
    }

    /// A value has been announced; `due` is set on the member that ends its wait.
    pub(super) fn announced(&mut self, change: &AttributeChange, due: Option<Duration>) {
        let key = (change.name.clone(), change.node.clone());
        self.waiting.insert(key, change.clone());
        if let Some(due) = due {
            self.due.entry(change.name.clone()).or_insert(due);
        }
    }

    /// A node went away, and what was known of it with it.
    pub(super) fn forget(&mut self, node: &str) {
        self.waiting.retain(|(_, of), _| of != node);
    }

    /// Whether no more values may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// A value took effect: it and older ones of its node wait no more.
    pub(super) fn settled(&mut self, change: &AttributeChange) {
        self.waiting.remove(&(change.name.clone(), change.node.clone()));
    }

    /// When the next wait ends here.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.due.values().min().copied()
    }

    /// The values of every attribute whose wait is over.
    pub(super) fn over(&mut self, now: Duration) -> Vec<AttributeChange> {
        let over: Vec<String> =
            self.due.iter().filter(|(_, at)| now >= **at).map(|(name, _)| name.clone()).collect();
        self.due.retain(|name, _| !over.contains(name));
        let is_over = |name: &String| over.contains(name);
        self.waiting.iter().filter(|((n, _), _)| is_over(n)).map(|(_, c)| c.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(node: &str, value: &str) -> AttributeChange {
        AttributeChange {
            node: node.into(),
            name: "pingd".into(),
            value: Some(value.into()),
            ..Default::default()
        }
    }

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn values_of_all_nodes_take_effect_when_the_first_wait_is_over() {
        let mut damping = Damping::default();
        damping.announced(&change("n1", "1"), Some(S(5)));
        damping.announced(&change("n1", "0"), Some(S(7)));
        damping.announced(&change("n2", "0"), None);
        assert_eq!(damping.wake_at(), Some(S(5)));
        assert_eq!(damping.over(S(4)), []);
        assert_eq!(damping.over(S(5)), [change("n1", "0"), change("n2", "0")]);
        assert_eq!(damping.wake_at(), None);
        damping.settled(&change("n1", "0"));
        damping.announced(&change("n2", "1"), Some(S(9)));
        assert_eq!(damping.over(S(9)), [change("n2", "1")]);
    }

    #[test]
    fn a_delay_is_kept_until_it_is_changed() {
        let mut damping = Damping::default();
        assert_eq!(damping.delay("a", None, false), S(0));
        assert_eq!(damping.delay("a", Some(S(5)), false), S(5));
        assert_eq!(damping.delay("a", Some(S(9)), false), S(5));
        assert_eq!(damping.delay("a", None, false), S(5));
        assert_eq!(damping.delay("a", Some(S(9)), true), S(9));
    }
}
