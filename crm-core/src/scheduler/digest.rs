//! Digests of operation parameters: by them a change of the configuration is noticed
//! (part 1, section 16). The daemon records what [`digest`] and [`Recorded`] give.

use std::sync::Arc;

use md5::{Digest, Md5};

use crate::scalar::compare_versions;

use super::model::{Cluster, HistoryIx, NodeIx, RscIx, Table, Task};

/// Digest of a set of parameters (I-183, I-184): lower-case hex MD5 of the set written as XML.
pub fn digest(parameters: &Table) -> String {
    let mut text: Vec<u8> = b" <parameters".to_vec();
    for (name, value) in parameters.iter() {
        text.push(b' ');
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b"=\"");
        escape(value.as_bytes(), &mut text);
        text.push(b'"');
    }
    text.extend_from_slice(b"/>\n");
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(&text) {
        for half in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(half), 16).unwrap_or_default());
        }
    }
    hex
}

/// I-184
fn escape(value: &[u8], out: &mut Vec<u8>) {
    for (at, &byte) in value.iter().enumerate() {
        let next_high = value.get(at + 1).is_some_and(|b| *b >= 0x80);
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'\t' => out.extend_from_slice(b"    "),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x80.. if next_high => {
                out.extend_from_slice(&value[at..]);
                return;
            }
            b' '..=b'~' => out.push(byte),
            other => out.extend_from_slice(format!("\\{other:03o}").as_bytes()),
        }
    }
}

/// True if `name` occurs in a list as a word between spaces (I-187).
fn listed(list: &str, name: &str) -> bool {
    list.contains(&format!(" {name} "))
}

/// Drops what never counts (I-185) and puts the timeout of recurring operations back.
fn filter(parameters: &mut Table, timeout: Option<&str>) {
    const NEVER: [&str; 6] =
        ["id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"];
    parameters.retain(|name| !name.starts_with("CRM_meta_") && !NEVER.contains(&name));
    if let Some(timeout) = timeout {
        parameters.set("CRM_meta_timeout", timeout);
    }
}

/// What an operation result carries so that later changes of its parameters can be noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// `op-digest`
    pub digest: String,
    /// `op-force-restart` and `op-restart-digest`, if the agent can reload.
    pub restart: Option<(String, String)>,
    /// `op-secure-params` and `op-secure-digest`, if the agent has private parameters.
    pub secure: Option<(String, String)>,
}

/// Digests to record with a result. `sent` is everything the action carried (parameters and
/// `CRM_meta_…`); `interval` in ms. `unreloadable` names the parameters whose change needs a
/// restart (`None`: the agent cannot reload); `private` those marked private.
pub fn recorded(
    sent: &Table,
    interval: u32,
    unreloadable: Option<&[&str]>,
    private: &[&str],
) -> Recorded {
    let timeout = sent.get("CRM_meta_timeout").filter(|_| interval > 0).map(str::to_owned);
    let mut main = sent.clone();
    filter(&mut main, timeout.as_deref());
    let list = |names: &[&str]| names.iter().fold(" ".to_string(), |l, n| l + n + " ");
    let restart = unreloadable.map(|names| {
        let mut some = main.clone();
        some.retain(|name| names.contains(&name));
        (list(names), digest(&some))
    });
    let secure = (!private.is_empty()).then(|| {
        let mut some = main.clone();
        some.retain(|name| !private.contains(&name));
        (list(private), digest(&some))
    });
    Recorded { digest: digest(&main), restart, secure }
}

/// Outcome of a comparison (I-189).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing changed.
    Match,
    /// The entry has no digest.
    Unknown,
    /// Something changed.
    All,
    /// Something changed that needs a restart.
    Restart,
}

/// The digests of an operation as it is configured now, for a node, and what the last entry that
/// was compared with them showed.
///
/// The reference makes them once a run, for whichever entry it compares first, and which ones
/// depends on that entry: a later entry of the same operation with a digest that the first one
/// lacked is not compared with it.
#[derive(Clone, Debug)]
pub struct Configured {
    /// All parameters that count.
    main: String,
    /// Those whose change needs a restart, if the first entry says which.
    restart: Option<String>,
    /// Without private ones, if the document is sanitized.
    secure: Option<String>,
    verdict: Verdict,
}

/// Which operation of which resource on which node, by task and interval.
pub type ConfiguredKey = (RscIx, NodeIx, Task, u32);

/// Compares a history entry with the configuration (I-189).
pub fn compare(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    op: usize,
) -> Verdict {
    let key = key(cluster, rsc, node, history, op);
    if !cluster.digests.contains_key(&key) {
        cluster.recheck_params(rsc, Some(node));
        let made = configured(cluster, &key, history, op);
        cluster.digests.insert(key.clone(), made);
    }
    let expired = cluster.expired_recurring.contains(&(history, op));
    let entry = &cluster.histories[history.ix()].ops[op];
    let Some(now) = cluster.digests.get_mut(&key) else { return Verdict::Unknown };
    let recorded = entry.rare().restart_digest.as_deref();
    let restart = now.restart.as_deref();
    let needs_restart =
        restart.is_some_and(|now| expired || recorded.is_some_and(|recorded| recorded != now));
    now.verdict = match entry.digest.as_deref() {
        _ if needs_restart => Verdict::Restart,
        None => Verdict::Unknown,
        Some(recorded) if recorded == now.main => Verdict::Match,
        // What was found before, or that the operation has parameters of its own.
        Some(_) if entry.interval == 0 && now.verdict == Verdict::Restart => Verdict::Restart,
        Some(_) => Verdict::All,
    };
    now.verdict
}

/// Which configured operation an entry is compared with.
fn key(
    cluster: &Cluster,
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    op: usize,
) -> ConfiguredKey {
    let entry = &cluster[history].ops[op];
    (rsc, node, entry.task.clone().unwrap_or(Task::Start), entry.interval)
}

/// The digests that the first entry of an operation asks for.
fn configured(cluster: &Cluster, key: &ConfiguredKey, history: HistoryIx, op: usize) -> Configured {
    let (rsc, node, task, interval) = (key.0, key.1, &key.2, key.3);
    let entry = &cluster[history].ops[op];
    let rare = entry.rare();
    let (main, own) = main_parameters(cluster, rsc, node, task, interval);
    let expired = cluster.expired_recurring.contains(&(history, op));
    let restart = (rare.restart_digest.is_some() || expired).then(|| {
        let mut some = main.clone();
        if let Some(list) = &rare.force_restart {
            some.retain(|name| listed(list, name));
        }
        digest(&some)
    });
    let secure = cluster.sanitized.then(|| {
        let feature_set = entry.feature_set.as_deref().or(cluster.options.feature_set.as_deref());
        let feature_set = feature_set.unwrap_or("3.16.1");
        let list = Some(rare.secure_params.as_deref().unwrap_or_default());
        digest(&secure_parameters(cluster, rsc, node, task, interval, list, feature_set))
    });
    let verdict = if interval == 0 && own { Verdict::Restart } else { Verdict::Match };
    Configured { main: digest(&main), restart, secure, verdict }
}

/// True if only private parameters of an entry that was just compared differ, as far as a
/// sanitized document shows (I-188, I-190).
pub fn only_private_changed(
    cluster: &Cluster,
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    op: usize,
) -> bool {
    let recorded = cluster[history].ops[op].rare().secure_digest.as_deref();
    let now = cluster.digests.get(&key(cluster, rsc, node, history, op));
    let now = now.and_then(|now| now.secure.as_deref());
    recorded.is_some() && recorded == now
}

/// The main set, and whether the operation has parameters of its own (I-185).
fn main_parameters(
    cluster: &Cluster,
    rsc: RscIx,
    node: NodeIx,
    task: &Task,
    interval: u32,
) -> (Table, bool) {
    let mut table = Table::default();
    if let Some(host) = container_host(cluster, rsc) {
        table.set("addr", host);
    }
    let parameters = cluster.params(rsc, Some(node));
    let own = super::input::op_params(cluster, rsc, task, interval, Some(node));
    for (name, value) in parameters.pairs().iter().chain(own.pairs()) {
        table.set_default(name, value);
    }
    let timeout =
        (interval > 0).then(|| super::input::op_timeout(cluster, rsc, task, interval).to_string());
    filter(&mut table, timeout.as_deref());
    (table, !own.is_empty())
}

/// The address of a bundle connection that is to be reached at its container's host.
fn container_host(cluster: &Cluster, rsc: RscIx) -> Option<Arc<str>> {
    let r = &cluster[rsc];
    let container = r.container.filter(|_| addressed_by_host(cluster, rsc))?;
    let host = cluster[container].assigned.or_else(|| {
        let c = &cluster[container];
        c.active_on.first().copied()
    })?;
    Some(cluster[host].name.clone())
}

/// True for a bundle connection whose address is only known once the container is placed (I-177).
pub fn addressed_by_host(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster[rsc].is_remote_connection
        && cluster.bundle_of(rsc).is_some()
        && cluster.params(rsc, None).get("addr") == Some("#uname")
}

/// I-188
fn secure_parameters(
    cluster: &Cluster,
    rsc: RscIx,
    node: NodeIx,
    task: &Task,
    interval: u32,
    list: Option<&str>,
    feature_set: &str,
) -> Table {
    let hidden = |name: &str| match list {
        Some(list) => listed(list, name),
        None => matches!(name, "passwd" | "password" | "user"),
    };
    let old = compare_versions(Some(feature_set), Some("3.16.0")).is_lt();
    let mut table = if old {
        let mut table = cluster.params(rsc, Some(node));
        filter(&mut table, None);
        if cluster[rsc].is_fence_device {
            table.retain(|name| !is_fencing_parameter(name));
        }
        table
    } else {
        main_parameters(cluster, rsc, node, task, interval).0
    };
    // The set is filtered a second time, when nobody knows its interval any more: the timeout of
    // a recurring operation is lost.
    filter(&mut table, None);
    table.retain(|name| !hidden(name));
    table
}

/// Parameters of fence devices that the cluster, not the device, reads (I-188).
fn is_fencing_parameter(name: &str) -> bool {
    const FIXED: [&str; 9] = [
        "provides",
        "stonith-timeout",
        "pcmk_action_limit",
        "pcmk_delay_base",
        "pcmk_delay_max",
        "pcmk_host_argument",
        "pcmk_host_check",
        "pcmk_host_list",
        "pcmk_host_map",
    ];
    let per_action = name
        .strip_prefix("pcmk_")
        .is_some_and(|rest| ["_action", "_timeout", "_retries"].iter().any(|s| rest.ends_with(s)));
    FIXED.contains(&name) || per_action
}

/// Digests of an unfencing device for a node, and whether the node knows others (I-192).
#[derive(Clone, Debug)]
pub struct FencingDigests {
    /// Unfencing is needed again.
    pub changed: bool,
    /// The node knows the digest without private parameters, and another one with them.
    pub only_private: bool,
    /// Digest of all parameters.
    pub all: String,
    /// Digest of all but private ones.
    pub secure: String,
}

/// I-192
pub fn fencing_digests(cluster: &Cluster, device: RscIx, node: NodeIx) -> FencingDigests {
    // No operation of this name exists: only the parameters themselves count.
    let task = Task::Other("on".into());
    let feature_set = cluster.options.feature_set.as_deref().unwrap_or("3.16.1");
    let mut main = cluster.params(device, Some(node));
    filter(&mut main, None);
    let all = digest(&main);
    let secure = digest(&secure_parameters(cluster, device, node, &task, 0, None, feature_set));
    let r = &cluster[device];
    let known = |attribute: &str, value: &str| {
        let item = format!("{}:{}:{value}", r.id, r.agent.kind);
        cluster[node]
            .attr(attribute)
            .is_some_and(|list| list.split(',').any(|known| known.trim() == item))
    };
    let recorded = cluster[node].attr("#digests-all").is_some();
    let same = known("#digests-all", &all);
    let only_private = recorded && !same && known("#digests-secure", &secure);
    FencingDigests { changed: recorded && !same && !only_private, only_private, all, secure }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pairs: &[(&str, &str)]) -> Table {
        let mut table = Table::default();
        for (name, value) in pairs {
            table.set(*name, *value);
        }
        table
    }

    #[test]
    fn the_empty_set_has_the_known_digest() {
        // I-183
        assert_eq!(digest(&table(&[])), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }

    #[test]
    fn values_are_escaped_up_to_the_first_multibyte_character() {
        // I-184
        let text = |value: &str| {
            let mut out = Vec::new();
            escape(value.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("a<b>\"'&\t\n\r\u{7f}"), "a&lt;b&gt;&quot;&apos;&amp;    \\n\\r\\177");
        assert_eq!(text("'é'"), "&apos;é'");
    }

    #[test]
    fn recorded_digests_ignore_the_clusters_own_values() {
        let sent =
            table(&[("state", "/x"), ("CRM_meta_timeout", "20000"), ("crm_feature_set", "3")]);
        let once = recorded(&sent, 0, Some(&["state"]), &[]);
        assert_eq!(once.digest, digest(&table(&[("state", "/x")])));
        let again = recorded(&sent, 10_000, None, &["state"]);
        assert_eq!(again.digest, digest(&table(&[("CRM_meta_timeout", "20000"), ("state", "/x")])));
        assert_eq!(again.secure.map(|s| s.0), Some(" state ".to_string()));
        assert_eq!(once.restart.map(|r| r.0), Some(" state ".to_string()));
    }

    #[test]
    fn the_first_entry_compared_decides_which_digests_there_are() {
        // I-189: a restart digest is compared only if the first entry has one, too.
        let entry = |id: &str, more: &str| {
            format!(
                "<lrm_rsc_op id='{id}' operation_key='A_monitor_10000' operation='monitor' \
                 interval='10000' call-id='{}' rc-code='0' op-status='0' \
                 transition-key='1:1:0:00000000-0000-0000-0000-000000000000' {more}/>",
                id.len()
            )
        };
        let text = format!(
            "<cib><configuration><crm_config/><nodes><node id='1' uname='n1'/></nodes><resources>\
             <primitive id='A' class='ocf' provider='heartbeat' type='Dummy'/></resources>\
             <constraints/></configuration><status><node_state id='1' uname='n1'><lrm id='1'>\
             <lrm_resources><lrm_resource id='A' class='ocf' provider='heartbeat' type='Dummy'>\
             {}{}</lrm_resource></lrm_resources></lrm></node_state></status></cib>",
            entry("A_plain", ""),
            entry("A_reloadable", "op-restart-digest='other'")
        );
        let cib = crate::cib::parse(&text).unwrap();
        let now = crate::rules::Moment { epoch: 10_000, offset: 0 };
        let cluster = crate::scheduler::status(&crate::scheduler::Input::new(&cib, now));
        let (rsc, node, history) =
            (cluster.resource("A").unwrap(), cluster.histories[0].node, HistoryIx::next(0));
        let verdicts = |order: [usize; 2]| {
            let mut cluster = cluster.clone();
            order.map(|op| compare(&mut cluster, rsc, node, history, op))
        };
        assert_eq!(verdicts([0, 1]), [Verdict::Unknown, Verdict::Unknown]);
        assert_eq!(verdicts([1, 0]), [Verdict::Restart, Verdict::Unknown]);
    }
}
