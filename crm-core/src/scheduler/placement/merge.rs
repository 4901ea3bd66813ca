//! "What would the others like": merging the preferences of colocated resources (section 13).

use std::collections::BTreeMap;

use crate::Score;
use crate::scheduler::model::{Cause, ColocationIx, NodeIx, RscIx, ScoreTable, Variant};

use super::Placement;
use super::colocation::{Place, Side, has_influence};

/// How preferences are merged (P-80).
#[derive(Clone, Debug)]
pub(super) struct Merge {
    /// What the preferences are multiplied with.
    pub factor: f32,
    /// Which colocations are followed: those with the other resource as dependent
    /// ([`Side::Primary`], the usual direction) or as primary.
    pub follow: Side,
    /// Only raise scores.
    pub nonneg: bool,
    /// Undo a branch that leaves no usable node.
    pub active: bool,
    /// The colocation through which the preferences come.
    pub through: ColocationIx,
}

impl Placement<'_> {
    /// The way to merge the other side of a colocation at its own strength.
    pub(super) fn merging(&self, ix: ColocationIx) -> Merge {
        let colocation = &self.c[ix];
        Merge {
            factor: factor(colocation.score),
            follow: Side::Primary,
            nonneg: false,
            active: false,
            through: ix,
        }
    }

    /// Updates a table with the preferences of `rsc` and of the resources colocated with it
    /// (P-80).
    pub(super) fn merge(&mut self, rsc: RscIx, table: &mut ScoreTable, how: &Merge) {
        if self.c[rsc].merging {
            return;
        }
        self.c[rsc].merging = true;
        if let Some(merged) = self.merged(rsc, table, how) {
            *table = merged;
        }
        self.c[rsc].merging = false;
    }

    /// Updates the table of `target` with the preferences of `from` (P-80).
    pub(super) fn merge_into(&mut self, target: RscIx, from: RscIx, how: &Merge) {
        // A copy, as the merge may come across the target's own table.
        let mut table = self.c[target].allowed.clone();
        self.merge(from, &mut table, how);
        self.c[target].allowed = table;
    }

    fn merged(&mut self, rsc: RscIx, table: &ScoreTable, how: &Merge) -> Option<ScoreTable> {
        let mut work = table.clone();
        if matches!(self.c[rsc].variant, Variant::Group(_)) {
            let first = *self.c[rsc].children.first()?;
            self.merge(first, &mut work, how);
        } else {
            self.add_matching(&mut work, rsc, how);
        }
        if self.any_usable(&work) {
            self.merge_colocated(rsc, &mut work, how);
        } else if how.active {
            return None;
        }
        if how.nonneg {
            settle_impossible(&mut work, Cause::ImpossiblePreference);
        }
        Some(work)
    }

    /// Merges what follows `rsc`, or what it follows (P-80 step 3).
    fn merge_colocated(&mut self, rsc: RscIx, work: &mut ScoreTable, how: &Merge) {
        let list = match (how.follow, &self.c[rsc].variant) {
            (Side::Dependent, _) => self.c[rsc].this_with.clone(),
            (Side::Primary, Variant::Group(_)) => {
                let last = self.c[rsc].children.last().map_or(rsc, |&last| last);
                self.c[last].with_this.clone()
            }
            (Side::Primary, _) => self.c[rsc].with_this.clone(),
        };
        let sign = if how.factor < 0.0 { -1.0 } else { 1.0 };
        for ix in list {
            let colocation = &self.c[ix];
            let other = match how.follow {
                Side::Dependent => colocation.primary,
                Side::Primary if !has_influence(self.c, ix, colocation.primary) => continue,
                Side::Primary => colocation.dependent,
            };
            let inner = Merge {
                factor: sign * factor(colocation.score),
                follow: how.follow,
                nonneg: how.nonneg,
                active: true,
                through: ix,
            };
            self.merge(other, work, &inner);
        }
    }

    /// The table of a resource with the preferences of all it is colocated with (P-11).
    pub(super) fn preferences(&mut self, rsc: RscIx) -> ScoreTable {
        self.c[rsc].merging = true;
        let last = self.c[rsc].children.last().copied();
        let group = matches!(self.c[rsc].variant, Variant::Group(_));
        let mut work = match last.filter(|_| group) {
            Some(last) => self.preferences(last),
            None => self.c[rsc].allowed.clone(),
        };
        if self.any_usable(&work) {
            // A factor of one only: the sign of what is followed further is positive.
            if let Some(&through) = self.c[rsc].this_with.first() {
                let how = Merge {
                    factor: 1.0,
                    follow: Side::Dependent,
                    nonneg: false,
                    active: false,
                    through,
                };
                self.merge_colocated(rsc, &mut work, &how);
            }
        }
        self.c[rsc].merging = false;
        work
    }

    /// Adds the preferences of one resource, multiplied, to a table (P-81).
    fn add_matching(&mut self, work: &mut ScoreTable, rsc: RscIx, how: &Merge) {
        let classes = self.places_of(how.through, Place::Name);
        let best = classes.as_ref().map(|classes| self.best_by_class(rsc, classes));
        let theirs = &self.c[rsc].allowed;
        let cause = Cause::Colocation(how.through, rsc);
        let nodes: Vec<NodeIx> = work.iter().map(|(n, _)| n).collect();
        for node in nodes {
            let score = match (&classes, &best) {
                (Some(classes), Some(best)) => best.get(&classes[node.ix()]).copied(),
                _ => theirs.score(node).filter(|_| self.c[node].available()),
            };
            add_one(work, node, score.unwrap_or(Score::MINUS_INFINITY), how, cause);
        }
    }

    /// The highest score on available nodes for each value of an attribute.
    fn best_by_class(&self, rsc: RscIx, classes: &[u32]) -> BTreeMap<u32, Score> {
        let mut best = BTreeMap::new();
        for (node, entry) in self.c[rsc].allowed.iter() {
            if self.c[node].available() {
                let score = best.entry(classes[node.ix()]).or_insert(Score::MINUS_INFINITY);
                *score = entry.score.max(*score);
            }
        }
        best
    }
}

/// The strength of a colocation, in single precision as the reference has it (P-176).
fn factor(score: Score) -> f32 {
    single(score) / single(Score::INFINITY)
}

/// Exact: scores have fewer bits than single precision.
#[allow(clippy::cast_precision_loss)]
fn single(score: Score) -> f32 {
    score.value() as f32
}

/// `factor` times `score`, rounded half away from zero; at least one point if neither is zero
/// (P-81, 3 and 4).
#[allow(clippy::cast_possible_truncation)]
fn scaled(factor: f32, score: Score) -> Score {
    let delta = Score::new((factor * single(score)).round() as i64);
    match delta {
        Score::ZERO if score == Score::ZERO || factor == 0.0 => Score::ZERO,
        Score::ZERO if factor > 0.0 => Score::new(1),
        Score::ZERO => Score::new(-1),
        delta => delta,
    }
}

fn add_one(work: &mut ScoreTable, node: NodeIx, theirs: Score, how: &Merge, cause: Cause) {
    let Some(entry) = work.get_mut(node) else { return };
    if (how.factor < 0.0 && theirs < Score::ZERO) || entry.unusable {
        return;
    }
    let delta = scaled(how.factor, theirs);
    let sum = delta + entry.score;
    if how.nonneg && sum < Score::ZERO && entry.score >= Score::ZERO {
        entry.unusable = entry.score > Score::ZERO;
        return;
    }
    work.add(node, delta, cause);
}

/// Nodes that were wanted but are impossible for another count as slightly wanted (P-80 step 5).
fn settle_impossible(work: &mut ScoreTable, cause: Cause) {
    let marked: Vec<NodeIx> = work.iter().filter(|(_, e)| e.unusable).map(|(n, _)| n).collect();
    for node in marked {
        if let Some(entry) = work.get_mut(node) {
            entry.unusable = false;
        }
        work.set(node, Score::new(1), cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_preferences_count_as_one_point() {
        let weak = factor(Score::new(100));
        assert_eq!(scaled(weak, Score::new(77)), Score::new(1));
        assert_eq!(scaled(weak, Score::new(-1)), Score::new(1), "P-81 step 4, as odd as it is");
        assert_eq!(scaled(-weak, Score::new(77)), Score::new(-1));
        assert_eq!(scaled(weak, Score::MINUS_INFINITY), Score::new(-100));
        assert_eq!(scaled(weak, Score::ZERO), Score::ZERO);
        assert_eq!(scaled(factor(Score::INFINITY), Score::new(5)), Score::new(5));
    }

    #[test]
    fn a_wanted_but_impossible_node_ends_at_one() {
        let how = Merge {
            factor: 1.0,
            follow: Side::Primary,
            nonneg: true,
            active: true,
            through: ColocationIx(0),
        };
        let cause = Cause::Colocation(ColocationIx(0), RscIx(0));
        let mut table = ScoreTable::new(false);
        let (wanted, indifferent) = (NodeIx(0), NodeIx(1));
        table.insert(wanted, Score::new(10), Default::default(), Cause::NodeScore);
        table.insert(indifferent, Score::ZERO, Default::default(), Cause::NodeScore);
        for node in [wanted, indifferent] {
            add_one(&mut table, node, Score::MINUS_INFINITY, &how, cause);
        }
        settle_impossible(&mut table, Cause::ImpossiblePreference);
        assert_eq!(table.score(wanted), Some(Score::new(1)));
        assert_eq!(table.score(indifferent), Some(Score::ZERO));
    }
}
