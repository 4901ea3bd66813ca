//! A stable merge sort that tolerates comparisons that are not a total order.
//!
//! Some comparisons of the reference are not transitive (P-108 stops at "equal" for inactive
//! instances, P-136 counts attributes), so the *way* of sorting decides the result. This is a
//! top-down merge sort of lists that are halved with the shorter half first, as list sorts of the
//! family do it. The standard sort may panic on such comparisons.

use std::cmp::Ordering;

/// Sorts `items` stably; `cmp` may be inconsistent, every result is then still a permutation.
pub(super) fn merge_sort<T: Copy>(items: &mut [T], cmp: &mut impl FnMut(T, T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let (left, right) = items.split_at_mut(items.len() / 2);
    merge_sort(left, cmp);
    merge_sort(right, cmp);
    let (a, b) = (left.to_vec(), right.to_vec());
    let (mut i, mut j) = (0, 0);
    for slot in items.iter_mut() {
        let take_left = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => cmp(x, y) != Ordering::Greater,
            (Some(_), None) => true,
            (None, _) => false,
        };
        *slot = if take_left { a[i] } else { b[j] };
        if take_left { i += 1 } else { j += 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_items_keep_their_order() {
        let mut items = [(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        merge_sort(&mut items, &mut |a, b| a.0.cmp(&b.0));
        assert_eq!(items, [(0, 'e'), (1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }

    #[test]
    fn a_comparison_that_goes_in_circles_still_gives_a_permutation() {
        let mut items: Vec<u32> = (0..50).collect();
        merge_sort(&mut items, &mut |a, b| match (a + 3 - b % 3) % 3 {
            1 => Ordering::Greater,
            2 => Ordering::Less,
            _ => Ordering::Equal,
        });
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<u32>>());
    }
}
