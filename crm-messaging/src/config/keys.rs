//! The keys of corosync.conf(5) that are known, so that a slip is told from a setting without effect.

use super::Diagnostic;
use super::syntax::Section;

const TOP: &[&str] =
    &["totem", "nodelist", "quorum", "logging", "system", "resources", "nozzle", "uidgid", "qb"];
const TOTEM: &[&str] = &[
    "version",
    "cluster_name",
    "transport",
    "token",
    "token_coefficient",
    "token_warning",
    "token_retransmit",
    "token_retransmits_before_loss_const",
    "hold",
    "consensus",
    "join",
    "send_join",
    "merge",
    "downcheck",
    "fail_recv_const",
    "seqno_unchanged_const",
    "window_size",
    "max_messages",
    "miss_count_const",
    "heartbeat_failures_allowed",
    "max_network_delay",
    "rrp_mode",
    "rrp_problem_count_timeout",
    "rrp_problem_count_threshold",
    "rrp_problem_count_mcast_threshold",
    "rrp_token_expired_timeout",
    "rrp_autorecovery_check_timeout",
    "link_mode",
    "ip_version",
    "netmtu",
    "knet_mtu",
    "knet_pmtud_interval",
    "knet_compression_model",
    "knet_compression_threshold",
    "knet_compression_level",
    "secauth",
    "crypto_model",
    "crypto_cipher",
    "crypto_hash",
    "keyfile",
    "key",
    "autojoin",
    "threads",
    "clear_node_high_bit",
    "nodeid",
    "vsftype",
    "block_unlisted_ips",
    "cancel_token_hold_on_retransmit",
    "config_version",
    "mcastport",
    "allow_knet_handle_fallback",
    "interface",
];
const INTERFACE: &[&str] = &[
    "linknumber",
    "ringnumber",
    "bindnetaddr",
    "broadcast",
    "mcastaddr",
    "mcastport",
    "ttl",
    "knet_link_priority",
    "knet_ping_interval",
    "knet_ping_timeout",
    "knet_ping_precision",
    "knet_pong_count",
    "knet_transport",
    "member",
];
const NODE: &[&str] = &["name", "nodeid", "quorum_votes"];
const QUORUM: &[&str] = &[
    "provider",
    "expected_votes",
    "expected_votes_tracking",
    "votes",
    "quorum_votes",
    "two_node",
    "wait_for_all",
    "last_man_standing",
    "last_man_standing_window",
    "auto_tie_breaker",
    "auto_tie_breaker_node",
    "allow_downscale",
    "device",
];
const LOGGING: &[&str] = &[
    "fileline",
    "function_name",
    "to_stderr",
    "to_logfile",
    "to_syslog",
    "logfile",
    "logfile_priority",
    "syslog_facility",
    "syslog_priority",
    "debug",
    "timestamp",
    "tags",
    "blackbox",
    "subsys",
    "logger_subsys",
];
/// Keys that change what the cluster does, known but not implemented: silence would deceive.
const WITHOUT_EFFECT: &[&str] =
    &["last_man_standing", "auto_tie_breaker", "allow_downscale", "expected_votes_tracking"];

/// Warnings for everything in the file that has no effect and should have one, or that nobody knows.
pub(super) fn check(root: &Section, warnings: &mut Vec<Diagnostic>) {
    for setting in &root.settings {
        let message = format!("`{}` stands outside of every section and is ignored", setting.key);
        warnings.push(Diagnostic::warning(setting.key_span.clone(), message));
    }
    for section in &root.sections {
        match section.name.as_str() {
            "totem" => {
                settings(section, TOTEM, warnings);
                nested(section, &[("interface", INTERFACE)], warnings);
            }
            "nodelist" => {
                settings(section, &[], warnings);
                nested(section, &[("node", NODE)], warnings);
            }
            "quorum" => {
                settings(section, QUORUM, warnings);
                for device in section.named("device") {
                    let message = "a quorum device is not supported yet: its vote does not count";
                    warnings.push(Diagnostic::warning(device.span.clone(), message));
                }
            }
            "logging" => {
                settings(section, LOGGING, warnings);
                nested(section, &[("logger_subsys", LOGGING)], warnings);
            }
            name if TOP.contains(&name) => {}
            _ => unknown(&section.name, "section", section.span.clone(), TOP, warnings),
        }
    }
}

fn nested(section: &Section, known: &[(&str, &[&str])], warnings: &mut Vec<Diagnostic>) {
    for inner in &section.sections {
        if let Some((_, keys)) = known.iter().find(|(name, _)| *name == inner.name) {
            settings(inner, keys, warnings);
        } else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            unknown(&inner.name, "section", inner.span.clone(), &names, warnings);
        }
    }
}

fn settings(section: &Section, known: &[&str], warnings: &mut Vec<Diagnostic>) {
    for setting in &section.settings {
        let key = setting.key.as_str();
        if WITHOUT_EFFECT.contains(&key) && setting.value != "0" && setting.value != "no" {
            let message = format!("`{key}` is not supported yet and has no effect");
            warnings.push(Diagnostic::warning(setting.key_span.clone(), message));
        } else if !(known.contains(&key) || section.name == "node" && is_ring_address(key)) {
            unknown(key, "key", setting.key_span.clone(), known, warnings);
        }
    }
}

fn unknown(
    word: &str,
    what: &str,
    span: std::ops::Range<usize>,
    known: &[&str],
    warnings: &mut Vec<Diagnostic>,
) {
    let remark = Diagnostic::warning(span, format!("unknown {what} `{word}` is ignored"));
    let near = known.iter().find(|candidate| one_slip(word, candidate));
    warnings.push(match near {
        Some(candidate) => remark.help(format!("did you mean `{candidate}`?")),
        None => remark,
    });
}

fn is_ring_address(key: &str) -> bool {
    (0..super::MAX_LINKS).any(|link| key == format!("ring{link}_addr"))
}

/// Whether one letter was left out, added, changed or swapped with its neighbour.
fn one_slip(word: &str, candidate: &str) -> bool {
    let (a, b) = (word.as_bytes(), candidate.as_bytes());
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail =
        a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    match (&a[head..a.len() - tail], &b[head..b.len() - tail]) {
        ([], []) => false,
        ([_], [] | [_]) | ([], [_]) => true,
        ([w, x], [y, z]) => w == z && x == y,
        _ => false,
    }
}
