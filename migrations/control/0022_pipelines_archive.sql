-- Which end of a run the logs in the bucket are of: a run that ran again has another end.

ALTER TABLE pipeline_runs ADD COLUMN archived_at INTEGER;

CREATE INDEX pipeline_runs_to_archive ON pipeline_runs (id) WHERE archived_at IS NOT ended_at;
