"""The Kubernetes manifests in deploy/kubernetes: what is generated of them, how they are rendered, and their checks."""
