//! Indices into the tables of a [`Cluster`](super::Cluster).

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The index of a table that has `len` entries before this one is added.
            pub fn next(len: usize) -> $name {
                $name(u32::try_from(len).unwrap_or(u32::MAX))
            }

            /// As an index of a slice.
            pub fn ix(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A node. The number is the order of creation, not the order by name.
    NodeIx
);
index!(
    /// A resource (of any kind, also a clone instance or a bundle's container).
    RscIx
);
index!(
    /// An action.
    ActionIx
);
index!(
    /// An ordering of two actions.
    LinkIx
);
index!(
    /// A location preference, already bound to a resource and its nodes.
    LocationIx
);
index!(
    /// A colocation of exactly two resources.
    ColocationIx
);
index!(
    /// An ordering of two sides that is not yet resolved to actions.
    OrderingIx
);
index!(
    /// A ticket.
    TicketIx
);
index!(
    /// The recorded operations of one resource on one node.
    HistoryIx
);
