//! Who gets which route: by weight, by chance or by a key. Pure, and the same on every machine and after every
//! restart, so that a caller who came back finds what it had.

/// A route that may be chosen: its name's hash, and its weight.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub hash: u64,
    pub weight: f64,
}

/// FNV-1a, mixed: short keys that differ in one letter must not fall together.
pub fn hash(bytes: &[u8]) -> u64 {
    mix(bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// SplitMix64's last step: every bit of the input moves half of the bits.
pub fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Between 0 and 1, never either.
pub fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// By weighted rendezvous: each candidate draws a number for this key, and the smallest wins. A candidate's draw
/// does not depend on the others, so when one weight moves, keys go to or from that candidate alone.
pub fn by_key(key: u64, candidates: &[Candidate]) -> Option<usize> {
    let draw = |candidate: &Candidate| -unit(mix(key ^ candidate.hash)).ln() / candidate.weight;
    let open = candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0.0);
    open.min_by(|(_, a), (_, b)| draw(a).total_cmp(&draw(b))).map(|(index, _)| index)
}

/// By a number between 0 and 1.
pub fn by_chance(chance: f64, candidates: &[Candidate]) -> Option<usize> {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let mut left = chance * total;
    let mut last = None;
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0.0) {
        last = Some(index);
        if left < candidate.weight {
            return last;
        }
        left -= candidate.weight;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 100_000;

    fn candidates(weights: &[f64]) -> Vec<Candidate> {
        let one = |(index, weight): (usize, &f64)| Candidate {
            hash: hash(format!("route-{index}").as_bytes()),
            weight: *weight,
        };
        weights.iter().enumerate().map(one).collect()
    }

    /// The weights of many endpoints: what a test says must hold for each.
    fn weightings() -> Vec<Vec<f64>> {
        (0..40u64)
            .map(|seed| {
                let routes = 2 + mix(seed) % 5;
                (0..routes).map(|route| (1 + mix(seed * 31 + route) % 100) as f64).collect()
            })
            .collect()
    }

    fn key(index: u64) -> u64 {
        hash(format!("customer-{index}").as_bytes())
    }

    /// Six standard deviations of a share, counted over `n`.
    fn bound(share: f64, n: f64) -> f64 {
        6.0 * (share * (1.0 - share) / n).sqrt() + 1e-9
    }

    #[test]
    fn shares_are_the_weights() {
        for weights in weightings() {
            let (candidates, total) = (candidates(&weights), weights.iter().sum::<f64>());
            let mut by = [vec![0.0; weights.len()], vec![0.0; weights.len()]];
            for index in 0..20_000 {
                by[0][by_key(key(index), &candidates).expect("has weights")] += 1.0;
                by[1][by_chance(unit(mix(index)), &candidates).expect("has weights")] += 1.0;
            }
            for counts in by {
                for (count, weight) in counts.iter().zip(&weights) {
                    let (found, share) = (count / 20_000.0, weight / total);
                    assert!(
                        (found - share).abs() < bound(share, 20_000.0),
                        "{weights:?}: {found} for {share}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_the_share_that_must_move_moves() {
        for weights in weightings() {
            for factor in [0.0, 0.5, 1.1, 3.0] {
                let before = candidates(&weights);
                let mut changed = weights.clone();
                changed[0] *= factor;
                let after = candidates(&changed);
                for index in 0..2_000 {
                    let (was, is) = (by_key(key(index), &before), by_key(key(index), &after));
                    let right = if factor < 1.0 { was == Some(0) } else { is == Some(0) };
                    assert!(was == is || right, "{weights:?} x {factor}: {was:?} became {is:?}");
                }
            }
        }
    }

    #[test]
    fn the_share_that_moves_is_the_difference_of_the_weights() {
        let (before, after) = (candidates(&[90.0, 10.0]), candidates(&[70.0, 30.0]));
        let moved =
            (0..KEYS).filter(|index| by_key(key(*index), &before) != by_key(key(*index), &after)).count();
        let share = moved as f64 / KEYS as f64;
        assert!((share - 0.2).abs() < bound(0.2, KEYS as f64), "{share} of the keys moved, not 0.2");
    }

    #[test]
    fn a_key_keeps_its_route_in_every_build() {
        let candidates = candidates(&[50.0, 30.0, 20.0]);
        let found: Vec<_> = (0..12).filter_map(|index| by_key(key(index), &candidates)).collect();
        assert_eq!(found, [2, 1, 0, 0, 2, 1, 0, 1, 0, 0, 1, 2]);
    }

    #[test]
    fn nothing_is_chosen_of_nothing() {
        assert_eq!(by_key(1, &[]), None);
        assert_eq!(by_chance(0.5, &candidates(&[0.0])), None);
        assert_eq!(by_chance(0.999_999, &candidates(&[1.0, 0.0])), Some(0));
    }
}
