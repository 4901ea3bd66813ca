//! `ping`: how many hosts answer, as an attribute of the node that rules can use.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::attribute;
use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};
use crate::state::{self, StateFile};

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "ping",
    stands_in_for: &["pacemaker"],
    short: "Counts the hosts that answer",
    long: "Sends ICMP echo requests to some hosts and sets a node attribute to the number of \
           those that answer, times a factor. Run it as a clone and let location rules use it.",
    parameters: &[
        Parameter {
            name: "host_list",
            required: true,
            short: "Hosts",
            long: "Names or addresses, separated by spaces.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "name",
            default: Some("pingd"),
            unique: true,
            short: "Name of the attribute",
            long: "What rules refer to.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "multiplier",
            kind: Kind::Integer(0, 1_000_000),
            default: Some("1"),
            short: "Worth of a host",
            long: "The attribute is this times the number of hosts that answer.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "dampen",
            kind: Kind::Time,
            reloadable: true,
            default: Some("5s"),
            short: "Dampening",
            long: "Changes are passed on after this time, so that nodes decide together.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "attempts",
            kind: Kind::Integer(1, 100),
            reloadable: true,
            default: Some("3"),
            short: "Requests to each host",
            long: "A host counts as dead when none of these is answered.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "timeout",
            kind: Kind::Time,
            reloadable: true,
            default: Some("2"),
            short: "Time for an answer",
            long: "For each request.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "pidfile",
            short: "State file",
            long: "Is there while it runs. Default: a file for each instance.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "options",
            short: "Options of a ping program",
            long: "Refused: this agent sends its requests itself.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "use_fping",
            kind: Kind::Boolean,
            short: "Not needed",
            long: "Hosts are asked at the same time in any case.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "debug",
            kind: Kind::Select(&["true", "false", "verbose"]),
            reloadable: true,
            short: "Not needed",
            long: "Hosts that do not answer are always named.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "failure_score",
            kind: Kind::Integer(0, i64::MAX),
            short: "Fail below this value",
            long: "The resource fails on a node whose attribute would be lower.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[
        Action::once("start", 60),
        Action::once("stop", 20),
        Action::monitor(60, 10),
        Action::once("reload-agent", 20),
    ],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    if let Some(options) = context.text("options") {
        let reason = format!("\"options\" is \"{options}\", but no ping program is called here");
        return Err(Failure::new(Code::NotConfigured, reason));
    }
    let file = StateFile::named(context, AGENT.name, "pidfile");
    let hosts: Vec<&str> = context
        .text("host_list")
        .unwrap_or_default()
        .split([' ', ','])
        .filter(|h| !h.is_empty())
        .collect();
    match action {
        "start" => {
            state::simple(&file, action)?;
            update(context, &hosts)
        }
        "monitor" if file.read()?.is_none() => Ok(Code::NotRunning),
        "monitor" | "reload-agent" => update(context, &hosts),
        "stop" => {
            attribute::delete(context, context.text("name").unwrap_or_default());
            state::simple(&file, action)
        }
        _ => Ok(Code::Ok),
    }
}

fn update(context: &Context, hosts: &[&str]) -> Outcome {
    let attempts = context.integer("attempts");
    let limit = context.time("timeout");
    let alive: Vec<bool> = std::thread::scope(|scope| {
        // Hosts are asked at the same time: one that is silent must not cost the others' time.
        let asked: Vec<_> = hosts
            .iter()
            .map(|host| scope.spawn(move || (0..attempts).any(|n| answers(host, n, limit))))
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or(false)).collect()
    });
    let count = i64::try_from(alive.iter().filter(|alive| **alive).count()).unwrap_or(i64::MAX);
    let value = count.saturating_mul(context.integer("multiplier"));
    attribute::set(context, context.text("name").unwrap_or_default(), &value.to_string());
    let least = context.text("failure_score").and_then(|text| text.parse::<i64>().ok());
    if least.is_some_and(|least| value < least) {
        let silent: Vec<&str> =
            hosts.iter().zip(&alive).filter(|(_, alive)| !**alive).map(|(host, _)| *host).collect();
        let reason = format!("no answer from {}", silent.join(", "));
        return Err(Failure::new(Code::Error, reason));
    }
    Ok(Code::Ok)
}

fn answers(host: &str, number: i64, limit: Duration) -> bool {
    let Ok(addresses) = (host, 0).to_socket_addrs() else { return false };
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    addresses.take(1).any(|address| echo(address, number, limit).unwrap_or(false))
}

/// One echo request and its answer.
fn echo(address: SocketAddr, number: u16, limit: Duration) -> io::Result<bool> {
    let (domain, protocol, request, reply) = match address.ip() {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    // Datagram ICMP gets only its own answers, but may be forbidden; raw needs a privilege.
    let (mut socket, raw) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
        Ok(socket) => (socket, false),
        Err(_) => (Socket::new(domain, Type::RAW, Some(protocol))?, true),
    };
    socket.connect(&address.into())?;
    // The process number tells our requests from those of other processes.
    let [low, high, ..] = std::process::id().to_le_bytes();
    let [first, second] = number.to_be_bytes();
    let mut packet = vec![request, 0, 0, 0, high, low, first, second];
    packet.extend(*b"crm ping");
    let sum = checksum(&packet).to_be_bytes();
    // For ICMPv6 the kernel fills it in itself.
    packet[2..4].copy_from_slice(&sum);
    socket.send(&packet)?;
    let end = Instant::now() + limit;
    let mut buffer = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        if is_reply(&buffer[..length], raw && address.is_ipv4(), reply, &packet, raw) {
            return Ok(true);
        }
    }
}

/// Whether a packet answers a request; raw IPv4 sockets show the IP header as well.
fn is_reply(bytes: &[u8], ip_header: bool, reply: u8, request: &[u8], check_id: bool) -> bool {
    let start = match (ip_header, bytes.first()) {
        (true, Some(first)) => usize::from(first & 0x0f) * 4,
        (true, None) => return false,
        (false, _) => 0,
    };
    let Some(message) = bytes.get(start..) else { return false };
    let same = |range: std::ops::Range<usize>| message.get(range.clone()) == request.get(range);
    message.first() == Some(&reply) && same(6..8) && (!check_id || same(4..6))
}

/// The Internet checksum (RFC 1071).
pub(crate) fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in packet.chunks(2) {
        let high = u32::from(pair[0]) << 8;
        sum += high + pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_packet_with_its_checksum_is_zero() {
        let mut packet = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1, 0xff, 0xfe, 7];
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        assert_eq!(checksum(&packet), 0);
    }

    #[test]
    fn only_the_answer_to_this_request_counts() {
        let request = [8, 0, 1, 2, 0xaa, 0xbb, 0, 3];
        let mut header = vec![0x45; 20];
        let answer = [0, 0, 9, 9, 0xaa, 0xbb, 0, 3];
        assert!(is_reply(&answer, false, 0, &request, true));
        header.extend(answer);
        assert!(is_reply(&header, true, 0, &request, true));
        assert!(!is_reply(&[0, 0, 9, 9, 0xaa, 0xbc, 0, 3], false, 0, &request, true));
        assert!(!is_reply(&[0, 0, 9, 9, 0xaa, 0xbb, 0, 4], false, 0, &request, false));
        assert!(!is_reply(&[], true, 0, &request, true));
    }
}
