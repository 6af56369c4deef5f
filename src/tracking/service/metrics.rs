//! Reading metric histories: whole, in pages, of many runs at once, or sampled for a chart.

use super::Service;
use crate::{
    kernel::error::Result,
    tracking::{
        model::{Page, Point},
        search::page,
        store::{metrics, runs},
    },
};

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
        let offset = page::decode(token)?;
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        self.db()
            .read(move |c| {
                let Some(rid) = runs::run_rid(c, &run_id)? else {
                    return Ok(Page { items: Vec::new(), next: None });
                };
                let Some(limit) = limit else {
                    let items = metrics::history(c, rid, &key, i64::MAX as usize, offset)?;
                    return Ok(Page { items, next: None });
                };
                Ok(super::page_of(
                    metrics::history(c, rid, &key, limit.saturating_add(1), offset)?,
                    limit,
                    offset,
                ))
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
                    let points = metrics::history(c, rid, &key, left, 0)?;
                    left -= points.len();
                    out.push((run_id, points));
                }
                Ok(out)
            })
            .await
    }

    /// One metric of many runs over a range of steps, each thinned to at most `limit` points that
    /// keep its first and last.
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
                let sample = |run_id: String| {
                    let points = match runs::run_rid(c, &run_id)? {
                        Some(rid) => metrics::history_by_step(c, rid, &key, first, last)?,
                        None => Vec::new(),
                    };
                    Ok((run_id, thin(points, limit)))
                };
                run_ids.into_iter().map(sample).collect()
            })
            .await
    }
}

/// Evenly spaced points of the whole, ending with the last.
fn thin(points: Vec<Point>, limit: usize) -> Vec<Point> {
    if points.len() <= limit {
        return points;
    }
    match limit {
        0 => Vec::new(),
        1 => points.last().copied().into_iter().collect(),
        _ => (0..limit).map(|index| points[index * (points.len() - 1) / (limit - 1)]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        let points: Vec<_> = (0..1000).map(|step| Point { timestamp: step, step, value: 0.0 }).collect();
        for limit in [1, 2, 3, 320, 999, 1000, 5000] {
            let thinned = thin(points.clone(), limit);
            assert_eq!(thinned.len(), limit.min(1000));
            assert_eq!(thinned.last(), points.last());
            assert!(limit == 1 || thinned.first() == points.first());
            assert!(thinned.windows(2).all(|pair| pair[0].step < pair[1].step));
        }
    }
}
