//! STONITH devices: how plug-ins and fence agents are called, and for which host.
//!
//! Two interfaces share one set of parameters. External plug-ins (cluster-glue) take a verb and
//! parameters as plain environment variables; fence agents take everything on standard input.
//! `pcmk_*` parameters are the manager's own and reach neither, as with Pacemaker's fencer.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Parameters of a device or resource.
pub type Params = BTreeMap<String, String>;

/// What a device is told to do with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceAction {
    /// Power off (or cut from the fabric), and leave it so.
    Off,
    /// Power on (or unfence).
    On,
    /// Off, then on.
    Reboot,
}

impl FenceAction {
    /// The word for it in both interfaces' parameters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Reboot => "reboot",
        }
    }

    /// The verb of an external plug-in.
    pub fn external_verb(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Reboot => "reset",
        }
    }
}

/// Which hosts a device can fence, as far as its parameters say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCheck {
    /// The device is asked for its list.
    DynamicList,
    /// These, by node name.
    StaticList(Vec<String>),
    /// The device is asked for each host.
    Status,
    /// Every host.
    None,
}

/// Reads `pcmk_host_check`, `pcmk_host_list` and `pcmk_host_map`; without a check, a list or a
/// map means `static-list`, otherwise the device is asked (Pacemaker 2.1).
pub fn host_check(params: &Params) -> HostCheck {
    let list = || HostCheck::StaticList(static_hosts(params));
    match params.get("pcmk_host_check").map(String::as_str) {
        Some("static-list") => list(),
        Some("dynamic-list") => HostCheck::DynamicList,
        Some("status") => HostCheck::Status,
        Some("none") => HostCheck::None,
        _ if params.contains_key("pcmk_host_list") || params.contains_key("pcmk_host_map") => {
            list()
        }
        _ => HostCheck::DynamicList,
    }
}

fn static_hosts(params: &Params) -> Vec<String> {
    let mut hosts = words(params.get("pcmk_host_list").map_or("", String::as_str));
    hosts.extend(host_map(params).into_keys());
    hosts.sort();
    hosts.dedup();
    hosts
}

/// A list of hosts as plug-ins print it and people write it.
pub fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn host_map(params: &Params) -> BTreeMap<String, String> {
    let text = params.get("pcmk_host_map").map_or("", String::as_str);
    let pairs = text.split(|c: char| c.is_whitespace() || c == ';');
    pairs
        .filter_map(|pair| pair.split_once([':', '=']))
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .collect()
}

/// The name by which the device knows a host.
pub fn port(params: &Params, host: &str) -> String {
    host_map(params).remove(host).unwrap_or_else(|| host.to_owned())
}

/// Whether the executor's or the manager's parameter, not the device's.
fn is_internal(name: &str) -> bool {
    ["CRM_meta_", "pcmk_", "crm_feature_set"].iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "priority" | "provides" | "stonith-timeout")
}

/// The environment of an external plug-in: its parameters by their plain names.
///
/// Names that would change how the program itself runs are left out.
pub fn external_environment(params: &Params) -> BTreeMap<OsString, OsString> {
    let dangerous = |name: &str| name == "PATH" || name == "IFS" || name.starts_with("LD_");
    params
        .iter()
        .filter(|(name, _)| !is_internal(name) && !dangerous(name))
        .filter(|(name, _)| !name.is_empty() && !name.contains(['=', '\0']))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// The standard input of a fence agent.
///
/// `host` is the target by its node name; it becomes `nodename` and, by the map, the parameter
/// that `pcmk_host_argument` names (default `port` and `plug`, the old and the new name; an
/// agent ignores what it does not know).
pub fn fence_input(params: &Params, action: &str, host: Option<&str>) -> Vec<u8> {
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in params.iter().filter(|(name, _)| !is_internal(name)) {
        lines.insert(name, value.clone());
    }
    let renamed = params.get(&format!("pcmk_{action}_action"));
    lines.insert("action", renamed.map_or(action, String::as_str).to_owned());
    if let Some(host) = host {
        lines.entry("nodename").or_insert_with(|| host.to_owned());
        match params.get("pcmk_host_argument").map(String::as_str) {
            Some("none") => {}
            Some(argument) => {
                lines.insert(argument, port(params, host));
            }
            None => {
                for argument in ["plug", "port"] {
                    let given = lines.get(argument).is_none_or(|value| value == "dynamic");
                    if given {
                        lines.insert(argument, port(params, host));
                    }
                }
            }
        }
    }
    let mut input = String::new();
    // A line break inside a value would be a parameter of its own.
    for (name, value) in lines {
        let one_line = value.replace(['\n', '\r'], " ");
        input.push_str(&format!("{name}={one_line}\n"));
    }
    input.into_bytes()
}

/// What a device that failed said last: for people, one line.
pub fn last_words(stdout: &[u8], stderr: &[u8]) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?.to_owned();
        Some(line.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
    };
    last(stderr).or_else(|| last(stdout)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_fence_agent_gets_its_parameters_and_the_host_by_its_own_name() {
        let device = params(&[
            ("ip", "10.0.0.9"),
            ("password", "a=b\nplug=node9"),
            ("pcmk_host_map", "node1:1;node2:2"),
            ("pcmk_reboot_action", "off"),
            ("CRM_meta_timeout", "20000"),
        ]);
        let input = String::from_utf8(fence_input(&device, "reboot", Some("node2"))).unwrap();
        let expected =
            "action=off\nip=10.0.0.9\nnodename=node2\npassword=a=b plug=node9\nplug=2\nport=2\n";
        assert_eq!(input, expected);
        let input = String::from_utf8(fence_input(&device, "monitor", None)).unwrap();
        assert_eq!(input, "action=monitor\nip=10.0.0.9\npassword=a=b plug=node9\n");
    }

    #[test]
    fn host_argument_names_the_parameter_or_none() {
        let mut device = params(&[("pcmk_host_argument", "vm")]);
        let input = fence_input(&device, "off", Some("n1"));
        assert_eq!(String::from_utf8(input).unwrap(), "action=off\nnodename=n1\nvm=n1\n");
        device.insert("pcmk_host_argument".to_owned(), "none".to_owned());
        let input = fence_input(&device, "off", Some("n1"));
        assert_eq!(String::from_utf8(input).unwrap(), "action=off\nnodename=n1\n");
    }

    #[test]
    fn a_plugin_gets_plain_names_but_nothing_that_bends_its_interpreter() {
        let device = params(&[
            ("hostlist", "a b"),
            ("LD_PRELOAD", "/tmp/x"),
            ("PATH", "/tmp"),
            ("pcmk_delay_base", "3"),
        ]);
        let env = external_environment(&device);
        assert_eq!(env.into_iter().collect::<Vec<_>>(), [("hostlist".into(), "a b".into())]);
    }

    #[test]
    fn which_hosts_a_device_fences() {
        assert_eq!(host_check(&params(&[])), HostCheck::DynamicList);
        let mapped = params(&[("pcmk_host_map", "n2:5 n1:4"), ("pcmk_host_list", "n3,n1")]);
        let hosts = ["n1", "n2", "n3"].map(str::to_owned).to_vec();
        assert_eq!(host_check(&mapped), HostCheck::StaticList(hosts));
        assert_eq!(host_check(&params(&[("pcmk_host_check", "none")])), HostCheck::None);
    }
}
