//! Rules of the scheduler reference, part 1, on small documents.

mod configuration;
mod histories;
mod nodes;

use crate::cib::parse;
use crate::rules::Moment;
use crate::scheduler::model::{Cluster, NodeIx, RscIx};

use super::Input;

/// A cluster as read from its parts. Time is 10000 s after the epoch.
#[derive(Default)]
struct Case {
    root: String,
    options: String,
    nodes: String,
    resources: String,
    more: String,
    status: String,
}

impl Case {
    /// Two members and quorum, nothing else.
    fn new() -> Case {
        Case {
            root: "have-quorum='1' crm_feature_set='3.16.1'".to_string(),
            nodes: "<node id='1' uname='n1'/><node id='2' uname='n2'/>".to_string(),
            ..Case::default()
        }
    }

    fn option(mut self, name: &str, value: &str) -> Case {
        self.options += &format!("<nvpair id='o-{name}' name='{name}' value='{value}'/>");
        self
    }

    fn resources(mut self, text: &str) -> Case {
        self.resources += text;
        self
    }

    fn more(mut self, text: &str) -> Case {
        self.more += text;
        self
    }

    /// Adds a state element for a member that is up.
    fn up(self, id: &str, inside: &str) -> Case {
        self.state(id, "in_ccm='true' crmd='online' join='member' expected='member'", inside)
    }

    fn state(mut self, id: &str, attributes: &str, inside: &str) -> Case {
        self.status +=
            &format!("<node_state id='{id}' uname='n{id}' {attributes}>{inside}</node_state>");
        self
    }

    fn load(&self) -> Cluster {
        let text = format!(
            "<cib {}><configuration><crm_config>\
             <cluster_property_set id='cib-bootstrap-options'>{}</cluster_property_set>\
             </crm_config><nodes>{}</nodes><resources>{}</resources><constraints/>{}\
             </configuration><status>{}</status></cib>",
            self.root, self.options, self.nodes, self.resources, self.more, self.status
        );
        let cib = parse(&text).unwrap();
        super::status(&Input::new(&cib, Moment { epoch: 10_000, offset: 0 }))
    }
}

/// `<primitive>` of an OCF agent with something inside.
fn primitive(id: &str, inside: &str) -> String {
    format!(
        "<primitive id='{id}' class='ocf' provider='heartbeat' type='Dummy'>{inside}</primitive>"
    )
}

/// `<meta_attributes>` with pairs.
fn meta(id: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: String = pairs
        .iter()
        .map(|(n, v)| format!("<nvpair id='{id}-{n}' name='{n}' value='{v}'/>"))
        .collect();
    format!("<meta_attributes id='{id}'>{pairs}</meta_attributes>")
}

/// An `<lrm>` with one resource; each entry is operation, interval, rc, target rc, status.
fn history(rsc: &str, entries: &[(&str, u32, i32, i32, i32)]) -> String {
    let ops: String = entries
        .iter()
        .enumerate()
        .map(|(at, (task, interval, rc, target, status))| {
            let call = if *status == -1 { -1 } else { i64::try_from(at).unwrap() + 1 };
            let uuid = "00000000-0000-0000-0000-000000000000";
            let key = format!("{at}:{at}:{target}:{uuid}");
            format!(
                "<lrm_rsc_op id='{rsc}_{task}_{interval}' operation_key='{rsc}_{task}_{interval}' \
                 operation='{task}' interval='{interval}' call-id='{call}' rc-code='{rc}' \
                 op-status='{status}' transition-key='{key}' \
                 transition-magic='{status}:{rc};{key}'/>"
            )
        })
        .collect();
    format!(
        "<lrm id='x'><lrm_resources><lrm_resource id='{rsc}' class='ocf' provider='heartbeat' \
         type='Dummy'>{ops}</lrm_resource></lrm_resources></lrm>"
    )
}

fn rsc(cluster: &Cluster, id: &str) -> RscIx {
    cluster.resource(id).unwrap_or_else(|| panic!("no resource {id}"))
}

fn node(cluster: &Cluster, name: &str) -> NodeIx {
    cluster.node_named(name).unwrap_or_else(|| panic!("no node {name}"))
}
