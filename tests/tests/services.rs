//! What the daemon does with real agents, alert agents and real services, in the lab.
//!
//! Needs namespaces and Debian's agents; what is missing is named, and its tests are ignored.

use std::process::ExitCode;

use crm_lab::{LabError, PowerEvent};
use crm_tests::stage::{self, Scene, Stage};
use libtest_mimic::Failed;

const DUMMY: &str = "/usr/lib/ocf/resource.d/pacemaker/Dummy";
const ALERT: &str = "/usr/share/pacemaker/alerts/alert_file.sh.sample";

const SCENES: &[Scene] = &[
    Scene {
        name: "alerts_reach_pacemakers_sample_agent",
        needs: &[DUMMY, ALERT],
        users: false,
        play: alerts,
    },
    Scene {
        name: "fencing_is_told_and_a_fabric_lets_nodes_in_again",
        needs: &[DUMMY, ALERT],
        users: false,
        play: fencing,
    },
    Scene {
        name: "secrets_reach_every_node_and_nothing_shows_them",
        needs: &[DUMMY],
        users: false,
        play: secrets,
    },
    Scene {
        name: "a_reloadable_parameter_is_reloaded",
        needs: &[DUMMY],
        users: false,
        play: reload,
    },
    Scene {
        name: "nodes_compare_files_and_take_a_changed_cluster_conf",
        needs: &[],
        users: false,
        play: files,
    },
    Scene {
        name: "every_node_knows_the_past_after_restarts_and_can_report_it",
        needs: &[DUMMY, "/usr/bin/tar"],
        users: false,
        play: past,
    },
    Scene {
        name: "a_daemon_that_dies_or_restarts_leaves_nginx_and_mariadb_alone",
        needs: &[
            "/usr/lib/ocf/resource.d/heartbeat/nginx",
            "/usr/lib/ocf/resource.d/heartbeat/mysql",
            "/usr/sbin/nginx",
            "/usr/sbin/mariadbd",
        ],
        users: true,
        play: adoption,
    },
];

/// Two nodes of which nobody expects anything but that they remember.
const PAIR: [&str; 2] = ["p1", "p2"];
const THREE: [&str; 3] = ["n1", "n2", "n3"];
/// Three that fence each other.
const FENCED: [&str; 3] = ["f1", "f2", "f3"];

const NGINX: &str = "user root;\nworker_processes 1;\nerror_log /var/log/nginx.log;\n\
    pid /run/nginx.pid;\nevents { worker_connections 16; }\n\
    http { access_log off; client_body_temp_path /run/n1; proxy_temp_path /run/n2;\n\
    fastcgi_temp_path /run/n3; uwsgi_temp_path /run/n4; scgi_temp_path /run/n5;\n\
    server { listen 127.0.0.1:8080; location / { return 200 ok; } } }\n";
const MARIADB: &str = "[mysqld]\ninnodb_buffer_pool_size=16M\ninnodb_log_file_size=8M\n\
    skip-networking\nskip-log-bin\n";

fn main() -> ExitCode {
    stage::main(SCENES, make)
}

fn make() -> Result<Stage, LabError> {
    let files = [
        ("/etc/nginx.conf", 0o644, NGINX),
        ("/etc/mariadb.cnf", 0o644, MARIADB),
        ("/var/log/nginx/.keep", 0o644, ""),
        ("/var/lib/mysql/.keep", 0o644, ""),
        ("/srv/fence_fabric", 0o755, FABRIC),
    ];
    Stage::new(&[&["solo"], &THREE, &PAIR, &FENCED], &files)
}

fn expect(so: bool, what: impl Into<String>) -> Result<(), Failed> {
    if so { Ok(()) } else { Err(what.into().into()) }
}

fn alerts(s: &Stage) -> Result<(), Failed> {
    s.up(&["solo"])?;
    s.configure(
        "solo",
        &format!(
            "property stonith-enabled=false\n\
             alert file {ALERT} meta timestamp-format=now select nodes resources \
             attributes {{ watched }} to /var/log/alerts\n\
             alert off {ALERT} meta enabled=false to /var/log/alerts-off\n\
             alert rest {ALERT} to /var/log/alerts-rest\n\
             primitive r ocf:pacemaker:Dummy op monitor interval=10s"
        ),
    )?;
    s.rest(&["solo"])?;
    s.sh("solo", "crm attrd_updater -n other -U 1; crm attrd_updater -n watched -U 5")?;
    s.sh("solo", "crm crm_resource --fail -r r -N solo")?;
    s.rest(&["solo"])?;
    // The daemon again: its node comes into the membership.
    s.sh("solo", &format!("kill -9 {}", s.processes("solo", "crm crmd")[0]))?;
    let told = || {
        String::from_utf8_lossy(&s.lab.disk("solo", "/var/log/alerts").unwrap_or_default())
            .into_owned()
    };
    s.until("the node is announced", || told().contains("Node 'solo' is now 'member'"))?;
    let told = told();
    let lines: Vec<&str> = told.lines().collect();
    let wanted = [
        "now: Resource operation 'start' for 'r' on 'solo': ok",
        "now: Resource operation 'monitor (10000)' for 'r' on 'solo': ok",
        "now: Attribute 'watched' on node 'solo' was updated to '5'",
        "now: Resource operation 'asyncmon' for 'r' on 'solo': error",
        "now: Resource operation 'stop' for 'r' on 'solo': ok",
        "now: Resource operation 'start' for 'r' on 'solo': ok",
        "now: Resource operation 'monitor (10000)' for 'r' on 'solo': ok",
    ];
    expect(lines.len() >= wanted.len() && lines[..wanted.len()] == wanted, told.clone())?;
    expect(s.lab.disk("solo", "/var/log/alerts-off").is_none(), "a disabled alert was called")?;
    let rest = s.lab.disk("solo", "/var/log/alerts-rest").unwrap_or_default();
    let rest = String::from_utf8_lossy(&rest).into_owned();
    expect(!rest.contains("Attribute") && rest.contains("'start'"), rest)
}

/// A fence agent for a fabric: who is cut off has a file on the switch's disk, here that of the node
/// itself; `on` works from the node only, and notes the key that it was done with.
const FABRIC: &str = "#!/bin/sh\n\
    if [ \"$1\" = -o ]; then action=$2; else while read line; do case $line in action=*) action=${line#*=};; nodename=*) who=${line#*=};;\n\
    key=*) key=${line#*=};; esac; done; fi\n\
    case $action in\n\
    metadata) cat <<END\n\
    <resource-agent name='fence_fabric'><parameters><parameter name='key'/></parameters><actions>\n\
    <action name='on' on_target='1' automatic='1'/><action name='off'/><action name='status'/>\n\
    <action name='monitor'/><action name='metadata'/></actions></resource-agent>\nEND\n;;\n\
    on) [ \"$who\" = \"$(cat /proc/sys/kernel/hostname)\" ] || exit 1; echo \"$key\" >> /var/lib/fabric;;\n\
    off) exit 1;;\n\
    *) exit 0;;\n\
    esac\n";

fn fencing(s: &Stage) -> Result<(), Failed> {
    s.up(&FENCED)?;
    // Fence agents are looked for among the machine's programs: a place of the host's own for them.
    let room = "rm /usr/sbin && mkdir /usr/sbin && ln -s /.machine/usr/sbin/* /usr/sbin/ && \
        cp -p /srv/fence_fabric /usr/sbin/";
    FENCED.iter().try_for_each(|host| s.sh(host, room).map(drop))?;
    s.configure(
        "f1",
        &format!(
            "property stonith-enabled=true stonith-action=off\n\
             alert f {ALERT} meta timestamp-format=now select fencing to /var/log/alerts\n\
             primitive fence stonith:external/switch params hostlist=\"f1 f2 f3\"\n\
             primitive fabric stonith:fence_fabric params key=one pcmk_host_list=\"f1 f2 f3\" \
             meta provides=unfencing\n\
             primitive d ocf:pacemaker:Dummy op monitor interval=10s\nlocation l d 10: f3"
        ),
    )?;
    s.rest(&FENCED)?;
    let told = |host: &str| {
        let log = s.lab.disk(host, "/var/log/alerts").unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    };
    let keys = |host: &str| {
        let file = s.lab.disk(host, "/var/lib/fabric").unwrap_or_default();
        String::from_utf8_lossy(&file).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    // Every node let itself in before it ran anything, and everybody was told.
    for host in FENCED {
        expect(keys(host) == ["one"], format!("{host}: {:?}", keys(host)))?;
        let wanted = format!("now: Fencing Operation on of {host} by {host} for crmd@");
        expect(told("f1").contains(&wanted), told("f1"))?;
    }
    let attribute = |name: &str| s.sh("f1", &format!("crm attrd_updater -Q -n '{name}' -N f3"));
    expect(attribute("#digests-all")?.contains("fabric:fence_fabric:"), "no digest")?;
    // A changed device lets everybody in anew.
    s.sh("f1", "crm resource param fabric set key two")?;
    s.rest(&FENCED)?;
    for host in FENCED {
        expect(keys(host) == ["one", "two"], format!("{host}: {:?}", keys(host)))?;
    }
    // Who is fenced is told by the others, as is what cannot be done.
    s.sh("f1", "crm stonith_admin --fence f3")?;
    s.rest(&["f1", "f2"])?;
    for host in ["f1", "f2"] {
        let lines = told(host);
        let done = lines.lines().any(|l| {
            l.starts_with("now: Fencing Operation off of f3 by f") && l.contains(": OK (ref=")
        });
        expect(done, format!("{host}: {lines}"))?;
    }
    history_of_fencing(s, &["f1", "f2"])?;
    s.up(&FENCED)?;
    history_of_fencing(s, &FENCED)?;
    expect(keys("f3") == ["one", "two", "two"], format!("{:?}", keys("f3")))?;
    expect(keys("f1") == ["one", "two"], format!("{:?}", keys("f1")))
}

/// Every one of these hosts tells that f3 was fenced, whatever it is asked with.
fn history_of_fencing(s: &Stage, hosts: &[&str]) -> Result<(), Failed> {
    for host in hosts {
        let told = |command: &str, wanted: &[&str]| -> Result<(), Failed> {
            let said = s.sh(host, command)?;
            let all = wanted.iter().all(|w| said.contains(w));
            expect(all, format!("{host}: {command}: {wanted:?} is not in\n{said}"))
        };
        told("crm crm_mon -1 -m2", &["Fencing History:", "turning off of f3 by f"])?;
        told(
            "crm crm_mon -1 --fence-history=2 --show-detail",
            &["off of f3 successful: delegate="],
        )?;
        told("crm crm_mon -1 -m --output-as=xml", &["<fence_event ", "target=\"f3\"", "success"])?;
        told("crm stonith_admin --history f3", &["of f3 successful: delegate=f", "1 event found"])?;
        told(
            "crm stonith_admin --history '*' --verbose",
            &["turning off of f3", "unfencing of f1"],
        )?;
        told("crm status", &["f3"])?;
        // Who was off has the fencing in the status that the others gave it, and no event of it.
        if *host != "f3" {
            told("crm history events", &["off of f3 confirmed"])?;
        }
    }
    Ok(())
}

fn past(s: &Stage) -> Result<(), Failed> {
    s.up(&PAIR)?;
    s.configure(
        "p1",
        "property stonith-enabled=false\n\
         primitive d ocf:pacemaker:Dummy op monitor interval=10s\nlocation l d 10: p2",
    )?;
    s.rest(&PAIR)?;
    for host in PAIR {
        let said = s.sh(host, "crm history events")?;
        let known = said.contains("start d on p2: ok") && said.contains("is complete");
        expect(known && said.contains("+d"), format!("{host}: {said}"))?;
    }
    // The input is where the transition was planned.
    let planned = |h: &&str| s.sh(h, "crm history transition").is_ok();
    let coordinators: Vec<&str> = PAIR.into_iter().filter(|h| planned(h)).collect();
    expect(coordinators.len() == 1, format!("{coordinators:?} have the last input"))?;
    for host in PAIR {
        s.sh(host, "crm cluster restart")?;
        s.rest(&PAIR)?;
        let said = s.sh(host, "crm history resource d")?;
        expect(said.contains("start d on p2: ok"), format!("{host} has forgotten: {said}"))?;
    }
    let numbers = |host: &str| -> Result<Vec<u64>, Failed> {
        let said = s.sh(host, "crm history transitions")?;
        let words = said.split_whitespace().filter_map(|w| w.strip_prefix("pe-input-"));
        Ok(words.filter_map(|n| n.parse().ok()).collect())
    };
    let counted = numbers("p1")?;
    let rising = counted.windows(2).all(|w| w[0] < w[1]);
    expect(rising && counted.len() > 1, format!("transitions are numbered {counted:?}"))?;

    s.sh("p2", "cd /var/lib && crm report past.tar.gz")?;
    let said = s.sh("p2", "cd /var/lib && crm -H past.tar.gz history resource d")?;
    expect(said.contains("start d on p2: ok"), said)
}

fn files(s: &Stage) -> Result<(), Failed> {
    s.up(&PAIR)?;
    let all = |script: &str| PAIR.iter().try_for_each(|host| s.sh(host, script).map(drop));
    // What is the same is said on standard error only.
    let said = s.sh("p1", "crm corosync diff 2>&1")?;
    expect(said.contains("cluster.conf is the same on p1, p2"), said)?;
    s.sh("p2", "echo '10.0.0.9 elsewhere' >> /etc/hosts")?;
    let said = s.sh("p1", "crm cluster diff /etc/hosts")?;
    let wanted = "--- p2\n+++ p1\n@@ -2 +1,0 @@\n-10.0.0.9 elsewhere";
    expect(said == wanted, said)?;
    let sums = s.sh("p1", "crm cluster diff /etc/hosts --checksum p2")?;
    let own = s.sh("p2", "sha1sum /etc/hosts")?;
    let own = own.split(' ').next().unwrap_or_default();
    let lines: Vec<&str> = sums.lines().collect();
    let heads = lines.len() == 3 && lines[0] == "Host              SHA1 checksum of /etc/hosts";
    expect(heads && lines[1].starts_with("p1              : "), sums.clone())?;
    expect(lines[2] == format!("p2              : {own}"), sums.clone())?;
    // Not every file, no key, and not what is not there.
    for file in ["/etc/passwd", "/etc/crm/authkey", "/etc/crm/none"] {
        expect(s.sh("p1", &format!("crm cluster diff {file}")).is_err(), file)?;
    }

    // Only a file that all have is taken.
    let edit = "sed -i 's/token: 20000/token: 15000/; s/to_syslog: no/debug: on/'";
    let edit = format!("{edit} /etc/crm/cluster.conf");
    s.sh("p1", &edit)?;
    expect(s.sh("p1", "crm corosync reload").is_err(), "p2 has another file")?;
    s.sh("p2", &edit)?;
    let said = s.sh("p1", "crm corosync reload")?;
    for wanted in ["logging.debug is on", "totem.token is 15000 ms"] {
        for host in PAIR {
            expect(said.contains(&format!("{host}: {wanted}")), said.clone())?;
        }
    }
    // The details of a change of members, in the log of a daemon that was not restarted.
    s.sh("p2", "crm cluster restart")?;
    s.rest(&PAIR)?;
    s.sh("p1", "grep -q DEBUG /var/log/crm.log")?;
    let said = s.sh("p2", "crm corosync reload")?;
    expect(said == "p1: nothing has changed\np2: nothing has changed", said)?;
    // The node list waits for a restart, and the cluster goes on as it was.
    all("crm corosync add-node 10.94.0.99 p3")?;
    let said = s.sh("p1", "! crm corosync reload 2>&1")?;
    expect(said.contains("p2: the node list (p3 is new) needs a restart"), said)?;
    s.rest(&PAIR)
}

const SERVICES: &str = "property stonith-enabled=true stonith-action=off\n\
    primitive web ocf:heartbeat:nginx params configfile=/etc/nginx.conf \
    op start timeout=120s interval=0 op stop timeout=120s interval=0 \
    op monitor interval=1s timeout=60s\n\
    primitive db ocf:heartbeat:mysql params config=/etc/mariadb.cnf enable_creation=1 \
    user=root group=root additional_parameters=--user=root log=/var/log/mysql.log \
    op start timeout=300s interval=0 op stop timeout=300s interval=0 \
    op monitor interval=2s timeout=60s\n\
    group services web db\n\
    location here services 50: n2\n\
    primitive fence stonith:external/switch params hostlist=\"n1 n2 n3\"\n\
    rsc_defaults resource-stickiness=100";

/// The numbers of the main processes of both services.
fn services(s: &Stage, host: &str) -> (Vec<i32>, Vec<i32>) {
    (s.processes(host, "nginx: master"), s.processes(host, "mariadbd"))
}

fn adoption(s: &Stage) -> Result<(), Failed> {
    s.up(&THREE)?;
    s.configure("n1", SERVICES)?;
    s.rest(&THREE)?;
    let before = services(s, "n2");
    let log = s.lab.disk("n2", "/var/log/mysql.log").unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let what = format!("n2 runs {before:?}; the database says:\n{log}");
    expect(before.0.len() == 1 && !before.1.is_empty(), what)?;
    let switched = || -> Vec<_> {
        let of_ours = |event: &PowerEvent| THREE.contains(&&*event.host);
        s.lab.power_log().into_iter().filter(of_ours).collect()
    };
    let daemon = || s.processes("n2", "crm crmd");
    let ring = daemon();

    // Killed and restarted before anybody can know: while the cable is out, nothing tells the
    // others that the daemon is gone, and they wait for a silent node much longer than this takes.
    s.lab.set_cut("n2", true)?;
    s.sh("n2", &format!("kill -9 {}", ring[0]))?;
    s.until("the daemon is back", || daemon() != ring && s.sh("n2", "crm cluster status").is_ok())?;
    s.lab.set_cut("n2", false)?;
    s.until("n2 is back in step", || s.rest(&THREE).is_ok())?;
    expect(services(s, "n2") == before, format!("{:?} became {:?}", before, services(s, "n2")))?;

    // Announced.
    let killed = daemon();
    s.sh("n2", "crm cluster restart")?;
    s.rest(&THREE)?;
    expect(daemon() != killed, "the daemon was not restarted")?;
    expect(services(s, "n2") == before, format!("{:?} became {:?}", before, services(s, "n2")))?;
    expect(switched().is_empty(), format!("{:?}", switched()))?;

    // What was adopted is watched again.
    // By title: an agent at work has the name of the program.
    s.sh("n2", "pkill -9 -f '^nginx: '")?;
    s.until("nginx is recovered", || {
        let now = s.processes("n2", "nginx: master");
        now.len() == 1 && now != before.0
    })?;
    s.rest(&THREE)?;
    expect(switched().is_empty(), format!("{:?}", switched()))?;

    // A new boot has nothing to adopt: the services go elsewhere after fencing.
    s.lab.power_off("n2")?;
    s.until("n2 is fenced", || switched().iter().any(|e| e.host == "n2"))?;
    s.rest(&["n1", "n3"])?;
    let running = |host| services(s, host).0.len();
    s.until("nginx runs elsewhere, once", || running("n1") + running("n3") == 1)?;
    s.lab.power_on("n2")?;
    s.rest(&THREE)?;
    expect(services(s, "n2") == (Vec::new(), Vec::new()), "the new boot runs services")
}

const PASSWORD: &str = "c0rrect-h0rse";

fn secrets(s: &Stage) -> Result<(), Failed> {
    s.up(&THREE)?;
    s.configure(
        "n1",
        "property stonith-enabled=false\n\
         primitive dummy ocf:pacemaker:Dummy params passwd=none op monitor interval=5s\n\
         location pinned dummy inf: n3",
    )?;
    s.rest(&THREE)?;
    s.sh("n1", &format!("crm resource secret dummy set passwd {PASSWORD}"))?;
    s.rest(&THREE)?;
    let file = "cat /var/lib/crm/secrets/dummy/passwd";
    for host in THREE {
        expect(s.sh(host, file)? == PASSWORD, format!("{host} has another value"))?;
        s.sh(host, "crm resource secret dummy check passwd")?;
    }
    // Nobody but the agent sees it: not the log, the status, the configuration or the CIB.
    for host in THREE {
        let shown = "crm configure show; crm cibadmin -Q; crm crm_mon -1; cat /var/log/crm.log; \
                     cat /var/lib/crm/cib/*";
        expect(!s.sh(host, shown)?.contains(PASSWORD), format!("{host} shows it"))?;
    }
    // A node that was down gets what it has missed when it joins.
    s.lab.power_off("n2")?;
    s.rest(&["n1", "n3"])?;
    s.sh("n1", "crm resource secret dummy set passwd another")?;
    s.up(&THREE)?;
    s.until("n2 has the new value", || s.sh("n2", file).is_ok_and(|v| v == "another"))?;
    expect(s.sh("n1", "crm resource secret dummy show passwd")? == "another", "show")?;
    s.sh("n1", "crm resource secret dummy unstash passwd")?;
    s.until("the file is gone", || s.sh("n2", file).is_err())?;
    // The shell hides a password even there.
    expect(s.sh("n1", "crm cibadmin -Q")?.contains("value=\"another\""), "not unstashed")
}

fn reload(s: &Stage) -> Result<(), Failed> {
    s.up(&["solo"])?;
    s.configure(
        "solo",
        "property stonith-enabled=false\n\
         primitive d ocf:pacemaker:Dummy params fake=one op monitor interval=10s",
    )?;
    s.rest(&["solo"])?;
    let actions = || {
        let log = s.lab.disk("solo", "/var/log/crm.log").unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let of = |l: &str| {
            let rest = l.split_once("operation: ")?.1;
            let mut words = rest.split(' ');
            let (action, resource) = (words.next()?, words.next()?);
            (resource == "d").then(|| action.to_owned())
        };
        text.lines().filter_map(of).collect::<Vec<String>>()
    };
    let told = s.sh("solo", "crm ra info ocf:pacemaker:Dummy")?;
    expect(told.contains(&format!("Answered by {DUMMY}")), told)?;
    let before = actions();
    s.sh("solo", "crm resource param d set fake two")?;
    s.rest(&["solo"])?;
    let after = actions()[before.len()..].join(" ");
    let restarted = after.contains("stop") || after.contains("start");
    expect(after.contains("reload-agent") && !restarted, after)?;
    let before = actions();
    s.sh("solo", "crm resource param d set state /run/other.state")?;
    s.rest(&["solo"])?;
    let after = actions()[before.len()..].join(" ");
    expect(after == "stop start monitor", after)
}
