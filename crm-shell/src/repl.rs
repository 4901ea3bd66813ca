//! The prompt.

use crate::session::Session;

/// Reads and carries out lines until the end.
pub fn run(session: &mut Session) -> u8 {
    session.interactive = true;
    let mut line = String::new();
    while !session.quit {
        line.clear();
        match std::io::stdin().read_line(&mut line) {
            Ok(n) if n > 0 => {}
            _ => break,
        }
        session.run_text(crate::message::Source { name: None, text: line.clone() });
    }
    session.finish()
}
