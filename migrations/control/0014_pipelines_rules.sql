-- What moves runs and tasks besides needs: trigger rules, pools, priorities, limits, mapping, outputs.
-- A row of before has the defaults, which are what that version did.

ALTER TABLE pipelines ADD COLUMN max_active_runs INTEGER NOT NULL DEFAULT 16;

-- The run before one, for tasks that depend on the past.
CREATE INDEX pipeline_runs_past ON pipeline_runs (pipeline, logical_at, id);

ALTER TABLE pipeline_tasks ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';        -- JSON: model::Rules
ALTER TABLE pipeline_tasks ADD COLUMN retries INTEGER;                         -- NULL: max_attempts - 1
ALTER TABLE pipeline_tasks ADD COLUMN pool TEXT NOT NULL DEFAULT 'default_pool';
ALTER TABLE pipeline_tasks ADD COLUMN pool_slots INTEGER NOT NULL DEFAULT 1;
ALTER TABLE pipeline_tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pipeline_tasks ADD COLUMN depends_on_past INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pipeline_tasks ADD COLUMN map_of INTEGER;                          -- place of the task this is an instance of
ALTER TABLE pipeline_tasks ADD COLUMN map_index INTEGER;
ALTER TABLE pipeline_tasks ADD COLUMN item TEXT;                               -- JSON
ALTER TABLE pipeline_tasks ADD COLUMN mapped INTEGER;                          -- instances, once they are known
ALTER TABLE pipeline_tasks ADD COLUMN output TEXT;                             -- JSON

DROP INDEX pipeline_tasks_startable;
CREATE INDEX pipeline_tasks_startable ON pipeline_tasks (priority DESC, run_id, idx)
    WHERE state IN ('queued', 'up_for_retry');

-- Whatever the code does, a task has one running attempt at most.
CREATE UNIQUE INDEX pipeline_attempts_one ON pipeline_attempts (run_id, task_id) WHERE state = 'running';

CREATE TABLE pipeline_pools (
    name        TEXT    NOT NULL PRIMARY KEY,
    slots       INTEGER NOT NULL,
    description TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

INSERT INTO pipeline_pools (name, slots, description)
VALUES ('default_pool', 128, 'Tasks that name no pool');
