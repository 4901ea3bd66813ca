//! Bundles (section 20).

use crate::Score;
use crate::scheduler::model::{Cause, NodeIx, Replica, RscIx};

use super::Placement;
use super::criteria::threshold_reached;
use super::implicit::colocate;
use super::instances::Limits;

impl Placement<'_> {
    /// Assigns containers, then addresses, connections and the inside of each replica (P-132).
    /// Every request repeats all of it, also one made while it is in progress; what is decided or
    /// in progress stays (P-133).
    pub(super) fn assign_bundle(
        &mut self,
        bundle: RscIx,
        preferred: Option<NodeIx>,
    ) -> Option<NodeIx> {
        let data = self.c[bundle].bundle_data()?;
        let (replicas, inner) = (data.replicas.clone(), data.clone);
        let max = u32::try_from(replicas.len()).unwrap_or(u32::MAX);
        let limits = Limits { max, per_node: data.per_host };
        self.c[bundle].in_progress = true;
        self.show_scores("pcmk__bundle_allocate", bundle, true);
        let mut containers: Vec<RscIx> = replicas.iter().map(|r| r.container).collect();
        self.sort_instances(&mut containers);
        self.distribute(bundle, &containers, limits);
        for replica in &replicas {
            self.assign_replica(replica, preferred);
        }
        if let Some(inner) = inner {
            let nodes: Vec<NodeIx> = replicas.iter().filter_map(|r| r.node).collect();
            self.restrict_inner_clone(inner, &nodes);
            self.assign(inner, preferred);
        }
        self.c[bundle].in_progress = false;
        self.c[bundle].decided = true;
        None
    }

    fn assign_replica(&mut self, replica: &Replica, preferred: Option<NodeIx>) {
        if let Some(ip) = replica.ip {
            self.assign(ip, preferred);
        }
        let host = self.c[replica.container].assigned;
        if let Some(connection) = replica.connection {
            let through =
                host.filter(|&h| self.c[h].is_remote()).and_then(|h| self.c[h].connection);
            if let Some(through) = through {
                let pair = (connection, through);
                colocate(self.c, ("connection-with-host", "P-132"), Score::INFINITY, pair, true);
            }
            self.assign(connection, preferred);
        }
        if let Some(child) = replica.child {
            self.assign_inside(child, replica.node);
        }
    }

    /// The inner instance runs on the bundle node of its replica, unless it failed too often.
    fn assign_inside(&mut self, child: RscIx, own: Option<NodeIx>) {
        let nodes: Vec<NodeIx> = self.c[child].allowed.iter().map(|(n, _)| n).collect();
        for node in nodes {
            if Some(node) != own {
                let table = &mut self.c[child].allowed;
                table.set(node, Score::MINUS_INFINITY, Cause::Container);
            } else if !threshold_reached(self.c, child, node) {
                self.c[child].allowed.set(node, Score::INFINITY, Cause::Container);
            }
        }
        let Some(parent) = self.c[child].parent else { return };
        self.c[parent].in_progress = true;
        self.assign(child, own);
        self.c[parent].in_progress = false;
    }

    /// The inner clone runs on the bundle's nodes only (P-132 step 5).
    fn restrict_inner_clone(&mut self, inner: RscIx, own: &[NodeIx]) {
        let nodes: Vec<NodeIx> = self.c[inner].allowed.iter().map(|(n, _)| n).collect();
        for node in nodes {
            let score = if own.contains(&node) { Score::ZERO } else { Score::MINUS_INFINITY };
            self.c[inner].allowed.set(node, score, Cause::Container);
        }
    }
}
