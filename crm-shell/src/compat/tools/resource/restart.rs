//! `--wait` and `--restart`.

use std::time::{Duration, Instant};

use crm_core::cib::Element;

use super::super::super::exit::Exit;
use super::super::{Done, Failure, Run, cluster, milliseconds};
use super::show::{active, performing};
use super::{NAME, asked, edit, resource};

/// How long to wait where nothing is said.
const PATIENCE: Duration = Duration::from_secs(3600);

fn patience(run: &Run<'_>) -> Duration {
    run.options.last("timeout").and_then(milliseconds).map_or(PATIENCE, Duration::from_millis)
}

/// `--wait`: until the cluster has nothing to do.
pub(super) fn wait(run: &mut Run<'_>) -> Done {
    let limit = patience(run);
    run.access.state(Some(limit))?;
    Ok(Exit::OK)
}

/// `--restart`: stopped by its target role, then as before. If it does not stop in time its
/// target role is put back all the same.
pub(super) fn restart(run: &mut Run<'_>) -> Done {
    let deadline = Instant::now() + patience(run);
    let cib = run.access.cib()?;
    let (cluster, rsc, element) = asked(run, &cib)?;
    let name = resource(run)?;
    let before = active(&cluster, &name);
    if before.is_empty() {
        run.out.error(&format!("{name} is not running anywhere and so cannot be restarted"));
        return Err(performing(Exit::NO_SUCH));
    }
    if !cluster[rsc].managed {
        run.out.error(&format!("Unmanaged resources cannot be restarted: {name}"));
        return Err(performing(Exit::ERROR));
    }
    let original = element.clone();
    let id = original.id().unwrap_or_default().to_string();
    let stop = |configuration: &mut Element| {
        let found = configuration.child_mut("resources").and_then(|r| r.find_id_mut(&id));
        let found = found.ok_or_else(|| performing(Exit::NO_SUCH))?;
        put_role(found, &id, "Stopped");
        Ok(())
    };
    edit(run, stop, &format!("{NAME} --restart -r {name}: stop"))?;
    let stopped = settle(run, deadline).and_then(|()| {
        let left = active(&self::cluster(&run.access.cib()?), &name);
        if left.is_empty() { Ok(()) } else { Err(performing(Exit(124))) }
    });
    let start = |configuration: &mut Element| {
        let found = configuration.child_mut("resources").and_then(|r| r.find_id_mut(&id));
        *found.ok_or_else(|| performing(Exit::NO_SUCH))? = original.clone();
        Ok(())
    };
    edit(run, start, &format!("{NAME} --restart -r {name}: start"))?;
    stopped?;
    settle(run, deadline)?;
    let after = active(&self::cluster(&run.access.cib()?), &name);
    if after.is_empty() { Err(performing(Exit::ERROR)) } else { Ok(Exit::OK) }
}

/// Waits until nothing is due any more.
fn settle(run: &mut Run<'_>, deadline: Instant) -> Result<(), Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    run.access.state(Some(left))?;
    Ok(())
}

/// Sets the target role, in whichever meta attributes have one, else in new ones.
fn put_role(element: &mut Element, id: &str, role: &str) {
    use crm_core::cib::attributes::{PairName, set_pair};
    let default_set = format!("{id}-meta_attributes");
    let pair = PairName {
        tag: "meta_attributes",
        set: None,
        default_set: &default_set,
        id: None,
        name: "target-role",
    };
    set_pair(element, &pair, Some(role));
}
