-- Until when runs should be over.

ALTER TABLE pipeline_runs ADD COLUMN deadline_at INTEGER;
ALTER TABLE pipeline_runs ADD COLUMN deadline_missed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX pipeline_runs_deadline ON pipeline_runs (deadline_at)
    WHERE deadline_at IS NOT NULL AND deadline_missed = 0 AND state IN ('queued', 'running');

-- Waits that may begin: looked for at every turn, and few among many tasks.
CREATE INDEX pipeline_tasks_waits ON pipeline_tasks (run_id, idx)
    WHERE kind = 'wait_for' AND state IN ('queued', 'up_for_retry');
