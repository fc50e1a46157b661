"""Alerts on causes that a service level objective shows late, or not at all.

What each replica of a service tells about the whole service is taken as the maximum, never as the sum.
"""

from deploy.monitoring.rules import Alert, Group, Recording
from local_stack.parts import SERVICES

NO_DISK = 'fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"'
"""File systems that are no disk of their own."""

_LAG = "job_topic:consumer_lag:sum"
_CALLS = "sum(rate(payment_gateway_seconds_count%s[5m]))"
_FAILED = '{outcome=~"lost|unreachable"}'
_RUNS = 'sum by (job, exported_job) (increase(job_runs_total{outcome="%s"}[15m])) > 0'
_FREE = f"node_filesystem_avail_bytes{{{NO_DISK}}} / node_filesystem_size_bytes{{{NO_DISK}}}"

AVAILABILITY = Group(
    "availability",
    [
        *(
            Alert(
                "ServiceDown", f'absent(up{{job="{service.package}"}} == 1)', "page",
                f"No process of {service.package} answers", "1m", labels={"job": service.package},
            )
            for service in SERVICES
        ),
        Alert("TargetDown", "up == 0", "ticket", "{{ $labels.instance }} of {{ $labels.job }} doesn't answer", "5m"),
        Alert(
            "DatabasePoolExhausted", "database_connections >= database_connections_max", "page",
            "{{ $labels.instance }} of {{ $labels.job }} has no free connection in its pool {{ $labels.pool }}", "2m",
        ),
        Alert(
            "VerificationKeysOld", "max by (job) (verification_keys_age_seconds) > 3600", "ticket",
            "{{ $labels.job }} has not fetched the keys that tokens are verified with for an hour", "5m",
        ),
        Alert(
            "JobFailing", f"{_RUNS % 'failed'} unless {_RUNS % 'ok'}", "ticket",
            "The job {{ $labels.exported_job }} of {{ $labels.job }} fails in every run", "5m",
        ),
    ],
)  # fmt: skip

EVENTS = Group(
    "events",
    [
        Recording(_LAG, "sum by (job, topic) (consumer_lag)"),
        Alert(
            "OutboxStalled", "max by (job) (outbox_oldest_seconds) > 60", "page",
            "{{ $labels.job }} has an event that was committed over a minute ago and is not published", "1m",
        ),
        Alert(
            "RelayWithoutOwner", "max by (job) (relay_owner) == 0", "page",
            "No process of {{ $labels.job }} publishes its events", "1m",
        ),
        Alert(
            "ConsumerLagGrowing", f"deriv({_LAG}[10m]) > 0 and {_LAG} > 100", "ticket",
            "{{ $labels.job }} handles events of {{ $labels.topic }} more slowly than they come", "10m",
        ),
        Alert(
            "ConsumerGroupStalled",
            'sum by (consumergroup, topic) (kafka_consumergroup_lag{consumergroup=~".+_service"}) > 0 and '
            "sum by (consumergroup, topic) (delta(kafka_consumergroup_current_offset[10m])) == 0", "page",
            "{{ $labels.consumergroup }} reads nothing of {{ $labels.topic }}, in which there are events for it", "5m",
        ),
        Alert(
            "DeadLetters", "max by (job) (dead_letters) > 0", "ticket",
            "{{ $labels.job }} has events that it can't handle", "5m",
        ),
        Alert(
            "EventUnreadable",
            'sum by (job, topic) (increase(events_dead_total{reason="unreadable"}[1h])) > 0', "ticket",
            "{{ $labels.job }} can't read a record of {{ $labels.topic }}",
        ),
    ],
)  # fmt: skip

ORDERS = Group(
    "orders",
    [
        Alert("OrderStuck", "max by (reason) (orders_stuck) > 0", "ticket", "Orders wait: {{ $labels.reason }}", "5m"),
        Alert(
            "PaymentOverdue", "max by (kind) (payments_overdue) > 0", "page",
            "The outcome of a {{ $labels.kind }} is unknown for too long", "5m",
        ),
        Alert(
            "PaymentUnmatched", "sum by (kind) (increase(payment_webhooks_unmatched_total[1h])) > 0", "page",
            "The payment gateway reported a {{ $labels.kind }} of no order of ours",
        ),
        Alert(
            "GatewayFailing",
            f"{_CALLS % _FAILED} / {_CALLS % ''} > 0.1", "page",
            "More than a tenth of the calls to the payment gateway fail", "5m",
        ),
    ],
)  # fmt: skip

SERVERS = Group(
    "servers",
    [
        Alert(
            "PostgresConnectionsExhausted",
            "sum by (instance) (pg_stat_activity_count) > 0.8 * max by (instance) (pg_settings_max_connections)",
            "page", "PostgreSQL at {{ $labels.instance }} has less than a fifth of its connections left", "5m",
        ),
        Alert(
            "ReplicaBehind", "pg_replication_lag_seconds > 30 and pg_replication_is_replica == 1", "ticket",
            "The replica at {{ $labels.instance }} is more than 30 s behind", "5m",
        ),
        # Serving processes are cut off long before (`statement_timeout`, `idle_in_transaction_session_timeout`).
        Alert(
            "MigrationRunningLong",
            'max by (datname) (pg_stat_activity_max_tx_duration{datname=~".+_service"}) > 300', "page",
            "A transaction in {{ $labels.datname }} has run for five minutes: a migration, or somebody's session",
        ),
        Alert(
            "DiskFull", f"{_FREE} < 0.05", "page",
            "{{ $labels.mountpoint }} of {{ $labels.instance }} has less than 5 % left", "5m",
        ),
        Alert(
            "DiskFilling",
            f"{_FREE} < 0.4 and predict_linear(node_filesystem_avail_bytes{{{NO_DISK}}}[6h], 86400) < 0", "ticket",
            "{{ $labels.mountpoint }} of {{ $labels.instance }} will be full within a day", "1h",
        ),
        Alert(
            "BackupOld",
            # Each replica of a CloudNativePG cluster has the figure.
            "time() - backup_completed_timestamp_seconds > 86400 or "
            "time() - max by (job) (barman_cloud_cloudnative_pg_io_last_available_backup_timestamp) > 86400", "ticket",
            "The newest backup of {{ $labels.job }} is older than a day", "1h",
        ),
        Alert(
            "CertificateExpiring", "probe_ssl_earliest_cert_expiry - time() < 14 * 86400", "ticket",
            "The certificate of {{ $labels.instance }} expires within two weeks", "1h",
        ),
    ],
)  # fmt: skip

GROUPS = (AVAILABILITY, EVENTS, ORDERS, SERVERS)
