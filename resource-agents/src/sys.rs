//! The one place of this crate where the compiler cannot check the contract.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;

use nix::libc;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Sends an ARP packet to everybody on an interface.
pub fn broadcast_arp(index: u32, packet: &[u8]) -> io::Result<()> {
    const ETH_P_ARP: u16 = 0x0806;
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
    let index = i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the storage that is passed in is larger than a `sockaddr_ll`, aligned for every
    // address, and zeroed; all bit patterns of a `sockaddr_ll` are valid, and the length set is
    // that of what was written.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = libc::AF_PACKET as libc::sa_family_t;
            (*link).sll_protocol = ETH_P_ARP.to_be();
            (*link).sll_ifindex = index;
            (*link).sll_halen = 6;
            (*link).sll_addr = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    socket.send_to(packet, &address)?;
    Ok(())
}
