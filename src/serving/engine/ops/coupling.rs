//! From the margins between each two classes to one probability a class, as libsvm couples them
//! (Wu, Lin and Weng, 2004, second method).

/// A pair is never quite certain.
const LEAST: f32 = 1e-7;
const ROUNDS: usize = 100;

/// `margins` and `sigmoids` go by pairs of classes: 0-1, 0-2, ... 1-2, ...
pub fn probabilities(classes: usize, margins: &[f32], sigmoids: &[(f32, f32)]) -> Vec<f32> {
    let wins = pairwise(classes, margins, sigmoids);
    let system = system(classes, &wins);
    let mut shares = vec![1.0 / classes as f32; classes];
    let enough = 0.005 / classes as f32;
    for _ in 0..ROUNDS {
        let mut rest = products(&system, &shares);
        let mut level: f32 = shares.iter().zip(&rest).map(|(share, rest)| share * rest).sum();
        let worst = rest.iter().map(|rest| (rest - level).abs()).fold(0.0, f32::max);
        if worst < enough {
            break;
        }
        for class in 0..classes {
            let own = system[class * classes + class];
            let step = (level - rest[class]) / own;
            shares[class] += step;
            level = (level + step * (step * own + 2.0 * rest[class])) / (1.0 + step) / (1.0 + step);
            for other in 0..classes {
                rest[other] = (rest[other] + step * system[class * classes + other]) / (1.0 + step);
                shares[other] /= 1.0 + step;
            }
        }
    }
    shares
}

/// How likely each class beats each other one.
fn pairwise(classes: usize, margins: &[f32], sigmoids: &[(f32, f32)]) -> Vec<f32> {
    let mut wins = vec![0.0; classes * classes];
    let mut pairs = margins.iter().zip(sigmoids);
    for first in 0..classes {
        for second in first + 1..classes {
            let Some((margin, (slope, shift))) = pairs.next() else { return wins };
            let chance = (1.0 - super::scores::logistic(margin * slope + shift)).clamp(LEAST, 1.0 - LEAST);
            wins[first * classes + second] = chance;
            wins[second * classes + first] = 1.0 - chance;
        }
    }
    wins
}

/// The matrix whose form the shares make least.
fn system(classes: usize, wins: &[f32]) -> Vec<f32> {
    let mut system = vec![0.0; classes * classes];
    for row in 0..classes {
        for column in (0..classes).filter(|&column| column != row) {
            let lost = wins[column * classes + row];
            system[row * classes + row] += lost * lost;
            system[row * classes + column] = -lost * wins[row * classes + column];
        }
    }
    system
}

fn products(system: &[f32], shares: &[f32]) -> Vec<f32> {
    let rows = system.chunks_exact(shares.len());
    rows.map(|row| row.iter().zip(shares).map(|(cell, share)| cell * share).sum()).collect()
}
