//! The wall clock's zone, for date rules.

/// Seconds east of UTC, now; 0 if the system does not say.
pub fn utc_offset_s() -> i32 {
    jiff::Zoned::now().offset().seconds()
}
