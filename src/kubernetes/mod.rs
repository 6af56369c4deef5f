//! Floor 1: Kubernetes manifests and the OCI image, as pure functions of configuration.
