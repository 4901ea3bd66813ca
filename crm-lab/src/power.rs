//! The power switch: a small server on the management network, and its client.
//!
//! One line a request: `off NODE`, `on NODE`, `status NODE` or `list`; one line an answer: `ok`,
//! `ok on`, `ok off`, `ok NODE...`, or `error WHY`. `off` answers only when every process of the
//! node is gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How the switch behaves, to try what the cluster does with a bad device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerMode {
    /// Does what it is told.
    Works,
    /// Answers every change with an error.
    Refuses,
    /// Takes a request and never answers.
    Silent,
}

/// What the switch can do to a node.
pub(crate) trait Plugs: Send {
    fn names(&self) -> Vec<String>;
    fn is_on(&self, name: &str) -> Option<bool>;
    fn switch(&mut self, name: &str, on: bool) -> Result<(), String>;
}

/// The part that the lab holds: behaviour and a record of what was asked.
#[derive(Clone)]
pub(crate) struct Switchboard {
    shared: Arc<Mutex<State>>,
}

struct State {
    mode: PowerMode,
    log: Vec<PowerEvent>,
}

/// One request to change something, as the switch saw it.
#[derive(Clone, Debug)]
pub struct PowerEvent {
    /// `off` or `on`.
    pub verb: String,
    /// Which host.
    pub host: String,
    /// When it came.
    pub asked: Instant,
    /// When it was answered; none while it is being done, or for ever if the switch is silent.
    pub answered: Option<Instant>,
    /// Whether it was done.
    pub done: bool,
}

impl Switchboard {
    pub(crate) fn new() -> Switchboard {
        Switchboard {
            shared: Arc::new(Mutex::new(State { mode: PowerMode::Works, log: Vec::new() })),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn set_mode(&self, mode: PowerMode) {
        self.locked().mode = mode;
    }

    pub(crate) fn log(&self) -> Vec<PowerEvent> {
        self.locked().log.clone()
    }

    fn note(&self, verb: &str, host: &str) -> usize {
        let mut state = self.locked();
        state.log.push(PowerEvent {
            verb: verb.into(),
            host: host.into(),
            asked: Instant::now(),
            answered: None,
            done: false,
        });
        state.log.len() - 1
    }

    fn complete(&self, at: usize, done: bool) {
        if let Some(event) = self.locked().log.get_mut(at) {
            event.answered = Some(Instant::now());
            event.done = done;
        }
    }

    /// Serves one connection after the other, for ever.
    pub(crate) fn serve(&self, listener: &TcpListener, plugs: &Mutex<impl Plugs>) {
        let mut silent = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            if BufReader::new((&stream).take(256)).read_line(&mut line).is_err() {
                continue;
            }
            match self.answer(line.trim(), plugs) {
                Some(answer) => {
                    let _ = (&stream).write_all(format!("{answer}\n").as_bytes());
                }
                None => silent.push(stream),
            }
            if silent.len() > 64 {
                silent.clear();
            }
        }
    }

    fn answer(&self, line: &str, plugs: &Mutex<impl Plugs>) -> Option<String> {
        let (verb, node) = line.split_once(' ').unwrap_or((line, ""));
        let mode = self.locked().mode;
        let mut plugs = plugs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match verb {
            "list" => Some(format!("ok {}", plugs.names().join(" "))),
            "status" => Some(match plugs.is_on(node) {
                Some(true) => "ok on".into(),
                Some(false) => "ok off".into(),
                None => format!("error no plug named {node}"),
            }),
            "off" | "on" => {
                let at = self.note(verb, node);
                let outcome = match mode {
                    PowerMode::Silent => return None,
                    PowerMode::Refuses => Err("the relay does not move".into()),
                    PowerMode::Works => plugs.switch(node, verb == "on"),
                };
                self.complete(at, outcome.is_ok());
                Some(outcome.map_or_else(|e| format!("error {e}"), |()| "ok".into()))
            }
            _ => Some(format!("error unknown request '{verb}'")),
        }
    }
}

/// Sends one request to a power switch and returns what follows `ok`.
///
/// # Errors
/// What the switch or the network said. Whether the switch acted is then not known.
pub fn request(switch: SocketAddr, line: &str, limit: Duration) -> Result<String, String> {
    let talk = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&switch, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream.take(4096)).read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = talk().map_err(|e| format!("power switch {switch}: {e}"))?;
    match answer.trim().split_once(' ').unwrap_or((answer.trim(), "")) {
        ("ok", rest) => Ok(rest.into()),
        ("error", why) => Err(why.into()),
        _ => Err(format!("power switch {switch}: no sensible answer ({answer:?})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(bool);

    impl Plugs for One {
        fn names(&self) -> Vec<String> {
            vec!["a".into()]
        }
        fn is_on(&self, name: &str) -> Option<bool> {
            (name == "a").then_some(self.0)
        }
        fn switch(&mut self, name: &str, on: bool) -> Result<(), String> {
            if name == "a" {
                self.0 = on;
                Ok(())
            } else {
                Err(format!("no plug named {name}"))
            }
        }
    }

    #[test]
    fn a_switch_does_what_its_mode_says() {
        let board = Switchboard::new();
        let plugs = Mutex::new(One(true));
        assert_eq!(board.answer("status a", &plugs).as_deref(), Some("ok on"));
        board.set_mode(PowerMode::Refuses);
        assert!(board.answer("off a", &plugs).unwrap().starts_with("error"));
        board.set_mode(PowerMode::Silent);
        assert_eq!(board.answer("off a", &plugs), None);
        assert_eq!(board.answer("status a", &plugs).as_deref(), Some("ok on"));
        board.set_mode(PowerMode::Works);
        assert_eq!(board.answer("off a", &plugs).as_deref(), Some("ok"));
        assert_eq!(board.answer("status a", &plugs).as_deref(), Some("ok off"));
        assert_eq!(board.log().len(), 3);
        assert!(board.answer("off b", &plugs).unwrap().starts_with("error no plug"));
    }
}
