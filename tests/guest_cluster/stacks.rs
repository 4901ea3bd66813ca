//! What the shell's wizards make, and what a reboot leaves: on real DRBD, ipvs and kernels.

use std::time::Instant;

use crate::cluster::{Cluster, NODES};
use crate::hosts::NET;

/// A part of the test with the cluster for itself.
pub struct Scene {
    /// The test's name.
    pub name: &'static str,
    /// Files that the guests must have.
    pub needs: &'static [&'static str],
    /// What happens.
    pub play: fn(&Cluster) -> Result<(), String>,
}

/// All of them, in their order.
pub const SCENES: &[Scene] = &[
    Scene {
        name: "wizard_vip_ipvs",
        needs: &["/usr/sbin/ldirectord", "/usr/lib/ocf/resource.d/heartbeat/ldirectord"],
        play: vip_ipvs,
    },
    Scene {
        name: "wizard_mysql_drbd",
        needs: &["/usr/lib/ocf/resource.d/linbit/drbd", "/usr/lib/ocf/resource.d/heartbeat/mysql"],
        play: mysql_drbd,
    },
    Scene {
        name: "a_boot_leaves_nothing_behind",
        needs: &["/usr/lib/ocf/resource.d/pacemaker/Dummy"],
        play: reset,
    },
];

/// Fencing by the lab's power switch. A guest is switched on again by the scene.
const FENCING: &str = "configure\n\
    primitive fence stonith:fence_guest params pcmk_host_list='node1 node2' \
    op monitor interval=300s timeout=60s\n\
    property stonith-enabled=true stonith-action=off\n\
    rsc_defaults resource-stickiness=100\n\
    commit\n";

/// Runs a wizard. Guests are slow: time-outs are ten times those that the wizard advises, before the
/// first operation is run with them.
fn wizard(cluster: &Cluster, words: &str) -> Result<(), String> {
    cluster.crm(&format!(
        "cib new patient force\nscript run {words}\n\
         configure filter \"sed -E 's/(timeout=[0-9]+)s/\\10s/g'\"\n\
         cib commit patient\ncib use\ncib delete patient\n"
    ))?;
    settle(cluster)?;
    no_failures(cluster)
}

/// What is there while the resource `thing` runs: `/run` does not survive a boot.
const STATE: &str = "/run/Dummy-thing.state";

/// An empty configuration, with nothing left running.
pub fn clear(cluster: &Cluster) -> Result<(), String> {
    settle(cluster)?;
    cluster.crm("configure\nproperty stonith-enabled=false stop-all-resources=true\ncommit\n")?;
    settle(cluster)?;
    cluster.crm("configure\nerase\ncommit force\n")?;
    settle(cluster)
}

/// What can be seen when something went wrong.
pub fn state(cluster: &Cluster) -> String {
    let look = |node, script| cluster.must(node, script).unwrap_or_else(|e| e);
    NODES
        .map(|node| {
            look(node, "crm_mon -1rf; cat /proc/drbd; ipvsadm -ln; tail -n 30 /var/log/crm.log")
        })
        .join("\n")
}

fn settle(cluster: &Cluster) -> Result<(), String> {
    cluster.until("the cluster comes to rest", Cluster::settled)
}

fn say(start: Instant, what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{:6.1} s  {what}", start.elapsed().as_secs_f32());
}

/// The other of the two.
fn other(node: &str) -> &'static str {
    if node == NODES[0] { NODES[1] } else { NODES[0] }
}

/// The only node of a resource.
fn place(cluster: &Cluster, resource: &str) -> Result<&'static str, String> {
    let places = cluster.places()?;
    let places = places.get(resource).map(Vec::as_slice).unwrap_or_default();
    match places {
        [(node, _)] => NODES.into_iter().find(|n| n == node).ok_or_else(|| format!("{node}?")),
        _ => Err(format!("{resource} is not on one node: {places:?}")),
    }
}

/// No operation may have failed.
fn no_failures(cluster: &Cluster) -> Result<(), String> {
    let failures = cluster.failures()?;
    let lines: Vec<_> = failures.iter().map(|f| f.text.as_str()).collect();
    if lines.is_empty() { Ok(()) } else { Err(format!("failed operations: {}", lines.join("; "))) }
}

fn noticed(cluster: &Cluster, resource: &str) -> Result<(), String> {
    let seen = |c: &Cluster| {
        c.failures().is_ok_and(|all| all.iter().any(|failed| failed.resource == resource))
    };
    cluster.until(&format!("the failure of {resource}"), seen)?;
    settle(cluster)
}

/// The active node's power goes. Whoever is left must have had it confirmed by the switch.
fn lose_power(cluster: &Cluster, node: &str) -> Result<(), String> {
    let before = cluster.hosts.fenced().len();
    cluster.hosts.power(node, false)?;
    let asked = |c: &Cluster| {
        c.hosts.fenced()[before..].iter().any(|(verb, of)| verb == "off" && of == node)
    };
    cluster.until(&format!("{node} is fenced"), asked)
}

fn vip_ipvs(cluster: &Cluster) -> Result<(), String> {
    let start = Instant::now();
    let vip = format!("{NET}.1.100");
    let prepare = |node: &str| {
        let script = include_str!("lvs.sh");
        cluster.must(node, &format!("set -- {vip} {NET}.1\n{script}")).map(drop)
    };
    NODES.iter().try_for_each(|node| prepare(node))?;
    cluster.crm(FENCING)?;
    wizard(cluster, &format!("vip-ipvs ip={vip} nic=eth1"))?;
    let first = place(cluster, "lvs-director")?;
    let answers = |names: &[&str]| {
        let wanted = names.iter().map(|name| format!("{name}\n")).collect::<String>();
        let ask = format!("for i in 1 2 3 4; do curl -sm5 http://{vip}/; done | sort -u");
        cluster.until(&format!("answers from {names:?}"), |c| {
            c.hosts.client(&ask).is_ok_and(|said| said == wanted)
        })
    };
    answers(&NODES)?;
    say(start, "both real servers answer through the director");
    let second = other(first);
    cluster.must(second, "kill $(cat /run/nginx.pid)")?;
    answers(&[first])?;
    say(start, "a dead real server was taken out");
    prepare(second)?;
    answers(&NODES)?;
    cluster.must(first, "kill -9 $(pgrep -f 'perl.*ldirecto[r]d')")?;
    noticed(cluster, "lvs-director")?;
    answers(&NODES)?;
    cluster.crm("resource cleanup\n")?;
    settle(cluster)?;
    say(start, "ldirectord was killed and came back");

    let lost = Instant::now();
    lose_power(cluster, first)?;
    answers(&[second])?;
    say(lost, "after the director lost its power the other one distributes");
    cluster.hosts.power(first, true)?;
    prepare(first)?;
    settle(cluster)?;
    answers(&NODES)?;
    no_failures(cluster)?;
    if place(cluster, "lvs-director")? != second {
        return Err("it went back, though it sticks".into());
    }
    say(start, "the lost node serves again behind the new director");

    cluster.crm(&format!("node standby {second}\n"))?;
    settle(cluster)?;
    answers(&NODES)?;
    if place(cluster, "lvs-director")? != first {
        return Err("it did not leave a node in standby".into());
    }
    no_failures(cluster)?;
    cluster.crm(&format!("node online {second}\n"))?;
    settle(cluster)?;
    say(start, "moved by standby");
    Ok(())
}

fn mysql_drbd(cluster: &Cluster) -> Result<(), String> {
    let start = Instant::now();
    let vip = format!("{NET}.1.120");
    let drbd = |node: &str, step: &str| {
        let script = include_str!("drbd.sh");
        cluster.must(node, &format!("set -- {step} {NET}.1\n{script}")).map(drop)
    };
    NODES.iter().try_for_each(|node| drbd(node, "prepare"))?;
    drbd(NODES[0], "fill")?;
    NODES.iter().try_for_each(|node| drbd(node, "down"))?;
    say(start, "DRBD is synchronised and has a database");
    cluster.crm(FENCING)?;
    wizard(cluster, &format!("mysql-drbd drbd_resource=r0 ip={vip} directory=/srv/mysql"))?;
    let first = place(cluster, "mysql")?;
    let second = other(first);
    // A client on the node that has only the address to go by.
    let query = |node: &str, text: &str| {
        cluster.must(node, &format!("mariadb -N -u client -h {vip} -e '{text}'"))
    };
    let sold = |node: &str, wanted: &str| {
        let said = query(node, "select sum(thing) from shop.sold")?;
        if said.trim() == wanted { Ok(()) } else { Err(format!("sold {said} instead of {wanted}")) }
    };
    query(second, "insert into shop.sold values (1)")?;
    sold(second, "1")?;
    say(start, "the stack serves");

    cluster.must(first, "pkill -9 -f 'm[a-z]*d[_-]saf[e]'; kill -9 $(pidof mariadbd)")?;
    noticed(cluster, "mysql")?;
    query(second, "insert into shop.sold values (2)")?;
    if place(cluster, "mysql")? != first {
        return Err("one failure moved it".into());
    }
    cluster.crm("resource cleanup\n")?;
    settle(cluster)?;
    say(start, "the server was killed and came back");

    let lost = Instant::now();
    lose_power(cluster, first)?;
    say(lost, "the active node is fenced");
    cluster.until("the database is back", |_| query(second, "select 1").is_ok())?;
    say(lost, "the other node has the database");
    sold(second, "3")?;
    query(second, "insert into shop.sold values (4)")?;
    let fenced = |c: &Cluster| {
        c.must(second, "cibadmin -Q -o constraints")
            .is_ok_and(|all| all.contains("drbd-fence-by-handler"))
    };
    if !fenced(cluster) {
        return Err(
            "DRBD has not asked the cluster to keep the lost disk from being promoted".into()
        );
    }
    cluster.hosts.power(first, true)?;
    cluster.must(first, "modprobe drbd")?;
    settle(cluster)?;
    cluster.until("both disks are up to date", |c| {
        NODES.iter().all(|node| {
            c.must(node, "drbdadm dstate r0").is_ok_and(|s| s.trim() == "UpToDate/UpToDate")
        })
    })?;
    cluster.until("the lost disk may be promoted again", |c| !fenced(c))?;
    settle(cluster)?;
    no_failures(cluster)?;
    say(start, "the lost node has caught up");

    cluster.crm(&format!("node standby {second}\n"))?;
    settle(cluster)?;
    if place(cluster, "mysql")? != first {
        return Err("it did not leave a node in standby".into());
    }
    sold(second, "7")?;
    cluster.crm(&format!("node online {second}\n"))?;
    settle(cluster)?;
    no_failures(cluster)?;
    say(start, "moved by standby, nothing is missing");
    Ok(())
}

fn reset(cluster: &Cluster) -> Result<(), String> {
    let start = Instant::now();
    let patient = NODES[1];
    cluster.crm(&format!(
        "configure\n\
         property stonith-enabled=false\n\
         primitive thing ocf:pacemaker:Dummy op monitor interval=20s timeout=200s \
         op start timeout=200s interval=0 op stop timeout=200s interval=0\n\
         location home thing 100: {patient}\n\
         commit\n"
    ))?;
    settle(cluster)?;
    // What is only true of this boot, and what is true for ever.
    cluster.must(patient, "crm_attribute -N $(hostname) -l reboot -n shade -v 3")?;
    cluster.must(patient, "crm_attribute -N $(hostname) -l forever -n rack -v 7")?;
    cluster.must(patient, &format!("rm {STATE}"))?;
    noticed(cluster, "thing")?;
    let count = "crm_failcount -G -r thing -N node2 | grep -o 'value=.*'";
    let counted = cluster.must(patient, count)?;
    if counted.trim() != "value=1" {
        return Err(format!("one failure is counted as {counted}"));
    }
    let boot = "cat /proc/sys/kernel/random/boot_id";
    let before = cluster.must(patient, boot)?;
    let as_new = |c: &Cluster| -> Result<(), String> {
        settle(c)?;
        let shade = c.sh(patient, "crm_attribute -N $(hostname) -l reboot -n shade -Q")?;
        if shade.status.success() {
            return Err("an attribute outlived the boot that it was for".into());
        }
        let rack = c.must(patient, "crm_attribute -N $(hostname) -l forever -n rack -Q -q")?;
        let counted = c.must(patient, count)?;
        if (rack.trim(), counted.trim()) != ("7", "value=0") {
            return Err(format!("rack {rack}, failures {counted}"));
        }
        no_failures(c)?;
        let (here, there) = (format!("test -e {STATE}"), format!("test ! -e {STATE}"));
        if place(c, "thing")? != patient {
            return Err("the resource did not come back".into());
        }
        c.must(patient, &here).and_then(|_| c.must(NODES[0], &there)).map(drop)
    };
    let gone = |c: &Cluster| {
        let online = c.status().ok().and_then(|s| {
            let nodes = s.child("nodes")?;
            let node = nodes.children_named("node").find(|n| n.attr("name") == Some(patient))?;
            node.attr("online").map(str::to_owned)
        });
        online.as_deref() == Some("false")
    };
    cluster.hosts.power(patient, false)?;
    cluster.until("the loss", gone)?;
    cluster.hosts.power(patient, true)?;
    as_new(cluster)?;
    if cluster.must(patient, boot)? == before {
        return Err("the guest did not boot".into());
    }
    say(start, "one node was switched off and on");

    cluster.must(patient, "crm_attribute -N $(hostname) -l reboot -n shade -v 3")?;
    NODES.iter().try_for_each(|node| cluster.hosts.power(node, false))?;
    NODES.iter().try_for_each(|node| cluster.hosts.power(node, true))?;
    as_new(cluster)?;
    say(start, "the power of the whole cluster failed");
    Ok(())
}
