//! Editing the configuration in a session: opening, checking, committing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crm_core::cib::Element;

use crate::access::AccessError;
use crate::check::{self, Finding};
use crate::configuration::{Configuration, merge};
use crate::language::{Notes, Statement, Word, World, parse};
use crate::message::{Message, Place, Severity, Source};
use crate::session::{Checks, Failure, Outcome, Session};
use crate::table::Level;

/// A configuration that is being edited.
pub struct Editor {
    /// The `cib` element that was read.
    pub base: Element,
    /// Its configuration.
    pub start: Configuration,
    /// The configuration as it is now.
    pub now: Configuration,
    /// A batch has committed it, and it is written when the batch ends well.
    pub pending: Option<Configuration>,
    /// Where each object was defined in this session, word by word.
    places: BTreeMap<String, Vec<(String, Place)>>,
    /// Findings that have been said.
    said: BTreeSet<String>,
}

impl Editor {
    fn new(base: Element) -> Editor {
        let start = Configuration::new(&base);
        Editor {
            now: start.clone(),
            start,
            base,
            pending: None,
            places: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    /// True if something was changed and not committed.
    pub fn is_changed(&self) -> bool {
        let committed = self.pending.as_ref().unwrap_or(&self.start);
        self.now.root() != committed.root() || self.now.schema_name() != committed.schema_name()
    }

    /// The number of objects that were added, changed or deleted.
    pub fn changes(&self) -> usize {
        let old = self.pending.as_ref().unwrap_or(&self.start);
        let changed = self
            .now
            .objects()
            .iter()
            .filter(|o| old.find(o.id).is_none_or(|p| p.element != o.element))
            .count();
        let gone = old.objects().iter().filter(|o| self.now.find(o.id).is_none()).count();
        changed + gone
    }

    /// Remembers where an object was defined.
    pub fn remember(&mut self, id: &str, words: &[Word], source: &Rc<Source>) {
        let places = words
            .iter()
            .map(|w| (w.text.clone(), Place { source: source.clone(), span: w.span.clone() }))
            .collect();
        self.places.insert(id.to_string(), places);
        self.said.retain(|s| !s.starts_with(&format!("{id}: ")));
    }

    /// The place of a word in the definition of an object.
    fn place_of(&self, id: &str, about: Option<&str>) -> Option<Place> {
        let words = self.places.get(id)?;
        let about = about?;
        let exact = words.iter().find(|(w, _)| w == about);
        let named = words.iter().find(|(w, _)| {
            w.split_once('=').is_some_and(|(n, v)| n == about || v == about)
                || w.split(':').any(|p| p == about)
                || w.strip_prefix('@') == Some(about)
        });
        exact.or(named).or(words.get(1)).map(|(_, p)| p.clone())
    }
}

/// The configuration that is being edited; read now if it was not yet.
///
/// # Errors
/// The CIB cannot be read.
pub fn open(session: &mut Session) -> Result<&mut Editor, Failure> {
    if session.editor.is_none() {
        let cib = match session.access.cib() {
            Ok(cib) => cib,
            Err(error) => {
                session.lost = session.access.is_live();
                return Err(error.into());
            }
        };
        if cib.attr("validate-with") == Some("none") {
            let text = "schema 'none' does not exist, so nothing is checked against one";
            let help = "set validate-with of the document to a schema, such as pacemaker-3.9";
            session.printer.say(&Message::error(text).help(help));
        }
        session.editor = Some(Editor::new(cib));
    }
    match &mut session.editor {
        Some(editor) => Ok(editor),
        None => Err("the configuration cannot be opened".into()),
    }
}

/// What the grammar must know of this session.
pub struct SessionWorld<'a> {
    configuration: &'a Configuration,
    providers: BTreeMap<String, String>,
}

impl World for SessionWorld<'_> {
    fn provider(&self, agent_type: &str) -> String {
        self.providers.get(agent_type).cloned().unwrap_or_else(|| "heartbeat".into())
    }

    fn nodes(&self) -> Vec<String> {
        self.configuration.node_names()
    }

    fn schema(&self) -> crate::language::SchemaVersion {
        self.configuration.schema()
    }
}

/// Reads one statement with what this session knows.
///
/// # Errors
/// The fault in the statement, ready to be said.
pub fn read(
    session: &mut Session,
    words: &[Word],
    source: &Rc<Source>,
) -> Result<Statement, Failure> {
    let mut providers = BTreeMap::new();
    let defines = words.first().is_some_and(|w| {
        matches!(&*w.text.to_lowercase(), "primitive" | "rsc_template" | "resource")
    });
    if let Some(agent) = words.get(2).filter(|_| defines) {
        let kind = agent.text.strip_prefix("ocf:").unwrap_or(&agent.text);
        if !kind.contains(':') && !kind.starts_with('@') {
            let all = session.agents.providers(kind);
            let best = ["heartbeat", "pacemaker"].iter().find(|p| all.iter().any(|a| a == *p));
            let provider = best.map(|b| b.to_string()).or(all.first().cloned());
            providers.extend(provider.map(|p| (kind.to_string(), p)));
        }
    }
    let editor = open(session)?;
    let world = SessionWorld { configuration: &editor.now, providers };
    parse(words, &world, &Notes::default()).map_err(|fault| {
        let place = Place { source: source.clone(), span: fault.span };
        Message::error(fault.message).at(Some(place)).into()
    })
}

/// Adds what a statement defines, and says what its check finds.
///
/// # Errors
/// The statement is wrong, or cannot be added.
pub fn define(session: &mut Session, words: &[Word], source: &Rc<Source>) -> Outcome {
    let mut statement = read(session, words, source)?;
    let named = statement.id.as_ref().map(|i| i.span.clone());
    if let Some(better) = &statement.deprecated {
        let old = words.first().map_or("ms", |w| &w.text);
        session.warn(format!("'{old}' is the old notation; write \"{better}\""));
    }
    normalize(session, &mut statement);
    let editor = open(session)?;
    let place = named.map(|span| Place { source: source.clone(), span });
    let added = editor
        .now
        .add(statement)
        .map_err(|e| Failure::from(Message::error(e.to_string()).at(place)))?;
    editor.remember(&added.id, words, source);
    let missing: Vec<Message> = added
        .missing
        .iter()
        .map(|m| {
            let text = format!("{} refers to missing object {m}; it is left out", added.id);
            Message::error(text).at(editor.place_of(&added.id, Some(m)))
        })
        .collect();
    missing.iter().for_each(|m| session.printer.say(m));
    unmask(session, &added.id)?;
    check_object(session, &added.id)
}

/// What was typed or loaded may come from a listing in which secrets are masked: a masked value
/// stands for the one in force.
///
/// # Errors
/// There is none in force that it could stand for.
pub fn unmask(session: &mut Session, id: &str) -> Outcome {
    let hidden = crate::levels::configure::hidden(session);
    let Some(editor) = &mut session.editor else { return Ok(()) };
    let Some(name) = editor.now.unmask(id, &editor.start, &hidden) else { return Ok(()) };
    let text = format!("{id}: the value of {name} is masked, and there is none in force for it");
    let place = editor.place_of(id, Some(&name));
    Err(Message::error(text).at(place).help("give the value itself").into())
}

/// A parameter `a-b` of an agent that has `a_b` means that one.
pub fn normalize(session: &mut Session, statement: &mut Statement) {
    let e = &statement.element;
    let has_dash = |e: &Element| {
        let sets = e.children().filter(|c| c.name() == "instance_attributes");
        sets.flat_map(Element::children).any(|p| p.attr("name").is_some_and(|n| n.contains('-')))
    };
    if !has_dash(e) {
        return;
    }
    let (Some(class), Some(kind)) = (e.attr("class"), e.attr("type")) else { return };
    let Some(metadata) = session.agents.metadata(class, e.attr("provider"), kind) else { return };
    for set in statement.element.children_mut().filter(|c| c.name() == "instance_attributes") {
        for pair in set.children_mut() {
            let Some(name) = pair.attr("name").map(str::to_string) else { continue };
            let other = name.replace('-', "_");
            if metadata.parameter(&name).is_none() && metadata.parameter(&other).is_some() {
                pair.set_attr("name", other);
            }
        }
    }
}

/// Checks one object as soon as it is defined; constraints wait for the commit, because what they
/// refer to may come later.
fn check_object(session: &mut Session, id: &str) -> Outcome {
    if session.options.checks == Checks::Never {
        return Ok(());
    }
    let Session { editor: Some(editor), agents, .. } = session else { return Ok(()) };
    let mut findings = Vec::new();
    if let Some(object) = editor.now.find(id).filter(|o| !o.kind.is_constraint()) {
        let mut context = check::Context { configuration: &editor.now, agents: agents.as_mut() };
        findings = check::semantic(&mut context, &object);
    }
    say(session, id, &findings);
    Ok(())
}

/// Says findings that have not been said yet; the number of errors among all of them.
fn say(session: &mut Session, id: &str, findings: &[Finding]) -> usize {
    let mut errors = 0;
    for finding in findings {
        errors += usize::from(finding.blocks);
        let Some(editor) = &mut session.editor else { continue };
        if !editor.said.insert(finding.text.clone()) {
            continue;
        }
        let place = editor.place_of(id, finding.about.as_deref());
        let message = Message {
            severity: finding.severity,
            text: finding.text.clone(),
            place,
            help: finding.help.clone(),
        };
        session.printer.say(&message);
    }
    errors
}

/// What checking a whole configuration found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    /// Errors of shape: the document would be refused.
    pub shape: usize,
    /// Errors that force can override.
    pub other: usize,
}

/// Checks everything; with `all`, objects that were not changed too.
///
/// # Errors
/// The CIB cannot be read.
pub fn verify(session: &mut Session, all: bool) -> Result<Verdict, Failure> {
    open(session)?;
    let mut verdict = Verdict::default();
    let Session { editor: Some(editor), agents, options, .. } = session else {
        return Ok(verdict);
    };
    let checks = options.checks;
    let mut findings: Vec<(String, Vec<Finding>)> = Vec::new();
    if checks != Checks::Never {
        let mut context = check::Context { configuration: &editor.now, agents: agents.as_mut() };
        for object in editor.now.objects() {
            let same = || editor.start.find(object.id).is_some_and(|o| o.element == object.element);
            if all || !same() {
                let found = check::semantic(&mut context, &object);
                findings.push((object.id.to_string(), found));
            }
        }
    }
    let shape = check::schema(&editor.now);
    let mut cluster = check::cluster(&editor.now);
    if options.force {
        // Said all the same, but a forced commit does not fail over it.
        cluster.iter_mut().for_each(|f| f.severity = Severity::Warning);
    }
    if checks != Checks::Never {
        let mut context = check::Context { configuration: &editor.now, agents: agents.as_mut() };
        let found = check::unique(&mut context, &editor.start);
        findings.push((String::new(), found));
    }
    for (id, found) in &findings {
        let errors = say(session, id, found);
        if checks == Checks::Strict {
            verdict.other += errors;
        }
    }
    // A dangling reference is said by both; once is enough.
    let dangling = |text: &str| text.split("references an unknown ID").nth(1).map(str::to_string);
    let known: Vec<String> = findings
        .iter()
        .flat_map(|(_, f)| f)
        .filter_map(|f| dangling(&f.text))
        .map(|t| t.split(';').next().unwrap_or_default().to_string())
        .collect();
    let fresh: Vec<Finding> = shape
        .iter()
        .filter(|f| dangling(&f.text).is_none_or(|d| !known.contains(&d)))
        .cloned()
        .collect();
    verdict.shape = shape.len();
    for finding in fresh.iter().chain(&cluster) {
        let owner = finding.text.split(':').next().unwrap_or_default().to_string();
        say(session, &owner, std::slice::from_ref(finding));
    }
    verdict.other += cluster.iter().filter(|f| f.blocks).count();
    Ok(verdict)
}

/// `commit`: checks, and writes; in a batch it is written when the batch ends without an error.
///
/// # Errors
/// The checks found errors, or it cannot be written. The configuration in force is unchanged then.
pub fn commit(session: &mut Session, force: bool) -> Outcome {
    let editor = open(session)?;
    if !editor.is_changed() {
        if session.interactive {
            session.note("nothing to commit");
        }
        return Ok(());
    }
    let force = force || session.options.force;
    let verdict = verify(session, false)?;
    if verdict.shape > 0 {
        return Err("not committed: the schema does not allow it (see above)".into());
    }
    if verdict.other > 0 && !force {
        let question = "The checks found errors. Commit anyway";
        if !(session.interactive && session.ask(question)) {
            return Err(Message::error("not committed: the checks found errors (see above)")
                .help("correct them, or use 'commit force'")
                .into());
        }
    }
    if verdict.other > 0 && force {
        session.note("commit forced");
    }
    if session.interactive && !crate::levels::foresight::agreed(session)? {
        return Ok(());
    }
    let batch = !session.interactive;
    if let Some(editor) = &mut session.editor {
        editor.pending = Some(editor.now.clone());
    }
    if batch { Ok(()) } else { flush(session) }
}

/// Writes what was committed.
///
/// # Errors
/// It cannot be written, or somebody else committed meanwhile.
pub fn flush(session: &mut Session) -> Outcome {
    let Some(editor) = &mut session.editor else { return Ok(()) };
    let Some(pending) = editor.pending.take() else { return Ok(()) };
    let schema = pending.schema_name() != editor.start.schema_name();
    if schema || pending.root() != editor.start.root() {
        // If this fails, what was typed is still in `now`: the user may look, and try again.
        write(session, &pending)?;
    }
    let Some(editor) = &session.editor else { return Ok(()) };
    let open_changes = editor.now.root() != pending.root();
    let now = editor.now.clone();
    session.editor = None;
    if open_changes {
        open(session)?.now = now;
    }
    Ok(())
}

/// How often a commit is put on top of what others committed meanwhile.
const ATTEMPTS: usize = 5;

/// What a commit changes, for the record: ids alone, so that no secret gets into it.
fn summary(old: &Configuration, new: &Configuration) -> String {
    const NAMED: usize = 10;
    let mut words: Vec<String> = Vec::new();
    for object in new.objects() {
        match old.find(object.id) {
            None => words.push(format!("+{}", object.id)),
            Some(was) if was.element != object.element => words.push(format!("~{}", object.id)),
            Some(_) => {}
        }
    }
    let gone = old.objects().into_iter().filter(|o| new.find(o.id).is_none());
    words.extend(gone.map(|o| format!("-{}", o.id)));
    if words.len() > NAMED {
        let more = words.split_off(NAMED).len();
        words.push(format!("and {more} more"));
    }
    if words.is_empty() { "configure".into() } else { format!("configure {}", words.join(" ")) }
}

/// Commits; if somebody else committed meanwhile, says what, and commits on top of that: at the
/// prompt after a question, and never where both changed the same object.
fn write(session: &mut Session, pending: &Configuration) -> Outcome {
    let Some(editor) = &session.editor else { return Ok(()) };
    let (mut base, start) = (editor.base.clone(), editor.start.clone());
    let mut wanted = pending.root().clone();
    let command = summary(&start, pending);
    for _ in 0..ATTEMPTS {
        if pending.schema_name() != start.schema_name() {
            base.set_attr("validate-with", pending.schema_name());
        }
        match session.access.commit(&base, &wanted, &command) {
            Ok(()) => return Ok(()),
            Err(AccessError::Stale(_)) => {}
            Err(e) => {
                session.lost = session.access.is_live();
                return Err(not_known(session, &e).unwrap_or_else(|| e.into()));
            }
        }
        let fresh = session.access.cib()?;
        let theirs = Configuration::new(&fresh);
        let same_schema = theirs.schema_name() == pending.schema_name();
        if same_schema && theirs.root() == pending.root() {
            session.note("an earlier commit of this, which was not answered, is in force");
            return Ok(());
        }
        let hidden = crate::levels::configure::hidden(session);
        let differs = crate::diff::configurations(&start, &theirs, &hidden);
        wanted = merge(start.root(), theirs.root(), pending.root()).map_err(|both| {
            let objects = both.join(", ");
            let text =
                format!("not committed: somebody else changed {objects} meanwhile:\n{differs}");
            Message::error(text)
                .help("'refresh' drops your changes and shows theirs; then apply yours again")
        })?;
        if !differs.trim().is_empty() {
            session.note(format!("somebody else committed meanwhile:\n{}", differs.trim_end()));
            if session.interactive && !session.ask("Put your changes on top of that") {
                return Err("not committed; your changes are still here".into());
            }
        }
        base = fresh;
    }
    Err("not committed: others commit all the time; try again".into())
}

/// What to say if it is not known whether a commit took place, and how to go on.
fn not_known(session: &Session, error: &AccessError) -> Option<Failure> {
    if !matches!(error, AccessError::Lost(_) | AccessError::TimedOut(_)) {
        return None;
    }
    let whole = "a commit is there as a whole or not at all";
    let help = if !session.interactive {
        format!(
            "{whole}: once the daemon answers, look with 'crm configure show', and if it is not, run this again"
        )
    } else if session.levels.contains(&Level::Configure) {
        format!(
            "{whole}; what you typed is still here: once the daemon answers, 'commit' puts it in force, or says that it is already"
        )
    } else {
        format!(
            "{whole}: once the daemon answers, look with 'configure show', and if it is not, run this again"
        )
    };
    Some(Message::error(format!("the commit was not answered: {error}")).help(help).into())
}

/// Before a command that works on the configuration in force: write what a batch committed.
///
/// # Errors
/// See [`flush`].
pub fn settle(session: &mut Session) -> Outcome {
    if session.failed > 0 && !session.options.force {
        return Ok(());
    }
    flush(session)
}

/// Leaving `configure`: changes are committed; at a prompt only after a question, unless the
/// line that made them led through `configure` and back.
///
/// # Errors
/// See [`commit`].
pub fn leave(session: &mut Session, ask: bool) -> Outcome {
    let Some(editor) = &session.editor else { return Ok(()) };
    if !editor.is_changed() {
        return Ok(());
    }
    if session.interactive && ask {
        if session.ask("There are changes that are not committed. Commit them") {
            return commit(session, false);
        }
        session.editor = None;
        return Ok(());
    }
    let earlier = session.failed;
    let outcome = commit(session, false);
    if earlier > 0 && outcome.is_ok() {
        return Ok(());
    }
    outcome
}

/// The end of a run: everything that was committed is written, unless there were errors.
///
/// # Errors
/// See [`flush`].
pub fn finish(session: &mut Session) -> Outcome {
    let changed = session
        .editor
        .as_ref()
        .and_then(|e| e.pending.as_ref().map(|p| p.root() != e.start.root()))
        .unwrap_or(false);
    if session.failed > 0 && !session.options.force {
        if changed {
            session.note("nothing was committed, because there were errors");
        }
        session.editor = None;
        return Ok(());
    }
    flush(session)
}
