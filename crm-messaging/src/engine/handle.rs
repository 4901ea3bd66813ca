//! The way from the layer above to the ring's thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::Notify;

use super::{MAX_MESSAGE, Stats};
use crate::group::{NodeId, SendError};
use crate::totem::Timing;

/// Bytes and messages that may wait to be ordered.
const MAX_QUEUED_BYTES: usize = MAX_MESSAGE + (32 << 20);
const MAX_QUEUED: usize = 65_536;

/// What the layer above asks for, beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Leave,
    DeclareDead(NodeId),
    SetTiming(Timing),
}

#[derive(Debug, Default)]
struct Inbox {
    messages: VecDeque<Bytes>,
    commands: Vec<Command>,
    /// Of `messages`, and of those the thread has taken but not ordered yet.
    bytes: usize,
    count: usize,
    /// No message is accepted after a leave.
    leaving: bool,
    stopped: bool,
    /// The highest ring number that the disk has stored a reservation up to.
    stored: Option<u64>,
    failure: Option<String>,
}

/// What both sides see.
#[derive(Debug)]
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    wake: EventFd,
    space: Notify,
    stats: Mutex<Stats>,
    /// Weight of the events that the layer above has not taken yet.
    pub(super) untaken: AtomicUsize,
}

/// What the thread finds in its inbox.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) messages: VecDeque<Bytes>,
    pub(super) commands: Vec<Command>,
    pub(super) stopped: bool,
    pub(super) stored: Option<u64>,
    pub(super) failure: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section here leaves its data whole, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new() -> std::io::Result<Shared> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Shared {
            inbox: Mutex::default(),
            wake: EventFd::from_value_and_flags(0, flags)?,
            space: Notify::new(),
            stats: Mutex::default(),
            untaken: AtomicUsize::new(0),
        })
    }

    /// Becomes readable when there is work.
    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Ends the thread at its next turn.
    pub(super) fn stop(&self) {
        lock(&self.inbox).stopped = true;
        self.space.notify_waiters();
        self.wake();
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the thread is awake already.
        let _ = self.wake.write(1);
    }

    /// Takes everything that waits.
    pub(super) fn take(&self) -> Work {
        let _ = self.wake.read();
        let mut inbox = lock(&self.inbox);
        Work {
            messages: std::mem::take(&mut inbox.messages),
            commands: std::mem::take(&mut inbox.commands),
            stopped: inbox.stopped,
            stored: inbox.stored.take(),
            failure: inbox.failure.take(),
        }
    }

    /// The disk holds a reservation.
    pub(super) fn stored(&self, upto: u64) {
        lock(&self.inbox).stored = Some(upto);
        self.wake();
    }

    /// Something that the ring cannot live without has failed.
    pub(super) fn failed(&self, why: String) {
        lock(&self.inbox).failure = Some(why);
        self.wake();
    }

    /// Messages were ordered: there is room for others.
    pub(super) fn ordered(&self, messages: usize, bytes: usize) {
        let mut inbox = lock(&self.inbox);
        inbox.count = inbox.count.saturating_sub(messages);
        inbox.bytes = inbox.bytes.saturating_sub(bytes);
        drop(inbox);
        self.space.notify_waiters();
    }

    pub(super) fn update_stats(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut lock(&self.stats));
    }

    pub(super) fn events_waiting(&self) -> usize {
        self.untaken.load(Ordering::Relaxed)
    }
}

/// What goes into the ring. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// Queues a message to every member, this one included; it comes back as an event in the
    /// order that all share. A message that waits while the membership changes is ordered in a
    /// later view; it is lost only if this node stops.
    ///
    /// # Errors
    /// Nothing was queued: see [`SendError`].
    pub fn multicast(&self, data: Bytes) -> Result<(), SendError> {
        if data.len() > MAX_MESSAGE {
            return Err(SendError::TooLarge);
        }
        let mut inbox = lock(&self.shared.inbox);
        if inbox.stopped || inbox.leaving {
            return Err(SendError::Stopped);
        }
        if inbox.count >= MAX_QUEUED || inbox.bytes + data.len() > MAX_QUEUED_BYTES {
            return Err(SendError::Full);
        }
        inbox.count += 1;
        inbox.bytes += data.len();
        // Whoever puts the first message in wakes the thread; it takes all at once.
        let first = inbox.messages.is_empty();
        inbox.messages.push_back(data);
        drop(inbox);
        if first {
            self.shared.wake();
        }
        Ok(())
    }

    /// As [`Handle::multicast`], waiting while the queue is full.
    ///
    /// # Errors
    /// Nothing was queued: [`SendError::TooLarge`] or [`SendError::Stopped`].
    pub async fn send(&self, data: Bytes) -> Result<(), SendError> {
        loop {
            let space = self.shared.space.notified();
            let mut space = std::pin::pin!(space);
            // Registered before the attempt, so that room made in between is not missed.
            space.as_mut().enable();
            match self.multicast(data.clone()) {
                Err(SendError::Full) => space.await,
                outcome => return outcome,
            }
        }
    }

    /// Leaves the ring after everything queued before was ordered: the others see this node as
    /// [`Left`](crate::group::Departure::Left), and [`Events`](super::Events) ends.
    pub fn leave(&self) {
        self.command(Command::Leave);
    }

    /// Says that a node is certainly off (its fencing was confirmed): it leaves the ring after a
    /// few missed probes, without the usual wait. Ignored if it is heard after this.
    pub fn declare_dead(&self, node: NodeId) {
        self.command(Command::DeclareDead(node));
    }

    /// Takes other times while the ring goes on; the other nodes are to do the same within a few
    /// seconds (see [`Ring::set_timing`](crate::totem::Ring::set_timing)).
    pub fn set_timing(&self, timing: Timing) {
        self.command(Command::SetTiming(timing));
    }

    fn command(&self, command: Command) {
        let mut inbox = lock(&self.shared.inbox);
        inbox.leaving |= command == Command::Leave;
        // A repeated order adds nothing: the list is as long as there are nodes.
        if !inbox.commands.contains(&command) {
            inbox.commands.push(command);
        }
        drop(inbox);
        self.shared.wake();
    }

    /// What the ring has counted so far.
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }
}
