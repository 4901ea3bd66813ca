//! The few questions and changes that the agent needs, over rtnetlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::network::Plan;

/// A conversation with the kernel.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// An address that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// Number of its interface.
    pub index: u32,
    /// Goes with the first address of its network.
    pub secondary: bool,
    /// Duplicate detection has not ended.
    pub tentative: bool,
    /// Somebody else has it.
    pub dad_failed: bool,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address; empty if it has none.
    pub hardware: Vec<u8>,
}

/// A network that is reached directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Number of the interface.
    pub index: u32,
    /// Prefix length of the network.
    pub prefix: u8,
}

impl Netlink {
    /// Opens one.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// All addresses of the family of `like`.
    pub fn addresses(&mut self, like: IpAddr) -> io::Result<Vec<Address>> {
        let mut request = AddressMessage::default();
        request.header.family = family(like);
        let mut found = Vec::new();
        self.exchange(RouteNetlinkMessage::GetAddress(request), NLM_F_DUMP, |answer| {
            if let RouteNetlinkMessage::NewAddress(message) = answer {
                found.extend(read_address(&message));
            }
        })?;
        Ok(found)
    }

    /// The interface of this name.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut request = LinkMessage::default();
        request.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.one_link(request)
    }

    /// The interface of this number.
    pub fn link_by_index(&mut self, index: u32) -> io::Result<Option<Link>> {
        let mut request = LinkMessage::default();
        request.header.index = index;
        self.one_link(request)
    }

    fn one_link(&mut self, request: LinkMessage) -> io::Result<Option<Link>> {
        let mut found = None;
        let asked = self.exchange(RouteNetlinkMessage::GetLink(request), NLM_F_ACK, |answer| {
            if let RouteNetlinkMessage::NewLink(message) = answer {
                found = Some(read_link(&message));
            }
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    /// The networks that hold this address and are reached directly.
    pub fn connected(&mut self, ip: IpAddr) -> io::Result<Vec<Connected>> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(ip);
        let mut found = Vec::new();
        self.exchange(RouteNetlinkMessage::GetRoute(request), NLM_F_DUMP, |answer| {
            if let RouteNetlinkMessage::NewRoute(message) = answer {
                found.extend(read_connected(&message, ip));
            }
        })?;
        Ok(found)
    }

    /// Switches an interface on.
    pub fn set_up(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.exchange(RouteNetlinkMessage::SetLink(message), NLM_F_ACK, |_| {})
    }

    /// Adds an address, or renews the one that is there.
    pub fn add_address(&mut self, plan: &Plan, flags: (bool, bool)) -> io::Result<()> {
        let (nodad, noprefixroute) = flags;
        let mut message = AddressMessage::default();
        message.header.family = family(plan.ip);
        message.header.prefix_len = plan.prefix;
        message.header.index = plan.index;
        message.header.scope = match plan.ip {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => AddressScope::Link,
            _ => AddressScope::Universe,
        };
        message.attributes =
            vec![AddressAttribute::Local(plan.ip), AddressAttribute::Address(plan.ip)];
        message.attributes.extend(plan.broadcast.map(AddressAttribute::Broadcast));
        message.attributes.extend(plan.label.clone().map(AddressAttribute::Label));
        let mut wanted = AddressFlags::empty();
        wanted.set(AddressFlags::Nodad, nodad);
        wanted.set(AddressFlags::Noprefixroute, noprefixroute);
        if !wanted.is_empty() {
            message.attributes.push(AddressAttribute::Flags(wanted));
        }
        if let Some(preferred) = plan.preferred {
            let mut life = CacheInfo::default();
            life.ifa_preferred = preferred;
            life.ifa_valid = u32::MAX;
            message.attributes.push(AddressAttribute::CacheInfo(life));
        }
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.exchange(RouteNetlinkMessage::NewAddress(message), flags, |_| {})
    }

    /// Takes an address away.
    pub fn delete_address(&mut self, address: &Address) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.ip);
        message.header.prefix_len = address.prefix;
        message.header.index = address.index;
        message.attributes =
            vec![AddressAttribute::Local(address.ip), AddressAttribute::Address(address.ip)];
        self.exchange(RouteNetlinkMessage::DelAddress(message), NLM_F_ACK, |_| {})
    }

    /// Adds or removes the label of one IPv6 address in the kernel's table for choosing sources.
    ///
    /// Written out byte by byte: the library does not know these messages (linux/if_addrlabel.h).
    pub fn address_label(&mut self, ip: Ipv6Addr, label: u32, add: bool) -> io::Result<()> {
        const RTM_NEWADDRLABEL: u16 = 72;
        const RTM_DELADDRLABEL: u16 = 73;
        let kind = if add { RTM_NEWADDRLABEL } else { RTM_DELADDRLABEL };
        let create = if add { NLM_F_CREATE } else { 0 };
        self.sequence += 1;
        let mut bytes = Vec::new();
        // Header: length, type, flags, sequence, sender.
        bytes.extend(56_u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_ACK | create).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        // Family IPv6, a whole address, any interface.
        bytes.extend([10, 0, 128, 0]);
        bytes.extend([0; 8]);
        // Attributes: length, type, value.
        bytes.extend([20_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        bytes.extend(ip.octets());
        bytes.extend([8_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
        bytes.extend(label.to_ne_bytes());
        self.socket.send(&bytes, 0)?;
        let (answer, _) = self.socket.recv_from_full()?;
        let code = answer.get(16..20).and_then(|code| code.first_chunk::<4>());
        match code.map(|code| i32::from_ne_bytes(*code)) {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(-code)),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "a netlink message is cut off")),
        }
    }

    /// One request and its answers, until the kernel says that it is through.
    fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        mut answer: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        loop {
            let (answers, _) = self.socket.recv_from_full()?;
            let mut rest = answers.as_slice();
            while !rest.is_empty() {
                let garbled =
                    |error| io::Error::new(io::ErrorKind::InvalidData, format!("{error}"));
                let length = length_of(rest)?;
                let packet = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&rest[..length]);
                let packet = packet.map_err(garbled)?;
                rest = &rest[length.next_multiple_of(4).min(rest.len())..];
                if packet.header.sequence_number != self.sequence {
                    continue;
                }
                match packet.payload {
                    NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::Error(error) => {
                        return if error.code.is_none() { Ok(()) } else { Err(error.to_io()) };
                    }
                    NetlinkPayload::InnerMessage(inner) => answer(inner),
                    _ => {}
                }
            }
        }
    }
}

/// The length of the first message, which has to lie within the bytes.
fn length_of(bytes: &[u8]) -> io::Result<usize> {
    let first = bytes.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk));
    let length = first.and_then(|length| usize::try_from(length).ok());
    length
        .filter(|length| (16..=bytes.len()).contains(length))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a netlink message is cut off"))
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn read_address(message: &AddressMessage) -> Option<Address> {
    let mut local = None;
    let mut remote = None;
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => remote = Some(*ip),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    Some(Address {
        ip: local.or(remote)?,
        prefix: message.header.prefix_len,
        index: message.header.index,
        secondary: flags.contains(AddressFlags::Secondary),
        tentative: flags.contains(AddressFlags::Tentative),
        dad_failed: flags.contains(AddressFlags::Dadfailed),
    })
}

fn read_link(message: &LinkMessage) -> Link {
    let mut link = Link { index: message.header.index, name: String::new(), hardware: Vec::new() };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(address) => link.hardware.clone_from(address),
            _ => {}
        }
    }
    link
}

/// A route of the main table to a network without a gateway, if it holds the address.
fn read_connected(message: &RouteMessage, ip: IpAddr) -> Option<Connected> {
    let header = &message.header;
    let mut table = u32::from(header.table);
    let mut index = None;
    let mut network = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Oif(number) => index = Some(*number),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => return None,
            RouteAttribute::Destination(RouteAddress::Inet(v4)) => network = Some(IpAddr::V4(*v4)),
            RouteAttribute::Destination(RouteAddress::Inet6(v6)) => network = Some(IpAddr::V6(*v6)),
            _ => {}
        }
    }
    let direct = header.kind == RouteType::Unicast
        && (ip.is_ipv6() || header.scope == RouteScope::Link)
        && table == u32::from(RouteHeader::RT_TABLE_MAIN);
    let prefix = header.destination_prefix_length;
    (direct && holds(network?, prefix, ip)).then_some(Connected { index: index?, prefix })
}

/// Whether a network holds an address.
fn holds(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => u128::from(v6),
    };
    let shift = 128_u32.saturating_sub(u32::from(prefix));
    let same = (bits(network) ^ bits(ip)).checked_shr(shift).unwrap_or(0) == 0;
    network.is_ipv4() == ip.is_ipv4() && same
}

/// Whether an address is one that no host can have.
pub fn is_usable(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let check = |network: &str, prefix, ip: &str| {
            holds(network.parse().unwrap(), prefix, ip.parse().unwrap())
        };
        assert!(check("10.91.0.0", 24, "10.91.0.100"));
        assert!(!check("10.91.0.0", 24, "10.91.1.100"));
        assert!(check("0.0.0.0", 0, "10.91.1.100"));
        assert!(check("10.0.0.1", 32, "10.0.0.1") && !check("10.0.0.1", 32, "10.0.0.2"));
        assert!(check("fd00::", 64, "fd00::5") && !check("fd00::", 64, "fd01::5"));
        assert!(!check("::", 0, "10.0.0.1"));
    }
}
