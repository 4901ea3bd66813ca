//! What every row goes through, all rows at the same time.

use std::time::{Duration, Instant};

use crate::Findings;
use crate::cluster::{Cluster, NODES};
use crate::table::{Kind, Row};

/// How long a service may take to be seen after the cluster has come to rest: replication and
/// announcements go on in the background.
const SEEN: Duration = Duration::from_secs(30);

/// Plays all phases for these rows.
pub fn play(cluster: &Cluster, rows: &[&'static Row]) -> Result<Findings, String> {
    let mut play = Play { cluster, live: rows.to_vec(), findings: Findings::new() };
    let outcome = play.all();
    cluster.keep_logs();
    outcome.map(|()| play.findings)
}

struct Play<'a> {
    cluster: &'a Cluster,
    /// Rows that did all they must so far.
    live: Vec<&'static Row>,
    findings: Findings,
}

impl Play<'_> {
    fn all(&mut self) -> Result<(), String> {
        self.timed("prepared", Self::prepare)?;
        self.timed("started", Self::start)?;
        self.timed("failed and recovered", Self::fail)?;
        self.timed("moved", Self::move_away)?;
        self.timed("moved with its roles", Self::change_roles)?;
        self.timed("stopped", Self::stop)
    }

    fn timed(
        &mut self,
        what: &str,
        phase: fn(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let start = Instant::now();
        let outcome = phase(self).map_err(|e| format!("{what}: {e}"));
        use std::io::Write as _;
        let (rows, seconds) = (self.live.len(), start.elapsed().as_secs_f32());
        let _ = writeln!(std::io::stderr(), "{rows} {what} in {seconds:.1} s");
        outcome
    }

    /// Something is wrong with a row: it is said, and nothing more is asked of it.
    fn blame(&mut self, name: &str, text: String) {
        if let Some(at) = self.live.iter().position(|row| row.name == name) {
            let row = self.live.remove(at);
            self.findings.entry(row.name).or_default().push(text);
        }
    }

    /// Asks every live row; those with an answer are blamed.
    fn check(&mut self, phase: &str, ask: impl Fn(&Row) -> Result<(), String>) {
        for row in self.live.clone() {
            if let Err(text) = ask(row) {
                self.blame(row.name, format!("{phase}: {text}"));
            }
        }
    }

    /// No operation may have failed since the last clean-up, but for these.
    fn no_failures(&mut self, phase: &str, but: &[&str]) -> Result<(), String> {
        for failed in self.cluster.failures()? {
            if !but.contains(&failed.action.as_str()) {
                self.blame(&failed.resource, format!("{phase}: {}", failed.text));
            }
        }
        Ok(())
    }

    fn settle(&self) -> Result<(), String> {
        self.cluster.until("the cluster comes to rest", Cluster::settled)
    }

    fn prepare(&mut self) -> Result<(), String> {
        let cluster = self.cluster;
        for row in self.live.clone() {
            // Both hosts at once: some rows make databases.
            let done: Vec<_> = std::thread::scope(|scope| {
                let hosts = NODES.map(|node| scope.spawn(move || cluster.must(node, row.prepare)));
                hosts.map(std::thread::ScopedJoinHandle::join).into_iter().collect()
            });
            for outcome in done {
                match outcome {
                    Ok(Ok(_)) => {}
                    Ok(Err(text)) => self.blame(row.name, format!("preparing: {text}")),
                    Err(_) => self.blame(row.name, "preparing: a panic".to_owned()),
                }
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let mut lines = String::from(
            "configure\nproperty stonith-enabled=false\n\
             rsc_defaults resource-stickiness=1000\n\
             op_defaults timeout=60s\n",
        );
        for row in &self.live {
            lines += row.config;
            lines += "\n";
            if let Kind::Plain { top } = row.kind {
                lines += &format!("location at-home-{} {top} 100: {}\n", row.name, NODES[0]);
            }
        }
        self.cluster.crm(&(lines + "commit\n"))?;
        self.settle()?;
        self.no_failures("start", &[])?;
        self.everybody_serves("start", NODES[0])
    }

    /// Plain rows serve here and nowhere else; the others wherever they have to.
    fn everybody_serves(&mut self, phase: &str, here: &str) -> Result<(), String> {
        let places = self.cluster.places()?;
        let none = Vec::new();
        let cluster = self.cluster;
        self.check(phase, |row| {
            let places = places.get(row.name).unwrap_or(&none);
            match row.kind {
                Kind::Plain { .. } => {
                    let is = places.iter().map(|(node, _)| node.as_str()).collect::<Vec<_>>();
                    if is != [here] {
                        return Err(format!("it is on {is:?}, not on {here}"));
                    }
                    seen(cluster, here, row.serves, true)?;
                    let there = if here == NODES[0] { NODES[1] } else { NODES[0] };
                    seen(cluster, there, row.serves, false)
                }
                Kind::Clone => {
                    NODES.iter().try_for_each(|node| seen(cluster, node, row.serves, true))
                }
                Kind::Promotable { follows } => {
                    let promoted = promoted(places)?;
                    seen(cluster, promoted, row.serves, true)?;
                    let other = NODES.into_iter().find(|node| *node != promoted);
                    other.map_or(Ok(()), |node| seen(cluster, node, follows, true))
                }
            }
        });
        Ok(())
    }

    fn fail(&mut self) -> Result<(), String> {
        let places = self.cluster.places()?;
        let none = Vec::new();
        let cluster = self.cluster;
        self.check("failure", |row| {
            let node = match row.kind {
                Kind::Plain { .. } | Kind::Clone => NODES[0],
                Kind::Promotable { .. } => promoted(places.get(row.name).unwrap_or(&none))?,
            };
            cluster.must(node, row.breaks).map(drop)
        });
        let names: Vec<_> = self.live.iter().map(|row| row.name).collect();
        let noticed = |cluster: &Cluster| {
            let failures = cluster.failures().unwrap_or_default();
            names.iter().all(|name| failures.iter().any(|failed| failed.resource == *name))
        };
        // What is not noticed is blamed below, one by one.
        let _ = cluster.until("every failure", noticed);
        let failures = cluster.failures()?;
        self.check("failure", |row| {
            let found = failures.iter().any(|failed| failed.resource == row.name);
            if found { Ok(()) } else { Err("the failure was not noticed".to_owned()) }
        });
        self.settle()?;
        // What is dead cannot be demoted: agents say "not running".
        self.no_failures("recovery", &["monitor", "demote"])?;
        self.everybody_serves("recovery", NODES[0])?;
        cluster.crm("resource cleanup\n")?;
        self.settle()
    }

    fn move_away(&mut self) -> Result<(), String> {
        let mut lines = String::from("resource\n");
        for row in &self.live {
            if let Kind::Plain { top } = row.kind {
                lines += &format!("move {top} {}\n", NODES[1]);
            }
        }
        self.cluster.crm(&lines)?;
        self.settle()?;
        self.no_failures("move", &[])?;
        self.everybody_serves("move", NODES[1])
    }

    /// Every promoted instance has to leave its node, and the node comes back.
    fn change_roles(&mut self) -> Result<(), String> {
        for node in NODES {
            self.cluster.crm(&format!("node standby {node}\n"))?;
            self.settle()?;
            let places = self.cluster.places()?;
            let none = Vec::new();
            self.check("standby", |row| {
                if !matches!(row.kind, Kind::Promotable { .. }) {
                    return Ok(());
                }
                let promoted = promoted(places.get(row.name).unwrap_or(&none))?;
                if promoted == node { Err(format!("still promoted on {node}")) } else { Ok(()) }
            });
            self.cluster.crm(&format!("node online {node}\n"))?;
            self.settle()?;
        }
        // Between the notification before a demotion, at which MariaDB's agent gives its role up, and
        // the demotion itself a monitor may still look for the old role, as in Pacemaker.
        self.no_failures("standby", &["monitor"])?;
        self.everybody_serves("standby", NODES[1])
    }

    fn stop(&mut self) -> Result<(), String> {
        self.cluster.crm("configure\nproperty stop-all-resources=true\ncommit\n")?;
        self.settle()?;
        self.no_failures("stop", &["monitor"])?;
        let places = self.cluster.places()?;
        let cluster = self.cluster;
        self.check("stop", |row| {
            if let Some(places) = places.get(row.name) {
                return Err(format!("still on {places:?}"));
            }
            NODES.iter().try_for_each(|node| seen(cluster, node, row.serves, false))
        });
        Ok(())
    }
}

/// The only promoted instance.
fn promoted(places: &[(String, String)]) -> Result<&str, String> {
    let mut promoted = places.iter().filter(|(_, role)| role == "Promoted" || role == "Master");
    match (promoted.next(), promoted.next()) {
        (Some((node, _)), None) => Ok(node),
        _ => Err(format!("not exactly one is promoted: {places:?}")),
    }
}

/// Whether a script sees the service, given some time.
fn seen(cluster: &Cluster, node: &str, script: &str, wanted: bool) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let outcome = cluster.must(node, script);
        if outcome.is_ok() == wanted {
            return Ok(());
        }
        if start.elapsed() > SEEN {
            return Err(match outcome {
                Ok(_) => format!("it serves on {node}, where it must not: {script}"),
                Err(text) => format!("it does not serve: {text}"),
            });
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
