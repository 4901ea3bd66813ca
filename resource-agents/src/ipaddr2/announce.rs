//! Telling the neighbours where an address is now.

use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::network::Plan;
use crate::sys;

const ETHERNET_ADDRESS: usize = 6;

/// What an IPv4 address is announced with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packets {
    /// Requests and replies: some neighbours learn from the ones only, some from the others.
    Both,
    /// As `arping -U`.
    Requests,
    /// As `arping -A`.
    Replies,
}

impl Packets {
    fn operations(self) -> &'static [u8] {
        match self {
            Self::Both => &[1, 2],
            Self::Requests => &[1],
            Self::Replies => &[2],
        }
    }
}

/// One announcement of an address; nothing on an interface without hardware addresses.
pub fn once(plan: &Plan, packets: Packets) -> io::Result<()> {
    let Some(hardware) = plan.hardware.first_chunk::<ETHERNET_ADDRESS>() else { return Ok(()) };
    match plan.ip {
        IpAddr::V4(ip) => {
            for operation in packets.operations() {
                sys::broadcast_arp(plan.index, &arp(*operation, *hardware, ip))?;
            }
            Ok(())
        }
        IpAddr::V6(ip) => advertise(plan.index, *hardware, ip),
    }
}

/// Asks for an IPv4 address before it is ours (RFC 5227): whether another host answers, or asks
/// for it as well, within `limit`.
pub fn collision(plan: &Plan, limit: Duration) -> io::Result<bool> {
    let (IpAddr::V4(ip), Some(hardware)) =
        (plan.ip, plan.hardware.first_chunk::<ETHERNET_ADDRESS>())
    else {
        return Ok(false);
    };
    let mut socket = sys::listen_arp(plan.index)?;
    let start = Instant::now();
    let mut packet = [0; 128];
    // Twice, because the first may be lost.
    for round in 1..=2 {
        sys::broadcast_arp(plan.index, &probe(*hardware, ip))?;
        let end = start + limit * round / 2;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.read(&mut packet) {
                Ok(length) if names(&packet[..length], ip, *hardware) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(false)
}

/// A question for an address by somebody who has none.
fn probe(hardware: [u8; ETHERNET_ADDRESS], ip: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(hardware);
    packet.extend([0; 10]);
    packet.extend(ip.octets());
    packet
}

/// Whether a packet comes from another host that has the address, or wants it at this moment.
fn names(packet: &[u8], ip: Ipv4Addr, own: [u8; ETHERNET_ADDRESS]) -> bool {
    let part = |from: usize, length: usize| packet.get(from..from + length).unwrap_or_default();
    let probes = part(14, 4) == [0; 4] && part(24, 4) == ip.octets();
    part(8, 6) != own && packet.len() >= 28 && (part(14, 4) == ip.octets() || probes)
}

/// A gratuitous ARP packet (RFC 826, RFC 5944): sender and target are the address itself.
fn arp(operation: u8, hardware: [u8; ETHERNET_ADDRESS], ip: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(hardware);
    packet.extend(ip.octets());
    packet.extend([0xff; ETHERNET_ADDRESS]);
    packet.extend(ip.octets());
    packet
}

/// An unsolicited neighbour advertisement (RFC 4861, 7.2.6) to all nodes, overriding caches.
fn advertise(index: u32, hardware: [u8; ETHERNET_ADDRESS], ip: Ipv6Addr) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.set_multicast_if_v6(index)?;
    // Receivers drop advertisements that could have passed a router.
    socket.set_multicast_hops_v6(255)?;
    socket.bind(&SocketAddrV6::new(ip, 0, 0, index).into())?;
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let packet = advertisement(hardware, ip);
    socket.send_to(&packet, &SocketAddrV6::new(all_nodes, 0, 0, index).into())?;
    Ok(())
}

/// Type 136, code 0, checksum by the kernel, flag "override", the address, its hardware address.
fn advertisement(hardware: [u8; ETHERNET_ADDRESS], ip: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    packet.extend(ip.octets());
    packet.extend([2, 1]);
    packet.extend(hardware);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_their_shape() {
        let hardware = [2, 0, 0, 0, 0, 9];
        let packet = arp(1, hardware, Ipv4Addr::new(10, 0, 0, 7));
        assert_eq!(packet.len(), 28);
        assert_eq!(packet[..8], [0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(packet[8..18], [2, 0, 0, 0, 0, 9, 10, 0, 0, 7]);
        assert_eq!(packet[24..], [10, 0, 0, 7]);
        let packet = advertisement(hardware, Ipv6Addr::LOCALHOST);
        assert_eq!((packet.len(), packet[0], packet[4]), (32, 136, 0x20));
    }
}
