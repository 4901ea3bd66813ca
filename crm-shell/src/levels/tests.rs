//! What commands of the smaller levels do, on a file.

use std::io::Write as _;
use std::path::Path;

use crate::access::FileAccess;
use crate::agents::Installed;
use crate::message::Source;
use crate::session::{Options, Session};

const CIB: &str = "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='1' num_updates='0' \
    have-quorum='1'><configuration><crm_config><cluster_property_set id='cib-bootstrap-options'>\
    <nvpair id='cib-bootstrap-options-stonith-enabled' name='stonith-enabled' value='false'/>\
    </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/>\
    <node id='2' uname='n2'/></nodes><resources/><constraints/></configuration><status>\
    <node_state id='1' uname='n1' in_ccm='true' crmd='online' join='member' expected='member'/>\
    <node_state id='2' uname='n2' in_ccm='true' crmd='online' join='member' expected='member'/>\
    </status></cib>";

/// A session on a file of its own.
struct Shell {
    session: Session,
    directory: tempfile::TempDir,
}

impl Shell {
    fn new() -> Shell {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cib.xml");
        std::fs::write(&file, CIB).unwrap();
        let access = Box::new(FileAccess::new(file));
        // Which agents are installed is no matter of these tests.
        let options = Options { checks: crate::session::Checks::Never, ..Options::default() };
        let session = Session::new(access, Box::new(Installed::new(&[])), options);
        Shell { session, directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_string_lossy().into_owned()
    }

    /// What a batch prints.
    fn say(&mut self, text: &str) -> String {
        self.session.printer.captured = Some(String::new());
        self.session.run_text(Source { name: None, text: text.to_string() });
        self.session.printer.captured.take().unwrap()
    }

    /// A batch that goes well.
    fn good(&mut self, text: &str) -> String {
        let before = self.session.failed;
        let said = self.say(text);
        assert_eq!(self.session.failed, before, "{text}: {said}");
        said
    }

    /// A batch that is refused.
    fn bad(&mut self, text: &str) {
        let before = self.session.failed;
        let said = self.say(text);
        assert!(self.session.failed > before, "{text} is accepted: {said}");
    }

    /// The configuration on disk, once everything that was committed is written.
    fn stored(&mut self) -> String {
        assert_eq!(self.session.finish(), 0);
        self.session.access.cib().unwrap().to_string()
    }
}

#[test]
fn every_carried_wizard_makes_a_configuration_that_can_be_committed() {
    let (all, _) = crate::wizard::all(None);
    let value = |p: &crate::wizard::Parameter| match p.kind {
        crate::wizard::Kind::Address => "192.0.2.7",
        crate::wizard::Kind::Integer => "7",
        crate::wizard::Kind::Path => "/srv/x",
        _ if p.name == "node" => "n1",
        _ if p.name == "resource" => "thing",
        _ => "word",
    };
    for wizard in all.values() {
        let mut shell = Shell::new();
        if wizard.parameters.iter().any(|p| p.name == "resource") {
            shell.good("configure primitive thing ocf:heartbeat:Dummy");
        }
        let given: Vec<String> = wizard
            .parameters
            .iter()
            .filter(|p| p.required)
            .map(|p| format!("{}={}", p.name, value(p)))
            .collect();
        shell.good(&format!("script verify {} {}", wizard.name, given.join(" ")));
        assert!(!shell.stored().contains("word"), "{} was only verified", wizard.name);
        shell.good(&format!("script run {} {}", wizard.name, given.join(" ")));
        assert!(shell.stored().contains("<primitive "), "{}", wizard.name);
    }
}

#[test]
fn scripts_are_listed_shown_and_refused() {
    let mut shell = Shell::new();
    assert!(shell.good("script list").contains("mysql-drbd"));
    assert!(shell.good("script list names server").contains("vip-ipvs"));
    assert!(shell.good("script show virtual-ip").contains("ip=<address>"));
    assert!(shell.good("script json '[\"list\"]'").lines().count() > 10);
    let verified = shell.good("script json '[\"verify\",\"virtual-ip\",{\"ip\":\"192.0.2.1\"}]'");
    assert!(verified.contains("\"ok\":true") && verified.contains("IPaddr2"), "{verified}");
    let missing = shell.say("script json '[\"run\",\"virtual-ip\",{}]'");
    assert!(missing.contains("\"ok\":false"), "{missing}");
    for line in [
        "script run virtual-ip",
        "script run virtual-ip ip=nowhere",
        "script run virtual-ip ip=192.0.2.1 nonsense=1",
        "script run no-such-wizard",
        "script show virtal-ip",
        "script json nonsense",
        "script json '[\"destroy\"]'",
    ] {
        shell.bad(line);
    }
    let mut shell = Shell::new();
    shell.good("script run virtual-ip ip=192.0.2.1");
    shell.bad("script run virtual-ip ip=192.0.2.2");
}

#[test]
fn wizards_are_read_from_a_directory_too() {
    let mut shell = Shell::new();
    let place = shell.directory.path().to_path_buf();
    let text = "about mine\nparameter id resource = own : its name\nconfigure\n\
                primitive %{id} ocf:heartbeat:Dummy\nafter\nmade %{id}\n";
    std::fs::write(place.join("mine.wizard"), text).unwrap();
    std::fs::write(place.join("broken.wizard"), "nonsense").unwrap();
    let name = place.to_string_lossy().into_owned();
    shell.session.options.settings.insert("core.script_dir".into(), name);
    assert!(shell.good("script list").contains("mine"));
    assert!(shell.good("script run mine id=x1").ends_with("made x1\n"));
    assert!(shell.stored().contains("id=\"x1\""));
}

#[test]
fn a_status_can_be_made_up_and_tried() {
    let mut shell = Shell::new();
    shell.good("configure primitive a ocf:heartbeat:Dummy op monitor interval=10s");
    shell.stored();
    assert_eq!(shell.good("cib cibstatus origin"), "live\n");
    let text = shell.good("configure\ncibstatus\nop start a success n1\nop monitor a 0 n1\nrun");
    assert!(text.contains("Leave") || !text.contains("Move"), "{text}");
    let text = shell.good("node n1 unclean\nquorum true\nrun");
    assert!(text.contains("Move       a           ( n1 -> n2 )") || text.contains("n2"), "{text}");
    assert!(shell.good("simulate nograph").contains("Revised Cluster Status"));
    let changed = shell.good("show changed");
    assert!(
        changed.contains("node n1 unclean") && changed.contains("a_monitor_10000@n1=0"),
        "{changed}"
    );
    shell.good("ticket t1 grant");
    assert!(shell.good("show").contains("t1"));
    let file = shell.path("trial.xml");
    shell.good(&format!("save {file}"));
    assert!(std::fs::read_to_string(&file).unwrap().contains("<primitive"));
    shell.good(&format!("load {file}\norigin"));
    assert_eq!(shell.good("show changed"), "");
    for line in [
        "node n9 online",
        "node n1 sideways",
        "op frobnicate a 0 n1",
        "op start nothing 0 n1",
        "op start a perhaps n1",
        "op start a 0",
        "ticket t1 eat",
        "quorum perhaps",
        "load /nowhere",
        "run fast",
        "show all",
    ] {
        shell.bad(line);
    }
    let now = shell.session.access.cib().unwrap().to_string();
    assert!(!now.contains("ticket_state"), "the cluster's own status was changed");
}

#[test]
fn what_resources_have_in_common_moves_to_a_template() {
    let mut shell = Shell::new();
    shell.good(
        "configure\nprimitive a ocf:heartbeat:Dummy params state=/a fake=x op monitor interval=10s\n\
         primitive b ocf:heartbeat:Dummy params state=/b fake=x op monitor interval=10s\n\
         primitive c ocf:heartbeat:Delay\nassist template a b",
    );
    let text = shell.good("show");
    assert!(text.contains("rsc_template Dummy-template Dummy"), "{text}");
    assert!(text.contains("primitive a @Dummy-template \\\n\tparams state=\"/a\""), "{text}");
    assert_eq!(text.matches("fake=x").count(), 1, "{text}");
    shell.good("assist weak-bond a c");
    let text = shell.good("show");
    assert!(text.contains("colocation weak-bond-a-c inf: ( a c ) bond-a-c"), "{text}");
    for line in ["assist template a c", "assist template c nothing", "assist weak-bond a nothing"] {
        shell.bad(line);
    }
}

#[test]
fn an_old_dump_is_brought_to_todays_words() {
    let mut shell = Shell::new();
    let file = shell.path("old.crm");
    let text = "primitive d ocf:pacemaker:Stateful op monitor interval=10s role=Master\n\
                primitive ip ocf:heartbeat:Dummy meta target-role=Started\n\
                ms ms_d d meta master-max=1 clone-max=2\n\
                colocation c inf: ip:Started ms_d:Master\n\
                order o inf: ms_d:promote ip:start\n\
                property $id=cib-bootstrap-options dc-version=1.0.9 expected-quorum-votes=2 \
                stonith-enabled=false default-resource-stickiness=100\n";
    std::fs::write(&file, text).unwrap();
    shell.good(&format!("configure load --compat replace {file}"));
    let now = shell.stored();
    for wanted in ["<clone id=\"ms_d\"", "promotable", "promoted-max", "role=\"Promoted\""] {
        assert!(now.contains(wanted), "{wanted}: {now}");
    }
    for gone in ["Master", "<master", "expected-quorum-votes", "dc-version", "default-resource"] {
        assert!(!now.contains(gone), "{gone}: {now}");
    }
}

#[test]
fn a_wizard_in_steps() {
    let mut shell = Shell::new();
    // The directory of settings belongs to the process; a name of its own keeps the test apart.
    let name = format!("crm-test-{}", std::process::id());
    let _ = shell.say(&format!("configure template delete {name} force"));
    let mut shell = Shell::new();
    shell.good(&format!("configure template new {name} virtual-ip params ip=192.0.2.9 id=addr"));
    assert!(shell.good("configure template list").contains(&name));
    assert!(shell.good("configure template list templates").contains("virtual-ip"));
    assert!(shell.good("configure template show").contains("ip=192.0.2.9"));
    shell.good(&format!("configure template load {name}"));
    shell.good(&format!("configure template apply {name}"));
    assert!(shell.stored().contains("id=\"addr\""));
    for line in [
        format!("configure template new {name} virtual-ip"),
        "configure template new x no-such-wizard".into(),
        "configure template show nothing-of-the-kind".into(),
        "configure template load nothing-of-the-kind".into(),
        "configure template edit".into(),
    ] {
        shell.bad(&line);
    }
    let mut shell = Shell::new();
    shell.good(&format!("configure template delete {name} force"));
}

/// The commands of crmsh by level, from the description of its surface.
fn surface(text: &str) -> Vec<(String, String)> {
    let mut level = String::new();
    let mut out = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("### Level `crm") {
            level = path.trim_end_matches('`').trim().rsplit(' ').next().unwrap_or("").to_string();
        } else if let Some(rest) = line.strip_prefix("- **")
            && let Some((name, rest)) = rest.split_once("**")
        {
            out.push((level.clone(), name.to_string()));
            let alias = rest.split_once("(alias: ").and_then(|(_, r)| r.split_once(')'));
            let aliases = alias.map(|(a, _)| a.split(',')).into_iter().flatten();
            out.extend(aliases.map(|a| (level.clone(), a.trim().to_string())));
        }
    }
    out
}

#[test]
fn every_command_of_crmsh_exists_or_says_why_not() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/crmsh-surface.md");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let text = format!("ignored: {} is not there\n", path.display());
        return std::io::stderr().write_all(text.as_bytes()).unwrap();
    };
    let all = surface(&text);
    assert!(all.len() > 150, "{} commands", all.len());
    let missing: Vec<String> = all
        .into_iter()
        .filter(|(level, name)| {
            let level = match level.as_str() {
                "" => Some(crate::table::Level::Root),
                name => crate::table::Level::from_name(name),
            };
            let known = |l| {
                matches!(
                    crate::table::find(l, name, false),
                    crate::table::Found::Exact(_) | crate::table::Found::Old(_)
                )
            };
            !level.is_some_and(known) && !name.starts_with('-')
        })
        .map(|(level, name)| format!("{level} {name}"))
        .collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}
