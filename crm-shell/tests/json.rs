//! With `--json` nothing is printed that is not JSON.

use std::rc::Rc;

use crm_shell::access::FileAccess;
use crm_shell::agents::Installed;
use crm_shell::language::words;
use crm_shell::message::Source;
use crm_shell::session::{Options, Session};

const CIB: &str = r#"<cib validate-with="pacemaker-3.9" have-quorum="1" epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config><cluster_property_set id="o">
<nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"><instance_attributes id="na"><nvpair id="na1" name="rack" value="4"/>
</instance_attributes></node></nodes>
<resources><primitive id="p" class="ocf" provider="heartbeat" type="Dummy">
<meta_attributes id="pm"><nvpair id="pm1" name="priority" value="3"/></meta_attributes></primitive></resources>
<constraints><rsc_location id="cli-ban-p-on-n1" rsc="p" node="n1" score="-INFINITY"/></constraints>
</configuration>
<status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
<lrm id="1"><lrm_resources><lrm_resource id="p" class="ocf" provider="heartbeat" type="Dummy">
<lrm_rsc_op id="p_last_0" operation_key="p_monitor_0" operation="monitor" crm-debug-origin="x" crm_feature_set="3.16.2"
transition-key="1:0:7:d" transition-magic="0:7;1:0:7:d" call-id="5" rc-code="7" op-status="0" interval="0"
last-rc-change="100" exec-time="4"/></lrm_resource></lrm_resources></lrm></node_state></status>
</cib>"#;

/// What a command prints and says, line by line.
fn said(command: &str) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).map_err(|e| e.to_string())?;
    let access = Box::new(FileAccess::new(path));
    let mut session = Session::new(access, Box::new(Installed::new(&[])), Options::default());
    session.printer.json = true;
    session.printer.captured = Some(String::new());
    let all = words(command, 0).map_err(|at| format!("open quote at {at}"))?;
    let source = Rc::new(Source { name: None, text: command.into() });
    if let Err(failure) = session.execute(&all, &source) {
        session.report(failure, None);
    }
    let text = session.printer.captured.take().unwrap_or_default();
    Ok(text.lines().map(str::to_string).collect())
}

#[test]
fn every_line_is_a_value() {
    let commands = [
        "status",
        "status inactive",
        "status nonsense",
        "verify",
        "why p",
        "why n1",
        "simulate quorum-loss",
        "simulate node-loss n1",
        "lint",
        "help",
        "ls",
        "configure show",
        "configure show nosuch",
        "configure show xml",
        "configure diff",
        "configure graph",
        "configure get_property stonith-enabled",
        "configure primitive",
        "resource status",
        "resource locate p",
        "resource locate nosuch",
        "resource constraints p",
        "resource scores",
        "resource operations",
        "resource meta p show x",
        "node show",
        "node show nosuch",
        "node status",
        "ra classes",
        "ra info nosuch",
        "cib list",
        "nonsense",
    ];
    let mut silent = 0;
    for command in commands {
        let lines = said(command).unwrap();
        silent += usize::from(lines.is_empty());
        for line in lines {
            let value: Result<serde_json::Value, _> = serde_json::from_str(&line);
            assert!(value.is_ok(), "{command}: {line}");
        }
    }
    assert!(silent < 6, "{silent} commands print nothing");
}

/// The words in backticks of the row of a command: those that always apply, and the others.
fn documented(command: &str) -> (Vec<String>, Vec<String>) {
    let page = include_str!("../../docs/reference/json.md");
    let row = page.lines().find(|l| {
        let names = l.strip_prefix("| ").and_then(|l| l.split(" | ").next()).unwrap_or_default();
        names.split(", ").any(|n| n == format!("`{command}`"))
    });
    let value = row.and_then(|r| r.split(" | ").nth(1)).unwrap_or_default().to_string();
    assert!(!value.is_empty(), "{command} is not in the table");
    let words = |text: &str| -> Vec<String> {
        let quoted = text.split('`').skip(1).step_by(2);
        quoted
            .filter(|w| w.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .map(str::to_string)
            .collect()
    };
    let sometimes: String = value.split('_').filter(|p| p.starts_with('`')).collect();
    let mut all = words(&value);
    for place in ["effects", "because", "held"] {
        if all.iter().any(|w| w == place) {
            let text =
                page.split("`effects` are a list").nth(1).and_then(|t| t.split("\n\n").next());
            all.extend(words(text.unwrap_or_default()));
        }
    }
    (all, words(&sometimes))
}

fn keys(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(all) => {
            for (key, inner) in all {
                out.push(key.clone());
                // What a person has named is no field.
                if !matches!(key.as_str(), "attributes" | "utilization") {
                    keys(inner, out);
                }
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|v| keys(v, out)),
        _ => {}
    }
}

#[test]
fn values_have_the_documented_fields_and_no_others() {
    // The command, how it is called, and the fields that it must have.
    let all = [
        (
            "why",
            "why p",
            "resource role next_role active assigned verdict because held remedy obstacles actions scores parts",
        ),
        (
            "node why",
            "node why n1",
            "node online unavailable because fencing actions active assigned",
        ),
        ("resource constraints", "resource constraints p", "kind id text"),
        (
            "resource operations",
            "resource operations p",
            "resource node operation interval_ms exit_code status reason time run_ms",
        ),
        ("resource meta show", "resource meta p show priority", "resource name value"),
        ("resource failcount show", "resource failcount p show n1", "resource node value"),
        ("node status", "node status", "id name type attributes utilization"),
        ("node attribute show", "node attribute n1 show rack", "node scope name value"),
        ("configure show", "configure show", "kind id text"),
        ("configure verify", "configure verify", "valid schema_errors errors"),
        ("verify", "verify", "valid schema_errors errors"),
        ("lint", "lint", "rule object message help"),
        ("configure lint", "configure lint", "rule object message help"),
        ("configure get_property", "configure get_property", "name value default set about"),
        ("configure schema", "configure schema", "schema"),
        ("simulate", "simulate node-up n1", "effects before after"),
        ("ra classes", "ra classes", "class providers"),
        ("script list", "script list", "name about category"),
        (
            "script show",
            "script show virtual-ip",
            "name about category help parameters type required default",
        ),
    ];
    for (command, called, wanted) in all {
        let lines = said(called).unwrap();
        let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        let mut found = Vec::new();
        keys(&value, &mut found);
        let (known, _) = documented(command);
        for key in &found {
            // Reports lie within reports, down to what made a score.
            let deep =
                ["contributions", "source", "sum", "replaces", "score"].contains(&key.as_str());
            assert!(deep || known.contains(key), "{command}: {key} is not documented: {lines:?}");
        }
        for key in wanted.split(' ') {
            assert!(found.iter().any(|f| f == key), "{command} has no {key}: {lines:?}");
            assert!(known.iter().any(|k| k == key), "{command}: {key} is not documented");
        }
    }
}

#[test]
fn a_preview_says_what_changes_and_why_things_happen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).unwrap();
    let access = Box::new(FileAccess::new(path));
    let mut session = Session::new(access, Box::new(Installed::new(&[])), Options::default());
    session.options.checks = crm_shell::session::Checks::Never;
    session.printer.json = true;
    session.printer.captured = Some(String::new());
    session.run_text(Source {
        name: None,
        text: "configure\ndelete cli-ban-p-on-n1\n\
               primitive q ocf:heartbeat:Dummy params passwd=hush\ncommit --dry-run\n"
            .into(),
    });
    let said = session.printer.captured.take().unwrap();
    let mut values = said.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let value = values.rfind(|v| v.get("effects").is_some()).unwrap();
    let fates: Vec<_> = value["changes"].as_array().unwrap().iter().map(|c| &c["change"]).collect();
    assert_eq!(fates, ["removed", "added"]);
    let effects = value["effects"].as_array().unwrap();
    let of = |id: &str| effects.iter().find(|e| e["subject"] == id).unwrap();
    for id in ["p", "q"] {
        assert_eq!(of(id)["action"], "start");
        assert!(of(id)["because"][0]["text"].as_str().unwrap().contains(id), "{said}");
        assert_eq!(of(id)["disturbs"], false);
    }
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn errors_have_their_place_and_advice() {
    let error: serde_json::Value =
        serde_json::from_str(&said("configure property no-quorum-polic=stop").unwrap()[0]).unwrap();
    assert_eq!(error["severity"], "error");
    assert_eq!((&error["line"], &error["column"]), (&1.into(), &20.into()), "{error}");
    assert!(error["message"].as_str().unwrap().contains("no-quorum-policy"), "{error}");
}

#[test]
fn the_overview_has_the_documented_fields() {
    let page = include_str!("../../docs/reference/json.md");
    let value: serde_json::Value = serde_json::from_str(&said("status").unwrap()[0]).unwrap();
    let fields = |v: &serde_json::Value| -> Vec<String> {
        v.as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect()
    };
    let mut all = fields(&value);
    for list in ["nodes", "resources", "leftovers", "troubles"] {
        assert!(value[list][0].is_object(), "{list} is empty");
        all.extend(fields(&value[list][0]));
    }
    for field in all {
        assert!(page.contains(&format!("`{field}`")), "{field} is not in docs/reference/json.md");
    }
}

#[test]
fn the_simulator_gives_its_reasons_in_one_document() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).unwrap();
    let ask = |more: &[&str]| {
        let words = ["-x", path.to_str().unwrap(), "--why"].into_iter().chain(more.iter().copied());
        let words: Vec<String> = words.map(String::from).collect();
        let mut said = crm_shell::compat::console::Collected::default();
        let exit = crm_shell::compat::simulate::run(&words, &mut said);
        assert_eq!((exit.0, said.err.as_str()), (0, ""));
        said.out
    };
    let value: serde_json::Value = serde_json::from_str(&ask(&["--output-as=json"])).unwrap();
    assert_eq!(value["nodes"][0]["node"], "n1");
    let resource = &value["resources"][0];
    assert_eq!(
        (&resource["resource"], &resource["assigned"]),
        (&"p".into(), &serde_json::Value::Null)
    );
    // The ban that the text names is in the document, too.
    assert!(ask(&[]).contains("cli-ban-p-on-n1"));
    assert!(resource.to_string().contains("cli-ban-p-on-n1"));
}
