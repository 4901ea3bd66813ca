//! Since when a resource is in its state, from the operation histories in the CIB: the same answer
//! on every node, and kept nowhere else.

use crm_core::cib::Element;

/// What brought a resource into its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A stop, or a probe that found nothing.
    Stopped,
    /// A start.
    Started,
    /// It arrived by live migration.
    Migrated,
    /// A promotion.
    Promoted,
    /// A demotion.
    Demoted,
    /// A probe found it running: it is older than that.
    Found,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since {
    /// When, in seconds of the epoch.
    pub at_s: i64,
    /// By what.
    pub cause: Cause,
}

/// Since when the resource `id` (as its history names it: an instance of an anonymous clone has
/// no number) is in its state on a node; none if it was never there or nothing is known.
pub fn on_node(cib: &Element, id: &str, node: &str) -> Option<Since> {
    let state = cib
        .child("status")?
        .children_named("node_state")
        .find(|s| s.attr("uname") == Some(node) || s.id() == Some(node))?;
    let history = state
        .at(&["lrm", "lrm_resources"])?
        .children_named("lrm_resource")
        .find(|r| r.id() == Some(id))?;
    // Numbers of calls grow with time and never jump as clocks do.
    let newest = history.children_named("lrm_rsc_op").filter_map(change).max_by_key(|c| c.0)?;
    Some(newest.1)
}

/// Since when nothing of it runs anywhere: its last stop on any node.
pub fn stopped(cib: &Element, id: &str) -> Option<Since> {
    let states = cib.child("status")?.children_named("node_state");
    states
        .filter_map(|s| on_node(cib, id, s.attr("uname").or(s.id())?))
        .filter(|s| s.cause == Cause::Stopped)
        .max()
}

/// The call number and the change that an entry of the history stands for.
fn change(op: &Element) -> Option<(i64, Since)> {
    let number = |name: &str| op.attr(name).and_then(|v| v.parse::<i64>().ok());
    let rc = number("rc-code")?;
    let cause = match (op.attr("operation")?, rc) {
        ("start", 0) => Cause::Started,
        ("stop", 0) => Cause::Stopped,
        ("promote", 0) => Cause::Promoted,
        ("demote", 0) => Cause::Demoted,
        ("migrate_from", 0) => Cause::Migrated,
        ("migrate_to", 0) => Cause::Stopped,
        ("monitor", 0 | 8) if number("interval") == Some(0) => Cause::Found,
        ("monitor", 7) if number("interval") == Some(0) => Cause::Stopped,
        _ => return None,
    };
    Some((number("call-id")?, Since { at_s: number("last-rc-change")?, cause }))
}

#[cfg(test)]
mod tests {
    use crm_core::cib::parse;

    use super::*;

    fn cib() -> Element {
        let op = |call: i64, operation: &str, rc: i64, interval: i64| {
            format!(
                "<lrm_rsc_op id='{operation}{interval}' operation='{operation}' rc-code='{rc}' \
                 call-id='{call}' interval='{interval}' last-rc-change='{}'/>",
                1000 + call
            )
        };
        let state = |name: &str, ops: String| {
            format!(
                "<node_state uname='{name}'><lrm><lrm_resources><lrm_resource id='db'>{ops}\
                 </lrm_resource></lrm_resources></lrm></node_state>"
            )
        };
        let one = op(3, "start", 0, 0) + &op(5, "monitor", 0, 10_000) + &op(6, "promote", 0, 0);
        let two = op(2, "monitor", 0, 0) + &op(4, "stop", 0, 0) + &op(9, "start", 1, 0);
        let three = op(2, "monitor", 8, 0);
        let text = format!(
            "<cib><status>{}{}{}</status></cib>",
            state("n1", one),
            state("n2", two),
            state("n3", three)
        );
        parse(&text).unwrap()
    }

    #[test]
    fn the_newest_change_counts_and_failures_and_monitors_do_not() {
        let cib = cib();
        let on = |node| on_node(&cib, "db", node);
        assert_eq!(on("n1"), Some(Since { at_s: 1006, cause: Cause::Promoted }));
        assert_eq!(on("n2"), Some(Since { at_s: 1004, cause: Cause::Stopped }));
        assert_eq!(on("n3"), Some(Since { at_s: 1002, cause: Cause::Found }));
        assert_eq!((on("n4"), on_node(&cib, "other", "n1")), (None, None));
        assert_eq!(stopped(&cib, "db").map(|s| s.at_s), Some(1004));
    }
}
