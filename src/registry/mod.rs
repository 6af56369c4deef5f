//! Floor 5: registered models, versions, aliases: the registry, as MLflow speaks it.
