//! The sockets: one for each link, bound to this node's address there.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{
    Ipv4RecvErr, Ipv6RecvErr, RcvBuf, RcvBufForce, SndBuf, SndBufForce, UdpGroSegment,
};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, getsockopt, recvmsg, sendmsg,
    setsockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// What one call can carry: a UDP datagram's worth of segments.
pub(super) const BATCH: usize = 64_000;
const MAX_SEGMENTS: usize = 64;
const BUFFER: usize = 4 << 20;
/// What the kernel accounts for a packet of Ethernet's size in a socket's buffer.
const ACCOUNTED: usize = 2304;

/// A link's socket.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    /// The kernel cuts large writes into packets.
    segments: bool,
    receive_buffer: usize,
}

/// Something read from a socket: one or several packets of `segment` bytes, the last maybe shorter.
pub(super) struct Received {
    pub(super) bytes: usize,
    pub(super) segment: usize,
}

impl Link {
    /// Opens the socket of a link.
    pub(super) fn open(address: SocketAddr) -> std::io::Result<Link> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // All of these only make it faster; a kernel or container may refuse them.
        if setsockopt(&socket, RcvBufForce, &BUFFER).is_err() {
            let _ = setsockopt(&socket, RcvBuf, &BUFFER);
        }
        if setsockopt(&socket, SndBufForce, &BUFFER).is_err() {
            let _ = setsockopt(&socket, SndBuf, &BUFFER);
        }
        let _ = setsockopt(&socket, UdpGroSegment, &true);
        let _ = match address {
            SocketAddr::V4(_) => setsockopt(&socket, Ipv4RecvErr, &true),
            SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvErr, &true),
        };
        socket.bind(&address.into())?;
        let receive_buffer = getsockopt(&socket, RcvBuf).unwrap_or(ACCOUNTED * 64);
        Ok(Link { socket, segments: true, receive_buffer })
    }

    /// How many packets the socket's buffer holds for sure while this node does something else.
    pub(super) fn window(&self) -> u32 {
        // Half of it: the other half is for what comes again, and for who sends beside.
        u32::try_from(self.receive_buffer / ACCOUNTED / 2).unwrap_or(u32::MAX).clamp(16, 512)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends packets of `segment` bytes each, the last maybe shorter. Losses are made up for by
    /// the protocol, so errors (no route, buffer full) are not reported.
    pub(super) fn send(&mut self, to: &SockaddrStorage, packets: &[u8], segment: usize) {
        if packets.len() > segment && self.segments {
            for part in packets.chunks(segment * MAX_SEGMENTS.min(BATCH / segment).max(1)) {
                let sent = self.send_once(to, part, Some(segment));
                if let Err(Errno::EIO | Errno::EINVAL | Errno::EOPNOTSUPP) = sent {
                    // This device or kernel cannot cut: one call for each packet then.
                    self.segments = false;
                    self.send_singly(to, part, segment);
                }
            }
        } else {
            self.send_singly(to, packets, segment);
        }
    }

    fn send_singly(&self, to: &SockaddrStorage, packets: &[u8], segment: usize) {
        for packet in packets.chunks(segment.max(1)) {
            let _ = self.send_once(to, packet, None);
        }
    }

    fn send_once(
        &self,
        to: &SockaddrStorage,
        bytes: &[u8],
        segment: Option<usize>,
    ) -> Result<(), Errno> {
        let size =
            segment.map(|segment| segment as u16).filter(|_| bytes.len() > segment.unwrap_or(0));
        let control = size.as_ref().map(ControlMessage::UdpGsoSegments);
        let iov = [IoSlice::new(bytes)];
        let once = || {
            sendmsg(self.socket.as_raw_fd(), &iov, control.as_slice(), MsgFlags::empty(), Some(to))
        };
        match once() {
            // The refusal of an earlier packet is reported here once; this one was not sent.
            Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => once().map(drop),
            result => result.map(drop),
        }
    }

    /// Reads what is there; `None`: nothing is.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<Received> {
        for _ in 0..8 {
            let mut control = nix::cmsg_space!(i32, [u8; 64]);
            let mut iov = [IoSliceMut::new(buffer)];
            let result = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut iov,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            match result {
                Ok(message) => {
                    let segment = message.cmsgs().ok().and_then(|mut list| {
                        list.find_map(|control| match control {
                            ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
                            _ => None,
                        })
                    });
                    let bytes = message.bytes;
                    return Some(Received { bytes, segment: segment.unwrap_or(bytes).max(1) });
                }
                Err(Errno::EAGAIN) => return None,
                // A refusal, reported here as well as in the error queue.
                Err(_) => {}
            }
        }
        None
    }

    /// The next address whose host has said that nothing listens there.
    pub(super) fn refusal(&self) -> Option<SocketAddr> {
        for _ in 0..64 {
            let mut control = nix::cmsg_space!([u8; 64]);
            let mut byte = [0; 1];
            let mut iov = [IoSliceMut::new(&mut byte)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let message = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut iov,
                Some(&mut control),
                flags,
            )
            .ok()?;
            let refused = message.cmsgs().ok()?.any(|control| {
                let errno = match control {
                    ControlMessageOwned::Ipv4RecvErr(error, _) => error.ee_errno,
                    ControlMessageOwned::Ipv6RecvErr(error, _) => error.ee_errno,
                    _ => 0,
                };
                errno == Errno::ECONNREFUSED as u32
            });
            if refused && let Some(to) = message.address {
                return to_std(&to);
            }
        }
        None
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}
