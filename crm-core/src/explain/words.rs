//! Reports as text for people.

use std::fmt;

use super::{
    ActionReport, Contribution, NodeReport, NodeScore, Origin, PromotionReport, Reason,
    ResourceReport, Source, Verdict,
};

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Cib { id } if self.text.contains(&**id) => f.write_str(&self.text),
            Origin::Cib { id } => write!(f, "{} [{id}]", self.text),
            Origin::Rule { rule } => write!(f, "{} ({rule})", self.text),
            Origin::Operation { .. } | Origin::Node { .. } | Origin::Option { .. } => {
                f.write_str(&self.text)
            }
        }
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.replaces { "=" } else { "+" };
        write!(f, "{sign} {:>9}  {}", self.score.to_string(), self.source)
    }
}

impl fmt::Display for NodeScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.score)?;
        if let Some(reason) = self.unavailable {
            write!(f, " (not available: {reason})")?;
        }
        for step in &self.contributions {
            write!(f, "\n  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PromotionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or("none");
        write!(f, "promotion on {node}: {}", self.score)?;
        for step in &self.own {
            write!(f, "\n  {step}")?;
        }
        if !self.shared.is_empty() {
            write!(f, "\n  together with what the clone has there:")?;
        }
        for step in &self.shared {
            write!(f, "\n  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::BestScore => "it has the best score there",
            Verdict::AmongEquals => {
                "several nodes are equally good; it stays where it is active, else the node with \
                 fewer resources is taken, else the first by name"
            }
            Verdict::NotManaged => "it is not managed and is left where it is",
            Verdict::NextRoleStopped => "it is to be stopped",
            Verdict::StopAll => "stop-all-resources is set",
            Verdict::NoUsableNode => "no available node may run it",
            Verdict::SeeParts => "its parts are placed one by one",
        })
    }
}

/// Writes every line of a part, indented.
fn indented(f: &mut fmt::Formatter<'_>, part: &impl fmt::Display) -> fmt::Result {
    part.to_string().lines().try_for_each(|line| write!(f, "\n  {line}"))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::Cib { id }) if !self.text.contains(&**id) => {
                write!(f, "{} [{id}]", self.text)
            }
            Some(Origin::Operation { id, .. }) => write!(f, "{} [{id}]", self.text),
            _ => f.write_str(&self.text),
        }
    }
}

/// A chain, each reason on a line of its own.
fn because(f: &mut fmt::Formatter<'_>, indent: &str, reasons: &[Reason]) -> fmt::Result {
    reasons.iter().try_for_each(|reason| write!(f, "\n{indent}because {reason}"))
}

/// Actions, those with one cause together.
fn actions(f: &mut fmt::Formatter<'_>, list: &[ActionReport]) -> fmt::Result {
    let mut rest = list;
    while let Some(first) = rest.first() {
        let same = rest
            .iter()
            .position(|a| a.because != first.because || a.held != first.held)
            .unwrap_or(rest.len());
        let (group, others) = rest.split_at(same);
        let names: Vec<&str> = group.iter().map(|a| a.action.as_str()).collect();
        let head = if first.held { "cannot be done now" } else { "to be done" };
        write!(f, "\n  {head}: {}", names.join(", "))?;
        because(f, "    ", &first.because)?;
        rest = others;
    }
    Ok(())
}

impl fmt::Display for ActionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.action)?;
        if self.held {
            f.write_str(" cannot be done now")?;
        }
        because(f, "  ", &self.because)
    }
}

impl fmt::Display for ResourceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.resource;
        match &self.assigned {
            Some(node) if !self.held.is_empty() => {
                write!(f, "{name} is to run on {node} and cannot start there now")?;
            }
            Some(node) if self.active.contains(node) => {
                write!(f, "{name} runs on {node}: {}", self.verdict)?;
            }
            Some(node) => write!(f, "{name} will run on {node}: {}", self.verdict)?,
            None if self.verdict == Verdict::SeeParts => write!(f, "{name}: {}", self.verdict)?,
            None => write!(f, "{name} does not run: {}", self.verdict)?,
        }
        let reasons = if self.held.is_empty() { &self.because } else { &self.held };
        because(f, "  ", reasons)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  what would help: {remedy}")?;
        }
        for obstacle in &self.obstacles {
            write!(f, "\n  not on {}", obstacle.node)?;
            because(f, "    ", &obstacle.because)?;
            if let Some(remedy) = &obstacle.remedy {
                write!(f, "\n    what would help: {remedy}")?;
            }
        }
        actions(f, &self.actions)?;
        for score in &self.scores {
            indented(f, score)?;
        }
        if let Some(promotion) = &self.promotion {
            indented(f, promotion)?;
        }
        for part in &self.parts {
            indented(f, part)?;
        }
        Ok(())
    }
}

impl fmt::Display for NodeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.node, if self.online { "online" } else { "offline" })?;
        if let Some(reason) = self.unavailable {
            write!(f, "\n  it takes no resources: {reason}")?;
        }
        because(f, "    ", &self.because)?;
        if let Some(fencing) = &self.fencing {
            let state = if fencing.possible { "it will be fenced" } else { "it cannot be fenced" };
            write!(f, "\n  {state}")?;
            if fencing.because != self.because {
                because(f, "    ", &fencing.because)?;
            }
            for waits in &fencing.waits_for {
                write!(f, "\n    it waits: {waits}")?;
            }
        }
        actions(f, &self.actions)?;
        let list = |ids: &[std::sync::Arc<str>]| ids.join(" ");
        if !self.active.is_empty() {
            write!(f, "\n  active: {}", list(&self.active))?;
        }
        if !self.assigned.is_empty() {
            write!(f, "\n  will run: {}", list(&self.assigned))?;
        }
        Ok(())
    }
}
