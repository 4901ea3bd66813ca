//! The protocol's times, all derived from one: how long a living node may be silent.

use std::time::Duration;

use crate::config::TotemConf;

/// Every time the protocol waits for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Each node is heard this often, whether it has something to say or not.
    pub probe: Duration,
    /// A node that no survivor has heard for this long is dead.
    pub dead_after: Duration,
    /// What some hear and others do not is judged this much later, so that all have the facts.
    pub settle: Duration,
    /// Without a token for this long the ring is given up, whoever is heard.
    pub token: Duration,
    /// A token or commit token that shows no effect is sent again.
    pub retransmit: Duration,
    /// An idle ring's token rests at the representative between rounds.
    pub hold: Duration,
    /// While gathering, the own opinion is repeated.
    pub join: Duration,
    /// While gathering, who has not come to agree is left out.
    pub consensus: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing::scaled(Duration::from_millis(1000))
    }
}

impl Timing {
    /// Times for a token timeout. The ratios keep the order that the protocol needs:
    /// probe « dead_after < token < consensus.
    pub fn scaled(token: Duration) -> Timing {
        let bounded = |time: Duration, low: u64, high: u64| {
            time.clamp(Duration::from_millis(low), Duration::from_millis(high))
        };
        Timing {
            probe: bounded(token / 20, 5, 200),
            dead_after: token * 3 / 5,
            settle: token * 3 / 20,
            token,
            retransmit: bounded(token / 50, 5, 100),
            hold: bounded(token / 10, 10, 200),
            join: bounded(token / 20, 5, 50),
            consensus: token * 6 / 5,
        }
    }

    /// What holds while the nodes of a ring go over from these times to others, not all at the
    /// same moment: each is heard as often as the more eager times ask for, and is waited for as
    /// long as the more patient ones allow.
    pub fn until_all_have(&self, others: &Timing) -> Timing {
        Timing {
            probe: self.probe.min(others.probe),
            dead_after: self.dead_after.max(others.dead_after),
            settle: self.settle.max(others.settle),
            token: self.token.max(others.token),
            retransmit: self.retransmit.min(others.retransmit),
            hold: self.hold.min(others.hold),
            join: self.join.min(others.join),
            consensus: self.consensus.max(others.consensus),
        }
    }

    /// The times that the file asks for; one second of token where it asks for none.
    ///
    /// As in corosync `token_coefficient` is added for every node beyond the second, but only if
    /// the file names it: detection need not grow with the number of nodes here.
    pub fn from_conf(conf: &TotemConf, nodes: usize) -> Timing {
        let token = conf.token.unwrap_or(Duration::from_millis(1000));
        let beyond = u32::try_from(nodes.saturating_sub(2)).unwrap_or(0);
        let extra = conf.token_coefficient.unwrap_or_default() * beyond;
        let timing = Timing::scaled(token + extra);
        let consensus = conf.consensus.unwrap_or(timing.consensus).max(timing.consensus);
        Timing { consensus, ..timing }
    }
}
