//! Points in time, with the zone they are to be read in.

/// A point in time and the zone in which its calendar fields are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub epoch: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}
