//! The ring's thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::events::EventSender;
use super::handle::{Command, Shared};
use super::{EngineConfig, StartError};
use crate::group::{Event, NodeId, RingId, View};

pub(super) struct Driver {
    local: NodeId,
    votes: u32,
    expected_votes: u32,
    shared: Arc<Shared>,
    events: EventSender,
}

impl Driver {
    pub(super) fn new(
        config: EngineConfig,
        shared: Arc<Shared>,
        events: EventSender,
    ) -> Result<Driver, StartError> {
        let votes = config.nodes.iter().find(|n| n.id == config.local).map_or(0, |n| n.votes);
        let expected_votes = config.quorum.expected_votes;
        Ok(Driver { local: config.local, votes, expected_votes, shared, events })
    }

    pub(super) fn run(self) {
        let members = BTreeSet::from([self.local]);
        self.events.send(Event::View(View {
            ring: RingId { seq: 1, representative: self.local },
            joined: members.clone(),
            members,
            departed: Vec::new(),
            quorate: self.votes > self.expected_votes / 2,
            votes: self.votes,
            expected_votes: self.expected_votes,
        }));
        loop {
            let mut fds = [PollFd::new(self.shared.wake_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::NONE);
            let work = self.shared.take();
            if work.stopped {
                return;
            }
            for data in work.messages {
                self.shared.ordered(1, data.len());
                self.events.send(Event::Message { from: self.local, data });
            }
            if work.commands.contains(&Command::Leave) {
                self.shared.stop();
                return;
            }
        }
    }
}
