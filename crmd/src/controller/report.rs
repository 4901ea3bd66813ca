//! What the controller says about itself.

use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::Result as OpResult;
use crm_messaging::proto::{Member, StateReply, Version as WireVersion};

use super::Controller;
use super::membership::Phase;
use super::status::{self, Standing, property, property_is_on};

/// How an operation ended, in a few words.
pub(super) fn outcome_word(result: &OpResult) -> String {
    match result.status {
        1 => "cancelled".into(),
        2 => "timed out".into(),
        3 => "not supported".into(),
        7 => "not installed".into(),
        0 | 4 => match result.rc {
            0 => "ok".into(),
            7 => "not running".into(),
            8 => "promoted".into(),
            rc => format!("failed with {rc}"),
        },
        other => format!("error {other}"),
    }
}

impl Controller {
    /// Membership, coordinator, and what the controller is doing.
    pub(super) fn state_reply(&self) -> StateReply {
        let version = self.replica.version();
        let view = self.view.as_ref();
        let members = self
            .settings
            .nodes
            .iter()
            .map(|(&id, name)| {
                let online = view.is_some_and(|v| v.members.contains(&id));
                let standing = status::standing(self.replica.cib(), id);
                let pending = online && !(self.is_in_step() && standing == Some(Standing::Member));
                Member { id: id.0, name: name.clone(), online, pending }
            })
            .collect();
        let controller = self.state_word().to_string();
        StateReply {
            cluster_name: self.settings.cluster_name.clone(),
            local_node: self.name_of(self.settings.local),
            dc: self.coordinator.map(|c| self.name_of(c)).unwrap_or_default(),
            quorate: view.is_some_and(|v| v.quorate),
            members,
            dc_controller: if self.is_coordinator() { controller.clone() } else { String::new() },
            controller,
            idle: self.is_idle(),
            version: Some(WireVersion {
                admin_epoch: version.admin_epoch,
                epoch: version.epoch,
                num_updates: version.num_updates,
            }),
            troubles: self.troubles(),
            ring_seq: self.ring().seq,
            daemon_version: self.settings.version.clone(),
            incarnation: self.settings.incarnation.clone(),
        }
    }

    fn state_word(&self) -> &'static str {
        match (&self.phase, &self.duty) {
            (Phase::Waiting, _) => "S_STARTING",
            (Phase::Hellos(_) | Phase::Exchange(_), _) => "S_PENDING",
            (Phase::Refused, _) => "S_PENDING",
            (Phase::InStep, Some(_)) if self.is_idle() => "S_IDLE",
            (Phase::InStep, Some(duty)) => {
                match duty.state(self.is_held(), self.has_pending()) {
                    // Not idle for another reason: a fencing job.
                    "S_IDLE" => "S_TRANSITION_ENGINE",
                    state => state,
                }
            }
            (Phase::InStep, None) if self.coordinator.is_none() => "S_ELECTION",
            (Phase::InStep, None) => "S_NOT_DC",
        }
    }

    /// Why the cluster cannot act as it should, in words.
    fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        let cib = self.replica.cib();
        if matches!(self.phase, Phase::Refused) {
            troubles.push(
                "this node's configuration has a history that the cluster does not share: it takes \
                 no part. Save /var/lib/crm, remove its cib directory and start the daemon again"
                    .into(),
            );
        }
        for &node in &self.refused {
            if node != self.settings.local {
                let name = self.name_of(node);
                troubles.push(format!("{name} takes no part: its configuration has forked"));
            }
        }
        if let Some(view) = self.view.as_ref().filter(|v| !v.quorate) {
            troubles.push(format!("no quorum: {} of {} votes", view.votes, view.expected_votes));
        }
        if let Some(error) = &self.storage_error {
            troubles.push(format!("the disk of this node does not take commits: {error}"));
        }
        if self.lease_overrun {
            troubles.push("agents had to be killed at the end of the lease".into());
        }
        let fencing = property_is_on(cib, "stonith-enabled", true);
        if !fencing && property(cib, "no-quorum-policy") == Some("ignore") {
            troubles.push(
                "stonith-enabled=false with no-quorum-policy=ignore: nothing prevents a service \
                 from running twice"
                    .into(),
            );
        }
        for (&node, name) in &self.settings.nodes {
            let trouble = status::node_state(cib, node).and_then(|s| s.attr("fence-trouble"));
            if let Some(trouble) = trouble {
                troubles.push(format!("{name} cannot be fenced: {trouble}"));
            }
            match status::standing(cib, node) {
                Some(Standing::Leased) => {
                    troubles.push(format!("{name} is lost: waiting for the end of its lease"));
                }
                Some(Standing::Away) => {
                    troubles.push(format!(
                        "the daemon of {name} restarts: its services go on unwatched"
                    ));
                }
                Some(Standing::Lost) if fencing && trouble.is_none() && self.quorate => {
                    troubles.push(format!("{name} is lost and not yet fenced"));
                }
                Some(Standing::Lost) if !self.quorate && fencing => {
                    troubles.push(format!("{name} is lost, and without quorum it is not fenced"));
                }
                _ => {}
            }
        }
        if self.is_held() && self.duty.is_some() {
            let members = self.view.as_ref().map(|v| v.members.clone()).unwrap_or_default();
            let missing = |(id, _): &(&NodeId, &String)| !members.contains(id);
            let names: Vec<_> =
                self.settings.nodes.iter().filter(missing).map(|(_, n)| n.as_str()).collect();
            if !names.is_empty() {
                troubles.push(format!("waiting a moment for {}", names.join(", ")));
            }
        }
        if let Some(duty) = &self.duty {
            troubles.extend(duty.jobs.under_way());
            troubles.extend(duty.trouble.clone());
        }
        troubles
    }
}
