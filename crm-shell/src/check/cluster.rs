//! What the cluster refuses although every object is well formed.

use crm_core::cib::Element;

use crate::configuration::Configuration;
use crate::language::{Kind, vocabulary::boolean};

use super::Finding;

/// Everything the cluster would complain about.
pub fn check(configuration: &Configuration) -> Vec<Finding> {
    let mut out = Vec::new();
    let objects = configuration.objects();
    if !objects.iter().any(|o| o.kind == Kind::Primitive) {
        return out;
    }
    let fencing = configuration.property("stonith-enabled").and_then(boolean).unwrap_or(true);
    let devices = objects.iter().any(|o| {
        o.kind == Kind::Primitive
            && configuration.resolved(o.element).is_some_and(|e| e.attr("class") == Some("stonith"))
    });
    let watchdog = configuration
        .property("stonith-watchdog-timeout")
        .is_some_and(|t| !matches!(t, "0" | "0s"));
    if fencing && !devices && !watchdog {
        out.push(
            Finding::error("fencing is enabled (stonith-enabled), but there is no fencing device; no resource would start")
                .help("define one (primitive NAME stonith:...), or set 'property stonith-enabled=false' where data cannot be harmed"),
        );
    }
    for object in &objects {
        match object.kind {
            Kind::Ticket if object.element.attr("loss-policy") == Some("fence") && !fencing => {
                out.push(Finding::error(format!(
                    "{}: loss-policy=fence needs fencing, and stonith-enabled is false",
                    object.id
                )));
            }
            Kind::Group => {
                for name in ["ordered", "collocated"] {
                    if configuration.value(object.id, "meta_attributes", name).is_some() {
                        out.push(
                            Finding::error(format!(
                                "{}: groups no longer have '{name}'",
                                object.id
                            ))
                            .about(name)
                            .help("use a resource set in a colocation or order instead"),
                        );
                    }
                }
            }
            _ => {}
        }
        if object.kind.is_resource() {
            target_role(object.id, object.element, &mut out);
        }
    }
    out
}

fn target_role(id: &str, element: &Element, out: &mut Vec<Finding>) {
    let sets = element.children().filter(|c| c.name() == "meta_attributes");
    for pair in sets.flat_map(Element::children) {
        let Some(value) = pair.attr("value").filter(|_| pair.attr("name") == Some("target-role"))
        else {
            continue;
        };
        let known = crate::language::vocabulary::ROLES;
        if !known.iter().any(|r| r.eq_ignore_ascii_case(value)) {
            out.push(
                Finding::error(format!(
                    "{id}: target-role '{value}' is none of {}",
                    known.join(", ")
                ))
                .about("target-role"),
            );
        }
    }
}
