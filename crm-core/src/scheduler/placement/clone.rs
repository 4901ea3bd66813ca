//! Clones (section 18).

use crate::scheduler::model::{NodeIx, RscIx};

use super::Placement;
use super::colocation::has_influence;
use super::instances::Limits;

impl Placement<'_> {
    /// Assigns the instances of a clone, and their roles if it is promotable (P-107).
    pub(super) fn assign_clone(
        &mut self,
        clone: RscIx,
        preferred: Option<NodeIx>,
    ) -> Option<NodeIx> {
        if self.c[clone].decided || self.c[clone].in_progress {
            return None;
        }
        let data = self.c[clone].clone_data()?;
        let limits = Limits { max: data.max, per_node: data.node_max };
        let promotable = data.promotable;
        if promotable {
            self.add_promotion_scores(clone);
        }
        self.c[clone].in_progress = true;
        for ix in self.c[clone].this_with.clone() {
            self.assign(self.c[ix].primary, preferred);
        }
        for ix in self.c[clone].with_this.clone() {
            if has_influence(self.c, ix, self.c[ix].primary) {
                let mut how = self.merging(ix);
                (how.active, how.nonneg) = (true, true);
                self.merge_into(clone, self.c[ix].dependent, &how);
            }
        }
        self.show_scores("pcmk__clone_allocate", clone, true);
        let mut instances = self.c[clone].children.clone();
        self.sort_instances(&mut instances);
        self.c[clone].children = instances.clone();
        self.distribute(clone, &instances, limits);
        if promotable {
            self.choose_roles(clone);
        }
        self.c[clone].in_progress = false;
        self.c[clone].decided = true;
        None
    }
}
