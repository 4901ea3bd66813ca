//! Our upgrades of old documents beside those of Pacemaker's `cibadmin --upgrade`: random
//! configurations full of names that are obsolete today.
//!
//! `CRM_UPGRADES=FROM..TO` picks the seeds.

use std::ops::Range;
use std::process::{Command, ExitCode};

use crm_core::cib::schema::Schema;
use crm_core::cib::{self, Element, needs_upgrade, upgrade_fully};
use crm_tests::conformance::{line_difference, shrink};
use crm_tests::fuzz::mutate::Dice;
use libtest_mimic::{Arguments, Failed, Trial};

const CIBADMIN: &str = "/usr/sbin/cibadmin";
/// Disagreements that are made smaller and shown.
const SHOWN: usize = 3;
/// Questions that may be asked while making one document smaller.
const SHRINK_BUDGET: usize = 150;

fn main() -> ExitCode {
    let ours = std::path::Path::new(CIBADMIN).canonicalize().map(|path| path.ends_with("crm"));
    let trial = match ours {
        Ok(false) => Trial::test("upgrades_agree", || compare(seeds()?)),
        _ => {
            Trial::test(format!("no {CIBADMIN} of Pacemaker's"), || Ok(())).with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn seeds() -> Result<Range<u64>, String> {
    let text = std::env::var("CRM_UPGRADES").unwrap_or_else(|_| "0..60".into());
    let bounds = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    bounds.map(|(from, to)| from..to).ok_or_else(|| format!("CRM_UPGRADES={text} is not FROM..TO"))
}

fn compare(seeds: Range<u64>) -> Result<(), Failed> {
    let all = seeds.end.saturating_sub(seeds.start);
    let (mut upgraded, mut differ, mut shown) = (0usize, Vec::new(), String::new());
    for seed in seeds {
        let document = document(&mut Dice::new(seed));
        // A file that does not fit the schema that it claims is not even opened by theirs.
        let claimed = document.attr("validate-with").and_then(Schema::named);
        if !claimed.is_some_and(|schema| schema.accepts(&document)) {
            continue;
        }
        let (theirs, ours) = (reference(&document)?, ours(&document));
        upgraded += usize::from(theirs.is_some());
        if theirs == ours {
            continue;
        }
        differ.push(seed);
        if differ.len() <= SHOWN {
            let small = shrink(&document, SHRINK_BUDGET, &mut |candidate| {
                if candidate.attr("validate-with") != document.attr("validate-with") {
                    return false;
                }
                let both = (reference(candidate).ok().flatten(), self::ours(candidate));
                matches!(&both, (Some(theirs), Some(ours)) if theirs != ours)
            });
            let lines = |document: Option<String>| -> Vec<String> {
                document.unwrap_or_else(|| "refused".into()).lines().map(String::from).collect()
            };
            let difference =
                line_difference(&lines(reference(&small)?), &lines(self::ours(&small)));
            shown.push_str(&format!("=== seed {seed}\n{}\n{difference}\n", small.to_pretty()));
        }
    }
    if all >= 20 && upgraded as u64 * 3 < all {
        return Err(format!("only {upgraded} of {all} documents can be upgraded").into());
    }
    if differ.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {all} differ: {differ:?}\n{shown}", differ.len()).into())
}

/// What Pacemaker makes of it; none if that is of no schema that it schedules by.
fn reference(document: &Element) -> Result<Option<String>, Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("cib.xml");
    std::fs::write(&file, document.to_pretty())?;
    let mut command = Command::new(CIBADMIN);
    command.args(["--upgrade", "--force"]).env("CIB_file", &file).env("LC_ALL", "C");
    if !command.output()?.status.success() {
        return Ok(None);
    }
    let upgraded = cib::parse(&std::fs::read_to_string(&file)?)?;
    Ok((!needs_upgrade(&upgraded)).then(|| comparable(&upgraded)))
}

fn ours(document: &Element) -> Option<String> {
    upgrade_fully(document).ok().map(|cib| comparable(&cib))
}

/// Without what every change of a document changes, the order of attributes, comments and layout.
fn comparable(cib: &Element) -> String {
    fn sorted(element: &Element) -> Element {
        let mut attributes: Vec<(&str, &str)> = element.attrs().collect();
        attributes.sort_unstable();
        let start = Element::new(element.name());
        let start = attributes.into_iter().fold(start, |e, (name, value)| e.with(name, value));
        element.children().map(sorted).fold(start, Element::with_child)
    }
    let mut cib = sorted(cib);
    for name in ["admin_epoch", "epoch", "num_updates", "cib-last-written"] {
        cib.remove_attr(name);
    }
    cib.to_pretty()
}

/// A document in the making.
struct Draft<'a> {
    dice: &'a mut Dice,
    ids: usize,
    /// Sets that others may refer to, with the names of their elements.
    sets: Vec<(&'static str, String)>,
}

fn document(dice: &mut Dice) -> Element {
    let schema = dice.one(&[
        "pacemaker-1.0",
        "pacemaker-1.2",
        "pacemaker-1.3",
        "pacemaker-2.0",
        "pacemaker-2.3",
        "pacemaker-2.6",
        "pacemaker-2.10",
        "pacemaker-2.10",
    ]);
    let mut draft = Draft { dice, ids: 0, sets: Vec::new() };
    let mut configuration = Element::new("configuration")
        .with_child(draft.options())
        .with_child(draft.nodes())
        .with_child(draft.resources())
        .with_child(draft.constraints());
    for section in ["rsc_defaults", "op_defaults"] {
        if draft.chance(40) {
            configuration.push(draft.defaults(section));
        }
    }
    if schema.starts_with("pacemaker-1") && draft.chance(50) {
        configuration.push(draft.permissions());
    }
    Element::new("cib")
        .with("validate-with", schema)
        .with("admin_epoch", "0")
        .with("epoch", "1")
        .with("num_updates", "0")
        .with_child(configuration)
        .with_child(Element::new("status"))
}

impl Draft<'_> {
    fn chance(&mut self, percent: usize) -> bool {
        self.dice.below(100) < percent
    }

    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{}", self.ids)
    }

    fn element(&mut self, tag: &str) -> Element {
        let id = self.id("x");
        Element::new(tag).with("id", id)
    }

    /// A set of some of these pairs, perhaps with a rule, perhaps only a reference.
    fn set(&mut self, tag: &'static str, names: &[&str], values: &[&str]) -> Element {
        let known: Vec<String> =
            self.sets.iter().filter(|(of, _)| *of == tag).map(|(_, id)| id.clone()).collect();
        if !known.is_empty() && self.chance(8) {
            let at = self.dice.below(known.len());
            return Element::new(tag).with("id-ref", &known[at]);
        }
        let mut set = self.element(tag);
        if let Some(id) = set.id() {
            self.sets.push((tag, id.to_string()));
        }
        if self.chance(20) {
            let expression = self
                .element("expression")
                .with("attribute", "a")
                .with("operation", "eq")
                .with("value", "b");
            let rule = self.element("rule").with("score", "1").with_child(expression);
            set.push(rule);
        }
        let mut used: Vec<&str> = Vec::new();
        for _ in 0..self.dice.below(4) {
            let name = self.dice.one(names);
            if used.contains(&name) {
                continue;
            }
            used.push(name);
            let value = self.dice.one(values);
            let pair = self.element("nvpair").with("name", name).with("value", value);
            set.push(pair);
        }
        set
    }

    fn options(&mut self) -> Element {
        let mut config = Element::new("crm_config");
        for _ in 0..self.dice.below(4) {
            let set = self.set(
                "cluster_property_set",
                &[
                    "cluster-infrastructure",
                    "cluster_recheck_interval",
                    "cluster-recheck-interval",
                    "default-action-timeout",
                    "default_action_timeout",
                    "default-migration-threshold",
                    "default_migration_threshold",
                    "default-resource-stickiness",
                    "default_resource_stickiness",
                    "default-resource-failure-stickiness",
                    "default_resource_failure_stickiness",
                    "expected-quorum-votes",
                    "expected_quorum_votes",
                    "is-managed-default",
                    "is_managed_default",
                    "no_quorum_policy",
                    "notification-agent",
                    "notification_agent",
                    "stonith_enabled",
                    "transition_idle_timeout",
                    "transition-idle-timeout",
                    "stop-all-resources",
                    "default",
                ],
                &["-INFINITY", "10", "cman", "heartbeat", "corosync", "true", "", "openais"],
            );
            config.push(set);
        }
        config
    }

    fn nodes(&mut self) -> Element {
        let mut nodes = Element::new("nodes");
        for _ in 0..self.dice.below(3) {
            let kind = self.dice.one(&["normal", "member", "ping"]);
            let name = self.id("n");
            nodes.push(
                Element::new("node").with("id", &name).with("uname", name).with("type", kind),
            );
        }
        nodes
    }

    fn resources(&mut self) -> Element {
        let mut resources = Element::new("resources");
        for _ in 0..=self.dice.below(3) {
            let resource = match self.dice.below(6) {
                0 => {
                    let group = self.element("group");
                    let member = self.primitive("primitive");
                    group.with_child(member)
                }
                1 => {
                    let clone = self.element("clone");
                    let meta = self.meta();
                    let member = self.primitive("primitive");
                    clone.with_child(meta).with_child(member)
                }
                2 => {
                    let master = self.element("master");
                    let member = self.primitive("primitive");
                    master.with_child(member)
                }
                3 => self.primitive("template"),
                _ => self.primitive("primitive"),
            };
            resources.push(resource);
        }
        resources
    }

    fn meta(&mut self) -> Element {
        self.set(
            "meta_attributes",
            &[
                "isolation",
                "isolation-host",
                "isolation-instance",
                "isolation-wrapper",
                "resource-failure-stickiness",
                "resource_failure_stickiness",
                "target-role",
                "migration-threshold",
                "requires",
                "is-managed",
            ],
            &["-INFINITY", "10", "Started", "true", "quorum", ""],
        )
    }

    fn primitive(&mut self, tag: &str) -> Element {
        let class = self.dice.one(&["stonith", "lsb"]);
        let mut out = self.element(tag).with("class", class).with("type", "t");
        let mut parts = Vec::new();
        for _ in 0..self.dice.below(3) {
            parts.push(self.meta());
        }
        for _ in 0..self.dice.below(3) {
            parts.push(self.set(
                "instance_attributes",
                &[
                    "pcmk_arg_map",
                    "pcmk_host_argument",
                    "pcmk_list_cmd",
                    "pcmk_monitor_cmd",
                    "pcmk_off_cmd",
                    "pcmk_on_cmd",
                    "pcmk_reboot_cmd",
                    "pcmk_status_cmd",
                    "pcmk_reboot_action",
                    "ip",
                ],
                &["port:plug", "port", "port:a,b:c", "x:y", "off", ""],
            ));
        }
        if self.chance(70) {
            parts.push(self.operations());
        }
        // In any order.
        while !parts.is_empty() {
            let at = self.dice.below(parts.len());
            out.push(parts.remove(at));
        }
        out
    }

    fn operations(&mut self) -> Element {
        let mut operations = Element::new("operations");
        for _ in 0..=self.dice.below(3) {
            let name = self.dice.one(&["start", "promote", "stop", "monitor"]);
            let interval = self.id("");
            let mut op = self.element("op").with("name", name).with("interval", interval);
            for (name, value) in [
                ("requires", "nothing"),
                ("timeout", "10s"),
                ("on-fail", "block"),
                ("enabled", "true"),
            ] {
                if self.chance(25) {
                    op.set_attr(name, value);
                }
            }
            for _ in 0..self.dice.below(3) {
                let tag = if self.chance(50) { "meta_attributes" } else { "instance_attributes" };
                let set = self.set(
                    tag,
                    &[
                        "requires",
                        "interval-origin",
                        "start-delay",
                        "enabled",
                        "on-fail",
                        "record-pending",
                        "role",
                        "timeout",
                        "name",
                        "interval",
                        "depth",
                    ],
                    &["10s", "quorum", "true", "Started", "nothing"],
                );
                op.push(set);
            }
            operations.push(op);
        }
        operations
    }

    fn defaults(&mut self, section: &str) -> Element {
        let mut defaults = Element::new(section);
        for _ in 0..self.dice.below(3) {
            let set = self.set(
                "meta_attributes",
                &[
                    "timeout",
                    "resource-stickiness",
                    "is-managed",
                    "migration-threshold",
                    "record-pending",
                    "resource-failure-stickiness",
                ],
                &["1", "true", "20s"],
            );
            defaults.push(set);
        }
        defaults
    }

    fn constraints(&mut self) -> Element {
        let mut constraints = Element::new("constraints");
        for _ in 0..self.dice.below(3) {
            let mut colocation = self.element("rsc_colocation");
            let name = self.dice.one(&["score", "score-attribute", "score-attribute-mangle"]);
            colocation.set_attr(name, "100");
            constraints.push(colocation.with("rsc", "x1").with("with-rsc", "x1"));
        }
        constraints
    }

    fn permissions(&mut self) -> Element {
        let mut acls = Element::new("acls");
        let role = self.id("r");
        let mut definition = Element::new("acl_role").with("id", &role);
        for _ in 0..=self.dice.below(2) {
            definition.push(self.permission());
        }
        acls.push(definition);
        for _ in 0..self.dice.below(3) {
            let mut user = self.element("acl_user");
            if self.chance(50) {
                user.push(Element::new("role_ref").with("id", &role));
            } else {
                for _ in 0..self.dice.below(3) {
                    user.push(self.permission());
                }
            }
            acls.push(user);
        }
        acls
    }

    fn permission(&mut self) -> Element {
        let kind = self.dice.one(&["read", "write", "deny"]);
        let permission = self.element(kind);
        let mut permission = match self.dice.below(3) {
            0 => permission.with("ref", "x1"),
            1 => permission.with("tag", "nvpair"),
            _ => permission.with("xpath", "/cib"),
        };
        if self.chance(40) {
            permission.set_attr("attribute", "value");
        }
        permission
    }
}
