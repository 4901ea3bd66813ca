use super::*;

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

#[test]
fn all_carried_wizards_can_be_read() {
    let (all, wrong) = all(None);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(all.len() >= CARRIED.len());
    assert!(all["mysql-drbd"].configure.iter().any(|l| l.starts_with("colocation")));
}

#[test]
fn blanks_options_and_conditions_are_filled_in() {
    let text = "about x\nparameter a text required : first\nparameter b integer : second\n\
                parameter c boolean = false : third\nconfigure\n\
                primitive %{a} Dummy %[params n=%{b} %]meta x=y\n%if c : property c=%{c}\n\
                after\nmade %{a}";
    let wizard = read("w", text).unwrap();
    let made = |pairs: &[(&str, &str)]| expand(&wizard, &values(pairs)).unwrap();
    assert_eq!(made(&[("a", "p")]).configuration, "primitive p Dummy meta x=y\n");
    assert_eq!(
        made(&[("a", "two words"), ("b", "3"), ("c", "yes")]).configuration,
        "primitive \"two words\" Dummy params n=3 meta x=y\nproperty c=yes\n"
    );
    assert_eq!(made(&[("a", "two words")]).after, "made two words\n");
    let faults = expand(&wizard, &values(&[("b", "x"), ("d", "1")])).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    // A value cannot become a statement of its own.
    assert!(expand(&wizard, &values(&[("a", "x\nproperty y=z")])).is_err());
}

#[test]
fn faults_of_a_wizard_are_told_with_their_line() {
    let cases = [
        ("about x", "needs 'about' and 'configure'"),
        ("about x\nparameter a what : b\nconfigure\ny", "line 2: 'what' is no type"),
        ("about x\nparameter a text\nconfigure\ny", "line 2: expected ': '"),
        ("about x\nconfigure\nprimitive %{a}", "no parameter 'a'"),
        ("about x\nparameter a text : b\nconfigure\nprimitive %[%{a}", "%[ without %]"),
        ("nonsense\nconfigure\ny", "line 1: 'nonsense'"),
    ];
    for (text, wanted) in cases {
        let said = read("w", text).unwrap_err();
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn values_have_types() {
    let text = "about x\nparameter v TYPE : the value\nconfigure\nprimitive a Dummy params v=%{v}";
    let cases = [
        ("address", "192.0.2.1", true),
        ("address", "2001:db8::1", true),
        ("address", "192.0.2.256", false),
        ("integer", "-3", true),
        ("integer", "3.5", false),
        ("boolean", "off", true),
        ("boolean", "perhaps", false),
        ("duration", "10s", true),
        ("duration", "10 parsecs", false),
        ("path", "/etc/x", true),
        ("path", "x", false),
        ("resource", "web-1", true),
        ("resource", "1 web", false),
        ("a|b", "b", true),
        ("a|b", "c", false),
    ];
    for (kind, value, good) in cases {
        let wizard = read("w", &text.replace("TYPE", kind)).unwrap();
        assert_eq!(expand(&wizard, &values(&[("v", value)])).is_ok(), good, "{kind} {value}");
    }
}
