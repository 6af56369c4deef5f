-- Which commit of a Git repository a definition came from, and with it a run.

ALTER TABLE pipelines ADD COLUMN commit_id TEXT;
ALTER TABLE pipeline_runs ADD COLUMN commit_id TEXT;
