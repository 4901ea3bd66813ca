use super::*;

const AGENT: Agent = Agent {
    name: "Test",
    stands_in_for: &[],
    short: "A <test>",
    long: "Tests & more",
    parameters: &[
        Parameter {
            name: "port",
            kind: Kind::Integer(1, 65535),
            required: true,
            ..Parameter::OPTIONAL
        },
        Parameter { name: "fast", kind: Kind::Boolean, default: Some("no"), ..Parameter::OPTIONAL },
        Parameter { name: "wait", kind: Kind::Time, ..Parameter::OPTIONAL },
        Parameter { name: "how", kind: Kind::Select(&["a", "b"]), ..Parameter::OPTIONAL },
    ],
    actions: &[Action::once("start", 20), Action::monitor_role(5, 10, "Promoted")],
    run: |_, _| Ok(Code::Ok),
};

fn context(pairs: &[(&str, &str)]) -> Result<Context, Failure> {
    let environment = pairs.iter().map(|(k, v)| (format!("OCF_RESKEY_{k}"), (*v).to_owned()));
    Context::new(&AGENT, environment.collect())
}

#[test]
fn values_are_read_and_defaults_hold() {
    let context = context(&[("port", " 80 "), ("wait", "1.5s"), ("other", "x")]).unwrap();
    assert_eq!(context.integer("port"), 80);
    assert!(!context.is_true("fast"));
    assert_eq!(context.time("wait"), Duration::from_millis(1500));
    assert_eq!(context.text("how"), None);
}

#[test]
fn mistakes_are_named_with_what_is_wanted() {
    for (pairs, words) in [
        (vec![], "\"port\" is required"),
        (vec![("port", "")], "\"port\" is required"),
        (vec![("port", "70000")], "from 1 to 65535"),
        (vec![("port", "80"), ("fast", "perhaps")], "true or false"),
        (vec![("port", "80"), ("wait", "-3s")], "a time"),
        (vec![("port", "80"), ("how", "c")], "one of: a, b"),
    ] {
        let failure = context(&pairs).expect_err(words);
        assert_eq!(failure.code, Code::NotConfigured);
        assert!(failure.reason.contains(words), "{}", failure.reason);
    }
}

#[test]
fn metadata_comes_from_the_declaration() {
    let xml = metadata(&AGENT);
    for part in [
        "<resource-agent name=\"Test\"",
        "A &lt;test&gt;",
        "<parameter name=\"port\" unique=\"0\" required=\"1\" reloadable=\"0\">",
        "<content type=\"boolean\" default=\"no\"/>",
        "<option value=\"b\"/>",
        "<action name=\"monitor\" timeout=\"5s\" interval=\"10s\" depth=\"0\" role=\"Promoted\"/>",
        "<action name=\"validate-all\"",
    ] {
        assert!(xml.contains(part), "{part} is missing in\n{xml}");
    }
}
