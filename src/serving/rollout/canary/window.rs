//! What a canary did in its present step: the endpoint's counters, less what they were when it began.

use super::{Canary, Figures, gates::FEW};
use crate::serving::{
    endpoint::Endpoint,
    stats::{Counts, Totals, VersionStats},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Counters at one time.
#[derive(Clone, Debug, Default)]
struct Counted {
    totals: Totals,
    latency: Counts,
    mirror_latency: Counts,
}

/// Which step a window is of: a canary's id, and the step.
type Of = (String, usize);

/// The windows of all canaries, by endpoint.
#[derive(Default)]
pub struct Windows(Mutex<BTreeMap<String, (Of, Counted, Counted)>>);

impl Windows {
    /// What was counted in the canary's step; a step first asked about begins now.
    pub fn figures(&self, endpoint: &Endpoint, canary: &Canary, model: &str) -> Figures {
        let own = Counted::now(&endpoint.board.of(model, &canary.version));
        let champion = endpoint.current().ok();
        let champion = champion.map_or_else(Counted::default, |loaded| {
            Counted::now(&endpoint.board.of(&loaded.name, &loaded.version))
        });
        let of = (canary.id.clone(), canary.step);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows
            .entry(endpoint.name.clone())
            .and_modify(|window| {
                if window.0 != of {
                    *window = (of.clone(), own.clone(), champion.clone());
                }
            })
            .or_insert_with(|| (of.clone(), own.clone(), champion.clone()));
        figures(&own, &window.1, &champion, &window.2, canary.weight() == 0.0)
    }

    pub fn forget(&self, endpoint: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(endpoint);
    }
}

impl Counted {
    fn now(stats: &VersionStats) -> Self {
        Self { totals: stats.totals(), latency: stats.latency(), mirror_latency: stats.mirror_latency() }
    }
}

/// No counter runs backwards, but one may have been forgotten since, and begun anew.
///
/// A canary that is heard is judged by what it was asked; one that is not, by what it was asked as a shadow.
fn figures(
    own: &Counted,
    own_before: &Counted,
    champion: &Counted,
    champion_before: &Counted,
    unheard: bool,
) -> Figures {
    let (now, before) = (&own.totals, &own_before.totals);
    let (asked, failed, latency) = if unheard {
        let asked = now.mirror.requests.saturating_sub(before.mirror.requests);
        (
            asked,
            now.mirror.errors.saturating_sub(before.mirror.errors),
            own.mirror_latency.since(&own_before.mirror_latency),
        )
    } else {
        let failed = now.fail.count.saturating_sub(before.fail.count);
        (
            now.success.count.saturating_sub(before.success.count) + failed,
            failed,
            own.latency.since(&own_before.latency),
        )
    };
    // Of a step in which the champion is hardly asked, what it took before must do.
    let in_step = champion.latency.since(&champion_before.latency);
    let champion_p95 =
        if in_step.total() >= FEW { in_step.quantile(95) } else { champion.latency.quantile(95) };
    Figures {
        requests: asked,
        errors: failed,
        p95_ms: latency.quantile(95),
        champion_p95_ms: champion_p95,
        compared: now.mirror.rows.saturating_sub(before.mirror.rows),
        agreed: now.mirror.agreed.saturating_sub(before.mirror.agreed),
    }
}
