//! Entries of histories, in the order in which they happened (I-121 to I-128): from a document's
//! text, while it is read, or from its elements.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::sync::Arc;

use crate::cib::{Aside, Element, TagAttributes};
use crate::scalar::parse_int;
use crate::scheduler::model::{HistoryOp, Origin, Record, Task};
use crate::texts::{Course, Texts};

/// The histories of a document: for each `node_state`, in document order, its records in document
/// order.
#[derive(Debug, Default)]
pub struct Recorded {
    states: Vec<Vec<Arc<Record>>>,
}

impl Recorded {
    /// The records of the state at this place among all states.
    pub(super) fn of_state(&self, at: usize) -> &[Arc<Record>] {
        self.states.get(at).map_or(&[], Vec::as_slice)
    }
}

/// Makes records. While a document is read it takes the inside of each `lrm_resources` for
/// itself, the bulk of a large document, so that no element is made of it.
#[derive(Debug, Default)]
pub struct Recorder {
    texts: Repeated,
    recorded: Recorded,
    /// Open tags inside of `lrm_resources`.
    depth: usize,
    record: Option<Record>,
    /// The entries of the record that is being read, in document order.
    ops: Vec<HistoryOp>,
    /// What the attributes of the latest entry were: most entries have the same in the same order.
    shape: Vec<(Box<str>, Option<Field>)>,
}

impl Recorder {
    /// What was taken.
    pub fn finish(self) -> Recorded {
        self.recorded
    }

    /// The records of a state whose histories are elements.
    pub(super) fn state(&mut self, state: &Element) -> Vec<Arc<Record>> {
        let mut records = Vec::new();
        for history in list(state).into_iter().flat_map(|l| l.children_named("lrm_resource")) {
            let Ok(record) = self.begin(attributes(history));
            let Some(record) = record else { continue };
            for op in history.children_named("lrm_rsc_op") {
                let Ok(op) = self.entry(attributes(op));
                self.ops.push(op);
            }
            records.push(self.settle(record));
        }
        records
    }

    /// A record without entries; `None` if it has no id.
    fn begin<'a, E>(
        &mut self,
        attributes: impl Iterator<Item = Result<(&'a str, Cow<'a, str>), E>>,
    ) -> Result<Option<Record>, E> {
        let mut named = false;
        let mut record = Record {
            id: Arc::default(),
            class: None,
            provider: None,
            kind: None,
            container: None,
            shutdown_lock: 0,
            ops: Vec::new(),
            last_start: None,
            last_stop: None,
        };
        for attribute in attributes {
            let (name, value) = attribute?;
            let texts = &mut self.texts;
            match name {
                "id" => {
                    named = true;
                    record.id = texts.id(Ids::Resource, &value);
                }
                "class" => record.class = Some(texts.share(Field::Class, &value)),
                "provider" => record.provider = Some(texts.share(Field::Provider, &value)),
                "type" => record.kind = Some(texts.share(Field::Type, &value)),
                "container" => record.container = Some(texts.share(Field::Container, &value)),
                "shutdown-lock" => record.shutdown_lock = parse_int(&value).unwrap_or(0),
                _ => {}
            }
        }
        Ok(named.then_some(record))
    }

    fn entry<'a, E>(
        &mut self,
        attributes: impl Iterator<Item = Result<(&'a str, Cow<'a, str>), E>>,
    ) -> Result<HistoryOp, E> {
        let mut op = HistoryOp::default();
        for (at, attribute) in attributes.enumerate() {
            let (name, value) = attribute?;
            let field = match self.shape.get_mut(at) {
                Some((known, field)) if **known == *name => *field,
                Some(other) => {
                    *other = (name.into(), Field::named(name));
                    other.1
                }
                None => {
                    self.shape.push((name.into(), Field::named(name)));
                    Field::named(name)
                }
            };
            if let Some(field) = field {
                field.set(&mut op, &value, &mut self.texts);
            }
        }
        if !op.has_key {
            op.key = op.id.clone();
        }
        Ok(op)
    }

    /// The record with its entries, which are complete.
    fn settle(&mut self, mut record: Record) -> Arc<Record> {
        // Reverse document order first, so that equal entries written later come first (I-126).
        record.ops = sort(self.ops.drain(..).rev().collect());
        active_range(&mut record);
        Arc::new(record)
    }
}

impl Aside for Recorder {
    fn takes(&mut self, open: &[Element]) -> bool {
        let [root, status, state, lrm, list] = open else { return false };
        let names = [status.name(), state.name(), lrm.name(), list.name()];
        // As for elements, only the first list of the first manager of a state counts.
        let taken = names == ["status", "node_state", "lrm", "lrm_resources"]
            && root.child("status").is_none()
            && state.child("lrm").is_none()
            && lrm.child("lrm_resources").is_none();
        if taken {
            let before = status.children_named("node_state").count();
            self.recorded.states.resize_with(before + 1, Vec::new);
        }
        taken
    }

    fn open(&mut self, tag: &str, mut attributes: TagAttributes<'_>) -> Result<(), String> {
        self.depth += 1;
        match (self.depth, tag) {
            (1, "lrm_resource") => self.record = self.begin(attributes)?,
            (2, "lrm_rsc_op") if self.record.is_some() => {
                let op = self.entry(attributes)?;
                self.ops.push(op);
            }
            _ => attributes.try_for_each(|attribute| attribute.map(|_| ()))?,
        }
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        if self.depth == 0
            && let Some(record) = self.record.take()
        {
            let record = self.settle(record);
            if let Some(records) = self.recorded.states.last_mut() {
                records.push(record);
            }
        }
    }
}

/// The list of histories of a state.
pub(super) fn list(state: &Element) -> Option<&Element> {
    state.child("lrm").and_then(|lrm| lrm.child("lrm_resources"))
}

fn attributes(element: &Element) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), Infallible>> {
    element.attrs().map(|(name, value)| Ok((name, Cow::Borrowed(value))))
}

/// Shared texts, most of which are what they were in the record before.
#[derive(Debug, Default)]
struct Repeated {
    texts: Texts,
    latest: [Arc<str>; Field::COUNT],
    /// Of resources, of entries, of operations.
    ids: [Course; 3],
}

impl Repeated {
    fn share(&mut self, field: Field, text: &str) -> Arc<str> {
        let latest = &mut self.latest[field as usize];
        if **latest != *text {
            *latest = self.texts.share(text);
        }
        latest.clone()
    }

    fn id(&mut self, kind: Ids, text: &str) -> Arc<str> {
        self.texts.follow(&mut self.ids[kind as usize], text)
    }
}

/// Ids that come on every node in the same order.
#[derive(Clone, Copy)]
enum Ids {
    Resource,
    Entry,
    Operation,
}

/// An attribute of an entry, or of a record, that says something.
#[derive(Clone, Copy, Debug)]
enum Field {
    Class,
    Provider,
    Type,
    Container,
    Id,
    Key,
    Task,
    Interval,
    Call,
    Rc,
    Status,
    TransitionKey,
    Magic,
    OnNode,
    FeatureSet,
    ExitReason,
    LastChange,
    ExecTime,
    QueueTime,
    Digest,
    RestartDigest,
    SecureDigest,
    ForceRestart,
    SecureParams,
    MigrateSource,
    MigrateTarget,
}

impl Field {
    const COUNT: usize = Field::MigrateTarget as usize + 1;

    /// The attribute of an entry by this name.
    fn named(name: &str) -> Option<Field> {
        Some(match name {
            "id" => Field::Id,
            "operation_key" => Field::Key,
            "operation" => Field::Task,
            "interval" => Field::Interval,
            "call-id" => Field::Call,
            "rc-code" => Field::Rc,
            "op-status" => Field::Status,
            "transition-key" => Field::TransitionKey,
            "transition-magic" => Field::Magic,
            "on_node" => Field::OnNode,
            "crm_feature_set" => Field::FeatureSet,
            "exit-reason" => Field::ExitReason,
            "last-rc-change" => Field::LastChange,
            "exec-time" => Field::ExecTime,
            "queue-time" => Field::QueueTime,
            "op-digest" => Field::Digest,
            "op-restart-digest" => Field::RestartDigest,
            "op-secure-digest" => Field::SecureDigest,
            "op-force-restart" => Field::ForceRestart,
            "op-secure-params" => Field::SecureParams,
            "migrate_source" => Field::MigrateSource,
            "migrate_target" => Field::MigrateTarget,
            _ => return None,
        })
    }

    fn set(self, op: &mut HistoryOp, value: &str, texts: &mut Repeated) {
        let small =
            |default: i32| parse_int(value).and_then(|n| i32::try_from(n).ok()).unwrap_or(default);
        let mut shared = || Some(texts.share(self, value));
        match self {
            // Of records.
            Field::Class | Field::Provider | Field::Type | Field::Container => {}
            Field::Id => op.id = texts.id(Ids::Entry, value),
            Field::Key => {
                op.has_key = true;
                op.key = texts.id(Ids::Operation, value);
            }
            Field::Task => op.task = Some(Task::parse(value)),
            Field::Interval => {
                op.interval = parse_int(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            }
            Field::Call => op.call = parse_int(value).unwrap_or(-1),
            Field::Rc => op.rc = small(-1),
            Field::Status => op.status = small(-2),
            Field::TransitionKey => op.target_rc = transition_key(value).map_or(-1, |key| key.2),
            Field::Magic => {
                let key = value.bytes().position(|b| b == b';');
                let key = key.and_then(|end| transition_key(&value[end + 1..]));
                op.origin = key.map(|(action, transition, _, uuid)| Origin {
                    action,
                    transition,
                    uuid: texts.share(self, uuid),
                });
            }
            Field::OnNode => op.on_node = shared(),
            Field::FeatureSet => op.feature_set = shared(),
            Field::ExitReason => {
                op.has_exit_reason = true;
                if !value.is_empty() {
                    op.rare_mut().exit_reason = shared();
                }
            }
            Field::LastChange => op.last_change = parse_int(value),
            Field::ExecTime => op.exec_time = parse_int(value),
            Field::QueueTime => op.queue_time = parse_int(value),
            Field::Digest => op.digest = shared(),
            Field::RestartDigest => op.rare_mut().restart_digest = shared(),
            Field::SecureDigest => op.rare_mut().secure_digest = shared(),
            Field::ForceRestart => op.rare_mut().force_restart = shared(),
            Field::SecureParams => op.rare_mut().secure_params = shared(),
            Field::MigrateSource => op.rare_mut().migrate_source = shared(),
            Field::MigrateTarget => op.rare_mut().migrate_target = shared(),
        }
    }
}

/// Transition, expected result and author of `ACTION:TRANSITION:TARGETRC:UUID` (I-124).
fn transition_key(text: &str) -> Option<(u32, i64, i32, &str)> {
    let mut rest = text;
    let mut number = || {
        let end = rest.bytes().position(|b| b == b':')?;
        let number = rest[..end].parse::<i64>().ok();
        rest = &rest[end + 1..];
        number
    };
    let (action, transition, target) = (number()?, number()?, number()?);
    let action = u32::try_from(action).unwrap_or(0);
    Some((action, transition, i32::try_from(target).ok()?, rest))
}

/// Stable merge sort. The order is not total (I-125), so the standard sort may not be used; the
/// halves are those of the peers, since with such an order they can make a difference.
fn sort(ops: Vec<HistoryOp>) -> Vec<HistoryOp> {
    if ops.len() < 2 {
        return ops;
    }
    let mut left = ops;
    let right = left.split_off(left.len() / 2);
    let mut left = sort(left).into_iter().peekable();
    let mut right = sort(right).into_iter().peekable();
    let mut sorted = Vec::with_capacity(left.len() + right.len());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let side = if compare(a, b, true) == Ordering::Greater { &mut right } else { &mut left };
        sorted.extend(side.next());
    }
    sorted.extend(left);
    sorted.extend(right);
    sorted
}

/// Which entry is older (`Less`: `a` is older) (I-125, I-127). `same_node` is what to assume of
/// entries that do not say where they ran.
pub fn compare(a: &HistoryOp, b: &HistoryOp, same_node: bool) -> Ordering {
    let same_node = match (&a.on_node, &b.on_node) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => same_node,
    };
    if same_node && a.id == b.id {
        return Ordering::Equal;
    }
    if a.call == -1 && b.call == -1 {
        return Ordering::Equal;
    }
    if a.call >= 0 && b.call >= 0 {
        if same_node && a.call != b.call {
            return a.call.cmp(&b.call);
        }
        let time = |op: &HistoryOp| op.last_change.unwrap_or(-1);
        let (x, y) = (time(a), time(b));
        return if x >= 0 && x < y {
            Ordering::Less
        } else if y >= 0 && y < x {
            Ordering::Greater
        } else {
            Ordering::Equal
        };
    }
    pending_order(a, b)
}

/// Rule 5 of I-125: exactly one of them is pending.
fn pending_order(a: &HistoryOp, b: &HistoryOp) -> Ordering {
    let (Some(x), Some(y)) = (&a.origin, &b.origin) else { return Ordering::Equal };
    if x.uuid != y.uuid || x.transition == y.transition {
        return if b.call == -1 { Ordering::Less } else { Ordering::Greater };
    }
    let older = |p: i64, q: i64| (p >= 0 && p < q) || q == -1;
    if older(x.transition, y.transition) {
        Ordering::Less
    } else if older(y.transition, x.transition) {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// I-128
fn active_range(record: &mut Record) {
    let (mut start, mut stop) = (None, None);
    let (mut by_monitor, mut by_role): (Option<usize>, Option<usize>) = (None, None);
    for (at, op) in record.ops.iter().enumerate() {
        match &op.task {
            Some(Task::Stop) if op.status == 0 => stop = Some(at),
            Some(Task::Start | Task::MigrateFrom) => start = Some(at),
            Some(Task::Monitor) if by_monitor <= stop && (op.rc == 0 || op.rc == 8) => {
                by_monitor = Some(at);
            }
            Some(Task::Promote | Task::Demote) => by_role = Some(at),
            _ => {}
        }
    }
    record.last_start = start.or(by_role).or(by_monitor);
    record.last_stop = stop;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn ops(text: &str) -> Vec<String> {
        let xml = format!(
            "<node_state><lrm><lrm_resources><lrm_resource id='A'>{text}</lrm_resource>\
             </lrm_resources></lrm></node_state>"
        );
        let records = Recorder::default().state(&parse(&xml).unwrap());
        records[0].ops.iter().map(|op| op.id.to_string()).collect()
    }

    #[test]
    fn entries_sort_by_call_then_time_then_backwards() {
        // I-125, I-126
        let order = ops("<lrm_rsc_op id='c' operation='x' call-id='7' last-rc-change='20'/>\
             <lrm_rsc_op id='b' operation='x' call-id='7' last-rc-change='10'/>\
             <lrm_rsc_op id='a' operation='x' call-id='3'/>");
        assert_eq!(order, ["a", "b", "c"]);
        let equal = ops("<lrm_rsc_op id='a' operation='x' call-id='7'/>\
             <lrm_rsc_op id='b' operation='x' call-id='7'/>");
        assert_eq!(equal, ["b", "a"]);
    }

    #[test]
    fn pending_entries_sort_by_transition() {
        // I-125.5
        let uuid = "00000000-0000-0000-0000-000000000000";
        let order = |pending: i64| {
            ops(&format!(
                "<lrm_rsc_op id='p' operation='start' call-id='-1' \
                 transition-magic='-1:193;1:{pending}:0:{uuid}'/>\
                 <lrm_rsc_op id='s' operation='stop' call-id='5' \
                 transition-magic='0:0;1:5:0:{uuid}'/>"
            ))
        };
        assert_eq!(order(4), ["p", "s"]);
        assert_eq!(order(5), ["s", "p"]);
        assert_eq!(order(6), ["s", "p"]);
        assert_eq!(order(-1), ["s", "p"]);
    }
}
