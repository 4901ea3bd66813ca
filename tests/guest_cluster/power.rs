//! The power switch that the guests' fence agent asks, on the lab's control network.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use nix::sched::{CloneFlags, setns};

use crate::hosts::Lab;

const PORT: u16 = 7788;
/// Bytes of a request.
const MAX_REQUEST: u64 = 64;

type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// The switch. It lives as long as the test.
pub struct PowerSwitch {
    address: String,
    requests: Requests,
}

impl PowerSwitch {
    /// Listens on this address of the lab's network.
    pub fn start(lab: &Lab, host: &str) -> Result<PowerSwitch, String> {
        let address = format!("{host}:{PORT}");
        let network = File::open(format!("/proc/{}/ns/net", lab.holder()?));
        let network = network.map_err(|e| format!("the lab's network: {e}"))?;
        let requests = Requests::default();
        let (lab, place, seen) = (lab.clone(), address.clone(), Arc::clone(&requests));
        let (tell, told) = mpsc::channel();
        // A thread of its own is in the lab's network; the rest of the test stays outside.
        std::thread::spawn(move || {
            let listener = setns(&network, CloneFlags::CLONE_NEWNET)
                .map_err(|e| e.to_string())
                .and_then(|()| TcpListener::bind(&place).map_err(|e| e.to_string()));
            match listener {
                Err(e) => drop(tell.send(Err(format!("the power switch: {e}")))),
                Ok(listener) => {
                    drop(tell.send(Ok(())));
                    serve(&lab, &listener, &seen);
                }
            }
        });
        told.recv().map_err(|e| e.to_string())??;
        Ok(PowerSwitch { address, requests })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What was switched so far: verb and node.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(lab: &Lab, listener: &TcpListener, seen: &Requests) {
    for stream in listener.incoming().flatten() {
        let _ = answer(lab, &stream, seen);
    }
}

fn answer(lab: &Lab, mut stream: &TcpStream, seen: &Requests) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.take(MAX_REQUEST)).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (verb, node) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let number = node.trim_start_matches("node");
    let outcome = match verb {
        "off" => lab.run("ctl", &["off", number]).map(|_| "off".to_owned()),
        "on" => lab.run("up", &["-n", number, "--nowait"]).map(|_| "on".to_owned()),
        "status" => lab.run("ctl", &["status"]).map(|all| {
            let on = all.lines().any(|line| line.starts_with(&format!("{node} on")));
            if on { "on" } else { "off" }.to_owned()
        }),
        _ => Err("what?".to_owned()),
    };
    if verb != "status" {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((verb.to_owned(), node.to_owned()));
    }
    match outcome {
        Ok(word) => writeln!(stream, "ok {word}"),
        Err(why) => writeln!(stream, "failed {}", why.replace('\n', " ")),
    }
}
