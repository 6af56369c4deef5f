-- What every turn of the scheduler asks, found without a look at the tasks of all runs that are kept.

-- Runs that are yet to begin.
CREATE INDEX pipeline_runs_queued ON pipeline_runs (id) WHERE state = 'queued';

-- Tasks that wait for their next attempt.
CREATE INDEX pipeline_tasks_retries ON pipeline_tasks (not_before) WHERE state = 'up_for_retry';

-- Tasks that wait for others, and those that sum up others: where a run has none, nothing follows from a task's end.
CREATE INDEX pipeline_tasks_bound ON pipeline_tasks (run_id) WHERE state = 'waiting' OR mapped IS NOT NULL;
