use std::collections::BTreeMap;

use super::*;

fn context(pairs: &[(&str, &str)]) -> Result<Context, Failure> {
    let environment: BTreeMap<String, String> =
        pairs.iter().map(|(k, v)| (format!("OCF_RESKEY_{k}"), (*v).to_owned())).collect();
    Context::new(&AGENT, environment)
}

#[test]
fn mistakes_are_found_before_a_start() {
    let base = [("device", "/dev/none"), ("fstype", "ext4")];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all = base.to_vec();
        all.extend(more);
        context(&all).and_then(|context| run(&context, "validate-all")).unwrap_err()
    };
    assert!(with(&[]).reason.contains("\"directory\" is required"));
    assert!(with(&[("directory", "data")]).reason.contains("begin with /"));
    assert!(with(&[("directory", "/")]).reason.contains("mounted over"));
    let missing = with(&[("directory", "/srv/x")]);
    assert_eq!((missing.code, missing.reason.contains("/dev/none")), (Code::NotInstalled, true));
    let clone = with(&[("directory", "/srv/x"), ("CRM_meta_clone", "0")]);
    assert_eq!(clone.code, Code::NotConfigured);
    assert!(clone.reason.contains("force_clones"), "{}", clone.reason);
    let odd = with(&[("directory", "/srv/x"), ("run_fsck", "maybe")]);
    assert!(odd.reason.contains("auto, force, no"), "{}", odd.reason);
}

#[test]
fn what_is_not_mounted_is_not_running_and_stops_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let context = context(&[
        ("device", "/srv"),
        ("directory", path),
        ("fstype", "none"),
        ("options", "bind"),
    ])
    .unwrap();
    assert_eq!(run(&context, "monitor"), Ok(Code::NotRunning));
    assert_eq!(run(&context, "stop"), Ok(Code::Ok));
}
