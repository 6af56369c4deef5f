-- Tasks that do something else than run a command.

ALTER TABLE pipeline_tasks ADD COLUMN kind TEXT NOT NULL DEFAULT 'run';        -- model::TaskKind

-- Tasks that wait for something outside, by when they are looked at next.
CREATE INDEX pipeline_tasks_deferred ON pipeline_tasks (not_before) WHERE state = 'deferred';
