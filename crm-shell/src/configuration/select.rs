//! Which objects a command means.

use crate::language::{Kind, matches_glob};

use super::remove::refers;
use super::{Configuration, EditError, Object, Result};

/// Objects picked by arguments: ids, patterns, `type:`, `tag:`, `related:`, `changed`, `and`, `or`.
pub struct Selection<'a> {
    /// In the order of a listing.
    pub objects: Vec<Object<'a>>,
}

impl Configuration {
    /// Picks objects; without arguments all of them. `old` is what `changed` compares with.
    ///
    /// # Errors
    /// An id or pattern matches nothing.
    pub fn select<'a>(&'a self, wanted: &[String], old: &Configuration) -> Result<Selection<'a>> {
        let all = self.objects();
        let mut chosen: Vec<bool> = vec![wanted.is_empty(); all.len()];
        let mut narrowed: Option<Vec<bool>> = None;
        for word in wanted {
            match word.as_str() {
                "or" => continue,
                "and" => {
                    narrowed = Some(std::mem::replace(&mut chosen, vec![false; all.len()]));
                    continue;
                }
                _ => {}
            }
            let hits: Vec<bool> = all.iter().map(|o| self.hit(o, word, old)).collect();
            let names_one = !word.contains(':') && word != "changed";
            if names_one && !hits.contains(&true) {
                self.require(word)?;
                return Err(EditError::NoObject { id: word.clone(), near: None });
            }
            for (c, h) in chosen.iter_mut().zip(hits) {
                *c |= h;
            }
            if let Some(before) = narrowed.take() {
                for (c, b) in chosen.iter_mut().zip(before) {
                    *c &= b;
                }
            }
        }
        let mut objects: Vec<Object<'a>> =
            all.into_iter().zip(chosen).filter(|(_, c)| *c).map(|(o, _)| o).collect();
        objects.sort_by(|a, b| (a.kind.rank(), a.id).cmp(&(b.kind.rank(), b.id)));
        Ok(Selection { objects })
    }

    fn hit(&self, object: &Object<'_>, word: &str, old: &Configuration) -> bool {
        if word == "changed" {
            return old.find(object.id).is_none_or(|o| o.element != object.element);
        }
        match word.split_once(':') {
            Some(("type", kind)) => object.kind.keyword() == kind,
            Some(("tag", tag)) => self.find(tag).is_some_and(|t| {
                t.kind == Kind::Tag && t.element.children().any(|r| r.id() == Some(object.id))
            }),
            Some(("related", name)) => is_related(object, name),
            _ if word.contains(['*', '?']) => matches_glob(word, object.id),
            _ => {
                object.id == word
                    || object.kind == Kind::Node && object.element.attr("uname") == Some(word)
            }
        }
    }
}

fn is_related(object: &Object<'_>, name: &str) -> bool {
    let agent: Vec<&str> = name.split(':').collect();
    let e = object.element;
    let of_type = match *agent.as_slice() {
        [kind] => e.attr("type") == Some(kind) && e.attr("class").is_some(),
        [class, kind] => e.attr("class") == Some(class) && e.attr("type") == Some(kind),
        [class, provider, kind] => {
            e.attr("class") == Some(class)
                && e.attr("provider") == Some(provider)
                && e.attr("type") == Some(kind)
        }
        _ => false,
    };
    let holds = object.kind.is_container()
        && e.children().any(|c| crate::language::is_member(c) && c.id() == Some(name));
    let tags = object.kind == Kind::Tag && e.children().any(|c| c.id() == Some(name));
    object.id == name
        || of_type
        || holds
        || tags
        || object.kind.is_constraint() && refers(e, name)
        || e.attr("template") == Some(name)
}
