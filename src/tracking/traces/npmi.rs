//! How much two filters go together: normalised pointwise mutual information, from -1 (never) over 0
//! (as chance has it) to 1 (always).

/// What is added to each count in the smoothed form: Jeffreys' prior.
const SMOOTHING: f64 = 0.5;

/// How many traces match both filters, the first, the second, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub joint: i64,
    pub first: i64,
    pub second: i64,
    pub total: i64,
}

/// The plain value and the smoothed one; NaN where there is nothing to go by.
pub fn of(counts: Counts) -> (f64, f64) {
    let Counts { joint, first, second, total } = counts;
    let cells = [joint, first - joint, second - joint, total - first - second + joint];
    if total <= 0 || first == 0 || second == 0 || cells.iter().any(|cell| *cell < 0) {
        return (f64::NAN, f64::NAN);
    }
    let plain = if joint == 0 { -1.0 } else { npmi(cells, 0.0) };
    (plain, npmi(cells, SMOOTHING))
}

fn npmi(cells: [i64; 4], smoothing: f64) -> f64 {
    if cells[1..] == [0, 0, 0] {
        return 1.0;
    }
    let [both, first_only, second_only, neither] = cells.map(|cell| cell as f64 + smoothing);
    let total = both + first_only + second_only + neither;
    let (first, second) = (both + first_only, both + second_only);
    if first <= 0.0 || second <= 0.0 || both <= 0.0 {
        return f64::NAN;
    }
    let mutual = both.ln() + total.ln() - first.ln() - second.ln();
    let most = -(both.ln() - total.ln());
    // Everything is both: nothing can be learnt from either.
    let value = if most == 0.0 { 1.0 } else { mutual / most };
    value.clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_apart_and_by_chance() {
        let npmi = |joint, first, second, total| of(Counts { joint, first, second, total });
        assert_eq!(npmi(10, 10, 10, 10).0, 1.0);
        assert_eq!(npmi(0, 5, 5, 10).0, -1.0);
        assert!(npmi(25, 50, 50, 100).0.abs() < 1e-12);
        let (plain, smoothed) = npmi(6, 6, 7, 10);
        assert!(0.6 < plain && plain < 0.8, "{plain}");
        assert!(smoothed < plain, "{smoothed}");
        assert!(npmi(0, 0, 7, 10).0.is_nan());
        assert!(npmi(0, 0, 0, 0).1.is_nan());
    }
}
