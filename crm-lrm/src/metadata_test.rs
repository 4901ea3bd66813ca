use super::*;

#[test]
fn a_good_document() {
    let metadata = parse(
        r#"<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="Web" version="1.0">
<version>1.0</version>
<longdesc lang="en">Serves &lt;pages&gt; &amp; more.</longdesc>
<shortdesc lang="en">A web server</shortdesc>
<parameters>
<parameter name="port" unique="1" required="true">
<longdesc lang="en">
Where to listen.
</longdesc>
<shortdesc lang="en">port</shortdesc>
<content type="integer" default="80"/>
</parameter>
<parameter name="mode" unique-group="place" reloadable="1">
<content type="select" default="a&#98;"><option value="ab"/><option value="c"/></content>
</parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="monitor" depth="0" timeout="20s" interval="10s" role="Promoted"/>
</actions>
</resource-agent>"#,
    );
    assert_eq!(metadata.problems, Vec::<String>::new());
    assert_eq!((metadata.name.as_str(), metadata.short.as_str()), ("Web", "A web server"));
    assert_eq!(metadata.long, "Serves <pages> & more.");
    let [port, mode] = metadata.parameters.as_slice() else { panic!("{metadata:?}") };
    assert!(port.required && !mode.required && mode.reloadable);
    assert_eq!((port.unique.as_deref(), mode.unique.as_deref()), (Some("port"), Some("place")));
    assert_eq!((port.kind.as_str(), port.default.as_deref()), ("integer", Some("80")));
    assert_eq!(port.long, "Where to listen.");
    assert_eq!((mode.default.as_deref(), mode.options.len()), (Some("ab"), 2));
    assert_eq!(metadata.actions.len(), 2);
    assert_eq!(metadata.actions[1].attributes["role"], "Promoted");
}

#[test]
fn broken_documents_give_what_can_be_understood() {
    let broken = "starting up...\n<resource-agent name=x><parameters><parameter name='a' \
                  required=1><shortdesc>A & B &nbsp; <b>bold</shortdesc><content type=string \
                  default=\"x<y\"></parameter><parameter name='a'/><parameter/>";
    let metadata = parse(broken);
    assert_eq!(metadata.name, "x");
    assert_eq!(metadata.parameters.len(), 1, "{metadata:?}");
    assert!(metadata.parameters[0].required);
    assert!(metadata.problems.len() >= 4, "{:?}", metadata.problems);
}

#[test]
fn nothing_can_make_the_parser_panic() {
    let good = "<?xml version='1.0'?><resource-agent name='é&#xe9;'><parameters><parameter \
                name=\"p\"><content/></parameter></parameters><actions><action name='x'/></actions>";
    assert_eq!(parse("").problems.len(), 1);
    for cut in (0..good.len()).filter(|at| good.is_char_boundary(*at)) {
        parse(&good[..cut]);
        parse(&good[cut..]);
    }
}
