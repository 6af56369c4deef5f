//! Reading metric histories: whole, in pages, of many runs at once, or sampled for a chart.

use super::Service;
use crate::{
    kernel::error::Result,
    tracking::{
        model::{Page, Point},
        search::page::{Ask, Asked},
        store::{metrics, runs},
    },
};
use std::collections::BTreeSet;

impl Service {
    /// One metric's points by time; all of them when no page size is named. A run that does not
    /// exist has none.
    pub async fn metric_history(
        &self,
        run_id: &str,
        key: &str,
        limit: Option<usize>,
        token: &str,
    ) -> Result<Page<Point>> {
        let asked = Asked::of("points of a metric").by("Run ID", &run_id).by("Metric key", &key);
        let ask = Ask::new(asked, limit.unwrap_or(usize::MAX), token)?;
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        self.db()
            .read(move |c| match runs::run_rid(c, &run_id)? {
                Some(rid) => metrics::history_page(c, rid, &key, &ask),
                None => Ok(Page { items: Vec::new(), next: None }),
            })
            .await
    }

    /// One metric of many runs, by run and time, at most `limit` points in all. Runs that do not
    /// exist have no points.
    pub async fn metric_history_bulk(
        &self,
        mut run_ids: Vec<String>,
        key: &str,
        limit: usize,
    ) -> Result<Vec<(String, Vec<Point>)>> {
        run_ids.sort();
        run_ids.dedup();
        let key = key.to_owned();
        self.db()
            .read(move |c| {
                let mut left = limit;
                let mut out = Vec::new();
                for run_id in run_ids {
                    let Some(rid) = runs::run_rid(c, &run_id)? else { continue };
                    let points = metrics::history(c, rid, &key, left)?;
                    left -= points.len();
                    out.push((run_id, points));
                }
                Ok(out)
            })
            .await
    }

    /// One metric of many runs over a range of steps, at about `limit` steps that are the same for all
    /// runs, so that their curves can be compared; the first and last step of each run are kept.
    pub async fn metric_history_sampled(
        &self,
        run_ids: Vec<String>,
        key: &str,
        steps: Option<(i64, i64)>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<Point>)>> {
        let key = key.to_owned();
        let (first, last) = steps.unwrap_or((i64::MIN, i64::MAX));
        self.db()
            .read(move |c| {
                let whole = |run_id: String| {
                    let points = match runs::run_rid(c, &run_id)? {
                        Some(rid) => metrics::history_by_step(c, rid, &key, first, last)?,
                        None => Vec::new(),
                    };
                    Ok((run_id, points))
                };
                let mut found: Vec<_> = run_ids.into_iter().map(whole).collect::<Result<_>>()?;
                sample(&mut found, limit);
                Ok(found)
            })
            .await
    }
}

/// Points of one run at most, however many share a step.
const POINTS_OF_A_RUN: usize = 2500;

/// Keeps the points at evenly spaced ones of all steps, and at both ends of every run.
fn sample(runs: &mut [(String, Vec<Point>)], limit: usize) {
    let mut steps: Vec<i64> = runs.iter().flat_map(|(_, points)| points).map(|point| point.step).collect();
    steps.sort_unstable();
    steps.dedup();
    if steps.len() > limit {
        let mut kept: BTreeSet<i64> = (0..limit).map(|index| steps[index * steps.len() / limit]).collect();
        kept.extend(steps.last());
        for (_, points) in runs.iter() {
            kept.extend(points.first().iter().chain(points.last().iter()).map(|point| point.step));
        }
        for (_, points) in runs.iter_mut() {
            points.retain(|point| kept.contains(&point.step));
        }
    }
    for (_, points) in runs {
        thin(points, POINTS_OF_A_RUN);
    }
}

/// Cuts a list to evenly spaced points of the whole that include both ends.
fn thin(points: &mut Vec<Point>, limit: usize) {
    if points.len() > limit {
        *points = (0..limit).map(|index| points[index * (points.len() - 1) / (limit - 1)]).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: impl IntoIterator<Item = i64>) -> (String, Vec<Point>) {
        (String::new(), steps.into_iter().map(|step| Point { timestamp: 1, step, value: 0.0 }).collect())
    }

    fn steps(run: &(String, Vec<Point>)) -> Vec<i64> {
        run.1.iter().map(|point| point.step).collect()
    }

    #[test]
    fn runs_are_sampled_at_the_same_steps() {
        let mut runs = [run(0..10), run(0..20), run([])];
        sample(&mut runs, 5);
        assert_eq!(steps(&runs[0]), [0, 4, 8, 9]);
        assert_eq!(steps(&runs[1]), [0, 4, 8, 9, 12, 16, 19]);
        assert!(runs[2].1.is_empty());
    }

    #[test]
    fn few_steps_stay_whole_and_many_points_of_one_step_do_not() {
        let mut runs = [run(0..5)];
        sample(&mut runs, 5);
        assert_eq!(steps(&runs[0]), [0, 1, 2, 3, 4]);
        let mut runs = [run(std::iter::repeat_n(0, 10_000))];
        sample(&mut runs, 5);
        assert_eq!(runs[0].1.len(), POINTS_OF_A_RUN);
    }
}
