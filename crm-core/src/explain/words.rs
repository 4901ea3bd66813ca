//! Reports as text for people.

use std::fmt;

use super::{
    Contribution, NodeReport, NodeScore, Origin, PromotionReport, ResourceReport, Source, Verdict,
};

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Cib { id } if self.text.contains(&**id) => f.write_str(&self.text),
            Origin::Cib { id } => write!(f, "{} [{id}]", self.text),
            Origin::Rule { rule } => write!(f, "{} ({rule})", self.text),
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

impl fmt::Display for ResourceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.assigned {
            Some(node) => write!(f, "{} runs on {node}: {}", self.resource, self.verdict)?,
            None if self.verdict == Verdict::SeeParts => {
                write!(f, "{}: {}", self.resource, self.verdict)?;
            }
            None => write!(f, "{} does not run: {}", self.resource, self.verdict)?,
        }
        for obstacle in &self.obstacles {
            write!(f, "\n  not on {}: {}", obstacle.node, obstacle.reason)?;
            if let Some(remedy) = obstacle.remedy {
                write!(f, "; {remedy}")?;
            }
        }
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
        if let Some(reason) = &self.fencing {
            write!(f, "\n  it has to be fenced: {reason}")?;
        }
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
