//! Old documents are brought to the newest schema that they fit (scheduler reference, I-18 to
//! I-23). From one schema to the next a document is taken over as it is if it is valid there;
//! between the generations (1.3 to 2.0, 2.10 to 3.0) what is old is replaced, by a table of ours
//! that says what each old name means today.

mod permissions;
mod references;
mod resources;
mod third;

use super::Element;
use super::schema::{Schema, Violation};

/// The schema that new documents claim.
pub const CURRENT: &str = "pacemaker-3.9";

/// Why a document cannot be brought to a schema of today. It is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// It is valid in no schema from the one that it claims on.
    #[error(
        "the document claims schema {claimed} and fits neither that nor a later one: {}",
        first(violations)
    )]
    Invalid {
        /// What `validate-with` says.
        claimed: String,
        /// What is wrong, seen from the claimed schema (or today's, if there is none such).
        violations: Vec<Violation>,
    },
    /// It is valid, but not so after the change to a newer generation.
    #[error(
        "the document claims schema {claimed} and cannot be upgraded past {reached}: {}",
        first(violations)
    )]
    Stuck {
        /// What `validate-with` says.
        claimed: String,
        /// The newest schema that it fits.
        reached: Schema,
        /// What is wrong in the next one.
        violations: Vec<Violation>,
    },
}

fn first(violations: &[Violation]) -> String {
    violations.first().map_or_else(|| "no reason is known".to_string(), ToString::to_string)
}

/// The document as the scheduler reads it: unchanged if its schema is of today's generation or
/// it is not to be checked, else upgraded as far as possible.
///
/// An upgraded document is valid; whether another one is, [`schema::validate`] says.
///
/// [`schema::validate`]: super::schema::validate
///
/// # Errors
/// An old document that is invalid, or whose upgrade would be.
pub fn upgrade(cib: &Element) -> Result<Element, UpgradeError> {
    if needs_upgrade(cib) { upgrade_fully(cib) } else { Ok(cib.clone()) }
}

/// True if a document's schema is one that [`upgrade`] leaves: one of an older generation, or a
/// name that no schema has.
pub fn needs_upgrade(cib: &Element) -> bool {
    let claimed = cib.attr("validate-with").map(Schema::named);
    claimed.is_some_and(|schema| schema.is_none_or(|s| s < Schema::OLDEST_USABLE))
}

/// The document in the newest schema that it can be brought to; what `cibadmin --upgrade` and
/// `configure upgrade` make last. A document that is not checked stays as it is.
///
/// # Errors
/// As [`upgrade`].
pub fn upgrade_fully(cib: &Element) -> Result<Element, UpgradeError> {
    let Some(name) = cib.attr("validate-with") else { return Ok(cib.clone()) };
    let claimed = Schema::named(name);
    if claimed.is_some_and(|schema| schema >= Schema::CURRENT) {
        return Ok(cib.clone());
    }
    let mut document = cib.clone();
    let mut reached: Option<Schema> = None;
    let mut violations = Vec::new();
    for schema in Schema::releases().filter(|s| claimed.is_none_or(|c| *s >= c)) {
        let mut wrong = schema.check(&document);
        if !wrong.is_empty()
            && reached == Some(before(schema))
            && let Some(new) = transformed(&document, schema)
        {
            wrong = schema.check(&new);
            if wrong.is_empty() {
                document = new;
            }
        }
        if wrong.is_empty() {
            reached = Some(schema);
        } else {
            if violations.is_empty() || reached.is_some() {
                violations = wrong;
            }
            // The oldest schema of all does not count: the search goes on.
            if reached.is_some_and(|r| r > Schema::OLDEST) {
                break;
            }
        }
    }
    let claimed = name.to_string();
    match reached {
        Some(reached) if reached >= Schema::OLDEST_USABLE => {
            document.set_attr("validate-with", reached.to_string());
            Ok(document)
        }
        Some(reached) => Err(UpgradeError::Stuck { claimed, reached, violations }),
        None => Err(UpgradeError::Invalid { claimed, violations }),
    }
}

/// The schema before this one; the oldest has none before it.
fn before(schema: Schema) -> Schema {
    Schema::releases().take_while(|s| *s < schema).last().unwrap_or(schema)
}

/// The document in the words of a new generation; none if `schema` does not begin one.
fn transformed(document: &Element, schema: Schema) -> Option<Element> {
    let mut new = document.clone();
    match schema {
        Schema::Release(2, 0) => permissions::second_generation(new.child_mut("configuration")?),
        Schema::Release(3, 0) => {
            // Where a reference leads nowhere, references stay as they are.
            let complete = references::unfolded(document);
            let is_complete = complete.is_some();
            new = complete.unwrap_or(new);
            third::third_generation(new.child_mut("configuration")?);
            if is_complete {
                new = references::folded(&new);
            }
        }
        _ => return None,
    }
    new.set_attr("validate-with", schema.to_string());
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn document(schema: &str, configuration: &str) -> Element {
        let text = format!(
            "<cib validate-with='{schema}' admin_epoch='0' epoch='1' num_updates='0'>\
             <configuration>{configuration}</configuration></cib>"
        );
        let mut cib = parse(&text).unwrap();
        let configuration = cib.child_or_insert("configuration");
        for section in ["crm_config", "nodes", "resources", "constraints"] {
            configuration.child_or_insert(section);
        }
        cib
    }

    fn upgraded(configuration: &str) -> Element {
        upgrade(&document("pacemaker-2.5", configuration)).unwrap()
    }

    fn pair(cib: &Element, id: &str) -> Option<(String, String)> {
        let found = cib.find_id(id)?;
        Some((found.attr("name")?.to_string(), found.attr("value")?.to_string()))
    }

    #[test]
    fn current_documents_are_left_alone() {
        // I-18
        for schema in ["pacemaker-3.0", "pacemaker-3.9", "pacemaker-next", "none"] {
            let cib = Element::new("cib").with("validate-with", schema);
            assert_eq!(upgrade(&cib), Ok(cib));
        }
        assert_eq!(upgrade(&Element::new("cib")), Ok(Element::new("cib")));
        for unknown in ["pacemaker-4.0", "pacemaker-3.10", "x", "pacemaker-2.11"] {
            let cib = Element::new("cib").with("validate-with", unknown);
            assert!(upgrade(&cib).is_err(), "{unknown}");
        }
    }

    #[test]
    fn properties_get_their_names_and_places_of_today() {
        // I-21
        let cib = upgraded(
            "<crm_config><cluster_property_set id='s'>\
             <nvpair id='a' name='no_quorum_policy' value='ignore'/>\
             <nvpair id='b' name='default-resource-stickiness' value='100'/>\
             <nvpair id='c' name='default_action_timeout' value='20s'/>\
             <nvpair id='d' name='cluster-infrastructure' value='cman'/>\
             <nvpair id='e' name='cluster-infrastructure' value='corosync'/>\
             <nvpair id='f' name='expected-quorum-votes' value='2'/>\
             <nvpair id='g' name='default-resource-failure-stickiness' value='-INFINITY'/>\
             </cluster_property_set></crm_config>\
             <op_defaults><meta_attributes id='o'>\
             <nvpair id='t' name='timeout' value='9s'/></meta_attributes></op_defaults>",
        );
        let text = |n: &str, v: &str| Some((n.to_string(), v.to_string()));
        assert_eq!(cib.attr("validate-with"), Some(CURRENT));
        assert_eq!(pair(&cib, "a"), text("no-quorum-policy", "ignore"));
        assert_eq!(pair(&cib, "b"), text("resource-stickiness", "100"));
        assert_eq!(pair(&cib, "c"), None, "op_defaults has a timeout");
        assert_eq!(pair(&cib, "d"), None);
        assert!(pair(&cib, "e").is_some());
        assert_eq!(pair(&cib, "f"), None);
        assert_eq!(pair(&cib, "g"), text("migration-threshold", "1"));
        let defaults = cib.at(&["configuration", "rsc_defaults"]).unwrap();
        assert!(defaults.find_id("b").is_some());
    }

    #[test]
    fn operations_and_devices() {
        // I-22
        let cib = upgraded(
            "<nodes><node id='1' uname='n' type='normal'/></nodes><resources><group id='g'>\
             <primitive id='p' class='stonith' type='t'><instance_attributes id='i'>\
             <nvpair id='m' name='pcmk_reboot_cmd' value='off'/>\
             <nvpair id='x' name='pcmk_arg_map' value='port:plug'/></instance_attributes>\
             <operations><op id='s' name='start' interval='0' requires='quorum'>\
             <instance_attributes id='oi'><nvpair id='q' name='timeout' value='7s'/>\
             </instance_attributes></op></operations></primitive></group></resources>\
             <constraints><rsc_colocation id='c' score-attribute='a' rsc='p' with-rsc='g'/>\
             </constraints>",
        );
        let text = |n: &str, v: &str| Some((n.to_string(), v.to_string()));
        assert_eq!(cib.find_id("1").unwrap().attr("type"), Some("member"));
        assert_eq!(pair(&cib, "m"), text("pcmk_reboot_action", "off"));
        assert_eq!(pair(&cib, "x"), text("pcmk_host_argument", "plug"));
        assert_eq!(pair(&cib, "_2TO3_s-meta-requires"), text("requires", "quorum"));
        let start = cib.find_id("s").unwrap();
        assert_eq!(start.attr("requires"), None);
        assert!(start.child("meta_attributes").unwrap().find_id("q").is_some());
        assert!(start.child("instance_attributes").is_none());
        assert_eq!(cib.find_id("c").unwrap().attr("score-attribute"), None);
    }

    #[test]
    fn of_several_obsolete_names_one_is_given_the_new_one() {
        // A set that holds always gives the new name to what comes first in it, one with a rule
        // to each unless a later set wants to; a map of several arguments has no new name.
        let rule = "<rule id='ru' score='1'><expression id='ex' attribute='a' operation='eq' \
                    value='b'/></rule>";
        let cib = upgraded(&format!(
            "<resources><primitive id='p' class='stonith' type='t'>\
             <meta_attributes id='ruled'>{rule}<nvpair id='a' name='isolation' value='x'/>\
             <nvpair id='b' name='is-managed' value='true'/></meta_attributes>\
             <meta_attributes id='kept-first'><nvpair id='c' name='is-managed' value='true'/>\
             <nvpair id='d' name='isolation-host' value='x'/></meta_attributes>\
             <meta_attributes id='own-first'>\
             <nvpair id='e' name='resource-failure-stickiness' value='5'/>\
             <nvpair id='f' name='isolation-wrapper' value='x'/>\
             <nvpair id='g' name='isolation' value='x'/></meta_attributes>\
             <instance_attributes id='i'><nvpair id='m' name='pcmk_arg_map' value='port:a,b:c'/>\
             <nvpair id='n' name='ip' value='x'/></instance_attributes></primitive></resources>"
        ));
        let stopped = Some(("target-role".to_string(), "Stopped".to_string()));
        assert_eq!(pair(&cib, "f"), stopped);
        for gone in ["a", "d", "e", "g", "m"] {
            assert!(cib.find_id(gone).is_none(), "{gone}");
        }
        assert!(cib.find_id("b").is_some() && cib.find_id("n").is_some());
    }

    #[test]
    fn what_operations_require_is_said_once() {
        let op = |id: &str, name: &str, rest: &str| {
            format!("<op id='{id}' name='{name}' interval='0' {rest}</op>")
        };
        let set = |tag: &str, id: &str| {
            format!(
                "<{tag} id='{id}'><nvpair id='{id}-r' name='requires' value='nothing'/></{tag}>"
            )
        };
        let resource = |ops: &[String]| {
            format!(
                "<resources><primitive id='p' class='lsb' type='t'><operations>{}</operations>\
                 </primitive></resources>",
                ops.concat()
            )
        };
        // The last attribute of a start or promotion wins over everything.
        let cib = upgraded(&resource(&[
            op("a", "start", "requires='quorum'>"),
            op("b", "promote", "requires='fencing'>"),
            op("c", "monitor", "requires='nothing'>"),
            op("d", "start", &format!(">{}", set("meta_attributes", "dm"))),
        ]));
        let all: Vec<&str> = cib.descendants().filter_map(|e| e.attr("name")).collect();
        assert_eq!(all.iter().filter(|name| **name == "requires").count(), 1);
        let value = pair(&cib, "_2TO3_b-meta-requires").map(|(_, value)| value);
        assert_eq!(value.as_deref(), Some("fencing"));
        // Meta attributes win over parameters; their set keeps its id, marked.
        let cib = upgraded(&resource(&[
            op("a", "start", &format!(">{}", set("meta_attributes", "am"))),
            op("b", "start", &format!(">{}", set("instance_attributes", "bi"))),
        ]));
        let moved = cib.find_id("_2TO3_am").unwrap();
        assert_eq!(
            (moved.name(), moved.child("nvpair").unwrap().id()),
            ("meta_attributes", Some("am-r"))
        );
        assert!(cib.find_id("bi-r").is_none() && cib.find_id("_2TO3_bi").is_none());
    }

    #[test]
    fn a_reference_stays_one_while_both_say_the_same() {
        let cib = upgraded(
            "<resources><primitive id='p' class='lsb' type='t'>\
             <instance_attributes id='same'><nvpair id='a' name='ip' value='x'/>\
             </instance_attributes><instance_attributes id='other'>\
             <nvpair id='b' name='timeout' value='x'/><nvpair id='c' name='ip' value='x'/>\
             </instance_attributes><operations><op id='o' name='start' interval='0' requires='quorum'>\
             <instance_attributes id-ref='same'/><instance_attributes id-ref='other'/></op>\
             </operations></primitive></resources>",
        );
        let op = cib.find_id("o").unwrap();
        assert_eq!(op.children().next().unwrap().attr("id-ref"), Some("same"));
        // A timeout among the parameters of an operation is none of the resource.
        let own = op.find_id("_cibtr-2_other").unwrap();
        assert_eq!(own.children().filter_map(|p| p.attr("name")).collect::<Vec<_>>(), ["ip"]);
        assert!(op.child("meta_attributes").unwrap().find_id("__cibtr-2_other__b").is_some());
    }

    #[test]
    fn permissions_of_the_first_generation() {
        let old = document(
            "pacemaker-1.2",
            "<acls><acl_role id='r'><read id='a' xpath='/cib' attribute='x'/>\
             <deny id='b' tag='nvpair'/></acl_role><acl_user id='u'><role_ref id='r'/></acl_user>\
             <acl_user id='v'><write id='w' ref='r'/></acl_user></acls>",
        );
        let cib = upgrade(&old).unwrap();
        let a = cib.find_id("a").unwrap();
        assert_eq!((a.name(), a.attr("kind")), ("acl_permission", Some("read")));
        assert_eq!(cib.find_id("b").unwrap().attr("object-type"), Some("nvpair"));
        assert_eq!(cib.find_id("u").unwrap().name(), "acl_target");
        assert_eq!(cib.find_id("u").unwrap().child("role").unwrap().id(), Some("r"));
        assert_eq!(a.attr("xpath"), Some("/cib[@x]"));
        let own = cib.find_id("auto-v").unwrap();
        assert_eq!((own.name(), own.id()), ("role", Some("auto-v")));
        assert_eq!(cib.find_id("w").unwrap().attr("reference"), Some("r"));
    }

    #[test]
    fn what_fits_no_schema_is_refused_and_what_fits_a_later_one_is_taken_for_that() {
        // I-18, I-20
        let early = document("pacemaker-1.2", "<tags/>");
        assert_eq!(upgrade(&early).unwrap().attr("validate-with"), Some(CURRENT));
        let wrong = document("pacemaker-1.3", "<tags><nonsense/></tags>");
        assert!(matches!(upgrade(&wrong), Err(UpgradeError::Invalid { .. })));
        assert!(!Schema::CURRENT.accepts(&document("pacemaker-3.9", "<tags><nonsense/></tags>")));
        let minor = document("pacemaker-3.0", "");
        assert_eq!(upgrade(&minor), Ok(minor.clone()));
        let newest = upgrade_fully(&minor).unwrap();
        assert_eq!(newest.attr("validate-with"), Some(CURRENT));
    }
}
