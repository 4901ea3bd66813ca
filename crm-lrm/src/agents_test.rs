use super::*;

fn script(path: &Path, mode: u32) {
    std::fs::create_dir_all(path.parent().expect("it lies in a directory")).unwrap();
    std::fs::write(path, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn catalog(root: &Path) -> Catalog {
    let ours = |kind: &str, stands_in_for: &[&str]| BuiltIn {
        class: "ocf".to_owned(),
        provider: Some("crm".to_owned()),
        kind: kind.to_owned(),
        stands_in_for: stands_in_for.iter().map(|p| (*p).to_owned()).collect(),
        args: vec!["agent".to_owned(), "crm".to_owned(), kind.to_owned()],
    };
    Catalog {
        paths: AgentPaths {
            ocf: vec![root.join("ocf1"), root.join("ocf2")],
            lsb: root.join("init.d"),
            heartbeat: root.join("resource.d"),
            stonith_external: root.join("external"),
            fence: vec![root.join("sbin")],
            own_executable: root.join("crm"),
        },
        built_in: vec![ours("IPaddr2", &["heartbeat"]), ours("Dummy", &["heartbeat", "pacemaker"])],
    }
}

fn program(catalog: &Catalog, name: &str) -> Result<PathBuf, AgentError> {
    catalog.resolve(&AgentName::parse(name).expect("a well-formed name")).map(|a| a.program)
}

#[test]
fn a_file_of_the_machine_comes_before_ours_except_for_our_own_provider() {
    let root = tempfile::tempdir().unwrap();
    let catalog = catalog(root.path());
    let own = root.path().join("crm");
    assert_eq!(program(&catalog, "ocf:heartbeat:IPaddr2").unwrap(), own);
    assert_eq!(program(&catalog, "ocf:crm:IPaddr2").unwrap(), own);
    assert!(program(&catalog, "ocf:pacemaker:IPaddr2").is_err());
    let theirs = root.path().join("ocf2/heartbeat/IPaddr2");
    script(&theirs, 0o755);
    script(&root.path().join("ocf2/crm/IPaddr2"), 0o755);
    assert_eq!(program(&catalog, "ocf:heartbeat:IPaddr2").unwrap(), theirs);
    assert_eq!(program(&catalog, "ocf:crm:IPaddr2").unwrap(), own);
    let better = root.path().join("ocf1/heartbeat/IPaddr2");
    script(&better, 0o755);
    assert_eq!(program(&catalog, "IPaddr2").unwrap(), better);
}

#[test]
fn names_that_leave_their_directory_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let catalog = catalog(root.path());
    for name in ["lsb:../passwd", "lsb:.hidden", "ocf:..:x", "ocf:a/b:x", "stonith:external/../x"] {
        assert!(
            matches!(program(&catalog, name), Err(AgentError::BadName(_))),
            "{name} was accepted"
        );
    }
}

#[test]
fn a_plugin_that_others_may_change_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let catalog = catalog(root.path());
    let plugin = root.path().join("external/demo");
    script(&plugin, 0o755);
    assert_eq!(program(&catalog, "stonith:external/demo").unwrap(), plugin);
    for mode in [0o775, 0o757] {
        script(&plugin, mode);
        let error = program(&catalog, "stonith:external/demo").unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    let error = program(&catalog, "stonith:external/none").unwrap_err();
    assert!(error.to_string().contains("stonith:external/none"), "{error}");
}

#[test]
fn service_prefers_the_init_script() {
    let root = tempfile::tempdir().unwrap();
    let catalog = catalog(root.path());
    let name = AgentName::parse("service:web").unwrap();
    let agent = catalog.resolve(&name).unwrap();
    assert_eq!(
        (agent.interface, agent.program.to_str()),
        (Interface::Systemd, Some("web.service"))
    );
    script(&root.path().join("init.d/web"), 0o755);
    assert_eq!(catalog.resolve(&name).unwrap().interface, Interface::Lsb);
}

#[test]
fn listings_join_files_and_built_in_agents() {
    let root = tempfile::tempdir().unwrap();
    let catalog = catalog(root.path());
    script(&root.path().join("ocf1/linbit/drbd"), 0o755);
    script(&root.path().join("ocf1/linbit/.ocf-shellfuncs"), 0o755);
    script(&root.path().join("ocf1/linbit/README"), 0o644);
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(catalog.providers(None), set(&["crm", "heartbeat", "linbit", "pacemaker"]));
    assert_eq!(catalog.providers(Some("IPaddr2")), set(&["crm", "heartbeat"]));
    script(&root.path().join("ocf1/heartbeat/Dummy"), 0o755);
    assert_eq!(catalog.providers(Some("Dummy")), set(&["heartbeat"]));
    assert_eq!(catalog.types("ocf", Some("linbit")), set(&["drbd"]));
    assert_eq!(catalog.types("ocf", None), set(&["Dummy", "IPaddr2", "drbd"]));
}
