//! Scores and their saturating arithmetic, as Pacemaker 2.1 defines it.

use std::fmt;
use std::ops::{Add, Neg};

/// A preference: an integer clamped to ±[`Score::INFINITY`].
///
/// Addition follows scheduler reference I-5: minus infinity absorbs everything, then infinity
/// absorbs everything, then the sum is clamped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(i32);

impl Score {
    /// Mandatory.
    pub const INFINITY: Score = Score(1_000_000);
    /// Forbidden.
    pub const MINUS_INFINITY: Score = Score(-1_000_000);
    /// Indifferent.
    pub const ZERO: Score = Score(0);

    /// Clamps `value` into the range of scores.
    pub fn new(value: i64) -> Score {
        let clamped = value.clamp(-1_000_000, 1_000_000);
        Score(i32::try_from(clamped).unwrap_or(0))
    }

    /// The value as an integer in −1 000 000 ..= 1 000 000.
    pub fn value(self) -> i32 {
        self.0
    }

    /// True for exactly +INFINITY.
    pub fn is_infinite(self) -> bool {
        self == Score::INFINITY
    }

    /// True for exactly −INFINITY.
    pub fn is_forbidden(self) -> bool {
        self == Score::MINUS_INFINITY
    }
}

impl Add for Score {
    type Output = Score;

    fn add(self, other: Score) -> Score {
        if self.is_forbidden() || other.is_forbidden() {
            Score::MINUS_INFINITY
        } else if self.is_infinite() || other.is_infinite() {
            Score::INFINITY
        } else {
            Score::new(i64::from(self.0) + i64::from(other.0))
        }
    }
}

impl Neg for Score {
    type Output = Score;

    fn neg(self) -> Score {
        Score(-self.0)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Score::INFINITY => f.write_str("INFINITY"),
            Score::MINUS_INFINITY => f.write_str("-INFINITY"),
            Score(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Debug for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn addition_is_commutative_and_bounded(a in -2_000_000i64..2_000_000, b in -2_000_000i64..2_000_000) {
            let (a, b) = (Score::new(a), Score::new(b));
            prop_assert_eq!(a + b, b + a);
            prop_assert!((a + b).value().abs() <= 1_000_000);
        }

        #[test]
        fn minus_infinity_absorbs(a in -2_000_000i64..2_000_000) {
            prop_assert!((Score::new(a) + Score::MINUS_INFINITY).is_forbidden());
        }
    }

    #[test]
    fn infinity_yields_only_to_minus_infinity() {
        assert_eq!(Score::INFINITY + Score::new(-5), Score::INFINITY);
        assert_eq!(Score::INFINITY + Score::MINUS_INFINITY, Score::MINUS_INFINITY);
        assert_eq!((-Score::INFINITY).to_string(), "-INFINITY");
    }
}
