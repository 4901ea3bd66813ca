//! Which address, on which interface, with which prefix: from the parameters and the routes.

use std::net::{IpAddr, Ipv4Addr};

use super::announce::Packets;
use super::doing;
use super::netlink::{Address, Link, Netlink, is_usable};
use crate::declare::{Code, Context, Failure};

/// The longest name of an interface or label, in bytes.
const NAME_MAX: usize = 15;

/// What the parameters ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address.
    pub ip: IpAddr,
    /// The interface, if one is named.
    pub nic: Option<String>,
    /// The prefix length, if it is given.
    pub prefix: Option<u8>,
    broadcast: Broadcast,
    label: Option<String>,
    /// Preferred lifetime in seconds; `None` is for ever.
    preferred: Option<u32>,
    /// The address waits on the loopback interface while it is not here.
    pub lvs: bool,
    /// How neighbours are told.
    pub packets: Packets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broadcast {
    /// That of the network, where the interface is in it.
    IfThere,
    OfNetwork,
    None,
    This(Ipv4Addr),
}

/// What is going to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The address.
    pub ip: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// The interface.
    pub nic: String,
    /// Its number.
    pub index: u32,
    /// Its hardware address; empty if it has none.
    pub hardware: Vec<u8>,
    /// IPv4: the broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4: the label.
    pub label: Option<String>,
    /// Preferred lifetime in seconds; `None` is for ever.
    pub preferred: Option<u32>,
}

impl Wanted {
    /// Reads the parameters; every mistake has its own sentence.
    pub fn read(context: &Context) -> Result<Self, Failure> {
        let wrong = |reason: String| Failure::new(Code::NotConfigured, reason);
        let text = context.text("ip").unwrap_or_default();
        let ip: IpAddr = text.parse().map_err(|_| {
            wrong(format!("\"ip\" is \"{text}\", which is neither an IPv4 nor an IPv6 address"))
        })?;
        if !is_usable(ip) {
            return Err(wrong(format!("\"ip\" is \"{text}\", an address that no host can have")));
        }
        let ip = of_instance(context, ip)?;
        let lvs = context.is_true("lvs_support");
        if lvs && ip.is_ipv6() {
            return Err(wrong("\"lvs_support\" is for IPv4 only".to_owned()));
        }
        if context.is_true("lvs_ipv6_addrlabel") && ip.is_ipv4() {
            return Err(wrong("\"lvs_ipv6_addrlabel\" is for IPv6 only".to_owned()));
        }
        let packets = packets(context)?;
        let (nic, old_label) = match context.text("nic").map(|nic| nic.split_once(':')) {
            Some(Some((nic, label))) => (Some(nic), Some(label)),
            Some(None) => (context.text("nic"), None),
            None => (None, None),
        };
        if let Some(nic) = nic
            && (nic.is_empty() || nic.len() > NAME_MAX || nic.contains(['/', ' ']))
        {
            return Err(wrong(format!("\"nic\" is \"{nic}\", which no interface can be called")));
        }
        // The name of an earlier release of the original.
        let mask = context.text("cidr_netmask").or(context.variable("OCF_RESKEY_netmask"));
        let prefix = match mask {
            Some(text) => Some(prefix(text, ip).ok_or_else(|| {
                let longest = if ip.is_ipv4() { 32 } else { 128 };
                let kind = if ip.is_ipv4() { " or a netmask like 255.255.255.0" } else { "" };
                wrong(format!(
                    "\"cidr_netmask\" is \"{text}\", but must be a number from 0 to {longest}{kind}"
                ))
            })?),
            None => None,
        };
        let broadcast = match context.text("broadcast") {
            None => Broadcast::IfThere,
            Some("+") => Broadcast::OfNetwork,
            Some("-") => Broadcast::None,
            Some(text) => Broadcast::This(text.parse().map_err(|_| {
                wrong(format!("\"broadcast\" is \"{text}\", which is no IPv4 address"))
            })?),
        };
        let preferred = match context.text("preferred_lft") {
            None | Some("forever") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                wrong(format!(
                    "\"preferred_lft\" is \"{text}\", but must be seconds or \"forever\""
                ))
            })?),
        };
        let label = context.text("iflabel").or(old_label).map(str::to_owned);
        Ok(Self {
            ip,
            nic: nic.map(str::to_owned),
            prefix,
            broadcast,
            label,
            preferred,
            lvs,
            packets,
        })
    }

    /// Finds interface and prefix on this host.
    pub fn plan(&self, netlink: &mut Netlink) -> Result<Plan, Failure> {
        let named = match &self.nic {
            Some(name) => Some(self.named(netlink, name)?),
            None => None,
        };
        let routes = doing(netlink.connected(self.ip), || "listing routes".to_owned())?;
        let best = routes
            .iter()
            .filter(|route| named.as_ref().is_none_or(|link| link.index == route.index))
            .max_by_key(|route| route.prefix);
        let (link, prefix) = match (named, best) {
            (Some(link), Some(route)) => (link, self.prefix.unwrap_or(route.prefix)),
            (Some(link), None) => {
                (link, self.prefix.unwrap_or(if self.ip.is_ipv4() { 32 } else { 128 }))
            }
            (None, Some(route)) => {
                let looked = doing(netlink.link_by_index(route.index), || "looking up".to_owned())?;
                let link = looked.ok_or_else(|| {
                    Failure::new(Code::Error, "the interface vanished while it was looked up")
                })?;
                (link, self.prefix.unwrap_or(route.prefix))
            }
            (None, None) => {
                let reason = format!(
                    "no interface of this node is in a network that holds {}; name one with \"nic\"",
                    self.ip
                );
                return Err(Failure::new(Code::Args, reason));
            }
        };
        self.on(link, prefix, best.is_some())
    }

    fn named(&self, netlink: &mut Netlink, name: &str) -> Result<Link, Failure> {
        let link = doing(netlink.link(name), || format!("looking up {name}"))?;
        link.ok_or_else(|| {
            let reason = format!("this node has no network interface \"{name}\"");
            Failure::new(Code::Args, reason)
        })
    }

    fn on(&self, link: Link, prefix: u8, in_network: bool) -> Result<Plan, Failure> {
        let label = match &self.label {
            Some(label) if self.ip.is_ipv4() => Some(format!("{}:{label}", link.name)),
            _ => None,
        };
        if let Some(label) = &label
            && label.len() > NAME_MAX
        {
            let reason = format!("the label \"{label}\" has more than {NAME_MAX} bytes");
            return Err(Failure::new(Code::NotConfigured, reason));
        }
        let broadcast = match (self.ip, self.broadcast) {
            (IpAddr::V4(_), Broadcast::IfThere) if !in_network => None,
            (IpAddr::V4(ip), Broadcast::IfThere | Broadcast::OfNetwork) => {
                last_of_network(ip, prefix)
            }
            (IpAddr::V4(_), Broadcast::This(address)) => Some(address),
            _ => None,
        };
        Ok(Plan {
            ip: self.ip,
            prefix,
            nic: link.name,
            index: link.index,
            hardware: link.hardware,
            broadcast,
            label,
            preferred: self.preferred.filter(|_| self.ip.is_ipv6()),
        })
    }
}

/// How neighbours are told of an IPv4 address: as the programs would that the original calls.
fn packets(context: &Context) -> Result<Packets, Failure> {
    let wrong = |reason: String| Failure::new(Code::NotConfigured, reason);
    let mut packets = match context.text("arp_sender") {
        Some("ipoibarping") => {
            let why = "hardware addresses of InfiniBand are not announced here";
            return Err(wrong(format!("\"arp_sender\" is \"ipoibarping\": {why}")));
        }
        // Both programs are called with -U.
        Some("iputils_arping" | "libnet_arping") => Packets::Requests,
        _ => Packets::Both,
    };
    for word in context.text("send_arp_opts").unwrap_or_default().split_whitespace() {
        packets = match word {
            "-A" => Packets::Replies,
            "-U" => Packets::Requests,
            _ => {
                let why = "no program announces here, so it has no such option";
                return Err(wrong(format!("\"send_arp_opts\" has \"{word}\": {why}")));
            }
        };
    }
    Ok(packets)
}

/// The address of this instance of a clone. One address on several nodes is refused.
fn of_instance(context: &Context, ip: IpAddr) -> Result<IpAddr, Failure> {
    let wrong = |reason: &str| Failure::new(Code::NotConfigured, reason);
    let number = |name: &str| context.meta(name).and_then(|text| text.parse::<u32>().ok());
    if !context.is_true("unique_clone_address") {
        if number("clone_max").unwrap_or(1) > 1 {
            return Err(wrong(
                "a clone would need cluster IP (the CLUSTERIP target of iptables), which kernels \
                 have no more; set \"unique_clone_address\", or do not clone it",
            ));
        }
        return Ok(ip);
    }
    if context.meta("globally_unique") != Some("true") {
        return Err(wrong(
            "\"unique_clone_address\" needs a clone with the meta attribute globally-unique=true",
        ));
    }
    let IpAddr::V4(v4) = ip else {
        return Err(wrong("\"unique_clone_address\" is for IPv4 only"));
    };
    let [a, b, c, last] = v4.octets();
    let last = number("clone").and_then(|clone| last.checked_add(u8::try_from(clone).ok()?));
    let last =
        last.ok_or_else(|| wrong("there are more instances than addresses behind \"ip\""))?;
    Ok(Ipv4Addr::new(a, b, c, last).into())
}

impl Plan {
    /// An address that waits on the loopback interface.
    pub fn on_loopback(ip: IpAddr, link: Link) -> Self {
        Self {
            ip,
            prefix: 32,
            nic: link.name,
            index: link.index,
            hardware: Vec::new(),
            broadcast: None,
            label: None,
            preferred: None,
        }
    }

    /// An address that is there, for announcing it.
    pub fn of(address: &Address, link: &Link) -> Self {
        Self {
            ip: address.ip,
            prefix: address.prefix,
            nic: link.name.clone(),
            index: link.index,
            hardware: link.hardware.clone(),
            broadcast: None,
            label: None,
            preferred: None,
        }
    }
}

/// The broadcast address of a network; those of one or two hosts have none.
fn last_of_network(ip: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    (prefix < 31).then(|| Ipv4Addr::from(u32::from(ip) | hosts))
}

/// `24` or `255.255.255.0`.
fn prefix(text: &str, ip: IpAddr) -> Option<u8> {
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    if let Ok(number) = text.parse::<u8>() {
        return (number <= longest).then_some(number);
    }
    let mask = u32::from(text.parse::<Ipv4Addr>().ok().filter(|_| ip.is_ipv4())?);
    // A mask is ones and then zeros.
    let ones = mask.leading_ones();
    (ones + mask.trailing_zeros() == 32).then(|| u8::try_from(ones).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Result<Wanted, Failure> {
        let environment: BTreeMap<String, String> =
            pairs.iter().map(|(k, v)| (format!("OCF_RESKEY_{k}"), (*v).to_owned())).collect();
        Wanted::read(&Context::new(&super::super::AGENT, environment)?)
    }

    #[test]
    fn prefixes_and_masks() {
        let v4 = "10.0.0.1".parse().unwrap();
        for (text, expected) in [
            ("24", Some(24)),
            ("0", Some(0)),
            ("33", None),
            ("255.255.255.0", Some(24)),
            ("255.255.255.255", Some(32)),
            ("0.0.0.0", Some(0)),
            ("255.0.255.0", None),
            ("x", None),
        ] {
            assert_eq!(prefix(text, v4), expected, "{text}");
        }
        let v6 = "fe80::1".parse().unwrap();
        assert_eq!((prefix("64", v6), prefix("255.0.0.0", v6)), (Some(64), None));
    }

    #[test]
    fn mistakes_are_told_apart() {
        for (pairs, words) in [
            (vec![("ip", "10.0.0.300")], "neither an IPv4 nor an IPv6"),
            (vec![("ip", "10.0.0.3/24")], "neither an IPv4 nor an IPv6"),
            (vec![("ip", "10.0.0.3"), ("cidr_netmask", "40")], "from 0 to 32"),
            (vec![("ip", "::1"), ("cidr_netmask", "140")], "from 0 to 128"),
            (vec![("ip", "10.0.0.3"), ("nic", "much-too-long-a-name")], "no interface can be"),
            (vec![("ip", "10.0.0.3"), ("broadcast", "x")], "no IPv4 address"),
            (vec![("ip", "10.0.0.3"), ("preferred_lft", "long")], "seconds or"),
        ] {
            let failure = wanted(&pairs).expect_err(words);
            assert_eq!(failure.code, Code::NotConfigured);
            assert!(failure.reason.contains(words), "{}", failure.reason);
        }
    }

    #[test]
    fn labels_and_broadcast_are_worked_out() {
        let link = || Link { index: 3, name: "eth0".to_owned(), hardware: Vec::new() };
        let plan = wanted(&[("ip", "10.1.2.3"), ("nic", "eth0:web")])
            .unwrap()
            .on(link(), 24, true)
            .unwrap();
        assert_eq!(plan.label.as_deref(), Some("eth0:web"));
        assert_eq!(plan.broadcast, Some(Ipv4Addr::new(10, 1, 2, 255)));
        let none = wanted(&[("ip", "10.1.2.3"), ("broadcast", "-")]).unwrap();
        assert_eq!(none.on(link(), 24, true).unwrap().broadcast, None);
        let host = wanted(&[("ip", "10.1.2.3")]).unwrap().on(link(), 32, true).unwrap();
        assert_eq!(host.broadcast, None);
        let long = wanted(&[("ip", "10.1.2.3"), ("iflabel", "a-long-label")]).unwrap();
        assert!(long.on(link(), 24, true).unwrap_err().reason.contains("15 bytes"));
    }
}
