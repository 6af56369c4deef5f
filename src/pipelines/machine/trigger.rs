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

/// The same, where some of what is needed sets up something: `setups` are their states.
pub(super) fn decide_with(rule: TriggerRule, needs: &[TaskState], setups: &[TaskState]) -> Verdict {
    let verdict = decide(rule, needs);
    let setups: Vec<_> = setups.iter().filter(|state| **state != TaskState::Removed).collect();
    if rule != TriggerRule::AllDoneSetupSuccess || verdict != Verdict::Run || setups.is_empty() {
        return verdict;
    }
    if setups.iter().all(|state| **state == TaskState::Skipped) {
        Verdict::Skip
    } else if setups.iter().any(|state| **state == TaskState::Success) {
        Verdict::Run
    } else {
        Verdict::UpstreamFailed
    }
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
        Rule::AllDone | Rule::AllDoneSetupSuccess => (false, false, done),
        // What was skipped does not count as done here.
        Rule::AllDoneMinOneSuccess => (done && of.success + of.skipped == 0, of.skipped > 0, done),
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
    use super::{Verdict, decide, decide_with};
    use crate::pipelines::model::{TaskState, TriggerRule};

    /// A row for each set of needs, a column for each rule: what Airflow's own TriggerRuleDep decided.
    const AIRFLOW: &str = include_str!("airflow.tsv");

    fn word(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Wait => "wait",
            Verdict::Run => "run",
            Verdict::Skip => "skipped",
            Verdict::UpstreamFailed => "upstream_failed",
        }
    }

    #[test]
    fn each_rule_decides_as_airflow_does() {
        let mut lines = AIRFLOW.lines().filter(|line| !line.starts_with('#'));
        let head = lines.next().expect("the table has a head").split('\t').skip(1);
        let rules: Vec<TriggerRule> = head.map(|word| word.parse().expect("a rule")).collect();
        // The one that asks for setups is tested by itself.
        assert_eq!(rules.len() + 1, TriggerRule::ALL.len());
        let mut rows = 0;
        for line in lines {
            let mut cells = line.split('\t');
            let states = cells.next().expect("a row has needs").split('+');
            let needs: Vec<TaskState> = states.map(|word| word.parse().expect("a state")).collect();
            for (rule, expected) in rules.iter().zip(cells) {
                assert_eq!(word(decide(*rule, &needs)), expected, "{rule} of {needs:?}");
            }
            rows += 1;
        }
        assert_eq!(rows, 55, "every set of up to three of five states");
    }

    #[test]
    fn a_teardown_runs_once_all_is_done_if_a_setup_succeeded() {
        use TaskState::{Failed, Running, Skipped, Success, UpstreamFailed};
        let rule = TriggerRule::AllDoneSetupSuccess;
        let cases: [(&[TaskState], &[TaskState], Verdict); 8] = [
            (&[Success, Failed], &[Success], Verdict::Run),
            (&[Success, Running], &[Success], Verdict::Wait),
            (&[Failed, UpstreamFailed], &[Failed], Verdict::UpstreamFailed),
            (&[Skipped, Skipped], &[Skipped], Verdict::Skip),
            (&[Failed, Success], &[Failed, Success], Verdict::Run),
            (&[Failed, Skipped], &[Failed, Skipped], Verdict::UpstreamFailed),
            (&[Failed, Skipped], &[], Verdict::Run),
            (&[UpstreamFailed], &[TaskState::Removed], Verdict::Run),
        ];
        for (needs, setups, expected) in cases {
            assert_eq!(decide_with(rule, needs, setups), expected, "{needs:?} with {setups:?}");
        }
        assert_eq!(decide_with(TriggerRule::AllDone, &[Failed], &[Failed]), Verdict::Run);
    }

    #[test]
    fn nothing_needed_runs_and_what_ended_otherwise_counts_as_failed() {
        for rule in TriggerRule::ALL {
            assert_eq!(decide(rule, &[]), Verdict::Run, "{rule} of nothing");
            assert_eq!(decide(rule, &[TaskState::Removed]), Verdict::Run, "{rule} of what is no more");
            for state in [TaskState::Cancelled, TaskState::Lost] {
                assert_eq!(decide(rule, &[state]), decide(rule, &[TaskState::Failed]), "{rule} of {state}");
            }
        }
    }
}
