//! cluster.conf: what is accepted, what is refused and how that reads.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use crm_messaging::config::{AuthKey, AuthKeyError, ClusterConf, find_local};
use crm_messaging::group::NodeId;
use proptest::prelude::*;

const USUAL: &str = "
# comment
totem {
    version: 2
    cluster_name: lab
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: 3000
    interface {
        linknumber: 1
        mcastport: 6000
    }
}
logging {
    to_logfile: yes
    logfile: /var/log/crm.log
    to_syslog: no
    timestamp: hires
}
quorum {
    provider: corosync_votequorum
}
nodelist {
    node {
        name: node2
        nodeid: 2
        ring0_addr: 10.0.0.2
        ring1_addr: second.example
    }
    node {
        ring0_addr: node1
        nodeid: 1
        quorum_votes: 3
    }
}
";

fn refused(text: &str) -> String {
    ClusterConf::parse("cluster.conf", text).expect_err("must be refused").to_string()
}

#[test]
fn a_corosync_file_works_unchanged() {
    let conf = ClusterConf::parse("f", USUAL).unwrap();
    assert!(conf.warnings.is_empty(), "{:?}", conf.warnings);
    assert_eq!(conf.totem.cluster_name, "lab");
    assert_eq!(conf.totem.ports[..2], [5405, 6000]);
    assert_eq!(conf.nodes[0].name, "node1");
    assert_eq!(conf.nodes[1].addresses, ["10.0.0.2", "second.example"]);
    assert_eq!(conf.quorum.expected_votes, 4);
    assert!(!conf.quorum.two_node);
    assert_eq!(conf.logging.logfile.as_deref(), Some("/var/log/crm.log".as_ref()));
}

#[test]
fn two_node_waits_for_all_unless_told_otherwise() {
    let nodes =
        "nodelist {\nnode {\nring0_addr: a\nnodeid: 1\n}\nnode {\nring0_addr: b\nnodeid: 2\n}\n}\n";
    let conf = ClusterConf::parse("f", &format!("quorum {{\ntwo_node: 1\n}}\n{nodes}")).unwrap();
    assert!(conf.quorum.two_node && conf.quorum.wait_for_all);
    let text = format!("quorum {{\ntwo_node: 1\nwait_for_all: 0\n}}\n{nodes}");
    assert!(!ClusterConf::parse("f", &text).unwrap().quorum.wait_for_all);
}

#[test]
fn an_unknown_key_is_a_warning_with_its_line() {
    let text = USUAL.replace("token: 3000", "tokn: 3000");
    let conf = ClusterConf::parse("cluster.conf", &text).unwrap();
    assert_eq!(conf.warnings.len(), 1);
    assert_eq!(conf.warnings[0].line(&text), 9);
    let shown = conf.warnings[0].render("cluster.conf", &text);
    assert!(shown.contains("cluster.conf:9:5") && shown.contains("`token`"), "{shown}");
}

#[test]
fn an_error_shows_line_and_caret() {
    let shown = refused(&USUAL.replace("token: 3000", "token: soon"));
    assert!(shown.contains("cluster.conf:9:12"), "{shown}");
    assert!(shown.contains("^^^^"), "{shown}");
    let shown = refused(&USUAL.replace("10.0.0.2", "999.1.1.1"));
    assert!(shown.contains("`999.1.1.1` is not an address"), "{shown}");
}

#[test]
fn broken_files_are_refused_with_the_reason() {
    for (text, reason) in [
        ("", "no node is listed"),
        ("totem {\n", "never closed"),
        ("}\n", "closes nothing"),
        ("totem\n", "neither"),
        ("nodelist {\nnode {\nring0_addr: a\n}\n}", "no nodeid"),
        ("nodelist {\nnode {\nnodeid: 1\n}\n}", "no ring0_addr"),
        ("nodelist {\nnode {\nnodeid: 0\nring0_addr: a\n}\n}", "from 1"),
        (&USUAL.replace("nodeid: 2", "nodeid: 1"), "number 1 is taken"),
        (&USUAL.replace("name: node2", "name: node1"), "name `node1` is taken"),
        (&USUAL.replace("ring0_addr: node1", "ring0_addr: 10.0.0.2\nname: node1"), "already"),
    ] {
        let shown = refused(text);
        assert!(shown.contains(reason), "{reason}: {shown}");
    }
}

#[test]
fn this_machine_is_found_by_address_or_name() {
    let conf = ClusterConf::parse("f", USUAL).unwrap();
    let here = BTreeSet::from(["10.0.0.2".parse().unwrap()]);
    assert_eq!(find_local(&conf, "whatever", &here).unwrap().id, NodeId(2));
    assert_eq!(find_local(&conf, "node1.example", &BTreeSet::new()).unwrap().id, NodeId(1));
    let error = find_local(&conf, "stranger", &BTreeSet::new()).unwrap_err().to_string();
    assert!(error.contains("`stranger`"), "{error}");
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("authkey");
    std::fs::write(&path, [7; 32]).unwrap();
    let mode =
        |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o440);
    assert!(matches!(AuthKey::load(&path), Err(AuthKeyError::Open { mode: 0o440, .. })));
    mode(0o400);
    assert_eq!(AuthKey::load(&path).unwrap().bytes(), [7; 32]);
    mode(0o600);
    std::fs::write(&path, [7; 31]).unwrap();
    assert!(matches!(AuthKey::load(&path), Err(AuthKeyError::Size { bytes: 31, .. })));
    assert!(matches!(AuthKey::load(dir.path()), Err(AuthKeyError::NotAFile(_))));
    let absent = AuthKey::load(&dir.path().join("none")).unwrap_err().to_string();
    assert!(absent.contains("make one"), "{absent}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        if let Err(error) = ClusterConf::parse("f", &text) {
            let _ = error.to_string();
        }
    }

    #[test]
    fn no_mixture_of_known_words_panics(words in proptest::collection::vec(
        prop_oneof![
            Just("totem"), Just("nodelist"), Just("node"), Just("quorum"), Just("{\n"), Just("}\n"),
            Just("\n"), Just("nodeid:"), Just("ring0_addr:"), Just("1"), Just(" "), Just("é"),
            Just("two_node:"), Just("token:"), Just("99999999999"), Just(":"), Just("#"),
        ], 0..60)) {
        if let Err(error) = ClusterConf::parse("f", &words.concat()) {
            let _ = error.to_string();
        }
    }
}
