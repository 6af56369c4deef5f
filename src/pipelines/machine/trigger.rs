//! Trigger rules: whether a task runs, given what became of those it needs. Equal to Airflow's; what
//! was cancelled or lost counts as failed, what a mapped task no longer has does not count.

use crate::pipelines::model::{TaskState, TriggerRule};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Run,
    Skip,
    UpstreamFailed,
}

#[derive(Default)]
struct Counts {
    all: usize,
    success: usize,
    failed: usize,
    upstream_failed: usize,
    skipped: usize,
}

pub(super) fn decide(rule: TriggerRule, needs: &[TaskState]) -> Verdict {
    let mut counts = Counts::default();
    for state in needs.iter().filter(|state| **state != TaskState::Removed) {
        counts.all += 1;
        match state {
            TaskState::Success => counts.success += 1,
            TaskState::Failed | TaskState::Cancelled | TaskState::Lost => counts.failed += 1,
            TaskState::UpstreamFailed => counts.upstream_failed += 1,
            TaskState::Skipped => counts.skipped += 1,
            _ => {}
        }
    }
    if counts.all == 0 { Verdict::Run } else { by_rule(rule, &counts) }
}

fn by_rule(rule: TriggerRule, of: &Counts) -> Verdict {
    use TriggerRule as Rule;
    let bad = of.failed + of.upstream_failed;
    let done = of.success + bad + of.skipped == of.all;
    // What can be told before all are done is told at once.
    let (failed, skipped, runs) = match rule {
        Rule::AllSuccess => (bad > 0, of.skipped > 0, of.success == of.all),
        Rule::AllFailed => (false, of.success + of.skipped > 0, bad == of.all),
        Rule::AllDone => (false, false, done),
        Rule::AllDoneMinOneSuccess => {
            (done && of.success == 0 && bad > 0, done && of.skipped == of.all, done && of.success > 0)
        }
        Rule::AllSkipped => (false, of.success + bad > 0, of.skipped == of.all),
        Rule::OneFailed => (false, done && bad == 0, bad > 0),
        Rule::OneSuccess => {
            (done && of.success == 0 && bad > 0, done && of.skipped == of.all, of.success > 0)
        }
        Rule::OneDone => (false, done && of.success + of.failed == 0, of.success + of.failed > 0),
        Rule::NoneFailed => (bad > 0, false, done),
        Rule::NoneFailedMinOneSuccess => (bad > 0, of.skipped == of.all, done && of.success > 0),
        Rule::NoneSkipped => (false, of.skipped > 0, done),
        Rule::Always => (false, false, true),
    };
    match (failed, skipped, runs) {
        (true, _, _) => Verdict::UpstreamFailed,
        (_, true, _) => Verdict::Skip,
        (_, _, true) => Verdict::Run,
        _ => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, decide};
    use crate::pipelines::model::{TaskState, TriggerRule};
    use TaskState::{Failed, Running, Skipped, Success, UpstreamFailed};
    use Verdict::{Run, Skip, UpstreamFailed as Bad, Wait};

    #[test]
    fn each_rule_decides_as_airflow_does() {
        // The columns: what is needed; the rows: the rule and its decision for each column.
        let needs: [&[TaskState]; 10] = [
            &[Success, Success],
            &[Success, Failed],
            &[Failed, UpstreamFailed],
            &[Success, Skipped],
            &[Skipped, Skipped],
            &[Failed, Skipped],
            &[Success, Running],
            &[Failed, Running],
            &[Skipped, Running],
            &[UpstreamFailed, Skipped],
        ];
        let table = [
            (TriggerRule::AllSuccess, [Run, Bad, Bad, Skip, Skip, Bad, Wait, Bad, Skip, Bad]),
            (TriggerRule::AllFailed, [Skip, Skip, Run, Skip, Skip, Skip, Skip, Wait, Skip, Skip]),
            (TriggerRule::AllDone, [Run, Run, Run, Run, Run, Run, Wait, Wait, Wait, Run]),
            (TriggerRule::AllDoneMinOneSuccess, [Run, Run, Bad, Run, Skip, Bad, Wait, Wait, Wait, Bad]),
            (TriggerRule::AllSkipped, [Skip, Skip, Skip, Skip, Run, Skip, Skip, Skip, Wait, Skip]),
            (TriggerRule::OneFailed, [Skip, Run, Run, Skip, Skip, Run, Wait, Run, Wait, Run]),
            (TriggerRule::OneSuccess, [Run, Run, Bad, Run, Skip, Bad, Run, Wait, Wait, Bad]),
            (TriggerRule::OneDone, [Run, Run, Run, Run, Skip, Run, Run, Run, Wait, Skip]),
            (TriggerRule::NoneFailed, [Run, Bad, Bad, Run, Run, Bad, Wait, Bad, Wait, Bad]),
            (TriggerRule::NoneFailedMinOneSuccess, [Run, Bad, Bad, Run, Skip, Bad, Wait, Bad, Wait, Bad]),
            (TriggerRule::NoneSkipped, [Run, Run, Run, Skip, Skip, Skip, Wait, Wait, Skip, Skip]),
            (TriggerRule::Always, [Run; 10]),
        ];
        assert_eq!(table.len(), TriggerRule::ALL.len());
        for (rule, expected) in table {
            for (needs, expected) in needs.iter().zip(expected) {
                assert_eq!(decide(rule, needs), expected, "{rule} of {needs:?}");
            }
            assert_eq!(decide(rule, &[]), Run, "{rule} of nothing");
        }
    }
}
