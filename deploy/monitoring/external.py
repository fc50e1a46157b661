"""Metrics of others that rules and dashboards read, by the exporter that has them."""

EXPORTERS = {
    "Prometheus": frozenset({"up", "ALERTS"}),
    "kafka_exporter": frozenset({"kafka_consumergroup_lag", "kafka_consumergroup_current_offset"}),
    "postgres_exporter": frozenset(
        {
            "pg_stat_activity_count",
            "pg_stat_activity_max_tx_duration",
            "pg_settings_max_connections",
            "pg_replication_lag_seconds",
            "pg_replication_is_replica",
        }
    ),
    # The last one is of deploy/backup/backup.sh, by the textfile collector.
    "node_exporter": frozenset(
        {"node_filesystem_avail_bytes", "node_filesystem_size_bytes", "backup_completed_timestamp_seconds"}
    ),
    "CloudNativePG": frozenset({"barman_cloud_cloudnative_pg_io_last_available_backup_timestamp"}),
    "blackbox_exporter": frozenset({"probe_ssl_earliest_cert_expiry"}),
}
EXTERNAL = frozenset().union(*EXPORTERS.values())
