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
<nodes><node id="1" uname="n1"/></nodes>
<resources><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></resources>
<constraints><rsc_location id="cli-ban-p-on-n1" rsc="p" node="n1" score="-INFINITY"/></constraints>
</configuration>
<status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/></status>
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
