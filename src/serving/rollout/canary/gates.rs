//! Whether a canary may go on: pure, from what was counted.

use super::Canary;
use crate::kernel::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A champion's 95th percentile is believed from this many answers on.
pub const FEW: u64 = 20;

/// What must hold in every step. What is left out is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// The share of requests that may fail. An answer of 400 counts: a version that no longer takes what callers
    /// send is not well.
    #[serde(default = "usual_error_rate")]
    pub error_rate: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
    /// Against the champion's 95th percentile in the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ratio: Option<f64>,
    /// The share of rows that it and the champion must answer alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Requests it must have been asked in a step, and rows compared, before anything is believed.
    #[serde(default = "usual_requests")]
    pub min_requests: u64,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            error_rate: usual_error_rate(),
            p95_ms: None,
            p95_ratio: None,
            agreement: None,
            min_requests: usual_requests(),
        }
    }
}

fn usual_error_rate() -> f64 {
    0.01
}

fn usual_requests() -> u64 {
    100
}

/// What was counted in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub requests: u64,
    pub errors: u64,
    pub p95_ms: Option<f64>,
    pub champion_p95_ms: Option<f64>,
    /// Rows.
    pub compared: u64,
    pub agreed: u64,
}

/// What is to be done with a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wait(String),
    Next,
    Promote,
    RollBack(String),
}

impl Gates {
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: Option<f64>| match value {
            Some(value) if !(0.0..=1.0).contains(&value) => {
                Err(Error::invalid(format!("`{name}` is a share from 0 to 1, not {value}.")))
            }
            _ => Ok(()),
        };
        let above = |name: &str, value: Option<f64>| match value {
            Some(value) if value <= 0.0 || value.is_nan() => {
                Err(Error::invalid(format!("`{name}` must be above 0, not {value}.")))
            }
            _ => Ok(()),
        };
        share("error_rate", Some(self.error_rate))?;
        share("agreement", self.agreement)?;
        above("p95_ms", self.p95_ms)?;
        above("p95_ratio", self.p95_ratio)
    }

    /// The gate that does not hold.
    fn breach(&self, seen: &Figures) -> Option<String> {
        let errors = seen.errors as f64;
        // Counted against the fewest requests that will be believed: past that, no good ones can mend it.
        if errors > self.error_rate * seen.requests.max(self.min_requests) as f64 {
            return Some(format!(
                "{} of {} requests failed, and {} % may",
                seen.errors,
                seen.requests,
                rounded(self.error_rate * 100.0)
            ));
        }
        if seen.requests >= self.min_requests
            && let Some(why) = self.slow(seen)
        {
            return Some(why);
        }
        let agreement = self.agreement.filter(|_| seen.compared >= self.min_requests.max(1))?;
        let found = seen.agreed as f64 / seen.compared as f64;
        (found < agreement).then(|| {
            format!(
                "it agreed with the champion in {} % of {} rows, and {} % were asked for",
                rounded(found * 100.0),
                seen.compared,
                rounded(agreement * 100.0)
            )
        })
    }

    fn slow(&self, seen: &Figures) -> Option<String> {
        let p95 = seen.p95_ms?;
        if let Some(most) = self.p95_ms.filter(|most| p95 > *most) {
            return Some(format!("its p95 is {} ms, and {} ms is the most", rounded(p95), rounded(most)));
        }
        let (ratio, champion) = (self.p95_ratio?, seen.champion_p95_ms?);
        (p95 > ratio * champion).then(|| {
            format!(
                "its p95 is {} ms, and {} times the champion's {} ms is the most",
                rounded(p95),
                rounded(ratio),
                rounded(champion)
            )
        })
    }
}

/// What is to be done, by what was counted in this step until now.
pub fn verdict(canary: &Canary, seen: &Figures, now_ms: i64) -> Verdict {
    let gates = &canary.gates;
    if let Some(why) = gates.breach(seen) {
        return Verdict::RollBack(why);
    }
    let place = format!("step {} of {}", canary.step + 1, canary.steps.len());
    let Some(step) = canary.steps.get(canary.step) else { return Verdict::Promote };
    let Some(began) = canary.step_began_ms else {
        return Verdict::Wait(format!("{place}: its model is being loaded"));
    };
    let left_ms = i64::from(step.seconds) * 1000 - (now_ms - began);
    if left_ms > 0 {
        return Verdict::Wait(format!("{place}: {} s left", (left_ms + 999) / 1000));
    }
    if seen.requests < gates.min_requests {
        return Verdict::Wait(format!(
            "{place}: its time is over, but it had {} of {} requests",
            seen.requests, gates.min_requests
        ));
    }
    if gates.agreement.is_some() && seen.compared < gates.min_requests {
        return Verdict::Wait(format!(
            "{place}: its time is over, but {} of {} rows were compared",
            seen.compared, gates.min_requests
        ));
    }
    if canary.step + 1 < canary.steps.len() { Verdict::Next } else { Verdict::Promote }
}

/// Three digits behind the point, and no more than it has.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Status, Step},
        *,
    };

    fn canary(gates: Gates) -> Canary {
        Canary {
            id: "1".into(),
            model: "models:/m/2".into(),
            version: "2".into(),
            champion: "1".into(),
            steps: vec![Step { weight: 5.0, seconds: 10 }, Step { weight: 50.0, seconds: 10 }],
            gates,
            status: Status::Running,
            step: 0,
            step_began_ms: Some(0),
            began_ms: 0,
            ended_ms: None,
            note: String::new(),
            user: "ada".into(),
            cause: None,
            figures: Figures::default(),
        }
    }

    fn waits(verdict: &Verdict, word: &str) {
        assert!(matches!(verdict, Verdict::Wait(why) if why.contains(word)), "{verdict:?}");
    }

    fn rolls_back(verdict: &Verdict, word: &str) {
        assert!(matches!(verdict, Verdict::RollBack(why) if why.contains(word)), "{verdict:?}");
    }

    #[test]
    fn a_step_needs_its_time_and_its_requests() {
        let gates = Gates { min_requests: 50, ..Gates::default() };
        let mut canary = canary(gates);
        let seen = |requests| Figures { requests, ..Figures::default() };
        waits(&verdict(&canary, &seen(1000), 4000), "6 s left");
        waits(&verdict(&canary, &seen(49), 10_000), "49 of 50 requests");
        assert_eq!(verdict(&canary, &seen(50), 10_000), Verdict::Next);
        canary.step = 1;
        assert_eq!(verdict(&canary, &seen(50), 10_000), Verdict::Promote);
        canary.step_began_ms = None;
        waits(&verdict(&canary, &seen(50), 10_000), "being loaded");
    }

    #[test]
    fn errors_roll_back_as_soon_as_nothing_can_mend_them() {
        let canary = canary(Gates { error_rate: 0.1, min_requests: 50, ..Gates::default() });
        let seen = |requests, errors| Figures { requests, errors, ..Figures::default() };
        waits(&verdict(&canary, &seen(5, 5), 0), "left");
        rolls_back(&verdict(&canary, &seen(6, 6), 0), "6 of 6 requests failed, and 10 % may");
        waits(&verdict(&canary, &seen(100, 10), 0), "left");
        rolls_back(&verdict(&canary, &seen(100, 11), 0), "failed");
    }

    #[test]
    fn a_slow_canary_rolls_back_by_either_measure() {
        let seen = |p95_ms, champion_p95_ms| Figures {
            requests: 100,
            p95_ms,
            champion_p95_ms,
            ..Figures::default()
        };
        let absolute = canary(Gates { p95_ms: Some(20.0), ..Gates::default() });
        rolls_back(&verdict(&absolute, &seen(Some(21.0), None), 0), "p95 is 21 ms");
        waits(&verdict(&absolute, &seen(Some(19.0), Some(1.0)), 0), "left");
        let relative = canary(Gates { p95_ratio: Some(1.5), ..Gates::default() });
        rolls_back(&verdict(&relative, &seen(Some(16.0), Some(10.0)), 0), "1.5 times the champion's 10 ms");
        waits(&verdict(&relative, &seen(Some(15.0), Some(10.0)), 0), "left");
        waits(&verdict(&relative, &seen(Some(99.0), None), 0), "left");
        waits(&verdict(&relative, &Figures { requests: 99, ..seen(Some(99.0), Some(1.0)) }, 0), "left");
    }

    #[test]
    fn agreement_is_asked_of_enough_rows() {
        let canary = canary(Gates { agreement: Some(0.9), min_requests: 100, ..Gates::default() });
        let seen = |compared, agreed| Figures { requests: 100, compared, agreed, ..Figures::default() };
        waits(&verdict(&canary, &seen(99, 0), 10_000), "99 of 100 rows");
        rolls_back(&verdict(&canary, &seen(100, 89), 0), "89 % of 100 rows");
        assert_eq!(verdict(&canary, &seen(100, 90), 10_000), Verdict::Next);
    }

    #[test]
    fn gates_that_cannot_be_are_refused() {
        for gates in [
            Gates { error_rate: 1.5, ..Gates::default() },
            Gates { agreement: Some(-0.1), ..Gates::default() },
            Gates { p95_ms: Some(0.0), ..Gates::default() },
            Gates { p95_ratio: Some(f64::NAN), ..Gates::default() },
        ] {
            gates.check().expect_err("is refused");
        }
        Gates::default().check().expect("the usual ones hold");
    }
}
