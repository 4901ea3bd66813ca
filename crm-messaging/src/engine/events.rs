//! The way from the ring's thread to the layer above.
//!
//! The channel itself has no bound, because the thread may not wait; the bytes in it are counted,
//! and the ring stops ordering new messages while a member has too many.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::handle::Shared;
use crate::group::Event;

/// What the ring delivers, in order. Ends when the ring has stopped.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::UnboundedReceiver<Event>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct EventSender {
    sender: mpsc::UnboundedSender<Event>,
    shared: Arc<Shared>,
}

pub(super) fn channel(shared: Arc<Shared>) -> (EventSender, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (EventSender { sender, shared: Arc::clone(&shared) }, Events { receiver, shared })
}

/// What an event counts for: its bytes and the cost of keeping it.
fn weight(event: &Event) -> usize {
    match event {
        Event::Message { data, .. } => data.len() + 64,
        Event::View(_) | Event::Failed(_) => 64,
    }
}

impl EventSender {
    /// Hands an event over; `false`: nobody takes events any more.
    pub(super) fn send(&self, event: Event) -> bool {
        self.shared.untaken.fetch_add(weight(&event), Ordering::Relaxed);
        self.sender.send(event).is_ok()
    }
}

impl Events {
    /// The next event; `None` after the ring has stopped. Nothing is lost if this is cancelled.
    pub async fn recv(&mut self) -> Option<Event> {
        let event = self.receiver.recv().await;
        self.taken(event)
    }

    /// The next event, if there is one already.
    pub fn try_recv(&mut self) -> Option<Event> {
        let event = self.receiver.try_recv().ok();
        self.taken(event)
    }

    /// Waits for the next event outside of an asynchronous program.
    pub fn blocking_recv(&mut self) -> Option<Event> {
        let event = self.receiver.blocking_recv();
        self.taken(event)
    }

    fn taken(&self, event: Option<Event>) -> Option<Event> {
        if let Some(event) = &event {
            self.shared.untaken.fetch_sub(weight(event), Ordering::Relaxed);
        }
        event
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Nobody can act on what the ring says: a member that only looks alive would harm.
        self.shared.stop();
    }
}
