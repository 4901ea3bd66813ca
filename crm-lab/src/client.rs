//! The client: polls a page from its own network and remembers what it saw.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One request.
#[derive(Clone, Debug)]
pub struct Probe {
    /// When it was sent.
    pub at: Instant,
    /// The page, if it came complete with status 200 in time.
    pub page: Option<String>,
}

/// What the client saw over a while.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every request, oldest first.
    pub probes: Vec<Probe>,
}

impl Report {
    /// The longest time between two good answers, counted to the end if none came after.
    pub fn outage(&self) -> Duration {
        let good = self.probes.iter().filter(|p| p.page.is_some()).map(|p| p.at);
        let edges: Vec<Instant> = self
            .probes
            .first()
            .map(|p| p.at)
            .into_iter()
            .chain(good)
            .chain(self.probes.last().map(|p| p.at))
            .collect();
        edges.windows(2).map(|w| w[1].duration_since(w[0])).max().unwrap_or_default()
    }

    /// The first good answer that satisfies `wanted`.
    pub fn first(&self, wanted: impl Fn(&str) -> bool) -> Option<&Probe> {
        self.probes.iter().find(|p| p.page.as_deref().is_some_and(&wanted))
    }
}

/// A client that polls one address until it is dropped.
#[derive(Clone)]
pub struct Client {
    seen: Arc<Mutex<Report>>,
}

/// A poll keeps at most this many answers: an hour at one every 10 ms.
const HISTORY: usize = 360_000;

impl Client {
    /// Polls `http://target/` every `interval` from the calling thread, for ever.
    pub(crate) fn poll(&self, target: SocketAddr, interval: Duration) {
        loop {
            let at = Instant::now();
            let page = fetch(target, interval.max(Duration::from_millis(100))).ok();
            {
                let mut seen = self.locked();
                if seen.probes.len() >= HISTORY {
                    seen.probes.drain(..HISTORY / 2);
                }
                seen.probes.push(Probe { at, page });
            }
            std::thread::sleep(interval.saturating_sub(at.elapsed()));
        }
    }

    pub(crate) fn new() -> Client {
        Client { seen: Arc::new(Mutex::new(Report::default())) }
    }

    fn locked(&self) -> MutexGuard<'_, Report> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen since `start`, the last good answer before it included.
    pub fn since(&self, start: Instant) -> Report {
        let seen = self.locked();
        let from = seen.probes.partition_point(|p| p.at < start);
        let before = seen.probes[..from].iter().rposition(|p| p.page.is_some());
        let mut probes: Vec<Probe> = before.map(|i| seen.probes[i].clone()).into_iter().collect();
        probes.extend_from_slice(&seen.probes[from..]);
        Report { probes }
    }

    /// The newest answer: the page, or none if the last request failed.
    pub fn last(&self) -> Option<String> {
        self.locked().probes.last().and_then(|p| p.page.clone())
    }
}

fn fetch(target: SocketAddr, limit: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {}\r\n\r\n", target.ip())?;
    let mut answer = Vec::new();
    stream.take(65536).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") && !body.is_empty() {
        Ok(body.to_string())
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_the_longest_silence() {
        let start = Instant::now();
        let probe = |ms, good: bool| Probe {
            at: start + Duration::from_millis(ms),
            page: good.then(|| "page".to_string()),
        };
        let report = Report {
            probes: vec![
                probe(0, true),
                probe(10, true),
                probe(20, false),
                probe(300, true),
                probe(310, true),
            ],
        };
        assert_eq!(report.outage(), Duration::from_millis(290));
        let dead = Report { probes: vec![probe(0, true), probe(10, false), probe(500, false)] };
        assert_eq!(dead.outage(), Duration::from_millis(500));
    }
}
