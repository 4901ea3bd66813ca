//! Terminal and session under the model: looks, keys in, commands out.

use std::rc::Rc;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Key, Model, Request, draw};
use crate::language::{quote_word, words};
use crate::message::Source;
use crate::session::{Failure, Outcome, Session};
use crate::status::look_at;

/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Shows the live screen until it is left.
///
/// # Errors
/// The first look failed, or the terminal cannot be used.
pub fn run(session: &mut Session) -> Outcome {
    let mut model = Model::new(look_at(session)?);
    let mut terminal = ratatui::try_init().map_err(|e| Failure::from(format!("terminal: {e}")))?;
    let result = turn(session, &mut model, &mut terminal);
    ratatui::restore();
    result.map_err(|e| Failure::from(format!("terminal: {e}")))
}

fn turn(
    session: &mut Session,
    model: &mut Model,
    terminal: &mut ratatui::DefaultTerminal,
) -> std::io::Result<()> {
    loop {
        terminal.draw(|frame| draw(model, frame))?;
        if event::poll(LOOK)? {
            let Event::Key(key) = event::read()? else { continue };
            match meaning(key).and_then(|key| model.key(key)) {
                None => continue,
                Some(Request::Quit) => return Ok(()),
                Some(Request::Run(words)) => {
                    let (said, failed) = carry_out(session, &words);
                    model.answered(&words, &said, failed);
                }
            }
        }
        match look_at(session) {
            Ok(overview) => model.look(overview),
            Err(Failure::Message(message)) => model.missed(message.text),
            Err(Failure::Said) => model.missed("no answer".into()),
        }
    }
}

fn meaning(key: KeyEvent) -> Option<Key> {
    if key.kind != KeyEventKind::Press {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c' | 'd') if control => Key::Char('q'),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right => Key::Tab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}

/// Carries out a command; what it prints and says comes back instead of going to the terminal.
fn carry_out(session: &mut Session, command: &[String]) -> (String, bool) {
    let text = command.iter().map(|w| quote_word(w)).collect::<Vec<_>>().join(" ");
    let source = Rc::new(Source { name: None, text: text.clone() });
    let Ok(words) = words(&text, 0) else { return ("a quote is never closed".into(), true) };
    let failed = session.failed;
    let (answer, heard) = (session.options.answer, session.printer.captured.take());
    let levels = std::mem::replace(&mut session.levels, vec![crate::table::Level::Root]);
    // The question was asked on the screen.
    session.options.answer = Some(true);
    session.printer.captured = Some(String::new());
    let colour = std::mem::replace(&mut session.printer.colour, false);
    if let Err(failure) = session.execute(&words, &source) {
        session.report(failure, None);
    }
    let said = session.printer.captured.take().unwrap_or_default();
    session.printer.captured = heard;
    session.printer.colour = colour;
    session.options.answer = answer;
    session.levels = levels;
    let wrong = session.failed > failed;
    session.failed = failed;
    (said, wrong)
}
