//! One controller alone, asserted by its exact effects. Messages come back at once, as from a ring
//! of one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crm_core::cib::Version;
use crm_core::cib::tickets::ticket_state;
use crm_core::transition::{
    Action, ActionId, ActionKind, AgentRef, Graph, Mark, NodeRef, Presence, ResourceRef,
};
use crm_lrm::operation::{CallId, ExecutionStatus, ExitCode, Operation, OperationResult};
use crm_messaging::group::{NodeId, RingId, View};
use crm_messaging::proto;
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{Order, Ring};

use super::replica::{Chain, Replica, empty_cib};
use super::*;

const ME: NodeId = NodeId(1);

struct Alone {
    controller: Controller,
    ms: u64,
    /// What was to be done, in words, since it was last asked.
    done: Vec<String>,
    operations: Vec<Operation>,
    generation: u64,
    lost: bool,
}

impl Alone {
    /// In step, quorate, introduced; the first plan is wanted and not yet made.
    fn new() -> Alone {
        let settings = Settings {
            cluster_name: "t".into(),
            local: ME,
            nodes: BTreeMap::from([(ME, "n1".to_string())]),
            incarnation: "00000000-0000-0000-0000-000000000001".into(),
            boot: String::new(),
            version: "t".into(),
            last_input: 0,
        };
        let replica = Replica::from_disk(empty_cib(), Chain::default(), VecDeque::new());
        let mut alone = Alone {
            controller: Controller::new(settings, replica),
            ms: 0,
            done: Vec::new(),
            operations: Vec::new(),
            generation: 0,
            lost: false,
        };
        alone.feed(Input::View(view(1)));
        alone
    }

    fn feed(&mut self, input: Input) {
        self.ms += 1;
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now { mono: Duration::from_millis(self.ms), wall_ms: 1_000_000 + self.ms };
            for effect in self.controller.handle(now, input) {
                match effect {
                    Effect::Send(data) if !self.lost => {
                        inputs.push_back(Input::Message { from: ME, data });
                    }
                    Effect::Send(_) | Effect::Event { .. } | Effect::KeepInput { .. } => {}
                    Effect::Execute(op) => {
                        self.done.push(format!("execute {} {}", op.action, op.resource));
                        self.operations.push(*op);
                    }
                    Effect::Plan { generation, .. } => {
                        self.generation = generation;
                        self.done.push("plan".into());
                    }
                    Effect::Store(entry) => self.done.push(format!("store {}", entry.version)),
                    Effect::Reply(id, Reply::Refused(why, _)) => {
                        self.done.push(format!("refuse {} {why:?}", id.0));
                    }
                    Effect::Reply(id, Reply::State(s)) => {
                        self.done.push(format!("state {} idle={}", id.0, s.idle));
                    }
                    Effect::Reply(id, _) => self.done.push(format!("reply {}", id.0)),
                    other => self.done.push(format!("{other:?}")),
                }
            }
        }
    }

    fn done(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    fn planned(&mut self, graph: Graph) {
        let generation = self.generation;
        self.feed(Input::Planned(Planned { generation, graph: Ok(graph) }));
    }

    fn ended(&mut self, at: usize, rc: i32) {
        let result = OperationResult {
            operation: self.operations[at].clone(),
            call_id: CallId(at as u64 + 1),
            status: ExecutionStatus::Done,
            exit: ExitCode(rc),
            exit_reason: String::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            queue_time: Duration::ZERO,
            metadata: None,
            exec_time: Duration::from_millis(1),
        };
        self.feed(Input::Operation(Box::new(result)));
    }

    fn client(&mut self, id: u64, request: Request) {
        self.feed(Input::Client { id: RequestId(id), request });
    }

    fn stored(&mut self, epoch: u64) {
        let version = Version { admin_epoch: 0, epoch, num_updates: 0 };
        self.feed(Input::Stored(Ok(version)));
    }
}

fn view(seq: u64) -> View {
    View {
        ring: RingId { seq, representative: ME },
        members: [ME].into(),
        joined: [ME].into(),
        departed: Vec::new(),
        quorate: true,
        votes: 1,
        expected_votes: 1,
    }
}

fn action(id: u32, operation: &str, resource: &str) -> Action {
    Action {
        id: ActionId(id),
        kind: ActionKind::RscOp,
        mark: Mark::Included,
        operation: operation.into(),
        key: format!("{resource}_{operation}_0"),
        internal_key: None,
        node: Some(NodeRef { name: "n1".into(), id: "1".into() }),
        router: None,
        shutdown_lock: None,
        resource: Some(ResourceRef {
            id: resource.into(),
            long_id: None,
            agent: AgentRef {
                class: "ocf".into(),
                provider: Some("heartbeat".into()),
                kind: "Dummy".into(),
            },
        }),
        owner: Some(resource.into()),
        attributes: BTreeMap::new(),
        downed: Vec::new(),
        maintenance: Vec::new(),
        priority: 0,
        reason: None,
    }
}

/// Starts `a`, then `b`.
fn two_starts() -> Graph {
    let mut graph = Graph::default();
    let a = graph.add(action(1, "start", "a"));
    let b = graph.add(action(2, "start", "b"));
    graph.order(a, b, Presence::Trigger);
    graph
}

fn primitive(id: &str) -> Request {
    let change = proto::commit_request::Change::Patch(format!(
        "<diff format='2'><change operation='create' path='/cib/configuration/resources' \
         position='0'><primitive id='{id}' class='lsb' type='x'/></change></diff>"
    ));
    Request::Commit(Box::new(proto::CommitRequest {
        change: Some(change),
        author: "root".into(),
        command: "test".into(),
        ..proto::CommitRequest::default()
    }))
}

#[test]
fn a_lone_node_introduces_itself_and_plans() {
    let mut n = Alone::new();
    assert_eq!(n.done(), ["plan", "store 0.1.0"]);
    assert!(n.controller.is_in_step() && n.controller.coordinator() == Some(ME));
    n.planned(Graph::default());
    assert_eq!(n.done(), ["plan"], "the first plan was made from what is no longer so");
    n.planned(Graph::default());
    assert_eq!(n.done(), [""; 0]);
}

/// With an empty plan behind it.
fn at_rest() -> Alone {
    let mut n = Alone::new();
    n.planned(Graph::default());
    n.planned(Graph::default());
    n.stored(1);
    n.done();
    n
}

#[test]
fn a_transition_runs_in_order_and_idleness_is_exact() {
    let mut n = at_rest();
    n.client(1, primitive("a"));
    assert_eq!(n.done(), ["store 0.2.0", "plan"], "no answer before it is on disk");
    n.stored(2);
    assert_eq!(n.done(), ["reply 1"]);
    n.client(2, Request::WaitIdle);
    n.planned(two_starts());
    assert_eq!(n.done(), ["execute start a"]);
    n.ended(0, 0);
    assert_eq!(n.done(), ["execute start b"]);
    n.ended(1, 0);
    assert_eq!(n.done(), ["state 2 idle=true"]);
}

#[test]
fn a_change_ends_a_transition_but_waits_for_what_runs() {
    let mut n = at_rest();
    n.client(1, primitive("a"));
    n.planned(two_starts());
    n.client(2, primitive("b"));
    n.done();
    n.ended(0, 0);
    assert_eq!(n.done(), ["plan"], "b is not started by the old plan");
}

/// A graph of one operation with a parameter, and what the cluster adds for itself.
fn one(operation: &str, state: Option<&str>) -> Graph {
    let mut only = action(1, operation, "a");
    only.attributes.insert("CRM_meta_timeout".into(), "9000".into());
    if let Some(state) = state {
        only.attributes.insert("state".into(), state.into());
    }
    let mut graph = Graph::default();
    graph.add(only);
    graph
}

#[test]
fn what_runs_is_stopped_with_what_it_was_started_with() {
    let mut n = at_rest();
    n.client(1, primitive("a"));
    n.planned(one("start", Some("/old")));
    n.ended(0, 0);
    // Its parameter is another one by now, or it is not configured any more.
    for (at, (given, id)) in [(Some("/new"), "b"), (None, "c")].into_iter().enumerate() {
        n.client(2, primitive(id));
        n.planned(one("stop", given));
        let stop = n.operations.last().unwrap();
        assert_eq!(stop.action, "stop");
        assert_eq!(stop.params.get("state").map(String::as_str), Some("/old"));
        assert_eq!(stop.params.get("CRM_meta_timeout").map(String::as_str), Some("9000"));
        n.ended(at + 1, 0);
    }
    // What nobody started here is stopped with what is given.
    n.client(3, primitive("d"));
    n.planned(one("delete", None));
    n.client(4, primitive("e"));
    n.planned(one("stop", Some("/given")));
    let stop = n.operations.last().unwrap();
    assert_eq!(stop.params.get("state").map(String::as_str), Some("/given"));
}

#[test]
fn a_failure_is_counted_and_planned_anew() {
    let mut n = at_rest();
    n.client(1, primitive("a"));
    n.planned(two_starts());
    n.done();
    n.ended(0, 1);
    assert_eq!(n.done(), ["plan"]);
    let cib = n.controller.replica().cib();
    assert_eq!(status::transient(cib, ME, "fail-count-a#start_0"), Some("INFINITY"));
}

#[test]
fn a_ticket_that_is_granted_is_dated_and_planned_for() {
    let mut n = at_rest();
    let grant = proto::TicketUpdate {
        ticket: "a".into(),
        set: [("granted".to_string(), "true".to_string())].into(),
        ..Default::default()
    };
    n.client(1, Request::UpdateTicket(grant.clone()));
    assert_eq!(n.done(), ["reply 1", "plan"]);
    let state = ticket_state(n.controller.replica.cib(), "a").cloned();
    assert_eq!(state.as_ref().and_then(|t| t.attr("last-granted")), Some("1000"));
    n.client(2, Request::UpdateTicket(grant));
    assert_eq!(n.done(), ["reply 2"], "what changes nothing is not planned for");
}

#[test]
fn a_damped_attribute_takes_effect_when_its_time_is_over() {
    let mut n = at_rest();
    let ping = |value: &str, delay_ms| proto::AttributeUpdate {
        node: "n1".into(),
        name: "pingd".into(),
        value: Some(value.into()),
        transient: true,
        delay_ms,
        ..Default::default()
    };
    n.client(1, Request::UpdateAttribute(ping("1", Some(50))));
    assert_eq!(n.done(), ["reply 1"]);
    n.client(2, Request::UpdateAttribute(ping("0", None)));
    assert_eq!(n.done(), ["reply 2"], "the delay is remembered");
    n.ms += 30;
    n.feed(Input::Tick);
    assert_eq!(n.done(), Vec::<String>::new());
    n.ms += 30;
    n.feed(Input::Tick);
    assert_eq!(n.done(), ["plan"]);
    let pair = n.controller.replica.cib().find_id("status-1-pingd").cloned();
    assert_eq!(pair.as_ref().and_then(|p| p.attr("value")), Some("0"));
}

#[test]
fn orders_of_another_ring_or_of_nobody_are_refused() {
    let mut n = at_rest();
    let order = |seq: u64| Order {
        ring: Some(Ring { seq, representative: 1 }),
        node: 1,
        key: "1:1:0:x".into(),
        resource: "a".into(),
        operation: "start".into(),
        agent: Some(Default::default()),
        ..Order::default()
    };
    let send = |n: &mut Alone, from: u32, body: Body| {
        n.feed(Input::Message { from: NodeId(from), data: wire::encode(body) });
    };
    let before = n.controller.replica().cib().clone();
    send(&mut n, 1, Body::Order(order(7)));
    send(&mut n, 2, Body::Order(order(1)));
    assert_eq!(n.done(), [""; 0]);
    assert_eq!(*n.controller.replica().cib(), before);
    send(&mut n, 1, Body::Order(order(1)));
    assert_eq!(n.done(), ["execute start a"]);
}

#[test]
fn a_new_coordinator_waits_for_what_an_old_one_has_ordered() {
    let mut n = at_rest();
    n.client(1, primitive("a"));
    n.planned(two_starts());
    n.done();
    n.feed(Input::View(View { joined: [].into(), ..view(2) }));
    assert_eq!(n.done(), [""; 0], "the start of a has not ended");
    n.ended(0, 0);
    assert_eq!(n.done(), ["plan"]);
}

#[test]
fn a_broken_disk_refuses_commits_and_says_so() {
    let mut n = at_rest();
    n.client(1, primitive("a"));
    n.done();
    n.feed(Input::Stored(Err("no space left".into())));
    n.client(2, primitive("b"));
    assert_eq!(n.done(), ["refuse 1 NotNow", "refuse 2 NotNow"]);
    assert!(n.controller.state_reply().troubles[0].contains("no space left"));
}

#[test]
fn a_stale_base_and_nonsense_are_refused() {
    let mut n = at_rest();
    let Request::Commit(commit) = primitive("a") else { unreachable!() };
    let base = Some(proto::Version { admin_epoch: 0, epoch: 0, num_updates: 9 });
    n.client(1, Request::Commit(Box::new(proto::CommitRequest { base, ..*commit })));
    let change = Some(proto::commit_request::Change::Configuration("<x/>".into()));
    n.client(2, Request::Commit(Box::new(proto::CommitRequest { change, ..Default::default() })));
    n.client(3, Request::QueryCib { section: "nowhere".into() });
    assert_eq!(n.done(), ["refuse 1 Stale", "refuse 2 Invalid", "refuse 3 NotFound"]);
}

#[test]
fn a_commit_may_bring_another_schema() {
    let mut n = at_rest();
    let configuration = n.controller.replica().cib().child("configuration").unwrap().to_string();
    let change = Some(proto::commit_request::Change::Configuration(configuration));
    let commit = |schema: &str| {
        let (schema, change) = (schema.to_string(), change.clone());
        let request = proto::CommitRequest { schema, change, ..Default::default() };
        Request::Commit(Box::new(request))
    };
    n.client(1, commit("pacemaker-3.99"));
    assert_eq!(n.done(), ["refuse 1 Invalid"]);
    n.client(2, commit("pacemaker-3.2"));
    n.done();
    assert_eq!(n.controller.replica().cib().attr("validate-with"), Some("pacemaker-3.2"));
    n.client(3, commit(""));
    n.done();
    assert_eq!(n.controller.replica().cib().attr("validate-with"), Some("pacemaker-3.2"));
}

#[test]
fn any_bytes_from_the_ring_are_survived() {
    let mut n = at_rest();
    let mut random = 1_u64;
    for _ in 0..5_000 {
        let length = usize::try_from(random % 64).unwrap();
        let mut data = Vec::new();
        for _ in 0..length {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            data.push(random.to_le_bytes()[0]);
        }
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        n.feed(Input::Message { from: NodeId(2), data: data.into() });
    }
    assert!(n.controller.is_in_step());
}
