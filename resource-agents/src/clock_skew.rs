//! `ClockSkew`: how far this node's clock is from others', and whether somebody keeps it in step.
//!
//! Other nodes are asked by ICMP timestamps, which every Linux answers without a service, to a
//! millisecond; time servers by NTP. The median of the answers counts: one host with a wrong clock
//! does not condemn the others.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use socket2::{Domain, Protocol, Socket, Type};

use crate::attribute::{self, Colour};
use crate::declare::{Action, Agent, Code, Context, Kind, Outcome, Parameter};
use crate::state::{self, StateFile};
use crate::sys;

const DAY_MS: i64 = 86_400_000;
/// Seconds between the epochs of NTP (1900) and Unix.
const NTP_EPOCH: f64 = 2_208_988_800.0;

const fn time(
    name: &'static str,
    default: &'static str,
    short: &'static str,
    long: &'static str,
) -> Parameter {
    let default = Some(default);
    Parameter {
        name,
        kind: Kind::Time,
        reloadable: true,
        default,
        short,
        long,
        ..Parameter::OPTIONAL
    }
}

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "ClockSkew",
    stands_in_for: &[],
    short: "Compares the node's clock with others",
    long: "Measures how far this node's clock is from those of other hosts and asks the kernel \
           whether somebody keeps it in step. Sets an attribute to the difference in milliseconds \
           and a health attribute to green, yellow or red. Run it as a clone.",
    parameters: &[
        Parameter {
            name: "host_list",
            reloadable: true,
            short: "Hosts to compare with",
            long: "Asked by ICMP timestamps (IPv4): the other nodes, for example.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "ntp_servers",
            reloadable: true,
            short: "Time servers",
            long: "Asked by NTP, port 123.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "name",
            default: Some("clock-skew"),
            short: "Attribute for the difference",
            long: "In milliseconds, positive if this node is late.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "health",
            default: Some("#health-clock"),
            short: "Health attribute",
            long: "Set to green, yellow or red.",
            ..Parameter::OPTIONAL
        },
        time(
            "yellow_limit",
            "100ms",
            "Yellow above this",
            "The difference from which it is yellow.",
        ),
        time("red_limit", "1s", "Red above this", "The difference from which it is red."),
        Parameter {
            name: "unsynchronized",
            kind: Kind::Select(&["ignore", "yellow", "red"]),
            reloadable: true,
            default: Some("yellow"),
            short: "If nobody keeps the clock in step",
            long: "What the node's health is then at best.",
            ..Parameter::OPTIONAL
        },
        time("timeout", "1s", "Time for an answer", "A host that is silent longer does not count."),
        time("dampen", "5s", "Dampening", "Changes are passed on after this time."),
        Parameter {
            name: "state",
            short: "State file",
            long: "Is there while it runs. Default: a file for each instance.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[
        Action::once("start", 20),
        Action::once("stop", 20),
        Action::monitor(20, 30),
        Action::once("reload-agent", 20),
    ],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    let file = StateFile::new(context, AGENT.name);
    let names = ["name", "health"].map(|name| context.text(name).unwrap_or_default());
    match action {
        "start" => {
            state::simple(&file, action)?;
            look(context, names)
        }
        "monitor" if file.read()?.is_none() => Ok(Code::NotRunning),
        "monitor" => look(context, names),
        "stop" => {
            if file.read()?.is_some() {
                names.iter().for_each(|name| attribute::delete(context, name));
            }
            state::simple(&file, action)
        }
        _ => Ok(Code::Ok),
    }
}

/// One measurement. A skewed clock is a fact about the node, not a failure of this resource.
fn look(context: &Context, [name, health]: [&str; 2]) -> Outcome {
    let limit = context.time("timeout");
    let hosts = |list: &str| -> Vec<String> {
        let words = context.text(list).unwrap_or_default().split([' ', ',']);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    type Ask = fn(SocketAddr, Duration) -> io::Result<f64>;
    let asks = [("host_list", 0, by_icmp as Ask), ("ntp_servers", 123, by_ntp)];
    let mut offsets: Vec<f64> = std::thread::scope(|scope| {
        let asked: Vec<_> = asks
            .into_iter()
            .flat_map(|(list, port, ask)| hosts(list).into_iter().map(move |h| (h, port, ask)))
            .map(|(host, port, ask)| scope.spawn(move || offset(&host, port, ask, limit)))
            .collect();
        asked.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
    });
    offsets.sort_by(f64::total_cmp);
    let skew = median(&offsets);
    let limits = [context.time("yellow_limit"), context.time("red_limit")];
    let mut colour = skew.map_or(Colour::Green, |skew| judge(skew, limits));
    if !sys::kernel_clock().is_ok_and(|clock| clock.synchronized) {
        colour = colour.max(match context.text("unsynchronized") {
            Some("red") => Colour::Red,
            Some("ignore") => Colour::Green,
            _ => Colour::Yellow,
        });
    }
    match skew {
        Some(skew) => attribute::set(context, name, &format!("{:.0}", skew * 1000.0)),
        // An old number would be taken for a new one.
        None => attribute::delete(context, name),
    }
    attribute::set(context, health, colour.name());
    Ok(Code::Ok)
}

fn judge(skew: f64, [yellow, red]: [Duration; 2]) -> Colour {
    match skew.abs() {
        skew if skew > red.as_secs_f64() => Colour::Red,
        skew if skew > yellow.as_secs_f64() => Colour::Yellow,
        _ => Colour::Green,
    }
}

/// Of sorted numbers; of two in the middle the nearer to zero.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(if lower.abs() < upper.abs() { lower } else { upper })
}

/// How many seconds a host's clock is ahead of ours, if it answers.
fn offset(
    host: &str,
    port: u16,
    ask: fn(SocketAddr, Duration) -> io::Result<f64>,
    limit: Duration,
) -> Option<f64> {
    let found = (host, port).to_socket_addrs().ok()?.next();
    let answer = found.ok_or_else(|| io::ErrorKind::NotFound.into());
    match answer.and_then(|address| ask(address, limit)) {
        Ok(offset) => Some(offset),
        Err(error) => {
            let _ = writeln!(io::stderr(), "WARNING: no time from {host}: {error}");
            None
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Milliseconds since midnight UTC, as ICMP counts them.
fn today_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0) % DAY_MS
}

/// ICMP timestamp (RFC 792, types 13 and 14).
fn by_icmp(address: SocketAddr, limit: Duration) -> io::Result<f64> {
    if !address.is_ipv4() {
        return Err(io::Error::other("ICMP timestamps are of IPv4 only"));
    }
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.connect(&address.into())?;
    let [low, high, ..] = std::process::id().to_le_bytes();
    let sent = today_ms();
    let mut packet = vec![13, 0, 0, 0, high, low, 0, 1];
    packet.extend(u32::try_from(sent).unwrap_or(0).to_be_bytes());
    packet.extend([0; 8]);
    let sum = crate::ping::checksum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    socket.send(&packet)?;
    let end = Instant::now() + limit;
    let mut buffer = [0; 512];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.read(&mut buffer)?;
        let start = usize::from(buffer[0] & 0x0f) * 4;
        let Some(reply) = buffer.get(start..length).filter(|reply| reply.len() >= 20) else {
            continue;
        };
        if reply[0] != 14 || reply[4..12] != packet[4..12] {
            continue;
        }
        let field = |at: usize| {
            let bytes = reply.get(at..at + 4).and_then(|b| b.first_chunk::<4>().copied());
            i64::from(u32::from_be_bytes(bytes.unwrap_or_default()))
        };
        return Ok(between(sent, field(12), field(16), today_ms()));
    }
}

/// Seconds that the other clock is ahead, from four moments in milliseconds of the day.
fn between(sent: i64, received: i64, answered: i64, back: i64) -> f64 {
    // Across midnight the difference is the small one of two.
    let near = |ms: i64| (ms + DAY_MS / 2).rem_euclid(DAY_MS) - DAY_MS / 2;
    let sum = near(received - sent) + near(answered - back);
    // Both are far below the 53 bits that a float holds.
    #[allow(clippy::cast_precision_loss)]
    let sum = sum as f64;
    sum / 2000.0
}

/// A simple NTP client (RFC 4330).
fn by_ntp(address: SocketAddr, limit: Duration) -> io::Result<f64> {
    let any: SocketAddr =
        if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
    let sent = now();
    let mut packet = [0_u8; 48];
    packet[0] = 0x23;
    packet[40..48].copy_from_slice(&to_ntp(sent));
    socket.send(&packet)?;
    let mut reply = [0_u8; 128];
    let length = socket.recv(&mut reply)?;
    let back = now();
    let mode = reply[0] & 7;
    // Stratum 0 is a refusal, leap 3 a server that does not know the time itself.
    if length < 48
        || mode != 4
        || reply[1] == 0
        || reply[0] >> 6 == 3
        || reply[24..32] != packet[40..48]
    {
        return Err(io::Error::other("the answer is of no use"));
    }
    Ok(((from_ntp(&reply[32..40]) - sent) + (from_ntp(&reply[40..48]) - back)) / 2.0)
}

fn to_ntp(unix: f64) -> [u8; 8] {
    let seconds = unix + NTP_EPOCH;
    // 32.32 fixed point; the numbers are positive and below 2^32 until 2036.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let fixed = (seconds * 4_294_967_296.0) as u64;
    fixed.to_be_bytes()
}

fn from_ntp(bytes: &[u8]) -> f64 {
    let fixed = u64::from_be_bytes(bytes.first_chunk().copied().unwrap_or_default());
    // A microsecond is enough.
    #[allow(clippy::cast_precision_loss)]
    let seconds = fixed as f64;
    seconds / 4_294_967_296.0 - NTP_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_worked_out() {
        assert!((between(1000, 1510, 1510, 1020) - 0.5).abs() < 1e-9);
        let midnight = between(DAY_MS - 10, 5, 5, DAY_MS - 10);
        assert!((midnight - 0.015).abs() < 1e-9, "{midnight}");
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[-3.0, 0.1, 5.0]), Some(0.1));
        assert_eq!(median(&[0.1, 5.0]), Some(0.1));
        let then = 1_790_000_000.25;
        assert!((from_ntp(&to_ntp(then)) - then).abs() < 1e-5);
    }

    #[test]
    fn limits_are_colours() {
        let limits = [Duration::from_millis(100), Duration::from_secs(1)];
        assert_eq!(judge(-0.05, limits), Colour::Green);
        assert_eq!(judge(-0.5, limits), Colour::Yellow);
        assert_eq!(judge(3.0, limits), Colour::Red);
    }
}
