//! XML to history entries, in the order in which they happened (I-121 to I-128).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cib::Element;
use crate::scalar::parse_int;
use crate::scheduler::model::{History, HistoryOp, NodeIx, Task, TransitionKey};

/// Texts that repeat from entry to entry, kept once.
#[derive(Default)]
pub struct Texts {
    known: BTreeSet<Arc<str>>,
    /// The latest text of each kind that is mostly the same from entry to entry.
    latest: [Arc<str>; 6],
}

/// Kinds of texts in [`Texts::repeat`].
#[derive(Clone, Copy)]
enum Kind {
    Author,
    Node,
    FeatureSet,
    Class,
    Provider,
    Type,
}

impl Texts {
    /// The shared copy of a text.
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.known.insert(new.clone());
        new
    }

    /// [`share`](Texts::share) for a text that is likely to be the same as the one before.
    fn repeat(&mut self, kind: Kind, text: &str) -> Arc<str> {
        if *self.latest[kind as usize] != *text {
            self.latest[kind as usize] = self.share(text);
        }
        self.latest[kind as usize].clone()
    }
}

/// Reads every history of one node state.
pub fn node_state(state: &Element, node: NodeIx, texts: &mut Texts, histories: &mut Vec<History>) {
    let Some(list) = state.child("lrm").and_then(|l| l.child("lrm_resources")) else { return };
    for element in list.children_named("lrm_resource") {
        let Some(id) = element.id() else { continue };
        let shared_id = texts.share(id);
        let mut shared = |kind, name: &str| element.attr(name).map(|v| texts.repeat(kind, v));
        let mut history = History {
            node,
            rsc: None,
            id: shared_id,
            class: shared(Kind::Class, "class"),
            provider: shared(Kind::Provider, "provider"),
            kind: shared(Kind::Type, "type"),
            container: element.attr("container").map(Into::into),
            shutdown_lock: element.attr("shutdown-lock").and_then(parse_int).unwrap_or(0),
            ops: Vec::new(),
            last_start: None,
            last_stop: None,
        };
        // Reverse document order first, so that equal entries written later come first (I-126).
        let ops = element.children_named("lrm_rsc_op").rev();
        history.ops = sort(ops.map(|op| entry(op, texts)).collect());
        active_range(&mut history);
        histories.push(history);
    }
}

/// Reads the attributes in one pass: histories are the bulk of a document.
fn entry(op: &Element, texts: &mut Texts) -> HistoryOp {
    let mut e = blank();
    let small = |value: &str, default: i32| {
        parse_int(value).and_then(|n| i32::try_from(n).ok()).unwrap_or(default)
    };
    let mut key = None;
    for (name, value) in op.attrs() {
        match name {
            "id" => e.id = texts.share(value),
            "operation_key" => key = Some(value),
            "operation" => e.task = Some(Task::parse(value)),
            "interval" => {
                e.interval = parse_int(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            }
            "call-id" => e.call = parse_int(value).unwrap_or(-1),
            "rc-code" => e.rc = small(value, -1),
            "op-status" => e.status = small(value, -2),
            "transition-key" => e.transition_key = transition_key(value, texts),
            "transition-magic" => {
                let key = value.split_once(';').map(|(_, key)| key);
                e.magic = key.and_then(|key| transition_key(key, texts));
            }
            "on_node" => e.on_node = Some(texts.repeat(Kind::Node, value)),
            "crm_feature_set" => e.feature_set = Some(texts.repeat(Kind::FeatureSet, value)),
            "exit-reason" if !value.is_empty() => e.exit_reason = Some(texts.share(value)),
            "last-rc-change" => e.last_change = parse_int(value),
            "exec-time" => e.exec_time = parse_int(value),
            "queue-time" => e.queue_time = parse_int(value),
            "op-digest" => e.digest = Some(texts.share(value)),
            "op-restart-digest" => e.restart_digest = Some(texts.share(value)),
            "op-secure-digest" => e.secure_digest = Some(texts.share(value)),
            "op-force-restart" => e.force_restart = Some(texts.share(value)),
            "op-secure-params" => e.secure_params = Some(texts.share(value)),
            "migrate_source" => e.migrate_source = Some(texts.share(value)),
            "migrate_target" => e.migrate_target = Some(texts.share(value)),
            _ => {}
        }
    }
    e.has_key = key.is_some();
    e.key = match key {
        Some(key) if *key != *e.id => texts.share(key),
        Some(_) | None => e.id.clone(),
    };
    e
}

/// An entry that says nothing.
fn blank() -> HistoryOp {
    HistoryOp {
        id: Arc::default(),
        key: Arc::default(),
        has_key: false,
        task: None,
        interval: 0,
        call: -1,
        rc: -1,
        status: -2,
        transition_key: None,
        magic: None,
        on_node: None,
        feature_set: None,
        exit_reason: None,
        last_change: None,
        exec_time: None,
        queue_time: None,
        digest: None,
        restart_digest: None,
        secure_digest: None,
        force_restart: None,
        secure_params: None,
        migrate_source: None,
        migrate_target: None,
        expired_recurring: false,
    }
}

/// `ACTION:TRANSITION:TARGETRC:UUID` (I-124)
fn transition_key(text: &str, texts: &mut Texts) -> Option<TransitionKey> {
    let mut fields = text.splitn(4, ':');
    let mut number = || fields.next().and_then(|f| f.parse::<i64>().ok());
    let (action, transition, target) = (number()?, number()?, number()?);
    let uuid = fields.next()?;
    Some(TransitionKey {
        action,
        transition,
        target_rc: i32::try_from(target).ok()?,
        uuid: texts.repeat(Kind::Author, uuid),
    })
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
    let (Some(x), Some(y)) = (&a.magic, &b.magic) else { return Ordering::Equal };
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
fn active_range(history: &mut History) {
    let (mut start, mut stop) = (None, None);
    let (mut by_monitor, mut by_role): (Option<usize>, Option<usize>) = (None, None);
    for (at, op) in history.ops.iter().enumerate() {
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
    history.last_start = start.or(by_role).or(by_monitor);
    history.last_stop = stop;
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
        let mut histories = Vec::new();
        node_state(&parse(&xml).unwrap(), NodeIx(0), &mut Texts::default(), &mut histories);
        histories[0].ops.iter().map(|op| op.id.to_string()).collect()
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
