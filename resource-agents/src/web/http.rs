//! Fetching a page of a local server.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// More of a page is not read.
const LARGEST: u64 = 1 << 20;
const REDIRECTS: usize = 5;

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// By TLS, which this client does not speak.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// Its content.
    pub body: Vec<u8>,
    location: Option<String>,
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH]`.
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let (host, port) = match place.strip_prefix('[') {
            Some(v6) => {
                let (host, rest) = v6.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None if tls => 443,
            None => 80,
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let clean = !text.contains(char::is_whitespace) && !text.contains(char::is_control);
        (clean && !host.is_empty()).then(|| Self { tls, host: host.to_owned(), port, path })
    }
}

/// Gets a page, following redirections; everything within `limit`.
pub fn get(url: &Url, user: Option<(&str, &str)>, limit: Duration) -> io::Result<Page> {
    let end = Instant::now() + limit;
    let mut url = url.clone();
    for _ in 0..REDIRECTS {
        let page = once("GET", &url, user, end)?;
        let target = page.location.as_deref().filter(|_| (300..400).contains(&page.status));
        let Some(target) = target else { return Ok(page) };
        let target = if target.starts_with('/') {
            Some(Url { path: target.to_owned(), ..url.clone() })
        } else {
            Url::parse(target)
        };
        match target.filter(|target| !target.tls) {
            Some(target) => url = target,
            None => return Ok(page),
        }
    }
    Err(io::Error::other("it is redirected in a circle"))
}

/// Whether a server answers at all, whatever it says.
pub fn answers(url: &Url, limit: Duration) -> bool {
    once("HEAD", url, None, Instant::now() + limit).is_ok()
}

fn once(method: &str, url: &Url, user: Option<(&str, &str)>, end: Instant) -> io::Result<Page> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let addresses = (url.host.as_str(), url.port).to_socket_addrs()?;
    for address in addresses.take(8) {
        match connect(address, end).and_then(|stream| ask(stream, method, url, user, end)) {
            Ok(page) => return Ok(page),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Connects from the loopback address: status pages are often for that one only.
fn connect(address: SocketAddr, end: Instant) -> io::Result<TcpStream> {
    let source = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&address.into(), left(end)?)?;
    Ok(socket.into())
}

fn ask(
    mut stream: TcpStream,
    method: &str,
    url: &Url,
    user: Option<(&str, &str)>,
    end: Instant,
) -> io::Result<Page> {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let mut request = format!(
        "{method} {} HTTP/1.0\r\nHost: {host}:{}\r\nUser-Agent: crm\r\nAccept: */*\r\n",
        url.path, url.port
    );
    if let Some((name, password)) = user {
        let secret = base64(format!("{name}:{password}").as_bytes());
        request += &format!("Authorization: Basic {secret}\r\n");
    }
    stream.set_write_timeout(Some(left(end)?))?;
    stream.write_all((request + "\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 16384];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            length => answer.extend_from_slice(&buffer[..length]),
        }
        if answer.len() as u64 > LARGEST {
            break;
        }
    }
    read_page(&answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn read_page(answer: &[u8]) -> Option<Page> {
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..split]);
    let mut lines = head.lines();
    let first = lines.next().filter(|line| line.starts_with("HTTP/"))?;
    let status = first.split_whitespace().nth(1)?.parse().ok()?;
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Some(Page { status, body: answer[split + 4..].to_vec(), location })
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let index = (group >> (18 - 6 * at) & 63) as usize;
            text.push(if at <= chunk.len() { char::from(LETTERS[index]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_pages() {
        let url = Url::parse("http://localhost/a?b").unwrap();
        assert_eq!((url.port, url.path.as_str()), (80, "/a?b"));
        let url = Url::parse("https://[::1]:8443").unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port), (true, "::1", 8443));
        for bad in ["localhost/x", "http://", "http://a:b/", "http://a /"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn answers_are_read() {
        let page = read_page(b"HTTP/1.1 302 Found\r\nlocation: /there\r\n\r\nbody").unwrap();
        assert_eq!((page.status, page.location.as_deref()), (302, Some("/there")));
        assert_eq!(page.body, b"body");
        assert!(read_page(b"220 mail\r\n\r\n").is_none());
        assert_eq!(base64(b"me:secret"), "bWU6c2VjcmV0");
        assert_eq!(base64(b"a"), "YQ==");
    }
}
