//! Fail counts, their expiry and thresholds (part 1, section 15).

use std::cmp::Ordering;
use std::ops::Bound;

use crate::Score;
use crate::scalar::{compare_versions, parse_int};
use crate::scheduler::model::{Cluster, HistoryIx, HistoryOp, NodeIx, RscIx, Severity};

/// Failures recorded for a resource on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FailCount {
    /// Sum of the counts (I-172).
    pub count: Score,
    /// Latest of the times, epoch seconds; 0 = none.
    pub last_failure: i64,
}

/// Counts as recorded, expired or not (I-170 to I-172).
pub fn recorded(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> FailCount {
    let mut sum = FailCount::default();
    let attributes = &cluster[node].attributes;
    let old = cluster.options.feature_set.as_deref();
    let by_operation = compare_versions(old, Some("3.0.13")) != Ordering::Less;
    let name = fail_name(cluster, rsc);
    let loose = !cluster[rsc].unique;
    let is_mine = |attribute: &str, prefix: &str| {
        attribute.strip_prefix(prefix).is_some_and(|rest| fits(rest, name, loose, by_operation))
    };
    let starting = |prefix: &'static str| {
        attributes
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(n, _)| n.starts_with(prefix))
            .filter(move |(n, _)| is_mine(n, prefix))
    };
    for (_, value) in starting("fail-count-") {
        sum.count = sum.count + cluster.options.score(value);
    }
    for (_, value) in starting("last-failure-") {
        sum.last_failure = sum.last_failure.max(parse_int(value).unwrap_or(0));
    }
    sum
}

/// The resource's name in the attributes: without instance number if that means nothing.
fn fail_name(cluster: &Cluster, rsc: RscIx) -> &str {
    let name = cluster[rsc].history_id();
    if cluster[rsc].unique { name } else { without_number(name) }
}

/// A name without a `:N` at its end.
pub fn without_number(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((base, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => base,
        Some(_) | None => name,
    }
}

/// True if `rest` is `NAME[:digits]#OP_MS`, or without the operation in old documents. A dot in
/// the name matches any character, as the peers' expression does.
fn fits(rest: &str, name: &str, loose: bool, by_operation: bool) -> bool {
    let Some((head, tail)) = rest.split_at_checked(name.len()) else { return false };
    if !head.bytes().zip(name.bytes()).all(|(a, b)| a == b || b == b'.') {
        return false;
    }
    let mut tail = tail;
    if loose && let Some(number) = tail.strip_prefix(':') {
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            tail = &number[digits..];
        }
    }
    if !by_operation {
        return tail.is_empty();
    }
    let Some((operation, interval)) = tail.strip_prefix('#').and_then(|t| t.rsplit_once('_'))
    else {
        return false;
    };
    let digits = !interval.is_empty() && interval.bytes().all(|b| b.is_ascii_digit());
    !operation.is_empty() && digits
}

/// The count in force: 0 once expired (I-174). `entry` is the entry being examined, if any; a
/// failure that blocks drops the failure timeout for the rest of the run (I-173).
pub fn effective(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    entry: Option<(HistoryIx, usize)>,
) -> FailCount {
    let mut found = recorded(cluster, rsc, node);
    let timeout = cluster[rsc].failure_timeout;
    if found.count > Score::ZERO && timeout > 0 && blocks(cluster, rsc, node, entry) {
        cluster[rsc].failure_timeout = 0;
        let text = format!(
            "Ignoring the failure timeout of {}: with on-fail=block failures do not expire",
            cluster[rsc].id
        );
        cluster.say(Severity::ConfigWarning, text);
    }
    let timeout = cluster[rsc].failure_timeout;
    if found.count > Score::ZERO && found.last_failure > 0 && timeout > 0 {
        if cluster.now.epoch > found.last_failure + timeout {
            found.count = Score::ZERO;
        } else if entry.is_some() {
            // Only who reads a failure looks ahead to when it expires.
            cluster.recheck(found.last_failure + timeout + 1);
        }
    }
    found
}

/// [`effective`], with what is inside a container that is not a bundle's (I-175).
pub fn with_fillers(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) -> Score {
    let mut sum = effective(cluster, rsc, node, None).count;
    if cluster.bundle_of(rsc).is_none() {
        for filler in cluster[rsc].fillers.clone() {
            sum = sum + effective(cluster, filler, node, None).count;
        }
    }
    sum
}

/// I-173: only literal attributes of the `op` count.
fn blocks(cluster: &Cluster, rsc: RscIx, node: NodeIx, entry: Option<(HistoryIx, usize)>) -> bool {
    let r = &cluster[rsc];
    if !r.ops.iter().any(|op| op.attr("on-fail") == Some("block")) {
        return false;
    }
    let history_id = r.history_id();
    let blocking = |op: &HistoryOp| {
        let last_failure = op.id.strip_suffix("_last_failure_0");
        let failed = last_failure.is_some_and(|id| id == history_id)
            || (op.id == op.key && op.rc != op.target_rc);
        failed
            && r.ops.iter().any(|def| {
                def.attr("on-fail") == Some("block")
                    && Some(&def.name) == op.task.as_ref()
                    && def.interval == op.interval
            })
    };
    match entry {
        Some((history, op)) => blocking(&cluster[history].ops[op]),
        // By name: an entry that belongs to another anonymous instance counts too.
        None => cluster
            .histories
            .iter()
            .filter(|h| h.node == node && *h.id == *history_id)
            .any(|h| h.ops.iter().any(blocking)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fail_counts() {
        // I-170, I-171
        assert!(fits("A#monitor_10000", "A", false, true));
        assert!(fits("A:3#start_0", "A", true, true));
        assert!(!fits("A:3#start_0", "A", false, true));
        assert!(!fits("AB#start_0", "A", false, true));
        assert!(!fits("A", "A", false, true));
        assert!(fits("A", "A", false, false));
        assert!(!fits("A#start_0", "A", false, false));
        assert!(!fits("A#start_x", "A", false, true));
        assert_eq!(without_number("a:b:12"), "a:b");
        assert_eq!(without_number("a:"), "a:");
    }
}
