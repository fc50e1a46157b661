"""Service level objectives, alerts and dashboards as code (docs/monitoring.md).

The label `job` of every target is the service's package (`order_service`), which is also its consumer group and its
database; `instance` is the process.
"""
