use super::*;
use crate::operation::AgentName;

fn operation(agent: &str, action: &str, params: &[(&str, &str)]) -> Operation {
    Operation {
        resource: "web:1".to_owned(),
        agent: AgentName::parse(agent).expect("a well-formed name"),
        action: action.to_owned(),
        interval: Duration::from_millis(1500),
        timeout: Duration::from_secs(3),
        start_delay: Duration::ZERO,
        params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        key: String::new(),
    }
}

fn agent(interface: Interface) -> Agent {
    Agent { interface, program: PathBuf::from("/x/agent"), args: Vec::new(), built_in: false }
}

fn around() -> Surroundings {
    Surroundings {
        node_name: "node1".to_owned(),
        bin_dir: PathBuf::from("/run/crm/bin"),
        ocf_root: PathBuf::from("/usr/lib/ocf"),
        extra: BTreeMap::new(),
    }
}

fn finished(code: i32, stdout: &str) -> Finished {
    Finished {
        ending: Ending::Exited(code),
        stdout: stdout.as_bytes().to_vec(),
        stderr: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

fn exit(agent: &str, interface: Interface, action: &str, code: i32, stdout: &str) -> i32 {
    outcome(interface, &operation(agent, action, &[]), finished(code, stdout)).exit.0
}

#[test]
fn the_environment_of_an_ocf_agent() {
    let operation = operation(
        "ocf:pacemaker:Stateful",
        "monitor",
        &[("state", "/run/x y"), ("OCF_CHECK_LEVEL", "10"), ("CRM_meta_clone", "1"), ("a=b", "")],
    );
    let command = command(&agent(Interface::Ocf), &operation, &around());
    assert_eq!(command.args, ["monitor"]);
    let get = |name: &str| {
        command.env.get(&OsString::from(name)).map(|v| v.to_string_lossy().into_owned())
    };
    for (name, value) in [
        ("OCF_ROOT", "/usr/lib/ocf"),
        ("OCF_RESOURCE_INSTANCE", "web:1"),
        ("OCF_RESOURCE_PROVIDER", "pacemaker"),
        ("OCF_RESOURCE_TYPE", "Stateful"),
        ("OCF_RA_VERSION_MAJOR", "1"),
        ("OCF_RESKEY_state", "/run/x y"),
        ("OCF_RESKEY_CRM_meta_clone", "1"),
        ("OCF_RESKEY_CRM_meta_interval", "1500"),
        ("OCF_RESKEY_CRM_meta_timeout", "3000"),
        ("OCF_RESKEY_CRM_meta_on_node", "node1"),
        ("OCF_CHECK_LEVEL", "10"),
        ("HA_SBIN_DIR", "/run/crm/bin"),
    ] {
        assert_eq!(get(name).as_deref(), Some(value), "{name}");
    }
    assert!(get("PATH").is_some_and(|path| path.starts_with("/run/crm/bin:")));
    assert_eq!(get("OCF_RESKEY_OCF_CHECK_LEVEL"), None);
    assert!(!command.env.keys().any(|key| key.to_string_lossy().contains('=')));
}

#[test]
fn init_scripts_are_asked_for_their_status() {
    let command_of = |action| {
        command(&agent(Interface::Lsb), &operation("lsb:web", action, &[]), &around()).args
    };
    assert_eq!(command_of("monitor"), ["status"]);
    assert_eq!(command_of("start"), ["start"]);
    let codes = [(0, 0), (1, 7), (2, 7), (3, 7), (4, 1), (127, 1)];
    for (code, expected) in codes {
        assert_eq!(exit("lsb:web", Interface::Lsb, "monitor", code, ""), expected, "status {code}");
    }
    for (code, expected) in [(0, 0), (5, 5), (7, 7), (8, 1), (126, 1)] {
        assert_eq!(exit("lsb:web", Interface::Lsb, "start", code, ""), expected, "start {code}");
    }
}

#[test]
fn heartbeat_scripts_take_the_action_last_and_answer_in_words() {
    let params = [("2", "b"), ("10", "c"), ("1", "a"), ("CRM_meta_timeout", "3")];
    let operation = operation("heartbeat:IPaddr", "monitor", &params);
    let command = command(&agent(Interface::Heartbeat), &operation, &around());
    assert_eq!(command.args, ["a", "b", "c", "status"]);
    for (words, expected) in [
        ("IP is running", 0),
        ("INFO: OK", 0),
        ("INFO: not running", 7),
        ("stopped, was running", 7),
        ("", 7),
    ] {
        let code = exit("heartbeat:x", Interface::Heartbeat, "monitor", 0, words);
        assert_eq!(code, expected, "{words:?}");
    }
}

#[test]
fn ocf_codes_pass_unchanged_and_odd_ends_are_named() {
    for code in [0, 7, 8, 9, 126, 127, 190, 191, 255] {
        assert_eq!(exit("ocf:a:b", Interface::Ocf, "monitor", code, ""), code);
    }
    let monitor = operation("ocf:a:b", "monitor", &[]);
    let ended = |ending| {
        let finished = Finished { ending, ..finished(0, "") };
        let end = outcome(Interface::Ocf, &monitor, finished);
        (end.status, end.exit.0, end.exit_reason)
    };
    let (status, code, reason) = ended(Ending::Signalled(9));
    assert_eq!((status, code), (ExecutionStatus::Error, 1));
    assert!(reason.contains("SIGKILL"), "{reason}");
    let (status, code, reason) = ended(Ending::TimedOut);
    assert_eq!((status, code), (ExecutionStatus::Timeout, 1));
    assert!(reason.contains("3s"), "{reason}");
    for (errno, status, code) in [
        (nix::libc::ENOENT, ExecutionStatus::NotInstalled, 5),
        (nix::libc::ENOTDIR, ExecutionStatus::NotInstalled, 5),
        (nix::libc::EACCES, ExecutionStatus::Error, 4),
        (nix::libc::ENOEXEC, ExecutionStatus::Error, 1),
        (nix::libc::ENOMEM, ExecutionStatus::Error, 1),
    ] {
        let error = io::Error::from_raw_os_error(errno);
        let (got, exit, reason) = ended(Ending::NotStarted(error));
        assert_eq!((got, exit), (status, code), "errno {errno}");
        assert!(!reason.is_empty());
    }
}
