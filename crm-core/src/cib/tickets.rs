//! Tickets in the document: `status/tickets/ticket_state`, where the sites' arbitrator leaves them.

use super::Element;

/// One change of one ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketChange<'a> {
    /// The ticket's id.
    pub ticket: &'a str,
    /// Attributes and their new values.
    pub set: Vec<(&'a str, &'a str)>,
    /// Attributes that go.
    pub unset: Vec<&'a str>,
    /// Everything about the ticket is forgotten.
    pub forget: bool,
    /// When it is changed, in seconds of the epoch.
    pub now: i64,
}

/// What is known of a ticket.
pub fn ticket_state<'a>(cib: &'a Element, id: &str) -> Option<&'a Element> {
    cib.at(&["status", "tickets"])?.children_named("ticket_state").find(|t| t.id() == Some(id))
}

/// Makes a change in a `cib` element.
///
/// A ticket that is granted and was not gets `last-granted`. A ticket that is not known is made
/// by setting something, as `crm_ticket` of Pacemaker 2.1 does. Nothing is changed, not even an
/// empty element made, where there is nothing to forget or to unset.
pub fn change_ticket(cib: &mut Element, change: &TicketChange<'_>) {
    let known = ticket_state(cib, change.ticket).is_some();
    let is = |t: &Element| t.name() == "ticket_state" && t.id() == Some(change.ticket);
    if !known && change.set.is_empty() {
        return;
    }
    let tickets = cib.child_or_insert("status").child_or_insert("tickets");
    if change.forget {
        tickets.retain(|t| !is(t));
        return;
    }
    if !known {
        tickets.push(Element::new("ticket_state").with("id", change.ticket));
    }
    let Some(state) = tickets.find_child_mut(is) else { return };
    let was_granted = state.attr("granted") == Some("true");
    for (name, value) in &change.set {
        state.set_attr(name, value);
    }
    for name in &change.unset {
        state.remove_attr(name);
    }
    if !was_granted && state.attr("granted") == Some("true") {
        state.set_attr("last-granted", change.now.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    #[test]
    fn a_grant_is_dated_once() {
        let mut cib = parse("<cib><configuration/><status/></cib>").unwrap();
        let grant = TicketChange {
            ticket: "a",
            set: vec![("granted", "true")],
            now: 7,
            ..Default::default()
        };
        change_ticket(&mut cib, &grant);
        change_ticket(&mut cib, &TicketChange { now: 9, ..grant });
        assert_eq!(ticket_state(&cib, "a").unwrap().attr("last-granted"), Some("7"));
        let forget = TicketChange { ticket: "a", forget: true, ..Default::default() };
        change_ticket(&mut cib, &forget);
        assert_eq!(ticket_state(&cib, "a"), None);
        let before = cib.clone();
        change_ticket(
            &mut cib,
            &TicketChange { ticket: "b", unset: vec!["x"], ..Default::default() },
        );
        assert_eq!(cib, before);
    }
}
