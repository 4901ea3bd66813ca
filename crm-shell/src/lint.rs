//! Classic traps: configurations that are valid, and do not do what their authors think.

use crm_core::cib::Element;

use crate::agents::Agents;
use crate::configuration::{Configuration, Object, milliseconds, references};
use crate::language::Kind;
use crate::language::vocabulary::boolean;

/// A trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, for people who want to look it up.
    pub rule: &'static str,
    /// The object it is about.
    pub object: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub help: &'static str,
}

fn finding(
    rule: &'static str,
    object: &str,
    text: impl Into<String>,
    help: &'static str,
) -> Finding {
    Finding { rule, object: object.to_string(), text: text.into(), help }
}

/// Looks for all of them.
pub fn check(configuration: &Configuration, agents: &mut dyn Agents) -> Vec<Finding> {
    let mut out = Vec::new();
    cluster(configuration, &mut out);
    for object in configuration.objects() {
        match object.kind {
            Kind::Primitive => {
                monitors(configuration, &object, &mut out);
                timeouts(configuration, &object, agents, &mut out);
                leftovers(&object, &mut out);
            }
            Kind::Clone | Kind::Master => promotable(configuration, &object, &mut out),
            Kind::Location if object.id.starts_with("cli-") => out.push(finding(
                "leftover-ban",
                object.id,
                "a constraint left by 'resource move' or 'ban' is still in force",
                "'resource clear' removes it",
            )),
            Kind::Order => order(configuration, &object, &mut out),
            Kind::Location | Kind::Colocation => grouped(configuration, &object, &mut out),
            _ => {}
        }
    }
    out
}

fn cluster(configuration: &Configuration, out: &mut Vec<Finding>) {
    let on = |name: &str, default: bool| {
        configuration.property(name).and_then(boolean).unwrap_or(default)
    };
    let objects = configuration.objects();
    let device = |o: &Object<'_>| {
        configuration.resolved(o.element).is_some_and(|e| e.attr("class") == Some("stonith"))
    };
    if !on("stonith-enabled", true) {
        out.push(finding(
            "no-fencing",
            "property stonith-enabled",
            "fencing is switched off: a node that hangs may go on writing while its resources start elsewhere",
            "define a fencing device and set stonith-enabled=true",
        ));
    } else if !objects.iter().any(|o| o.kind == Kind::Primitive && device(o)) {
        out.push(finding(
            "no-fencing",
            "property stonith-enabled",
            "fencing is enabled, and there is no device",
            "define one: primitive NAME stonith:...",
        ));
    }
    if configuration.property("no-quorum-policy") == Some("ignore") {
        out.push(finding(
            "quorum-ignored",
            "property no-quorum-policy",
            "a partition without quorum goes on; two halves may both run everything",
            "use 'stop', and two_node in cluster.conf for a cluster of two",
        ));
    }
    if on("maintenance-mode", false) {
        out.push(finding(
            "maintenance",
            "property maintenance-mode",
            "the whole cluster is in maintenance",
            "'maintenance off' ends it",
        ));
    }
}

fn operations(e: &Element) -> impl Iterator<Item = &Element> {
    e.children().filter(|c| c.name() == "operations").flat_map(Element::children)
}

fn monitors(configuration: &Configuration, object: &Object<'_>, out: &mut Vec<Finding>) {
    let Some(resolved) = configuration.resolved(object.element) else { return };
    let all: Vec<&Element> =
        operations(&resolved).filter(|o| o.attr("name") == Some("monitor")).collect();
    let watching = |o: &&&Element| milliseconds(o.attr("interval").unwrap_or("0")) != Some(0);
    if !all.iter().any(|o| watching(&o)) {
        out.push(finding(
            "no-monitor",
            object.id,
            "nothing looks whether it still runs",
            "add: op monitor interval=10s timeout=20s",
        ));
    }
    for (at, op) in all.iter().enumerate() {
        let interval = |o: &Element| milliseconds(o.attr("interval").unwrap_or("0"));
        if all[..at].iter().any(|o| interval(o) == interval(op)) {
            out.push(finding(
                "same-interval",
                object.id,
                format!("two monitors have the interval {}", op.attr("interval").unwrap_or("0")),
                "intervals tell operations apart, whatever their role; make them differ",
            ));
        }
    }
}

fn timeouts(
    configuration: &Configuration,
    object: &Object<'_>,
    agents: &mut dyn Agents,
    out: &mut Vec<Finding>,
) {
    let Some(resolved) = configuration.resolved(object.element) else { return };
    let class = resolved.attr("class").unwrap_or("ocf");
    let kind = resolved.attr("type").unwrap_or_default();
    let Some(metadata) = agents.metadata(class, resolved.attr("provider"), kind) else { return };
    for op in operations(&resolved).filter(|o| o.attr("name") == Some("stop")) {
        let advised = metadata.operation("stop", None, None).and_then(|a| a.timeout.as_deref());
        if let (Some(own), Some(advised)) = (op.attr("timeout"), advised)
            && milliseconds(own).zip(milliseconds(advised)).is_some_and(|(o, a)| o < a)
        {
            out.push(finding(
                "short-stop",
                object.id,
                format!("a stop may take {own}, and the agent advises {advised}; a stop that is cut off fences the node"),
                "'configure default-timeouts' sets what the agents advise",
            ));
        }
    }
}

fn leftovers(object: &Object<'_>, out: &mut Vec<Finding>) {
    let sets = object.element.children().filter(|c| c.name() == "meta_attributes");
    for pair in sets.flat_map(Element::children) {
        match (pair.attr("name"), pair.attr("value").and_then(boolean)) {
            (Some("is-managed"), Some(false)) => out.push(finding(
                "unmanaged",
                object.id,
                "the cluster leaves it alone (is-managed=false)",
                "'resource manage' ends that",
            )),
            (Some("maintenance"), Some(true)) => out.push(finding(
                "unmanaged",
                object.id,
                "it is in maintenance",
                "'resource maintenance RSC off' ends that",
            )),
            _ => {}
        }
    }
}

fn promotable(configuration: &Configuration, object: &Object<'_>, out: &mut Vec<Finding>) {
    let meta = |name: &str| configuration.value(object.id, "meta_attributes", name);
    let promotes =
        object.kind == Kind::Master || meta("promotable").and_then(boolean) == Some(true);
    if !promotes {
        return;
    }
    for member in object.element.descendants().filter(|e| e.name() == "primitive") {
        let Some(resolved) = configuration.resolved(member) else { continue };
        let watched = operations(&resolved).any(|o| {
            o.attr("name") == Some("monitor")
                && matches!(o.attr("role"), Some("Promoted" | "Master"))
        });
        if !watched {
            out.push(finding(
                "no-promoted-monitor",
                member.id().unwrap_or_default(),
                "nothing looks at the promoted instance: a monitor without a role watches only the others",
                "add: op monitor role=Promoted interval=9s",
            ));
        }
        if resolved.attr("type") == Some("drbd") && meta("notify").and_then(boolean) != Some(true) {
            out.push(finding(
                "drbd-notify",
                object.id,
                "DRBD needs notify=true",
                "add: meta notify=true",
            ));
        }
    }
}

/// An order without a colocation starts things in turn on different nodes.
fn order(configuration: &Configuration, object: &Object<'_>, out: &mut Vec<Finding>) {
    if object.element.attr("kind") == Some("Optional")
        || object.element.attr("kind") == Some("Serialize")
    {
        return;
    }
    let named = references(object.element);
    let cloned = |id: &str| {
        configuration.find_resource(id).is_some_and(|o| {
            matches!(o.kind, Kind::Clone | Kind::Master | Kind::Bundle)
                || o.parent.is_some_and(|p| p.name() != "group")
        })
    };
    for pair in named.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if cloned(a) || cloned(b) || a == b {
            continue;
        }
        let together = configuration.objects().iter().any(|o| {
            o.kind == Kind::Colocation && {
                let all = references(o.element);
                all.contains(&a) && all.contains(&b)
            }
        });
        let same_group = |id: &str| {
            configuration
                .find_resource(id)
                .and_then(|o| o.parent.and_then(Element::id).map(str::to_string))
        };
        let grouped = same_group(a).is_some() && same_group(a) == same_group(b);
        if !together && !grouped {
            out.push(finding(
                "order-alone",
                object.id,
                format!("{b} starts after {a}, and nothing keeps them on one node"),
                "add a colocation, or put both into a group, if they belong together",
            ));
        }
    }
}

fn grouped(configuration: &Configuration, object: &Object<'_>, out: &mut Vec<Finding>) {
    for id in references(object.element) {
        let parent = configuration.find_resource(id).and_then(|o| o.parent);
        if let Some(parent) = parent {
            out.push(finding(
                "member-constrained",
                object.id,
                format!(
                    "{id} is inside {}; the rest of it is dragged along",
                    parent.id().unwrap_or_default()
                ),
                "name the container in the constraint",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::Installed;
    use crate::language::{Content, NoWorld, Notes, lines, parse};

    fn rules(text: &str) -> Vec<&'static str> {
        let cib = crm_core::cib::parse("<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>").unwrap();
        let mut c = Configuration::new(&cib);
        for line in lines(text) {
            if let Content::Words(words) = line.content {
                c.add(parse(&words, &NoWorld, &Notes::default()).unwrap()).unwrap();
            }
        }
        check(&c, &mut Installed::new(&[])).into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn each_trap_is_found() {
        let all = rules(
            "primitive f stonith:x op monitor interval=9s\nprimitive a Dummy op monitor interval=1s op monitor interval=1000ms\nprimitive b Dummy\n\
             order o Mandatory: a b\nproperty no-quorum-policy=ignore\nlocation cli-ban-a-on-n a -inf: n\n\
             primitive s ocf:pacemaker:Stateful op monitor interval=5s\nclone k s meta promotable=true\nlocation l s 1: n",
        );
        for rule in [
            "same-interval",
            "no-monitor",
            "order-alone",
            "quorum-ignored",
            "leftover-ban",
            "no-promoted-monitor",
            "member-constrained",
        ] {
            assert!(all.contains(&rule), "{rule} {all:?}");
        }
        assert!(rules("property stonith-enabled=false").contains(&"no-fencing"));
    }

    #[test]
    fn a_sound_configuration_is_left_alone() {
        assert!(rules("primitive f stonith:x op monitor interval=9s\nprimitive a Dummy op monitor interval=1s\nprimitive b Dummy op monitor interval=1s\ngroup g a b\n").is_empty());
    }
}
