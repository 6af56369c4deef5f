//! Floor 4: experiments, runs, metrics, artifacts, logged models: the tracker, as MLflow speaks it.
