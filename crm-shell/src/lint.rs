//! Classic traps: configurations that are valid, and do not do what their authors think.

use crm_core::cib::Element;

use crate::agents::{Agents, Metadata};
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
                director(configuration, &object, &mut out);
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

/// How long an operation may take of which nothing is said.
const DEFAULT_TIMEOUT: &str = "20s";

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
    if class == "stonith" {
        fencing(configuration, object, &resolved, &metadata, out);
        return;
    }
    let sets = configuration.objects();
    let sets = sets.iter().filter(|o| o.kind == Kind::OpDefaults);
    let mut pairs = sets.flat_map(|o| o.element.children());
    let default = pairs.find(|p| p.attr("name") == Some("timeout")).and_then(|p| p.attr("value"));
    let default = default.unwrap_or(DEFAULT_TIMEOUT).to_string();
    let mut stops: Vec<String> = operations(&resolved)
        .filter(|o| o.attr("name") == Some("stop"))
        .map(|o| o.attr("timeout").map_or(default.clone(), str::to_string))
        .collect();
    if stops.is_empty() {
        stops.push(default);
    }
    for own in stops {
        let advised = metadata.operation("stop", None, None).and_then(|a| a.timeout.as_deref());
        if let Some(advised) = advised
            && milliseconds(&own).zip(milliseconds(advised)).is_some_and(|(o, a)| o < a)
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

/// A device that may need longer than it is given is cut off, and the fencing has failed.
fn fencing(
    configuration: &Configuration,
    object: &Object<'_>,
    resolved: &Element,
    metadata: &Metadata,
    out: &mut Vec<Finding>,
) {
    let parameter = |name: &str| {
        let sets = resolved.children().filter(|c| c.name() == "instance_attributes");
        let mut pairs = sets.flat_map(Element::children);
        let set = pairs.find(|p| p.attr("name") == Some(name)).and_then(|p| p.attr("value"));
        set.map(str::to_string)
    };
    let known = |name: &str| {
        parameter(name).or_else(|| metadata.parameter(name).and_then(|p| p.default.clone()))
    };
    let property = |name: &str| {
        let default = crate::properties::find(name).map(|p| p.default);
        configuration.property(name).or(default).unwrap_or_default().to_string()
    };
    let action = property("stonith-action");
    let given = parameter(&format!("pcmk_{action}_timeout"));
    let from =
        if given.is_some() { format!("pcmk_{action}_timeout") } else { "stonith-timeout".into() };
    let given = given.unwrap_or_else(|| property("stonith-timeout"));
    let advised = metadata.operation(&action, None, None).and_then(|a| a.timeout.clone());
    // What fence agents say of themselves: how long the power may take, and what they wait beside.
    let seconds = |name: &str| known(name).and_then(|v| milliseconds(&v)).unwrap_or(0);
    let own: u64 = ["power_timeout", "power_wait", "delay"].into_iter().map(seconds).sum();
    let needed = advised.and_then(|a| milliseconds(&a)).unwrap_or(0).max(own);
    if milliseconds(&given).is_some_and(|g| g < needed) {
        out.push(finding(
            "slow-fencing",
            object.id,
            format!(
                "the device may need {} s to {action} a node, and {from} gives it {given}: it is cut \
                 off, and the node stays unclean",
                needed / 1000
            ),
            "raise stonith-timeout, or the pcmk_..._timeout of the device",
        ));
    }
}

/// The agent that fills the kernel's table of virtual services.
const DIRECTOR: &str = "ldirectord";

/// The address of an ipvs director: a node that does not have it must not answer ARP for it, or
/// with direct routing connections go astray.
fn director(configuration: &Configuration, object: &Object<'_>, out: &mut Vec<Finding>) {
    let kind = |e: &Element| {
        let resolved = configuration.resolved(e);
        resolved.and_then(|r| r.attr("type").map(str::to_string)).unwrap_or_default()
    };
    if kind(object.element) != "IPaddr2" {
        return;
    }
    let hides = configuration.value(object.id, "instance_attributes", "lvs_support");
    if hides.and_then(boolean) == Some(true) {
        return;
    }
    let all = configuration.objects();
    // What is said of a member is said of the group around it.
    let whole = |o: &Object<'_>| {
        let outer = o.parent.filter(|p| p.name() == "group").and_then(Element::id);
        outer.unwrap_or(o.id).to_string()
    };
    let mine = whole(object);
    let beside = |o: &&Object<'_>| {
        let theirs = whole(o);
        theirs == mine
            || all.iter().any(|c| {
                let named = references(c.element);
                let names = |id: &str, outer: &str| named.iter().any(|n| *n == id || *n == outer);
                c.kind == Kind::Colocation && names(o.id, &theirs) && names(object.id, &mine)
            })
    };
    let director = all
        .iter()
        .filter(|o| o.kind == Kind::Primitive && kind(o.element) == DIRECTOR)
        .find(beside);
    if let Some(director) = director {
        out.push(finding(
            "lvs-arp",
            object.id,
            format!(
                "the address of the director {} has no lvs_support: with direct routing a node that \
                 is a real server, too, answers ARP for it",
                director.id
            ),
            "set lvs_support=true, and on real servers the sysctls arp_ignore=1 and arp_announce=2",
        ));
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
    use std::rc::Rc;

    use super::*;
    use crate::agents::Installed;
    use crate::language::{Content, NoWorld, Notes, lines, parse};

    fn configuration(text: &str) -> Configuration {
        let cib = crm_core::cib::parse("<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>").unwrap();
        let mut c = Configuration::new(&cib);
        for line in lines(text) {
            if let Content::Words(words) = line.content {
                c.add(parse(&words, &NoWorld, &Notes::default()).unwrap()).unwrap();
            }
        }
        c
    }

    fn rules(text: &str) -> Vec<&'static str> {
        let all = check(&configuration(text), &mut Installed::new(&[]));
        all.into_iter().map(|f| f.rule).collect()
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
    fn an_address_of_a_director_must_be_silent_where_it_is_not() {
        let ops = "op monitor interval=9s";
        let text = |parameters: &str, end: &str| {
            format!(
                "primitive ip ocf:x:IPaddr2 params ip=192.0.2.1 {parameters} {ops}\n\
                 primitive d ocf:x:ldirectord {ops}\nprimitive w ocf:x:web {ops}\n{end}\n"
            )
        };
        for end in ["group g ip d", "group g d w\ncolocation c inf: g ip"] {
            assert!(rules(&text("", end)).contains(&"lvs-arp"), "{end}");
            assert!(!rules(&text("lvs_support=true", end)).contains(&"lvs-arp"), "{end}");
        }
        assert!(!rules(&text("", "group g ip w")).contains(&"lvs-arp"));
    }

    /// An agent that describes itself so.
    struct Described(&'static str);

    impl Agents for Described {
        fn metadata(&mut self, _: &str, _: Option<&str>, _: &str) -> Option<Rc<Metadata>> {
            Metadata::parse(self.0).ok().map(Rc::new)
        }

        fn providers(&mut self, _: &str) -> Vec<String> {
            Vec::new()
        }

        fn list(&mut self, _: &str, _: Option<&str>) -> Vec<String> {
            Vec::new()
        }

        fn all_providers(&mut self) -> Vec<String> {
            Vec::new()
        }

        fn standalone(&self) -> crm_lrm::standalone::Standalone {
            Installed::new(&[]).standalone()
        }

        fn duplicate(&self) -> Box<dyn Agents> {
            Box::new(Described(self.0))
        }
    }

    #[test]
    fn time_outs_are_held_against_what_agents_need() {
        let agent = "<resource-agent name='x'><parameters><parameter name='power_wait'>\
            <content type='second' default='50'/></parameter><parameter name='power_timeout'>\
            <content type='second' default='20'/></parameter></parameters><actions>\
            <action name='stop' timeout='60s'/></actions></resource-agent>";
        let with = |text: &str| -> Vec<&'static str> {
            let all = check(&configuration(text), &mut Described(agent));
            all.into_iter().map(|f| f.rule).collect()
        };
        let device = "primitive f stonith:x op monitor interval=9s";
        assert!(with(device).contains(&"slow-fencing"));
        assert!(
            !with(&format!("{device}\nproperty stonith-timeout=90s")).contains(&"slow-fencing")
        );
        let own = "primitive f stonith:x params pcmk_reboot_timeout=80s op monitor interval=9s";
        assert!(!with(own).contains(&"slow-fencing"));
        let web = "primitive w ocf:x:web op monitor interval=9s";
        assert!(with(web).contains(&"short-stop"));
        assert!(!with(&format!("{web} op stop timeout=60s interval=0")).contains(&"short-stop"));
        assert!(!with(&format!("{web}\nop_defaults timeout=2min")).contains(&"short-stop"));
    }

    #[test]
    fn a_sound_configuration_is_left_alone() {
        assert!(rules("primitive f stonith:x op monitor interval=9s\nprimitive a Dummy op monitor interval=1s\nprimitive b Dummy op monitor interval=1s\ngroup g a b\n").is_empty());
    }
}
