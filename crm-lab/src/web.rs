//! The small web server that stands in where nginx is not installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::{Doing, Result};

/// Serves the `index.html` of `directory` on `port`, for ever.
pub(crate) fn serve(directory: &Path, port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .doing(format!("listening on port {port}"))?;
    for stream in listener.incoming().flatten() {
        // A client that breaks off is its own loss.
        let _ = answer(&stream, directory);
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, directory: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut request = BufReader::new(stream.take(8192));
    let mut line = String::new();
    request.read_line(&mut line)?;
    let mut header = String::new();
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let wanted = line.starts_with("GET / ") || line.starts_with("GET /index.html ");
    let (status, body) = match std::fs::read(directory.join("index.html")) {
        Ok(page) if wanted => ("200 OK", page),
        Ok(_) | Err(_) => ("404 Not Found", b"not found\n".to_vec()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat())
}
