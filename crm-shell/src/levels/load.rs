//! Objects as text, out of the shell and back: `load`, `save`, `edit`, `filter`.

use std::process::Command as Process;
use std::rc::Rc;

use crm_core::cib::{self, Element};

use crate::configuration::Configuration;
use crate::editor::{self, open};
use crate::language::{Content, Kind, Reference, Statement, Style, Word, is_member, lines};
use crate::levels::configure::{cib_xml, pipe};
use crate::message::{Message, Place, Source};
use crate::session::{Call, Failure, Outcome, Session};

/// How loaded objects meet those that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Objects of the same name are replaced, sets are merged.
    Update,
    /// Everything else goes.
    Replace,
    /// As update, and objects that are not in the file go.
    Push,
}

/// A statement and the words it was made of.
struct Loaded {
    statement: Statement,
    words: Vec<Word>,
    source: Rc<Source>,
}

/// `load [xml] {replace|update|push} <file>`
pub fn load(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut words = call.texts();
    let xml = words.first().is_some_and(|w| w == "xml");
    if xml {
        words.remove(0);
    }
    let compat = words.iter().any(|w| w == "--compat");
    words.retain(|w| w != "--compat");
    let [method, file] = words.as_slice() else {
        let text = format!("load takes a method and a file: {}", call.command.usage);
        return Err(Message::error(text).at(call.place(0)).into());
    };
    let method = match method.as_str() {
        "update" => Method::Update,
        "replace" => Method::Replace,
        "push" => Method::Push,
        other => {
            let text = format!("load: Unknown method '{other}'; expected replace, update or push");
            return Err(Message::error(text).at(call.place(0)).into());
        }
    };
    let text = read_file(file)?;
    let mut loaded =
        if xml || text.trim_start().starts_with("<?xml") || text.trim_start().starts_with("<cib") {
            from_xml(&text, file)?
        } else {
            from_text(session, Source { name: Some(file.clone()), text })?
        };
    if compat {
        let statements = loaded.iter_mut().map(|l| &mut l.statement);
        let changes = crate::levels::legacy::translate(statements);
        loaded.retain(|l| !l.statement.kind.is_set() || l.statement.element.children().count() > 0);
        changes.into_iter().for_each(|c| session.note(c));
    }
    enter(session, method, loaded)
}

/// Loads the text of a configuration, instead of what is there or beside it.
///
/// # Errors
/// What is wrong with the text; nothing has changed then.
pub fn load_text(session: &mut Session, name: &str, text: String, replace: bool) -> Outcome {
    let loaded = from_text(session, Source { name: Some(name.into()), text })?;
    enter(session, if replace { Method::Replace } else { Method::Update }, loaded)
}

/// Loads objects from XML beside what is there.
///
/// # Errors
/// What is wrong with the document; nothing has changed then.
pub fn load_xml(session: &mut Session, name: &str, text: &str) -> Outcome {
    let loaded = from_xml(text, name)?;
    let editor = open(session)?;
    let before = editor.now.clone();
    let outcome = apply(session, loaded, false);
    if outcome.is_err()
        && let Some(editor) = &mut session.editor
    {
        editor.now = before;
    }
    outcome
}

fn enter(session: &mut Session, method: Method, mut loaded: Vec<Loaded>) -> Outcome {
    let editor = open(session)?;
    let before = editor.now.clone();
    let existing: Vec<String> = ids(&editor.now);
    if method == Method::Replace {
        editor.now.erase();
    }
    if method == Method::Replace {
        // Pairs that were there keep their place among those that are new.
        loaded.iter_mut().for_each(|l| keep_order(&before, &mut l.statement));
    }
    let names: Vec<String> = loaded.iter().map(|l| id_of(&l.statement)).collect();
    let outcome = apply(session, loaded, method != Method::Replace).and_then(|()| {
        if method != Method::Push {
            return Ok(());
        }
        let gone: Vec<String> = existing.into_iter().filter(|e| !names.contains(e)).collect();
        open(session)?.now.delete(&gone)?;
        Ok(())
    });
    if outcome.is_err()
        && let Some(editor) = &mut session.editor
    {
        editor.now = before;
    }
    outcome
}

/// Adds what a text defines to the configuration that is edited; ids that are there already are a
/// fault, sets of properties are merged.
///
/// # Errors
/// What is wrong with the text, or that something is there already; nothing has changed then.
pub fn add_text(session: &mut Session, name: &str, text: String) -> Outcome {
    let loaded = from_text(session, Source { name: Some(name.into()), text })?;
    let editor = open(session)?;
    let before = editor.now.clone();
    let clash = loaded.iter().find(|l| {
        let kind = l.statement.kind;
        !kind.is_set() && kind != Kind::Node && editor.now.find(&id_of(&l.statement)).is_some()
    });
    if let Some(clash) = clash {
        let text = format!("{} is there already", id_of(&clash.statement));
        return Err(Message::error(text).help("choose another id, or delete it first").into());
    }
    let outcome = apply(session, loaded, true);
    if outcome.is_err()
        && let Some(editor) = &mut session.editor
    {
        editor.now = before;
    }
    outcome
}

fn keep_order(before: &Configuration, statement: &mut Statement) {
    let Some(old) = before.find(&id_of(statement)).filter(|o| o.kind == statement.kind) else {
        return;
    };
    if !statement.kind.is_set() {
        return;
    }
    let names: Vec<Option<&str>> = old.element.children().map(|p| p.attr("name")).collect();
    let rank = |c: &cib::Child| match c {
        cib::Child::Element(e) if e.name() == "nvpair" => {
            names.iter().position(|n| *n == e.attr("name")).unwrap_or(usize::MAX)
        }
        _ => 0,
    };
    statement.element.nodes_mut().sort_by_key(rank);
}

fn read_file(file: &str) -> Result<String, Failure> {
    if file == "-" {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::stdin(), &mut text)
            .map_err(|e| Failure::from(format!("could not open standard input: {e}")))?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|e| format!("could not open {file}: {e}").into())
}

fn ids(configuration: &Configuration) -> Vec<String> {
    let style = |k: Kind| k != Kind::Node;
    configuration.objects().iter().filter(|o| style(o.kind)).map(|o| o.id.to_string()).collect()
}

fn id_of(statement: &Statement) -> String {
    match statement.kind {
        Kind::Fencing => "fencing_topology".into(),
        _ => statement.id.as_ref().map(|i| i.id.clone()).unwrap_or_default(),
    }
}

/// Reads every statement of a text; all faults are said.
fn from_text(session: &mut Session, source: Source) -> Result<Vec<Loaded>, Failure> {
    let source = Rc::new(source);
    let mut out: Vec<Loaded> = Vec::new();
    let mut comments = Vec::new();
    let mut failed = false;
    for line in lines(&source.text) {
        match line.content {
            Content::Blank => {}
            Content::Comment(c) => comments.push(c),
            Content::OpenQuote(at) => {
                failed = true;
                let place = Place { source: source.clone(), span: at..at + 1 };
                let text = "syntax: the quote that is opened here is never closed";
                session.printer.say(&Message::error(text).at(Some(place)));
            }
            Content::Words(words) => match editor::read(session, &words, &source) {
                Ok(mut statement) => {
                    statement.comments = std::mem::take(&mut comments);
                    editor::normalize(session, &mut statement);
                    out.push(Loaded { statement, words, source: source.clone() });
                }
                Err(failure) => {
                    failed = true;
                    if let Failure::Message(message) = failure {
                        session.printer.say(&message);
                    }
                }
            },
        }
    }
    if failed { Err(Failure::Said) } else { Ok(out) }
}

fn from_xml(text: &str, file: &str) -> Result<Vec<Loaded>, Failure> {
    let root = cib::parse(text).map_err(|e| {
        Failure::from(format!(
            "{file}:{}:{}: the XML cannot be parsed: {}",
            e.line, e.column, e.message
        ))
    })?;
    let wrapped = match root.name() {
        "configuration" => Element::new("cib").with_child(root),
        _ => root,
    };
    let configuration = Configuration::new(&wrapped);
    let source = Rc::new(Source { name: Some(file.to_string()), text: String::new() });
    let top = configuration.objects();
    let objects = top.iter().filter(|o| o.parent.is_none());
    Ok(objects
        .map(|o| Loaded {
            statement: from_element(o.kind, o.element, o.id),
            words: Vec::new(),
            source: source.clone(),
        })
        .collect())
}

/// A statement that says what an element says.
fn from_element(kind: Kind, element: &Element, id: &str) -> Statement {
    let mut frame = element.clone();
    let embedded: Vec<Element> = frame.children().filter(|c| is_member(c)).cloned().collect();
    frame.retain(|c| !is_member(c));
    let mut statement = Statement::new(kind, frame);
    statement.id = Some(Reference { id: id.to_string(), span: 0..0 });
    let names = embedded.iter().filter_map(Element::id);
    statement.members = names.map(|id| Reference { id: id.to_string(), span: 0..0 }).collect();
    statement.embedded = embedded;
    statement
}

/// A statement for a group with other members.
pub fn regroup(group: &Element, members: &[String]) -> Statement {
    let mut statement = from_element(Kind::Group, group, group.id().unwrap_or_default());
    statement.embedded.clear();
    statement.members = members.iter().map(|m| Reference { id: m.clone(), span: 0..0 }).collect();
    statement
}

/// Adds or replaces, simple objects first.
fn apply(session: &mut Session, mut loaded: Vec<Loaded>, merge: bool) -> Outcome {
    // Topology and tickets come after what they name, whatever the order of the text.
    loaded.sort_by_key(|l| l.statement.kind.rank());
    for item in loaded {
        let Loaded { statement, words, source } = item;
        let place = words.first().map(|w| Place { source: source.clone(), span: w.span.clone() });
        let editor = open(session)?;
        let id = id_of(&statement);
        let exists = match statement.kind {
            Kind::Node => editor.now.find_node(&id).is_some(),
            Kind::Monitor => false,
            _ => editor.now.find(&id).is_some_and(|o| o.kind != Kind::Node),
        };
        let added =
            if exists { editor.now.replace(statement, merge) } else { editor.now.add(statement) };
        let added = added.map_err(|e| Message::error(e.to_string()).at(place))?;
        editor.remember(&added.id, &words, &source);
        editor::unmask(session, &added.id)?;
        for missing in added.missing {
            let text = format!("{} refers to missing object {missing}; it is left out", added.id);
            session.printer.say(&Message::error(text));
        }
    }
    Ok(())
}

/// `save [xml] [<id> ...] <file>`
pub fn save(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut words = call.texts();
    let Some(file) = words.pop() else {
        let text = format!("save takes at least 1 argument: {}", call.command.usage);
        return Err(Message::error(text).at(call.place(0)).into());
    };
    let xml = words.first().is_some_and(|w| w == "xml");
    if xml {
        words.remove(0);
    }
    let editor = open(session)?;
    let selection = editor.now.select(&words, &editor.start)?;
    let style = Style { ids: true, ..editor.now.style() };
    let text = if xml {
        cib_xml(&editor.base, &editor.now, &selection.objects, &style)
    } else {
        let texts: Vec<String> =
            selection.objects.iter().map(|o| editor.now.show(o, &style)).collect();
        texts.join("\n") + "\n"
    };
    std::fs::write(&file, text).map_err(|e| Failure::from(format!("could not open {file}: {e}")))
}

/// Text of some objects and their names, for `edit` and `filter`.
fn text_of(
    session: &mut Session,
    ids: &[String],
    xml: bool,
    one_line: bool,
) -> Result<(String, Vec<String>), Failure> {
    let editor = open(session)?;
    let selection = editor.now.select(ids, &editor.start)?;
    let names = selection.objects.iter().map(|o| o.id.to_string()).collect();
    let style = Style { ids: true, ..editor.now.style() };
    if xml {
        let plain = editor.now.style();
        return Ok((cib_xml(&editor.base, &editor.now, &selection.objects, &plain), names));
    }
    let texts: Vec<String> = selection
        .objects
        .iter()
        .map(|o| {
            let text = editor.now.show(o, &style);
            if one_line { text.replace(" \\\n\t", " ").replace(" \\\n", " ") } else { text }
        })
        .collect();
    Ok((texts.join("\n") + "\n", names))
}

/// Puts edited text in place of the objects it was made of.
fn put_back(session: &mut Session, text: String, names: &[String], xml: bool) -> Outcome {
    let loaded = if xml {
        from_xml(&text, "edited text")?
    } else {
        from_text(session, Source { name: Some("edited text".into()), text })?
    };
    let kept: Vec<String> = loaded.iter().map(|l| id_of(&l.statement)).collect();
    let editor = open(session)?;
    let before = editor.now.clone();
    for loaded in &loaded {
        let id = id_of(&loaded.statement);
        let foreign = !names.contains(&id) && !loaded.statement.kind.is_set();
        if foreign && loaded.statement.kind != Kind::Node && editor.now.find(&id).is_some() {
            return Err(format!("{id} already exists, and is not among what is edited").into());
        }
    }
    let is_node = |n: &String| editor.now.find(n).is_some_and(|o| o.kind == Kind::Node);
    let gone: Vec<String> =
        names.iter().filter(|n| !kept.contains(n) && !is_node(n)).cloned().collect();
    let outcome = apply(session, loaded, false).and_then(|()| {
        let editor = open(session)?;
        let still: Vec<String> =
            gone.into_iter().filter(|g| editor.now.find(g).is_some()).collect();
        editor.now.delete(&still)?;
        Ok(())
    });
    if outcome.is_err()
        && let Some(editor) = &mut session.editor
    {
        editor.now = before;
    }
    outcome
}

/// `filter <program> [xml] [<id> ...]`
pub fn filter(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut words = call.texts();
    let program = words.remove(0);
    let xml = words.first().is_some_and(|w| w == "xml");
    if xml {
        words.remove(0);
    }
    let (text, names) = text_of(session, &words, xml, true)?;
    let out = pipe(&program, &text)?;
    if out == text { Ok(()) } else { put_back(session, out, &names, xml) }
}

/// Lets the user edit a file.
///
/// # Errors
/// $EDITOR cannot be started or fails.
pub fn in_editor(file: &std::path::Path) -> Outcome {
    let editor = std::env::var("EDITOR").unwrap_or_else(|_| "vi".into());
    let status = Process::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "edit"])
        .arg(file)
        .status()
        .map_err(|e| Failure::from(format!("edit: {e}")))?;
    if !status.success() {
        return Err(format!("edit: '{editor}' failed ({status}); nothing was changed").into());
    }
    Ok(())
}

/// `edit [xml] [<id> ...]`
pub fn edit(session: &mut Session, call: &Call<'_>) -> Outcome {
    if !session.interactive {
        return Err(Message::error("edit: there is no terminal to edit on")
            .at(call.place(0))
            .help("use 'filter', 'set' or 'load update' in scripts")
            .into());
    }
    let mut words = call.texts();
    let xml = words.first().is_some_and(|w| w == "xml");
    if xml {
        words.remove(0);
    }
    let (mut text, names) = text_of(session, &words, xml, false)?;
    let wrong = |e: std::io::Error| Failure::from(format!("edit: {e}"));
    let file = tempfile::Builder::new()
        .prefix("crm-")
        .suffix(if xml { ".xml" } else { ".crm" })
        .tempfile()
        .map_err(wrong)?;
    loop {
        std::fs::write(file.path(), &text).map_err(wrong)?;
        in_editor(file.path())?;
        let edited = std::fs::read_to_string(file.path()).map_err(wrong)?;
        let edited: String =
            edited.lines().filter(|l| !l.starts_with("#! ")).map(|l| format!("{l}\n")).collect();
        if edited == text {
            return Ok(());
        }
        let heard = session.printer.captured.replace(String::new());
        let colour = std::mem::replace(&mut session.printer.colour, false);
        let outcome = put_back(session, edited.clone(), &names, xml);
        let failed = session.failed;
        if let Err(failure) = outcome.as_ref()
            && let Failure::Message(message) = failure
        {
            session.printer.say(message);
        }
        session.failed = failed;
        let said = session.printer.captured.take().unwrap_or_default();
        session.printer.captured = heard;
        session.printer.colour = colour;
        session.printer.print(&said);
        match outcome {
            Ok(()) => return Ok(()),
            Err(_) => {
                if !session.ask("Edit again") {
                    return Ok(());
                }
                // Every fault as a comment above the text; they are taken out when it is read.
                let faults: String = said.lines().map(|l| format!("#! {l}\n")).collect();
                text = if xml { edited } else { format!("{faults}{edited}") };
            }
        }
    }
}
