//! `node_state`: what the cluster knows about the membership of a node, as Pacemaker 2.1 writes it.

use crm_core::cib::Element;
use crm_core::cib::attributes::{AttributeChange, set_attribute, value_of};
use crm_messaging::group::NodeId;

/// How a node stands to the cluster (the words of I-49 in one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Takes part.
    Member,
    /// In the ring, but takes no part yet.
    Pending,
    /// Contact lost; what it does is not known.
    Lost,
    /// Contact lost, and it has not yet had the time to stop by itself (no fencing configured).
    Leased,
    /// Its daemon has said that it ends and comes back; its services go on.
    Away,
    /// Left cleanly.
    Left,
    /// Off, confirmed.
    Fenced,
}

/// The `node_state` of a node.
pub fn node_state(cib: &Element, id: NodeId) -> Option<&Element> {
    let id = id.to_string();
    cib.child("status")?.children_named("node_state").find(|s| s.id() == Some(&id))
}

/// The same, to change; made if it is not there.
pub fn node_state_mut<'a>(cib: &'a mut Element, id: NodeId, name: &str) -> &'a mut Element {
    let id = id.to_string();
    let is = |s: &Element| s.name() == "node_state" && s.id() == Some(&id);
    let status = cib.child_or_insert("status");
    if status.position(is).is_none() {
        status.push(Element::new("node_state").with("id", &id).with("uname", name));
    }
    // The element was just made if it was missing.
    match status.position(is).and_then(|at| status.nodes_mut().get_mut(at)) {
        Some(crm_core::cib::Child::Element(e)) => std::sync::Arc::make_mut(e),
        _ => unreachable!("position() finds elements only"),
    }
}

/// Whether the status says that the node is in the membership.
pub fn is_in_ccm(cib: &Element, id: NodeId) -> bool {
    node_state(cib, id).and_then(|s| s.attr("in_ccm")) == Some("true")
}

/// Whether the node was expected to be there when it went.
pub fn is_expected(cib: &Element, id: NodeId) -> bool {
    node_state(cib, id).and_then(|s| s.attr("expected")) == Some("member")
}

/// The standing of a node, as far as the status tells it.
pub fn standing(cib: &Element, id: NodeId) -> Option<Standing> {
    let state = node_state(cib, id)?;
    if state.attr(AWAY).is_some() {
        return Some(Standing::Away);
    }
    let is = |name: &str, value: &str| state.attr(name) == Some(value);
    Some(match (is("in_ccm", "true"), is("crmd", "online"), is("expected", "member")) {
        (true, true, _) if is("join", "member") => Standing::Member,
        (true, true, _) => Standing::Pending,
        (true, false, _) => Standing::Leased,
        (false, _, true) => Standing::Lost,
        (false, _, false) => Standing::Left,
    })
}

/// Writes the standing of a node, and forgets what ends with it.
///
/// Transient attributes end with the membership; a lost node's too, because a `shutdown` request
/// would otherwise keep the crashed node from being fenced (I-53 row 1). They outlive a restart of
/// the daemon that was announced. The operation history ends only when the node is known to be off.
pub fn set_standing(cib: &mut Element, id: NodeId, name: &str, standing: Standing) {
    let state = node_state_mut(cib, id, name);
    state.set_attr("uname", name);
    let expected_before = state.attr("expected").unwrap_or("down").to_string();
    let (in_ccm, crmd, origin, join, expected) = match standing {
        Standing::Member => ("true", "online", "join", "member", "member"),
        Standing::Pending => ("true", "online", "join", "pending", "down"),
        Standing::Lost => ("false", "offline", "view", "down", &*expected_before),
        Standing::Leased => ("true", "offline", "view", "down", &*expected_before),
        Standing::Away => ("true", "online", "restart", "pending", "member"),
        Standing::Left => ("false", "offline", "view", "down", "down"),
        Standing::Fenced => ("false", "offline", "fenced", "down", "down"),
    };
    state.set_attr("in_ccm", in_ccm);
    state.set_attr("crmd", crmd);
    state.set_attr("crm-debug-origin", origin);
    state.set_attr("join", join);
    state.set_attr("expected", expected);
    if standing != Standing::Away {
        state.remove_attr(AWAY);
    }
    match standing {
        Standing::Away => {}
        Standing::Member => {
            // It is back: why it could not be fenced matters no more.
            state.remove_attr("fence-trouble");
        }
        Standing::Fenced => {
            state.retain(|c| !matches!(c.name(), "lrm" | "transient_attributes"));
        }
        Standing::Pending | Standing::Lost | Standing::Leased | Standing::Left => {
            state.retain(|c| c.name() != "transient_attributes");
        }
    }
}

/// Notes that the daemon of a node ends and comes back within `seconds`.
pub fn set_away(cib: &mut Element, id: NodeId, name: &str, seconds: u64) {
    set_standing(cib, id, name, Standing::Away);
    node_state_mut(cib, id, name).set_attr(AWAY, seconds.to_string());
}

/// How long a node that is [`Standing::Away`] may be.
pub fn away_seconds(cib: &Element, id: NodeId) -> Option<u64> {
    node_state(cib, id)?.attr(AWAY)?.parse().ok()
}

/// What is known of a node whose daemon has started afresh: its services have to be looked at
/// (their history goes), but as long as its kernel is the one that was known, its transient
/// attributes hold: fail counts and promotion scores among them. A request to stop has been met.
pub fn start_afresh(cib: &mut Element, id: NodeId, name: &str, boot: &str) {
    let state = node_state_mut(cib, id, name);
    let same = state.attr(BOOT) == Some(boot);
    state.retain(|c| c.name() != "lrm" && (same || c.name() != "transient_attributes"));
    if same {
        set_transient(cib, name, "shutdown", None);
    }
}

/// Notes the boot id of a node's kernel.
pub fn set_boot(cib: &mut Element, id: NodeId, name: &str, boot: &str) {
    node_state_mut(cib, id, name).set_attr(BOOT, boot);
}

/// Attributes of `node_state` that Pacemaker does not have.
const AWAY: &str = "away";
const BOOT: &str = "boot";

/// A transient attribute of a node.
pub fn transient<'a>(cib: &'a Element, id: NodeId, name: &str) -> Option<&'a str> {
    value_of(node_state(cib, id)?.child("transient_attributes")?, name)
}

/// Whether the node has asked to be stopped (I-39).
pub fn is_shutting_down(cib: &Element, id: NodeId) -> bool {
    transient(cib, id, "shutdown").is_some_and(|v| v != "0")
}

/// Sets or deletes a transient attribute of a node.
pub fn set_transient(cib: &mut Element, node: &str, name: &str, value: Option<&str>) -> bool {
    let change = AttributeChange { node, name, value, transient: true, ..Default::default() };
    set_attribute(cib, &change)
}

/// The value of a cluster property, from the sets in document order.
pub fn property<'a>(cib: &'a Element, name: &str) -> Option<&'a str> {
    cib.at(&["configuration", "crm_config"])?
        .children_named("cluster_property_set")
        .flat_map(Element::children)
        .find(|p| p.attr("name") == Some(name))
        .and_then(|p| p.attr("value"))
}

/// A boolean cluster property.
pub fn property_is_on(cib: &Element, name: &str, default: bool) -> bool {
    match property(cib, name).map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "on" | "yes" | "y" | "1") => true,
        Some("false" | "off" | "no" | "n" | "0") => false,
        _ => default,
    }
}

/// A time in CIB notation (`20`, `20s`, `500ms`, `2min`, `1h`), in milliseconds.
pub fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1000,
        "ms" | "msec" => 1,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    const N: NodeId = NodeId(1);

    #[test]
    fn a_node_state_has_the_words_of_pacemaker() {
        let mut cib = parse("<cib/>").unwrap();
        set_standing(&mut cib, N, "n1", Standing::Member);
        assert_eq!(
            cib.to_string(),
            "<cib><status><node_state id=\"1\" uname=\"n1\" in_ccm=\"true\" crmd=\"online\" \
             crm-debug-origin=\"join\" join=\"member\" expected=\"member\"/></status></cib>"
        );
        assert_eq!(standing(&cib, N), Some(Standing::Member));
    }

    #[test]
    fn a_lost_node_stays_expected_and_keeps_its_history_until_it_is_fenced() {
        let mut cib = parse(
            "<cib><configuration><nodes><node id='1' uname='n1'/></nodes></configuration></cib>",
        )
        .unwrap();
        set_standing(&mut cib, N, "n1", Standing::Member);
        node_state_mut(&mut cib, N, "n1").push(Element::new("lrm").with("id", "1"));
        set_transient(&mut cib, "n1", "shutdown", Some("17"));
        assert!(is_shutting_down(&cib, N));
        set_standing(&mut cib, N, "n1", Standing::Lost);
        assert!(!is_shutting_down(&cib, N) && is_expected(&cib, N));
        assert!(node_state(&cib, N).unwrap().child("lrm").is_some());
        assert_eq!(standing(&cib, N), Some(Standing::Lost));
        node_state_mut(&mut cib, N, "n1").set_attr("fence-trouble", "no device");
        set_standing(&mut cib, N, "n1", Standing::Member);
        assert_eq!(node_state(&cib, N).unwrap().attr("fence-trouble"), None);
        set_standing(&mut cib, N, "n1", Standing::Fenced);
        assert!(node_state(&cib, N).unwrap().child("lrm").is_none());
        assert!(!is_expected(&cib, N));
    }

    #[test]
    fn a_restarted_daemon_keeps_what_its_kernel_keeps() {
        let mut cib = parse(
            "<cib><configuration><nodes><node id='1' uname='n1'/></nodes></configuration></cib>",
        )
        .unwrap();
        let fill = |cib: &mut Element| {
            set_standing(cib, N, "n1", Standing::Member);
            set_boot(cib, N, "n1", "b1");
            node_state_mut(cib, N, "n1").child_or_insert("lrm");
            set_transient(cib, "n1", "fail-count-a#monitor_10", Some("2"));
            set_transient(cib, "n1", "shutdown", Some("17"));
            set_away(cib, N, "n1", 60);
        };
        fill(&mut cib);
        assert_eq!((standing(&cib, N), away_seconds(&cib, N)), (Some(Standing::Away), Some(60)));
        start_afresh(&mut cib, N, "n1", "b1");
        set_standing(&mut cib, N, "n1", Standing::Member);
        assert_eq!(transient(&cib, N, "fail-count-a#monitor_10"), Some("2"));
        assert!(!is_shutting_down(&cib, N) && node_state(&cib, N).unwrap().child("lrm").is_none());
        assert_eq!((standing(&cib, N), away_seconds(&cib, N)), (Some(Standing::Member), None));
        fill(&mut cib);
        start_afresh(&mut cib, N, "n1", "b2");
        assert_eq!(transient(&cib, N, "fail-count-a#monitor_10"), None);
    }

    #[test]
    fn times_have_units() {
        let ms =
            ["20", "500ms", "2min", "1h", "3 s", "x", "99999999999999999999"].map(milliseconds);
        let wanted =
            [Some(20_000), Some(500), Some(120_000), Some(3_600_000), Some(3000), None, None];
        assert_eq!(ms, wanted);
    }
}
