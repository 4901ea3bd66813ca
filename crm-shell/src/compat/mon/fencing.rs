//! What was fenced, from the history that the cluster keeps in the status.

use crm_core::cib::Element;

use super::Scene;
use super::sections::Section;
use crate::render::report::Part;
use crate::render::status::offset_time;

/// One attempt that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The node that was to be fenced.
    pub target: &'a str,
    /// `reboot`, `off`, `on`.
    pub action: &'a str,
    /// The node that asked the device.
    pub delegate: Option<&'a str>,
    /// Who wanted it.
    pub client: &'a str,
    /// It worked.
    pub success: bool,
    /// Why not.
    pub reason: Option<&'a str>,
    /// When it ended, in seconds of the epoch.
    pub completed: i64,
}

/// All attempts that are recorded, newest first.
pub fn attempts(cib: &Element) -> Vec<Attempt<'_>> {
    let history = cib.at(&["status", "fence_history"]).into_iter().flat_map(Element::children);
    let mut all: Vec<Attempt<'_>> =
        history.filter(|e| e.name() == "fence_event").filter_map(attempt).collect();
    all.reverse();
    all
}

fn attempt(event: &Element) -> Option<Attempt<'_>> {
    let some = |name: &str| event.attr(name).filter(|text| !text.is_empty());
    Some(Attempt {
        target: some("target")?,
        action: some("action").unwrap_or("reboot"),
        delegate: some("delegate"),
        client: some("client").unwrap_or_default(),
        success: some("status") == Some("success"),
        reason: some("exit-reason"),
        completed: some("completed").and_then(|t| t.parse().ok()).unwrap_or(0),
    })
}

/// Leaves of attempts that are alike only the newest: the same action on the same node with the
/// same end, and for those that failed by the same node.
fn reduced(all: Vec<Attempt<'_>>) -> Vec<Attempt<'_>> {
    let mut kept: Vec<Attempt<'_>> = Vec::new();
    for one in all {
        let alike = |k: &Attempt<'_>| {
            let same = k.target == one.target && k.action == one.action;
            same && k.success == one.success && (one.success || k.delegate == one.delegate)
        };
        if !kept.iter().any(alike) {
            kept.push(one);
        }
    }
    kept
}

/// The node from which a later attempt of the same kind worked: the same node if there is one.
fn later_success<'a>(of: &Attempt<'a>, all: &[Attempt<'a>]) -> Option<&'a str> {
    let later = all.iter().take_while(|a| *a != of).filter(|a| {
        a.success && a.target == of.target && a.action == of.action && a.completed > of.completed
    });
    let from: Vec<&str> = later.map(|a| a.delegate.unwrap_or("some node")).collect();
    from.iter()
        .find(|n| Some(**n) == of.delegate || of.delegate.is_none())
        .or(from.first())
        .copied()
}

fn words(of: &Attempt<'_>, all: &[Attempt<'_>], whole: bool, technical: bool) -> String {
    let action = match of.action {
        "on" => "unfencing",
        "off" => "turning off",
        other => other,
    };
    let origin = of.delegate.unwrap_or_default();
    let state = if of.success { "successful" } else { "failed" };
    let reason = of.reason.filter(|_| !of.success).map_or(String::new(), |r| format!(" ({r})"));
    let time = offset_time(of.completed);
    let mut out = format!("{action} of {}", of.target);
    if technical {
        let delegate = of.delegate.map_or(String::new(), |d| format!("delegate={d}, "));
        let when = match (whole, of.success) {
            (true, _) => "completed",
            (false, true) => "last-successful",
            (false, false) => "last-failed",
        };
        out.push_str(&format!(
            " {state}{reason}: {delegate}client={}, origin={origin}, {when}='{time}'",
            of.client
        ));
    } else {
        let by = of.delegate.map_or(String::new(), |d| format!(" by {d}"));
        let last = if whole { "" } else { " last" };
        out.push_str(&format!("{by} for {}@{origin}{last} {state}{reason} at {time}", of.client));
    }
    if let Some(node) = later_success(of, all).filter(|_| !of.success) {
        out.push_str(&format!(" (a later attempt from {node} succeeded)"));
    }
    out
}

/// What `stonith_admin --history` tells of a node, or of all: every attempt, or only the newest
/// that worked.
pub fn told(cib: &Element, target: Option<&str>, every: bool) -> Vec<String> {
    let mut all = attempts(cib);
    all.retain(|a| target.is_none_or(|t| a.target == t));
    let chosen = all.iter().filter(|a| every || a.success).take(if every { usize::MAX } else { 1 });
    chosen.map(|a| words(a, &all, every, true)).collect()
}

fn all_of<'a>(scene: &Scene<'a>) -> Vec<Attempt<'a>> {
    let cib: &'a Element = scene.cib;
    let all = attempts(cib);
    if scene.options.whole_fencing { all } else { reduced(all) }
}

/// The lines of the attempts that failed, or of those that worked.
pub fn items(scene: &Scene<'_>, success: bool) -> Vec<Part> {
    let has = |section| scene.options.sections.has(section);
    let whole = [Section::FencingFailed, Section::FencingPending, Section::FencingSucceeded];
    let whole = whole.into_iter().all(has);
    let all = all_of(scene);
    let wanted = |a: &&Attempt<'_>| a.success == success && shows(scene, a);
    let chosen = all.iter().filter(wanted);
    chosen.map(|a| Part::item(words(a, &all, whole, scene.options.detail))).collect()
}

fn shows(scene: &Scene<'_>, attempt: &Attempt<'_>) -> bool {
    scene
        .cluster
        .node_named(attempt.target)
        .map_or(scene.options.node.is_none(), |node| scene.view.wants_node(node))
}

/// The element with all of them, if there are any.
pub fn element(scene: &Scene<'_>) -> Option<Element> {
    let all = all_of(scene);
    let mut list = Element::new("fence_history");
    for one in all.iter().filter(|a| shows(scene, a)) {
        let mut event = Element::new("fence_event")
            .with("action", one.action)
            .with("target", one.target)
            .with("client", one.client)
            .with("origin", one.delegate.unwrap_or_default())
            .with("status", if one.success { "success" } else { "failed" });
        if let Some(reason) = one.reason.filter(|_| !one.success) {
            event.set_attr("exit-reason", reason);
        }
        if let Some(delegate) = one.delegate {
            event.set_attr("delegate", delegate);
        }
        event.set_attr("completed", offset_time(one.completed));
        list.push(event);
    }
    let some = list.children().next().is_some();
    some.then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> Element {
        crm_core::cib::parse(
            "<cib><status><fence_history>\
             <fence_event target='a' action='reboot' delegate='b' client='x' status='failed' \
             exit-reason='no power' completed='100'/>\
             <fence_event target='a' action='reboot' delegate='c' client='x' status='success' \
             completed='200'/>\
             <fence_event target='a' action='reboot' delegate='b' client='x' status='failed' \
             completed='300'/></fence_history></status></cib>",
        )
        .unwrap()
    }

    #[test]
    fn a_failure_says_that_a_later_attempt_worked() {
        let cib = history();
        let all = attempts(&cib);
        assert_eq!(all.iter().map(|a| a.completed).collect::<Vec<_>>(), [300, 200, 100]);
        assert_eq!(later_success(&all[2], &all), Some("c"));
        assert_eq!(later_success(&all[0], &all), None);
        let text = words(&all[2], &all, true, false);
        assert!(text.starts_with("reboot of a by b for x@b failed (no power) at 1970"), "{text}");
        assert!(text.ends_with("(a later attempt from c succeeded)"), "{text}");
    }

    #[test]
    fn of_a_node_the_newest_that_worked_is_told_or_every_one() {
        let cib = history();
        let newest = told(&cib, Some("a"), false);
        assert_eq!(newest.len(), 1);
        assert!(newest[0].starts_with("reboot of a successful: delegate=c, client=x, origin=c, "));
        assert_eq!(told(&cib, None, true).len(), 3);
        assert!(told(&cib, Some("b"), true).is_empty());
    }

    #[test]
    fn of_attempts_that_are_alike_the_newest_is_left() {
        let cib = history();
        let left = reduced(attempts(&cib));
        assert_eq!(left.iter().map(|a| a.completed).collect::<Vec<_>>(), [300, 200]);
    }
}
