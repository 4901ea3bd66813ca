//! What must hold whatever the network does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use crm_messaging::group::{NodeId, RingId, View};
use crm_messaging::totem::{Effect, Incarnation};

/// Sender, its start, and the number among its messages.
pub type Id = (NodeId, Incarnation, u64);

#[derive(Default)]
struct History {
    running: bool,
    view: Option<View>,
    /// Messages delivered in the current view.
    here: Vec<Id>,
    all: BTreeSet<Id>,
    /// The last message of each sender.
    last: BTreeMap<(NodeId, Incarnation), u64>,
}

/// Everything that was delivered anywhere.
#[derive(Default)]
pub struct Record {
    /// Nothing is judged: members send nonsense.
    pub off: bool,
    nodes: BTreeMap<NodeId, History>,
    views: BTreeMap<RingId, View>,
    /// The longest order seen in a ring while it worked.
    orders: BTreeMap<RingId, Vec<Id>>,
    /// What those delivered in a ring who went together from it to the next.
    moves: BTreeMap<(RingId, RingId), Vec<Id>>,
    sizes: BTreeMap<Id, usize>,
    numbers: BTreeMap<(NodeId, Incarnation), u64>,
    pub views_installed: u64,
    pub delivered: u64,
}

impl Record {
    pub fn started(&mut self, id: NodeId) {
        let all = BTreeSet::new();
        self.nodes.insert(id, History { running: true, all, ..History::default() });
    }

    pub fn stopped(&mut self, id: NodeId) {
        if let Some(history) = self.nodes.get_mut(&id) {
            history.running = false;
        }
    }

    pub fn view(&self, id: NodeId) -> Option<&View> {
        self.nodes.get(&id).filter(|history| history.running)?.view.as_ref()
    }

    /// Makes a message that can be recognised.
    pub fn message(&mut self, from: NodeId, incarnation: Incarnation, size: usize) -> Bytes {
        let number = self.numbers.entry((from, incarnation)).or_default();
        *number += 1;
        let mut data = BytesMut::with_capacity(20 + size);
        data.put_u32(from.0);
        data.put_u64(incarnation.0);
        data.put_u64(*number);
        data.resize(20 + size, *number as u8);
        self.sizes.insert((from, incarnation, *number), data.len());
        data.freeze()
    }

    pub fn has_all_of(&self, at: NodeId, from: NodeId, incarnation: Incarnation) -> bool {
        let sent = self.numbers.get(&(from, incarnation)).copied().unwrap_or(0);
        let history = &self.nodes[&at];
        (1..=sent).all(|number| history.all.contains(&(from, incarnation, number)))
    }

    pub fn effects(&mut self, at: NodeId, effects: &[Effect], now: Duration) {
        if self.off {
            return;
        }
        let moving = effects.iter().any(|effect| matches!(effect, Effect::View(_)));
        for effect in effects {
            match effect {
                Effect::Deliver { from, data } => self.delivered(at, *from, data),
                Effect::View(view) => self.installed(at, view, now),
                Effect::Send { .. }
                | Effect::Reserve(_)
                | Effect::Ordered { .. }
                | Effect::Stopped => {}
            }
        }
        if !moving {
            self.invariant_one_order(at);
        }
    }

    fn delivered(&mut self, at: NodeId, from: NodeId, data: &Bytes) {
        let mut reader = data.clone();
        let id = (NodeId(reader.get_u32()), Incarnation(reader.get_u64()), reader.get_u64());
        assert_eq!(from, id.0, "{at:?} got {id:?} as from {from:?}");
        assert_eq!(self.sizes.get(&id), Some(&data.len()), "{at:?} got a wrong {id:?}");
        assert!(reader.iter().all(|byte| *byte == id.2 as u8), "{at:?} got a mixed {id:?}");
        let history = self.nodes.get_mut(&at).expect("only started nodes deliver");
        let view = history.view.as_ref().expect("a view comes before the first message");
        assert!(view.members.contains(&from), "{at:?} got {id:?} in {view:?}");
        assert!(history.all.insert(id), "{at:?} got {id:?} twice");
        let last = history.last.insert((id.0, id.1), id.2).unwrap_or(0);
        assert!(id.2 > last, "{at:?} got {id:?} after {last}");
        // What follows a lost message may build on it.
        let before = history.here.iter().rev().find(|other| (other.0, other.1) == (id.0, id.1));
        assert!(before.is_none_or(|other| other.2 + 1 == id.2), "{at:?} got {id:?} after {last}");
        history.here.push(id);
        self.delivered += 1;
    }

    fn installed(&mut self, at: NodeId, view: &View, _now: Duration) {
        self.views_installed += 1;
        assert!(view.members.contains(&at), "{at:?} is not in its own {view:?}");
        let agreed = self.views.entry(view.ring).or_insert_with(|| view.clone());
        let shared = |v: &View| (v.members.clone(), v.quorate, v.votes, v.expected_votes);
        assert_eq!(shared(agreed), shared(view), "members of a ring differ about it");
        let history = self.nodes.get_mut(&at).expect("only started nodes have views");
        let here = std::mem::take(&mut history.here);
        let old = history.view.replace(view.clone());
        let Some(old) = old else { return };
        assert!(view.ring.seq > old.ring.seq, "{at:?} went back from {old:?} to {view:?}");
        let together: BTreeSet<NodeId> = view.members.difference(&view.joined).copied().collect();
        let departed: BTreeSet<NodeId> = view.departed.iter().map(|(node, _)| *node).collect();
        let came: BTreeSet<NodeId> = old.members.difference(&departed).copied().collect();
        assert_eq!(together, came, "{at:?}: {old:?} to {view:?}");
        self.invariant_virtual_synchrony(at, old.ring, view.ring, here);
    }

    /// Those who go together have delivered the same before.
    fn invariant_virtual_synchrony(&mut self, at: NodeId, old: RingId, new: RingId, here: Vec<Id>) {
        let order = self.orders.get(&old).cloned().unwrap_or_default();
        let common = order.iter().zip(&here).take_while(|(a, b)| a == b).count();
        // After what none of the group has, the order goes on with gaps, never turned round.
        let rest: BTreeSet<&Id> = here[common..].iter().collect();
        let expected: Vec<&Id> = order[common..].iter().filter(|id| rest.contains(id)).collect();
        let known: BTreeSet<&Id> = order[common..].iter().collect();
        let found: Vec<&Id> = here[common..].iter().filter(|id| known.contains(id)).collect();
        assert_eq!(expected, found, "{at:?} ended {old:?} in another order");
        let moved = self.moves.entry((old, new)).or_insert_with(|| here.clone());
        assert_eq!(*moved, here, "{at:?} went from {old:?} to {new:?} with other messages");
    }

    /// In a ring that works, everybody delivers the same from the begin without gaps.
    fn invariant_one_order(&mut self, at: NodeId) {
        let history = &self.nodes[&at];
        let Some(view) = &history.view else { return };
        let order = self.orders.entry(view.ring).or_default();
        let known = order.len().min(history.here.len());
        // What was compared before is not compared again.
        let from = known.saturating_sub(64);
        assert_eq!(order[from..known], history.here[from..known], "{at:?} in {:?}", view.ring);
        if history.here.len() > known {
            order.extend(&history.here[known..]);
        }
    }

    /// Called after every step.
    pub fn check(&self) {
        self.invariant_one_quorate_partition();
    }

    /// No two rings that work at all of their members may act for the cluster.
    fn invariant_one_quorate_partition(&self) {
        let mut quorate: BTreeSet<RingId> = BTreeSet::new();
        for history in self.nodes.values().filter(|history| history.running) {
            let Some(view) = history.view.as_ref().filter(|view| view.quorate) else { continue };
            let everywhere = view
                .members
                .iter()
                .all(|member| self.view(*member).is_some_and(|theirs| theirs.ring == view.ring));
            if everywhere {
                quorate.insert(view.ring);
            }
        }
        assert!(quorate.len() <= 1, "two partitions act: {quorate:?}");
    }
}
