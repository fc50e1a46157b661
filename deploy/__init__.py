"""What a deployment takes as files: rules and dashboards for Prometheus and Grafana, generated and checked in."""
