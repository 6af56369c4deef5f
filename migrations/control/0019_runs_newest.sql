-- The order in which runs are listed, with what nearly every search asks of them: a search looks into the
-- table of runs only for those it finds.

DROP INDEX runs_newest;
CREATE INDEX runs_newest ON runs (experiment_id, started_at DESC, id, stage, name);
