//! Which configured device could fence a node, from where, and in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crm_core::cib::Element;
use crm_messaging::group::NodeId;

use super::history;
use super::status::milliseconds;

/// A configured fencing device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// The resource's id.
    pub id: String,
    /// The agent without its class, such as `external/ssh` or `fence_ipmilan`.
    pub kind: String,
    /// Its parameters, those for the cluster (`pcmk_...`) included.
    pub params: BTreeMap<String, String>,
    /// It takes part in unfencing (meta attribute `provides`).
    pub unfences: bool,
    /// Members that may run it, best first.
    pub executors: Vec<NodeId>,
    /// To wait before it acts.
    pub delay: Duration,
}

/// The attempts that may fence `target`, in order: each a list of devices that must all succeed.
///
/// With a topology for the target, its levels; without, every device by itself. To switch a node on
/// takes every device that unfences, whatever the levels say: one that is left out would keep the
/// node cut off. The executing node asks the device whether it knows the target.
pub(super) fn attempts(
    cib: &Element,
    target: &str,
    action: &str,
    members: &BTreeMap<NodeId, String>,
    local: NodeId,
) -> Vec<Vec<Device>> {
    let mut devices: Vec<Device> = Vec::new();
    for primitive in primitives(cib) {
        if let Some(device) = device(cib, primitive, target, action, members, local) {
            devices.push(device);
        }
    }
    let levels = topology(cib, target);
    let unfencing: Vec<Device> =
        devices.iter().filter(|d| action == "on" && d.unfences).cloned().collect();
    if levels.is_empty() && !unfencing.is_empty() {
        return vec![unfencing];
    }
    if levels.is_empty() {
        // A device that names its hosts is tried before one that has to be asked.
        devices.sort_by_key(|d| !d.params.contains_key("pcmk_host_list"));
        return devices.into_iter().map(|d| vec![d]).collect();
    }
    let find = |id: &String| devices.iter().find(|d| d.id == *id).cloned();
    let complete = |mut level: Vec<Device>| {
        level.extend(unfencing.iter().filter(|d| !level.contains(d)).cloned().collect::<Vec<_>>());
        level
    };
    let level = |ids: &Vec<String>| ids.iter().map(find).collect::<Option<Vec<_>>>().map(complete);
    levels.values().filter_map(level).collect()
}

fn primitives(cib: &Element) -> impl Iterator<Item = &Element> {
    cib.at(&["configuration", "resources"])
        .into_iter()
        .flat_map(Element::descendants)
        .filter(|e| e.name() == "primitive" && e.attr("class") == Some("stonith"))
}

fn device(
    cib: &Element,
    primitive: &Element,
    target: &str,
    action: &str,
    members: &BTreeMap<NodeId, String>,
    local: NodeId,
) -> Option<Device> {
    let id = primitive.id()?;
    if meta(cib, id, "target-role").is_some_and(|r| r.eq_ignore_ascii_case("stopped")) {
        return None;
    }
    let unfences = meta(cib, id, "provides").is_some_and(|p| p.eq_ignore_ascii_case("unfencing"));
    // What unfences must often run on the very node (a registration on a shared disk, say).
    let own = unfences && action == "on";
    let params = pairs(primitive, "instance_attributes");
    let banned = banned(cib, id);
    let mut executors: Vec<NodeId> = members
        .iter()
        .filter(|(_, name)| (own || *name != target) && !banned.contains(name.as_str()))
        .map(|(&node, _)| node)
        .collect();
    let is_target = |n: NodeId| members.get(&n).is_some_and(|name| name == target);
    executors.sort_by_key(|&n| (!is_target(n), !runs_on(cib, n, id), n != local, n));
    let first = members.keys().next() == executors.first();
    let delay = delay(&params, target, first);
    let kind = primitive.attr("type")?.to_string();
    Some(Device { id: id.to_string(), kind, params, unfences, executors, delay })
}

fn pairs(owner: &Element, set: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for pair in owner.children_named(set).flat_map(Element::children) {
        if let (Some(name), Some(value)) = (pair.attr("name"), pair.attr("value")) {
            out.entry(name.to_string()).or_insert_with(|| value.to_string());
        }
    }
    out
}

/// A meta attribute of a resource or of what it is in.
fn meta(cib: &Element, id: &str, name: &str) -> Option<String> {
    fn search(e: &Element, id: &str, name: &str) -> Option<Option<String>> {
        let own = || pairs(e, "meta_attributes").get(name).cloned();
        if e.id() == Some(id) {
            return Some(own());
        }
        let inner = e.children().find_map(|c| search(c, id, name))?;
        Some(inner.or_else(own))
    }
    search(cib.at(&["configuration", "resources"])?, id, name).flatten()
}

/// Nodes from which a plain location constraint bans a resource or what it is in.
fn banned<'a>(cib: &'a Element, id: &str) -> BTreeSet<&'a str> {
    let family: BTreeSet<&str> = cib
        .at(&["configuration", "resources"])
        .into_iter()
        .flat_map(Element::descendants)
        .filter(|e| matches!(e.name(), "primitive" | "group" | "clone" | "master"))
        .filter(|e| e.find_id(id).is_some())
        .filter_map(Element::id)
        .collect();
    cib.at(&["configuration", "constraints"])
        .into_iter()
        .flat_map(|c| c.children_named("rsc_location"))
        .filter(|c| c.attr("rsc").is_some_and(|r| family.contains(r)))
        .filter(|c| matches!(c.attr("score"), Some("-INFINITY" | "-1000000")))
        .filter_map(|c| c.attr("node"))
        .collect()
}

fn runs_on(cib: &Element, node: NodeId, id: &str) -> bool {
    history::resources(cib, node)
        .filter(|r| r.id().is_some_and(|r| r.split(':').next() == Some(id)))
        .flat_map(Element::children)
        .any(|op| {
            matches!(op.attr("operation"), Some("start" | "monitor"))
                && op.attr("rc-code") == Some("0")
        })
}

/// `pcmk_delay_base` (one time, or `node:time` pairs), and `pcmk_delay_max` for every side but the
/// one with the lowest node, so that two halves do not fence each other at the same moment.
fn delay(params: &BTreeMap<String, String>, target: &str, first: bool) -> Duration {
    let base = params.get("pcmk_delay_base").and_then(|text| {
        if !text.contains(':') {
            return milliseconds(text);
        }
        text.split([';', ' ', ',']).find_map(|pair| {
            let (node, time) = pair.split_once(':')?;
            (node == target).then(|| milliseconds(time)).flatten()
        })
    });
    let most = params.get("pcmk_delay_max").and_then(|t| milliseconds(t)).unwrap_or(0);
    let base = base.unwrap_or(0);
    Duration::from_millis(if first { base } else { base.max(most) })
}

/// The devices of each level for `target`, by level.
fn topology(cib: &Element, target: &str) -> BTreeMap<u32, Vec<String>> {
    let mut levels = BTreeMap::new();
    let all = cib.at(&["configuration", "fencing-topology"]);
    for level in all.into_iter().flat_map(|t| t.children_named("fencing-level")) {
        let index = level.attr("index").and_then(|i| i.parse().ok());
        let (Some(index @ 1..=9), Some(devices)) = (index, level.attr("devices")) else { continue };
        if level.attr("target") == Some(target) {
            let ids = devices.split([',', ' ']).filter(|d| !d.is_empty());
            levels.insert(index, ids.map(str::to_string).collect());
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    fn cib(constraints: &str, topology: &str) -> Element {
        parse(&format!(
            "<cib><configuration><resources>\
             <clone id='c'><primitive id='a' class='stonith' type='external/demo'/></clone>\
             <primitive id='b' class='stonith' type='fence_x'><instance_attributes id='i'>\
             <nvpair id='i1' name='pcmk_host_list' value='n2'/>\
             <nvpair id='i2' name='pcmk_delay_base' value='n1:1s;n2:2s'/>\
             </instance_attributes></primitive>\
             <primitive id='off' class='stonith' type='x'><meta_attributes id='m'>\
             <nvpair id='m1' name='target-role' value='Stopped'/></meta_attributes></primitive>\
             </resources><constraints>{constraints}</constraints>{topology}</configuration>\
             <status><node_state id='3'><lrm id='3'><lrm_resources><lrm_resource id='a'>\
             <lrm_rsc_op id='a_last_0' operation='start' rc-code='0'/></lrm_resource>\
             </lrm_resources></lrm></node_state></status></cib>"
        ))
        .unwrap()
    }

    fn members() -> BTreeMap<NodeId, String> {
        [1, 3].into_iter().map(|n| (NodeId(n), format!("n{n}"))).collect()
    }

    #[test]
    fn every_device_is_an_attempt_and_runs_best_where_it_is_started() {
        let got = attempts(&cib("", ""), "n2", "off", &members(), NodeId(1));
        let ids: Vec<_> = got.iter().map(|a| (a[0].id.as_str(), a[0].executors.clone())).collect();
        assert_eq!(ids, [("b", vec![NodeId(1), NodeId(3)]), ("a", vec![NodeId(3), NodeId(1)])]);
        assert_eq!(got[0][0].delay, Duration::from_secs(2));
    }

    #[test]
    fn a_ban_holds_and_a_node_does_not_fence_itself() {
        let ban = "<rsc_location id='l' rsc='c' node='n3' score='-INFINITY'/>";
        let got = attempts(&cib(ban, ""), "n1", "off", &members(), NodeId(1));
        let a = got.iter().find(|a| a[0].id == "a").unwrap();
        assert!(a[0].executors.is_empty());
    }

    #[test]
    fn levels_come_in_order_and_need_all_their_devices() {
        let levels = "<fencing-topology>\
            <fencing-level id='2' target='n2' index='2' devices='a,b'/>\
            <fencing-level id='1' target='n2' index='1' devices='b'/>\
            <fencing-level id='3' target='n2' index='3' devices='gone'/>\
            <fencing-level id='4' target='n1' index='1' devices='a'/></fencing-topology>";
        let got = attempts(&cib("", levels), "n2", "off", &members(), NodeId(1));
        let ids: Vec<Vec<_>> =
            got.iter().map(|l| l.iter().map(|d| d.id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["b"], vec!["a", "b"]]);
    }

    #[test]
    fn a_node_is_unfenced_by_all_devices_that_do_that_and_from_itself_first() {
        let unfencing =
            "<meta_attributes id='u'><nvpair id='u1' name='provides' value='unfencing'/>";
        let text = cib("", "").to_string();
        let text = text.replace(
            "<instance_attributes id=\"i\">",
            &format!("{unfencing}</meta_attributes><instance_attributes id=\"i\">"),
        );
        let text = text.replace(
            "<primitive id=\"a\" class=\"stonith\" type=\"external/demo\"/>",
            &format!(
                "<primitive id='a' class='stonith' type='external/demo'>{unfencing}\
                      </meta_attributes></primitive>"
            ),
        );
        let both = parse(&text).unwrap();
        let got = attempts(&both, "n3", "on", &members(), NodeId(1));
        let ids: Vec<_> = got[0].iter().map(|d| (d.id.as_str(), d.executors[0])).collect();
        assert_eq!((got.len(), ids), (1, vec![("a", NodeId(3)), ("b", NodeId(3))]));
        // To cut it off one is enough, and never from itself.
        let got = attempts(&both, "n3", "off", &members(), NodeId(1));
        assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        assert!(got.iter().flatten().all(|d| d.executors == [NodeId(1)]));
        // A level that knows only one of them is completed.
        let level = "<configuration><fencing-topology>\
            <fencing-level id='1' target='n3' index='1' devices='b'/></fencing-topology>";
        let levels = parse(&text.replacen("<configuration>", level, 1)).unwrap();
        let got = attempts(&levels, "n3", "on", &members(), NodeId(1));
        let ids: Vec<Vec<_>> =
            got.iter().map(|l| l.iter().map(|d| d.id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["b", "a"]]);
    }
}
