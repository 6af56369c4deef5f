-- Runs by their name: whoever asks for one by name finds it without walking an experiment's every run.

CREATE INDEX runs_named ON runs (experiment_id, name, started_at DESC, id, stage);
