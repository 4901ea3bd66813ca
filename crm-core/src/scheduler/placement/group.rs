//! Groups (section 17).

use crate::scheduler::model::{ColocationIx, NodeIx, RscIx};

use super::Placement;
use super::colocation::{Side, insert};

impl Placement<'_> {
    /// Assigns the members in order (P-101). Returns the first node that any member got.
    pub(super) fn assign_group(
        &mut self,
        group: RscIx,
        preferred: Option<NodeIx>,
    ) -> Option<NodeIx> {
        if self.c[group].decided {
            return self.c[group].assigned;
        }
        if self.c[group].in_progress {
            return None;
        }
        let Some(&first) = self.c[group].children.first() else {
            self.c[group].decided = true;
            return None;
        };
        self.c[group].in_progress = true;
        self.c[group].role = self.c[first].role;
        self.hand_out_colocations(group);
        self.show_scores("pcmk__group_assign", group, true);
        let mut chosen = None;
        for member in self.c[group].children.clone() {
            let node = self.assign(member, preferred);
            chosen = chosen.or(node);
        }
        let next_role = self.c[first].next_role;
        self.set_next_role(group, next_role);
        self.c[group].in_progress = false;
        self.c[group].decided = true;
        let colocated = self.c[group].group_data().is_some_and(|g| g.colocated);
        chosen.filter(|_| colocated)
    }

    /// Moves the group's colocations to its members (P-102).
    fn hand_out_colocations(&mut self, group: RscIx) {
        let members = self.c[group].children.clone();
        let (Some(&first), Some(&last)) = (members.first(), members.last()) else { return };
        let this_with = std::mem::take(&mut self.c[group].this_with);
        for &ix in &this_with {
            insert(self.c, first, Side::Dependent, ix);
        }
        let mandatory = |&ix: &ColocationIx| self.c[ix].score.is_infinite();
        let mandatory: Vec<ColocationIx> = this_with.iter().copied().filter(mandatory).collect();
        let unmanaged = members.iter().position(|&m| !self.c[m].managed);
        for &member in unmanaged.map_or(&[][..], |at| &members[at + 1..]) {
            for &ix in &mandatory {
                insert(self.c, member, Side::Dependent, ix);
            }
        }
        for ix in std::mem::take(&mut self.c[group].with_this) {
            insert(self.c, last, Side::Primary, ix);
        }
    }
}
