//! What a cluster is mostly about: features that are rare in general and frequent in some clusters,
//! so that they meet each other.

use super::Draft;

/// Weights of primitives, groups, clones and bundles.
pub(super) type Kinds = [usize; 4];

/// A theme: how often kinds of resources and features occur.
pub(crate) struct Theme {
    kinds: Kinds,
    /// How many more constraints of each sort there may be.
    pub(super) constraints: usize,
    more: &'static [(&'static str, usize)],
}

impl Theme {
    /// How often `feature` occurs, in percent, if it usually occurs in `percent`.
    pub fn percent(&self, feature: &str, percent: usize) -> usize {
        let found = self.more.iter().find(|(name, _)| *name == feature);
        found.map_or(percent, |(_, more)| *more)
    }
}

/// Which kind of resource comes next: 0 a primitive, 1 a group, 2 a clone, 3 a bundle.
pub(super) fn kind(draft: &mut Draft) -> usize {
    let kinds = draft.theme.kinds;
    let mut at = draft.below(kinds.iter().sum());
    for (kind, weight) in kinds.iter().enumerate() {
        if at < *weight {
            return kind;
        }
        at -= weight;
    }
    0
}

const MIXED: Kinds = [45, 18, 28, 9];

/// Half of all clusters are about nothing in particular.
pub(super) fn choose(number: usize) -> &'static Theme {
    match number % 2 {
        0 => &THEMES[0],
        _ => &THEMES[1 + number / 2 % (THEMES.len() - 1)],
    }
}

/// How many choices there are.
pub(super) const CHOICES: usize = 2 * (THEMES.len() - 1);

const THEMES: &[Theme] = &[
    Theme { kinds: MIXED, constraints: 0, more: &[] },
    Theme {
        kinds: [15, 5, 20, 60],
        constraints: 1,
        more: &[("promotable bundle", 50), ("guest node", 5), ("first start", 30)],
    },
    Theme {
        kinds: [60, 10, 25, 5],
        constraints: 1,
        more: &[("guest node", 50), ("remote node", 30), ("node down injected", 15)],
    },
    Theme {
        kinds: [50, 15, 30, 5],
        constraints: 1,
        more: &[
            ("remote node", 95),
            ("reconnect interval", 50),
            ("remote attributes", 60),
            ("failed monitor", 25),
            ("failed start", 20),
        ],
    },
    Theme {
        kinds: [20, 10, 60, 10],
        constraints: 2,
        more: &[
            ("promotable clone", 90),
            ("promotion score", 85),
            ("notify", 50),
            ("colocation with role", 80),
            ("location with role", 60),
            ("promoted-max", 40),
            ("order after promote", 70),
            ("promotion score of an instance", 60),
        ],
    },
    Theme {
        kinds: [10, 15, 75, 0],
        constraints: 2,
        more: &[
            ("interleave", 50),
            ("clone-min", 40),
            ("ordered clone", 40),
            ("unique clone", 40),
            ("cloned group", 40),
            ("promotable clone", 30),
            ("asymmetric cluster", 15),
        ],
    },
    Theme {
        kinds: [20, 70, 10, 0],
        constraints: 2,
        more: &[("unordered group", 25), ("scattered group", 25), ("stickiness", 40)],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("ticket", 100),
            ("more tickets", 70),
            ("ticket set", 30),
            ("ticket granted", 20),
            ("ticket revoked", 20),
            ("ticket put into standby", 15),
            ("ticket activated", 15),
        ],
    },
    Theme {
        kinds: [70, 15, 10, 5],
        constraints: 1,
        more: &[
            ("shutdown lock", 100),
            ("shutdown", 40),
            ("locked resource", 60),
            ("shutdown lock limit", 40),
            ("fence device", 20),
        ],
    },
    Theme {
        kinds: [80, 10, 10, 0],
        constraints: 1,
        more: &[
            ("migration allowed", 85),
            ("partial or failed migration", 60),
            ("migration limit", 20),
            ("standby", 25),
        ],
    },
    Theme {
        kinds: [55, 20, 20, 5],
        constraints: 1,
        more: &[("placement strategy", 100), ("priority", 40)],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("failed monitor", 50),
            ("failed start", 20),
            ("failed stop", 15),
            ("on-fail", 60),
            ("migration threshold", 40),
            ("failure timeout", 30),
            ("start failures not fatal", 40),
            ("failed demote or promote", 30),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("fencing disabled", 5),
            ("fence device", 100),
            ("second fence device", 60),
            ("unclean node", 35),
            ("half dead node", 15),
            ("fencing topology", 50),
            ("unfencing", 50),
            ("requires", 30),
            ("priority-fencing-delay", 40),
            ("concurrent fencing", 30),
            ("terminate", 15),
            ("node failure injected", 20),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("changed parameters", 40),
            ("parameters", 70),
            ("reload possible", 60),
            ("private parameters", 40),
            ("operation parameters", 20),
            ("restart type", 20),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 1,
        more: &[
            ("resource discovery", 60),
            ("failed probe", 20),
            ("first start", 40),
            ("no startup probes", 15),
            ("stopped-role monitor", 25),
            ("operation refreshed", 20),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 2,
        more: &[
            ("location rule", 90),
            ("score attribute", 25),
            ("resource defaults", 60),
            ("resource defaults with rules", 70),
            ("operation defaults", 60),
            ("operation defaults with rules", 70),
            ("parameters by rule", 40),
            ("time set", 40),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("node health", 100),
            ("node health base", 30),
            ("node health scores", 50),
            ("unhealthy nodes allowed", 30),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 1,
        more: &[
            ("order set", 70),
            ("colocation set", 70),
            ("location set", 40),
            ("require-all=false", 60),
            ("tag", 40),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("orphan", 70),
            ("orphaned clone", 60),
            ("active twice", 25),
            ("multiple-active", 40),
            ("unmanaged", 30),
            ("orphans kept", 20),
            ("orphan actions kept", 20),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("node maintenance", 25),
            ("cluster maintenance", 15),
            ("standby", 25),
            ("transient standby", 15),
            ("unmanaged", 30),
            ("resource maintenance", 20),
            ("shutdown", 20),
            ("stop-all-resources", 10),
            ("target role", 40),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("no quorum", 75),
            ("quorum policy", 90),
            ("quorum given", 20),
            ("watchdog", 30),
            ("unclean node", 20),
            ("fencing disabled", 15),
        ],
    },
    Theme {
        kinds: MIXED,
        constraints: 0,
        more: &[
            ("stopped-role monitor", 50),
            ("interval-origin", 30),
            ("start delay", 20),
            ("disabled operation", 25),
            ("pending operation", 25),
            ("operation timeout", 40),
        ],
    },
];
