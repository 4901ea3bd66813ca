//! Interfaces for the cases, by netlink: no program is needed to make them.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::ifaddrs::getifaddrs;

/// Two interfaces that are connected by a cable, both switched on.
pub fn cable(one: &str, other: &str) {
    let named = |name: &str| {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        link
    };
    let mut link = named(one);
    link.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(named(other)))),
    ]));
    request(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL);
    up(one);
    up(other);
}

/// Switches an interface on; a new network has even `lo` switched off.
pub fn up(name: &str) {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    request(RouteNetlinkMessage::SetLink(link), 0);
}

fn request(message: RouteNetlinkMessage, flags: u16) {
    let mut socket = Socket::new(NETLINK_ROUTE).expect("netlink");
    socket.bind_auto().expect("netlink");
    socket.connect(&SocketAddr::new(0, 0)).expect("netlink");
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).expect("the kernel takes it");
    let (answer, _) = socket.recv_from_full().expect("the kernel answers");
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).expect("an answer");
    match answer.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => panic!("{}", error.to_io()),
        _ => {}
    }
}

/// Every address as `NIC ADDRESS/PREFIX BROADCAST`, link-local ones left out; sorted.
pub fn addresses() -> Vec<String> {
    let mut lines = Vec::new();
    for entry in getifaddrs().expect("the addresses can be listed") {
        let ip = |address: Option<nix::sys::socket::SockaddrStorage>| {
            let address = address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        };
        let Some(address) = ip(entry.address) else { continue };
        if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            continue;
        }
        let prefix = match ip(entry.netmask) {
            Some(IpAddr::V4(mask)) => u32::from(mask).leading_ones(),
            Some(IpAddr::V6(mask)) => u128::from(mask).leading_ones(),
            None => 0,
        };
        let broadcast = match address {
            IpAddr::V4(_) => ip(entry.broadcast).map_or("-".to_owned(), |ip| ip.to_string()),
            IpAddr::V6(_) => "-".to_owned(),
        };
        lines.push(format!("{} {address}/{prefix} {broadcast}", entry.interface_name));
    }
    lines.sort();
    lines
}
