//! A CIB in a file.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crm_core::cib::attributes::{AttributeChange, set_attribute};
use crm_core::cib::schema::validate;
use crm_core::cib::tickets::{TicketChange, change_ticket};
use crm_core::cib::{Element, Version, parse};
use crm_messaging::proto;

use super::{Access, AccessError, Result};

/// A CIB that lives in a file. Each change replaces the file whole, or not at all.
pub struct FileAccess {
    path: PathBuf,
}

impl FileAccess {
    /// Nothing is read before the first request.
    pub fn new(path: PathBuf) -> FileAccess {
        FileAccess { path }
    }

    /// Writes `cib` in place of `before`: as the daemon would, with a new epoch if the
    /// configuration differs, and not at all if nothing does.
    fn store(&self, before: &Element, mut cib: Element) -> Result<()> {
        if cib == *before {
            return Ok(());
        }
        refuse_invalid(before, &cib)?;
        let bare = |e: &Element| {
            let mut e = e.clone();
            e.nodes_mut().clear();
            e
        };
        let configured = cib.child("configuration") != before.child("configuration")
            || bare(&cib) != bare(before);
        let version = Version::of(&cib);
        let next = if configured { version.next_epoch() } else { version.next_update() };
        next.write(&mut cib);
        self.write(&cib)
    }

    fn write(&self, cib: &Element) -> Result<()> {
        replace(&self.path, cib.to_pretty().as_bytes())
            .map_err(|source| AccessError::File { path: self.path.clone(), source })
    }
}

/// A valid document stays valid. One that is not may be mended in steps.
fn refuse_invalid(before: &Element, after: &Element) -> Result<()> {
    let wrong = match validate(after) {
        Ok(violations) => violations.iter().map(ToString::to_string).collect(),
        Err(name) => vec![format!("there is no schema '{name}'")],
    };
    let was_valid = || validate(before).is_ok_and(|v| v.is_empty());
    if wrong.is_empty() || !was_valid() {
        return Ok(());
    }
    Err(AccessError::Invalid(format!(
        "Update does not conform to the configured schema\n{}",
        wrong.join("\n")
    )))
}

/// Writes beside the target and renames over it, keeping the target's permissions.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".crm-").tempfile_in(directory)?;
    file.write_all(content)?;
    match std::fs::metadata(&target) {
        Ok(old) => file.as_file().set_permissions(old.permissions())?,
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|e| e.error)?;
    Ok(())
}

impl Access for FileAccess {
    fn is_live(&self) -> bool {
        false
    }

    fn cib(&mut self) -> Result<Element> {
        let text = std::fs::read_to_string(&self.path)
            .map_err(|source| AccessError::File { path: self.path.clone(), source })?;
        parse(&text).map_err(|source| AccessError::Malformed { path: self.path.clone(), source })
    }

    fn commit(&mut self, base: &Element, configuration: &Element, _command: &str) -> Result<()> {
        let mut current = self.cib()?;
        let before = current.clone();
        if current.child("configuration") != base.child("configuration") {
            return Err(AccessError::Stale(format!(
                "{} is not what was read",
                self.path.display()
            )));
        }
        for name in ["validate-with", "crm_feature_set"] {
            if let Some(value) = base.attr(name) {
                current.set_attr(name, value);
            }
        }
        *current.child_or_insert("configuration") = configuration.clone();
        self.store(&before, current)
    }

    fn bump(&mut self) -> Result<()> {
        let mut cib = self.cib()?;
        Version::of(&cib).next_epoch().write(&mut cib);
        self.write(&cib)
    }

    fn update_attribute(&mut self, update: &proto::AttributeUpdate) -> Result<()> {
        if update.delay_only {
            // Nothing waits in a file.
            return Ok(());
        }
        let mut cib = self.cib()?;
        let before = cib.clone();
        let change = AttributeChange {
            node: &update.node,
            name: &update.name,
            value: update.value.as_deref(),
            delta: update.delta,
            transient: update.transient,
            set: &update.set,
        };
        if !set_attribute(&mut cib, &change) {
            return Err(AccessError::NotFound(format!("node '{}' is not known", update.node)));
        }
        self.store(&before, cib)
    }

    fn update_ticket(&mut self, update: &proto::TicketUpdate) -> Result<()> {
        let mut cib = self.cib()?;
        let before = cib.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let change = TicketChange {
            ticket: &update.ticket,
            set: update.set.iter().map(|(n, v)| (&**n, &**v)).collect(),
            unset: update.unset.iter().map(String::as_str).collect(),
            forget: update.forget,
            now: i64::try_from(now).unwrap_or(i64::MAX),
        };
        change_ticket(&mut cib, &change);
        self.store(&before, cib)
    }

    fn cleanup(&mut self, request: &proto::CleanupRequest) -> Result<Vec<String>> {
        let mut cib = self.cib()?;
        let before = cib.clone();
        let cleaned = cib.child_mut("status").map_or_else(Vec::new, |s| drop_history(s, request));
        self.store(&before, cib)?;
        Ok(cleaned)
    }

    fn fail(&mut self, _request: &proto::FailRequest) -> Result<()> {
        Err(AccessError::NeedsCluster("recording a failure"))
    }

    fn update_secret(&mut self, _update: &proto::SecretUpdate) -> Result<()> {
        Err(AccessError::NeedsCluster("secrets"))
    }

    fn fence(&mut self, _request: &proto::FenceRequest) -> Result<String> {
        Err(AccessError::NeedsCluster("fencing"))
    }

    fn state(&mut self, _wait: Option<Duration>) -> Result<proto::StateReply> {
        Err(AccessError::NeedsCluster("asking for the state of the daemon"))
    }

    fn events(&mut self, _query: &proto::EventQuery) -> Result<Vec<proto::Event>> {
        Err(AccessError::NeedsCluster("what has happened"))
    }

    fn inputs(&mut self) -> Result<proto::InputList> {
        Err(AccessError::NeedsCluster("the list of past transitions"))
    }

    fn input(&mut self, _name: &str) -> Result<Element> {
        Err(AccessError::NeedsCluster("a past transition"))
    }

    fn read_file(&mut self, _query: &proto::FileQuery) -> Result<Vec<proto::FileCopy>> {
        Err(AccessError::NeedsCluster("comparing files of nodes"))
    }

    fn reload(&mut self, _request: &proto::ReloadRequest) -> Result<Vec<proto::NodeReload>> {
        Err(AccessError::NeedsCluster("reading cluster.conf again"))
    }

    fn shutdown(&mut self, _back_within: Option<Duration>) -> Result<()> {
        Err(AccessError::NeedsCluster("stopping the daemon"))
    }
}

fn drop_history(status: &mut Element, request: &proto::CleanupRequest) -> Vec<String> {
    let wanted = |asked: &str, is: &str| asked.is_empty() || asked == is;
    let mut cleaned = Vec::new();
    for state in status.children_mut() {
        let node = state.attr("uname").unwrap_or_default().to_string();
        if !wanted(&request.node, &node) {
            continue;
        }
        let Some(resources) = state.child_mut("lrm").and_then(|lrm| lrm.child_mut("lrm_resources"))
        else {
            continue;
        };
        let base = |id: &str| id.split(':').next().unwrap_or(id).to_string();
        let drop = |r: &Element| {
            let id = r.id().unwrap_or_default();
            (wanted(&request.resource, id) || wanted(&request.resource, &base(id)))
                && (!request.failed_only
                    || r.children().any(|op| op.id().is_some_and(|i| i.contains("_last_failure_"))))
        };
        cleaned.extend(
            resources
                .children()
                .filter(|r| drop(r))
                .map(|r| format!("{} on {node}", r.id().unwrap_or_default())),
        );
        resources.retain(|r| !drop(r));
        if let Some(transient) = state.child_mut("transient_attributes") {
            for set in transient.children_mut() {
                set.retain(|pair| {
                    let name = pair.attr("name").unwrap_or_default();
                    let count =
                        name.strip_prefix("fail-count-").or(name.strip_prefix("last-failure-"));
                    !count.is_some_and(|c| {
                        wanted(&request.resource, c.split('#').next().unwrap_or(c))
                    })
                });
            }
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_on_a_changed_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cib.xml");
        let text = "<cib epoch='3'><configuration/><status/></cib>";
        std::fs::write(&path, text).unwrap();
        let mut access = FileAccess::new(path.clone());
        let base = access.cib().unwrap();
        let new = Element::new("configuration").with_child(Element::new("resources"));
        access.commit(&base, &new, "test").unwrap();
        assert_eq!(access.cib().unwrap().attr("epoch"), Some("4"));
        let stale = access.commit(&base, &Element::new("configuration"), "test");
        assert!(matches!(stale, Err(AccessError::Stale(_))));
        assert!(access.cib().unwrap().at(&["configuration", "resources"]).is_some());
    }
}
