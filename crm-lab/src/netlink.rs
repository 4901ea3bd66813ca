//! The few network changes the lab makes, over rtnetlink.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::{Doing, LabError, Result};

/// A conversation with the network of the namespace in which it was opened.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open() -> Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE).doing("opening a netlink socket")?;
        socket.bind_auto().doing("binding a netlink socket")?;
        socket.connect(&SocketAddr::new(0, 0)).doing("connecting a netlink socket")?;
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Creates a bridge and switches it on.
    ///
    /// It gets an address of its own: by default it would take that of a port, and change it
    /// whenever a host comes or goes, so that others would send into the void until their
    /// neighbour tables notice.
    pub(crate) fn add_bridge(&mut self, name: &str, hardware: [u8; 6]) -> Result<()> {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::Address(hardware.to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.change(
            RouteNetlinkMessage::NewLink(link),
            NLM_F_CREATE | NLM_F_EXCL,
            &format!("creating the switch {name}"),
        )?;
        self.set_up(name, true)
    }

    /// Creates a cable: `port` on the bridge here, `far` in the namespace behind `namespace`.
    pub(crate) fn add_cable(
        &mut self,
        bridge: &str,
        port: &str,
        far: &str,
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        let mut peer = LinkMessage::default();
        peer.attributes =
            vec![LinkAttribute::IfName(far.into()), LinkAttribute::NetNsFd(namespace.as_raw_fd())];
        let controller = self.index(bridge)?;
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(port.into()),
            LinkAttribute::Controller(controller),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        self.change(
            RouteNetlinkMessage::NewLink(link),
            NLM_F_CREATE | NLM_F_EXCL,
            &format!("plugging in the cable {port}"),
        )?;
        self.set_up(port, true)
    }

    /// Takes a cable away, both ends at once; none may be there any more.
    pub(crate) fn remove(&mut self, port: &str) -> Result<()> {
        let Ok(index) = self.index(port) else { return Ok(()) };
        let mut link = LinkMessage::default();
        link.header.index = index;
        match self.change(RouteNetlinkMessage::DelLink(link), 0, &format!("unplugging {port}")) {
            // The kernel was faster: it takes a cable away with the namespace at its other end.
            Err(_) if self.index(port).is_err() => Ok(()),
            done => done,
        }
    }

    /// Switches an interface on or off.
    pub(crate) fn set_up(&mut self, name: &str, up: bool) -> Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index(name)?;
        link.header.change_mask = LinkFlags::Up;
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        let what = format!("switching {name} {}", if up { "on" } else { "off" });
        self.change(RouteNetlinkMessage::SetLink(link), 0, &what)
    }

    /// Adds an IPv4 address to an interface.
    pub(crate) fn add_address(&mut self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = prefix;
        message.header.index = self.index(name)?;
        let mask = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        message.attributes = vec![
            AddressAttribute::Local(IpAddr::V4(address)),
            AddressAttribute::Address(IpAddr::V4(address)),
            AddressAttribute::Broadcast(Ipv4Addr::from(u32::from(address) | mask)),
        ];
        self.change(
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_EXCL,
            &format!("adding {address} to {name}"),
        )
    }

    /// All addresses of the namespace.
    pub(crate) fn addresses(&mut self) -> Result<Vec<IpAddr>> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let mut found = Vec::new();
        self.exchange(request, NLM_F_DUMP, "listing addresses", |answer| {
            if let RouteNetlinkMessage::NewAddress(message) = answer {
                let local = |a: &AddressAttribute| match a {
                    AddressAttribute::Local(ip) => Some(*ip),
                    _ => None,
                };
                found.extend(message.attributes.iter().find_map(local));
            }
        })?;
        Ok(found)
    }

    fn index(&mut self, name: &str) -> Result<u32> {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.into())];
        let mut index = None;
        let what = format!("looking up {name}");
        self.exchange(RouteNetlinkMessage::GetLink(link), NLM_F_ACK, &what, |answer| {
            if let RouteNetlinkMessage::NewLink(found) = answer {
                index = Some(found.header.index);
            }
        })?;
        index.ok_or_else(|| LabError::Netlink { what, reason: "no such interface".into() })
    }

    fn change(&mut self, message: RouteNetlinkMessage, flags: u16, what: &str) -> Result<()> {
        self.exchange(message, flags | NLM_F_ACK, what, |_| {})
    }

    fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: &str,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).doing(what)?;
        let failed = |reason: String| LabError::Netlink { what: what.into(), reason };
        loop {
            let (packet, _) = self.socket.recv_from_full().doing(what)?;
            let mut rest = &packet[..];
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|e| failed(e.to_string()))?;
                let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX);
                rest = rest.get(length.next_multiple_of(4).min(rest.len())..).unwrap_or_default();
                match answer.payload {
                    NetlinkPayload::Error(e) if e.code.is_some() => {
                        return Err(failed(e.to_io().to_string()));
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::InnerMessage(inner) => each(inner),
                    _ => {}
                }
                if length == 0 {
                    return Err(failed("the kernel's answer is malformed".into()));
                }
            }
        }
    }
}
