# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dashboards show: six of them, each with its rows of panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "table"]
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Query:
    """One question to Prometheus, and what its answers are called."""

    expr: str
    legend: str = "{{instance}}"


@dataclass(frozen=True)
class Panel:
    """One picture; its width is counted in 24ths of a row."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    width: int = 12


@dataclass(frozen=True)
class Dashboard:
    """One page, and the name of its file."""

    name: str
    title: str
    description: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def stat(title: str, description: str, unit: str, expr: str, legend: str = "") -> Panel:
    """Return a panel that shows the newest value as a number."""
    return Panel(title, description, unit, (Query(expr, legend or title),), "stat", 6)


def lines(title: str, description: str, unit: str, expr: str, legend: str = "{{instance}}") -> Panel:
    """Return a panel that shows one question over time."""
    return Panel(title, description, unit, (Query(expr, legend),))


def quantiles(metric: str, kind: str) -> tuple[Query, ...]:
    """Return the questions for the median, the 95th and the 99th percentile of requests of one kind."""
    buckets = f'sum by (le) (rate({metric}_bucket{{kind="{kind}"}}[{RATE}]))'
    return tuple(
        Query(f"histogram_quantile({share}, {buckets})", f"p{round(share * 100)}") for share in (0.5, 0.95, 0.99)
    )


REQUESTS = "mlops_edge_request_duration_seconds"

OVERVIEW = Dashboard(
    "overview",
    "Platform overview",
    "Whether the platform works, and which host or service has little left of something.",
    (
        (
            "Now",
            (
                stat(
                    "Requests answered",
                    "Share of requests of the last six hours that the platform did not fail; 99.9 % is the objective.",
                    "percentunit",
                    "1 - mlops:requests_failed:ratio_rate6h",
                ),
                stat(
                    "Public name answers",
                    "Whether the address that users type is answered over valid TLS, seen from the monitoring host.",
                    "bool_yes_no",
                    'probe_success{job="public"}',
                    "{{instance}}",
                ),
                stat(
                    "Targets down",
                    "Targets that Prometheus gets no answer from.",
                    "short",
                    "count(up == 0) or vector(0)",
                ),
                stat(
                    "Alerts firing",
                    "Alerts that fire at the moment; Alertmanager shows which.",
                    "short",
                    'count(ALERTS{alertstate="firing"}) or vector(0)',
                ),
            ),
        ),
        (
            "Service",
            (
                lines(
                    "Requests by kind",
                    "Requests a second at all edges together.",
                    "reqps",
                    f"sum by (kind) (rate(mlops_edge_requests_total[{RATE}]))",
                    "{{kind}}",
                ),
                Panel(
                    "Duration of calls about metadata",
                    "Median and slow ends of the calls of the API but for files; the objective is 200 ms for 95 %.",
                    "s",
                    quantiles(REQUESTS, "metadata"),
                ),
                lines(
                    "Units that are not active",
                    "Services of the platform that systemd does not have running.",
                    "short",
                    'sum by (instance) (node_systemd_unit_state{state="active",name=~".+[.]service"} == bool 0)',
                ),
                lines(
                    "Restarts",
                    "Restarts of services by systemd within an hour.",
                    "short",
                    "sum by (instance) (increase(node_systemd_service_restart_total[1h]))",
                ),
            ),
        ),
        (
            "Hosts",
            (
                lines(
                    "Processor",
                    "Share of the processors' time that is used.",
                    "percentunit",
                    f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{RATE}]))',
                ),
                lines(
                    "Memory",
                    "Share of the memory that is not available.",
                    "percentunit",
                    "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                ),
                lines(
                    "Disk",
                    "Share of each host's fullest file system that is used.",
                    "percentunit",
                    'max by (instance) (1 - node_filesystem_avail_bytes{fstype!="ramfs"}'
                    ' / node_filesystem_size_bytes{fstype!="ramfs"})',
                ),
                lines(
                    "Days of certificates",
                    "Days until the first certificate of each host and service expires.",
                    "d",
                    "min by (instance, service) (probe_ssl_earliest_cert_expiry - time()) / 86400",
                    "{{instance}} {{service}}",
                ),
            ),
        ),
        (
            "Services",
            (
                lines(
                    "Processor by service",
                    "Processors that each service keeps busy, on all its hosts together.",
                    "short",
                    f"sum by (groupname) (rate(namedprocess_namegroup_cpu_seconds_total[{RATE}]))",
                    "{{groupname}}",
                ),
                lines(
                    "Memory by service",
                    "Resident memory of each service, on all its hosts together.",
                    "bytes",
                    'sum by (groupname) (namedprocess_namegroup_memory_bytes{memtype="resident"})',
                    "{{groupname}}",
                ),
            ),
        ),
    ),
)

MLFLOW = Dashboard(
    "mlflow",
    "MLflow usage",
    "What people do with MLflow: experiments, metrics, files and runs.",
    (
        (
            "The four questions",
            (
                lines(
                    "Active experiments per hour",
                    "Experiments in which a run began or ended within the last hour.",
                    "short",
                    "max(sql_mlflow_active_experiments)",
                    "experiments",
                ),
                lines(
                    "Average metric per run",
                    "Average of chosen metrics over the runs of the last day, by experiment.",
                    "short",
                    'max by (experiment, metric) (sql_mlflow_metric{col="average"})',
                    "{{experiment}} {{metric}}",
                ),
                Panel(
                    "Artifact throughput",
                    "Bytes a second of files that are sent to MLflow and fetched from it, at all edges together.",
                    "Bps",
                    (
                        Query(f'sum(rate(mlops_edge_received_bytes_total{{kind="artifact"}}[{RATE}]))', "up"),
                        Query(f'sum(rate(mlops_edge_sent_bytes_total{{kind="artifact"}}[{RATE}]))', "down"),
                    ),
                ),
                Panel(
                    "Runs per user this month",
                    "Runs that each user began since the month began.",
                    "short",
                    (Query("sort_desc(max by (mlflow_user) (sql_mlflow_user_runs))", "{{mlflow_user}}"),),
                    "table",
                ),
            ),
        ),
        (
            "Runs",
            (
                lines(
                    "Runs by state",
                    "All runs that are not deleted.",
                    "short",
                    "max by (status) (sql_mlflow_runs)",
                    "{{status}}",
                ),
                lines(
                    "Duration of runs",
                    "How long the runs took that ended within the last hour.",
                    "s",
                    'max by (col) (sql_mlflow_run_seconds{col!="runs"})',
                    "{{col}}",
                ),
                lines(
                    "Runs within an hour by user",
                    "Runs that each user began within the last hour.",
                    "short",
                    'max by (mlflow_user) (sql_mlflow_user_activity{col="last_hour"})',
                    "{{mlflow_user}}",
                ),
                lines(
                    "Experiments",
                    "Experiments by stage of life.",
                    "short",
                    "max by (stage) (sql_mlflow_experiments)",
                    "{{stage}}",
                ),
            ),
        ),
        (
            "Models",
            (
                stat("Registered models", "Models in the registry.", "short", "max(sql_mlflow_models)"),
                stat(
                    "Versions of models",
                    "Versions of all models.",
                    "short",
                    "sum(max by (status) (sql_mlflow_model_versions)) or vector(0)",
                ),
                stat(
                    "Promotions",
                    "Promotions and rollbacks that versions of models carry.",
                    "short",
                    "max(sql_mlflow_promotions)",
                ),
                stat(
                    "Failing questions",
                    "Questions to MLflow's database that fail; their last answers are still shown.",
                    "short",
                    "sum(sql_exporter_last_scrape_failed)",
                ),
                lines(
                    "Aliases",
                    "Models that have an alias, by alias.",
                    "short",
                    "max by (alias) (sql_mlflow_model_aliases) or vector(0)",
                    "{{alias}}",
                ),
                lines(
                    "MLflow's processes",
                    "Processes of each pool of MLflow.",
                    "short",
                    'sum by (groupname) (namedprocess_namegroup_num_procs{groupname=~"mlflow-.+"})',
                    "{{groupname}}",
                ),
            ),
        ),
    ),
)

POSTGRES = Dashboard(
    "postgres",
    "PostgreSQL",
    "The database of MLflow and Keycloak.",
    (
        (
            "Now",
            (
                stat("PostgreSQL answers", "Whether the exporter can connect.", "bool_yes_no", "pg_up", "{{instance}}"),
                stat(
                    "Connections taken",
                    "Share of the connections that the server accepts.",
                    "percentunit",
                    "sum by (instance) (pg_stat_activity_count) / on (instance) pg_settings_max_connections",
                    "{{instance}}",
                ),
                stat(
                    "Found in memory",
                    "Share of the blocks that were read without asking the disk.",
                    "percentunit",
                    "sum by (instance) (pg_stat_database_blks_hit) / (sum by (instance) (pg_stat_database_blks_hit)"
                    " + sum by (instance) (pg_stat_database_blks_read))",
                    "{{instance}}",
                ),
                stat(
                    "Replication lag",
                    "Seconds that a standby is behind its primary; 0 on a primary.",
                    "s",
                    "pg_replication_lag_seconds or pg_replication_lag",
                    "{{instance}}",
                ),
            ),
        ),
        (
            "Load",
            (
                lines(
                    "Connections by state",
                    "Connections of all databases.",
                    "short",
                    "sum by (state) (pg_stat_activity_count)",
                    "{{state}}",
                ),
                lines(
                    "Transactions",
                    "Transactions a second that were committed, by database.",
                    "ops",
                    f'sum by (datname) (rate(pg_stat_database_xact_commit{{datname!~"template.*|"}}[{RATE}]))',
                    "{{datname}}",
                ),
                lines(
                    "Transactions given up",
                    "Transactions a second that were rolled back, by database.",
                    "ops",
                    f'sum by (datname) (rate(pg_stat_database_xact_rollback{{datname!~"template.*|"}}[{RATE}]))',
                    "{{datname}}",
                ),
                Panel(
                    "Rows written",
                    "Rows a second that were inserted, updated and deleted.",
                    "ops",
                    tuple(
                        Query(f"sum(rate(pg_stat_database_tup_{what}[{RATE}]))", what)
                        for what in ("inserted", "updated", "deleted")
                    ),
                ),
            ),
        ),
        (
            "Trouble",
            (
                lines(
                    "Oldest transaction",
                    "How long the oldest transaction of each database is open.",
                    "s",
                    'max by (datname) (pg_stat_activity_max_tx_duration{datname!~"template.*"})',
                    "{{datname}}",
                ),
                lines(
                    "Deadlocks",
                    "Transactions within an hour that were ended because each waited for the other.",
                    "short",
                    'sum by (datname) (increase(pg_stat_database_deadlocks{datname!~"template.*|"}[1h]))',
                    "{{datname}}",
                ),
                lines(
                    "Locks",
                    "Locks that are held, by kind.",
                    "short",
                    "sum by (mode) (pg_locks_count)",
                    "{{mode}}",
                ),
                lines(
                    "Size of databases",
                    "Disk space of each database.",
                    "bytes",
                    'max by (datname) (pg_database_size_bytes{datname!~"template.*"})',
                    "{{datname}}",
                ),
            ),
        ),
    ),
)

MINIO = Dashboard(
    "minio",
    "MinIO",
    "The store of artifacts.",
    (
        (
            "Now",
            (
                stat(
                    "MinIO answers",
                    "Whether its metrics can be read.",
                    "bool_yes_no",
                    'up{job="minio"}',
                    "{{instance}}",
                ),
                stat(
                    "Free space",
                    "Share of the usable space that is free.",
                    "percentunit",
                    "minio_cluster_capacity_usable_free_bytes / minio_cluster_capacity_usable_total_bytes",
                    "{{instance}}",
                ),
                stat(
                    "Drives offline",
                    "Drives that the store misses.",
                    "short",
                    "minio_cluster_drive_offline_total",
                    "{{instance}}",
                ),
                stat(
                    "Hosts offline",
                    "Hosts of the store that do not answer.",
                    "short",
                    "minio_cluster_nodes_offline_total",
                    "{{instance}}",
                ),
            ),
        ),
        (
            "Load",
            (
                lines(
                    "Requests",
                    "Requests a second by what they ask for.",
                    "reqps",
                    f"sum by (api) (rate(minio_s3_requests_total[{RATE}]))",
                    "{{api}}",
                ),
                lines(
                    "Failed requests",
                    "Requests a second that the store failed (status 5xx).",
                    "reqps",
                    f"sum(rate(minio_s3_requests_5xx_errors_total[{RATE}])) or vector(0)",
                    "failed",
                ),
                Panel(
                    "Traffic",
                    "Bytes a second that the store received and sent.",
                    "Bps",
                    (
                        Query(f"sum(rate(minio_s3_traffic_received_bytes[{RATE}]))", "received"),
                        Query(f"sum(rate(minio_s3_traffic_sent_bytes[{RATE}]))", "sent"),
                    ),
                ),
                lines(
                    "Time to the first byte",
                    "95th percentile of the time until the first byte of an answer.",
                    "s",
                    "histogram_quantile(0.95, sum by (le)"
                    f" (rate(minio_s3_requests_ttfb_seconds_distribution[{RATE}])))",
                    "p95",
                ),
            ),
        ),
        (
            "Buckets and process",
            (
                lines(
                    "Received by bucket",
                    "Bytes a second by bucket.",
                    "Bps",
                    f"sum by (bucket) (rate(minio_bucket_traffic_received_bytes[{RATE}]))",
                    "{{bucket}}",
                ),
                lines(
                    "Refused requests",
                    "Requests a second without valid credentials.",
                    "reqps",
                    f"sum(rate(minio_s3_requests_rejected_auth_total[{RATE}]))",
                    "refused",
                ),
                lines(
                    "Used space",
                    "Usable space that is taken.",
                    "bytes",
                    "minio_cluster_capacity_usable_total_bytes - minio_cluster_capacity_usable_free_bytes",
                ),
                lines(
                    "Memory",
                    "Resident memory of the server.",
                    "bytes",
                    "minio_node_process_resident_memory_bytes",
                    "{{server}}",
                ),
            ),
        ),
    ),
)

EDGE = Dashboard(
    "edge",
    "Edge and sign-on",
    "Requests as users see them, nginx, and Keycloak.",
    (
        (
            "Requests",
            (
                lines(
                    "Requests by status",
                    "Requests a second by the status of their answer; 0 were given up.",
                    "reqps",
                    f"sum by (status) (rate(mlops_edge_requests_total[{RATE}]))",
                    "{{status}}",
                ),
                lines(
                    "Failed requests",
                    "Share of the requests that failed at the platform, over four windows of time.",
                    "percentunit",
                    '{__name__=~"mlops:requests_failed:ratio_rate(5m|30m|1h|6h)"}',
                    "{{__name__}}",
                ),
                Panel("Duration of file transfers", "Requests for artifacts.", "s", quantiles(REQUESTS, "artifact")),
                Panel(
                    "Duration of pages",
                    "Requests for MLflow's pages and their files.",
                    "s",
                    quantiles(REQUESTS, "page"),
                ),
                lines(
                    "Received",
                    "Bytes a second from clients, by kind of request.",
                    "Bps",
                    f"sum by (kind) (rate(mlops_edge_received_bytes_total[{RATE}]))",
                    "{{kind}}",
                ),
                lines(
                    "Sent",
                    "Bytes a second to clients, by kind of request.",
                    "Bps",
                    f"sum by (kind) (rate(mlops_edge_sent_bytes_total[{RATE}]))",
                    "{{kind}}",
                ),
            ),
        ),
        (
            "nginx",
            (
                lines(
                    "Connections",
                    "Open connections of each edge.",
                    "short",
                    "nginx_connections_active",
                ),
                lines(
                    "New connections",
                    "Connections a second that each edge accepted.",
                    "ops",
                    f"rate(nginx_connections_accepted[{RATE}])",
                ),
                lines(
                    "The public name from inside",
                    "How long each part of a request to the public name takes, seen from the monitoring host.",
                    "s",
                    'max by (phase) (probe_http_duration_seconds{job="public"})',
                    "{{phase}}",
                ),
                lines(
                    "Refused log-ins",
                    "Requests a second that were answered with status 401.",
                    "reqps",
                    f'sum(rate(mlops_edge_requests_total{{status="401"}}[{RATE}])) or vector(0)',
                    "401",
                ),
            ),
        ),
        (
            "Keycloak",
            (
                lines(
                    "Events of users",
                    "Log-ins, tokens and refusals a second.",
                    "ops",
                    f"sum by (event, error) (rate(keycloak_user_events_total[{RATE}]))",
                    "{{event}} {{error}}",
                ),
                lines(
                    "Requests to Keycloak",
                    "Requests a second by outcome.",
                    "reqps",
                    f'sum by (outcome) (rate(http_server_requests_seconds_count{{job="keycloak"}}[{RATE}]))',
                    "{{outcome}}",
                ),
                lines(
                    "Connections to the database",
                    "Connections of Keycloak's pool that are in use.",
                    "short",
                    'agroal_active_count{job="keycloak"}',
                ),
                lines(
                    "Memory of Java",
                    "Memory that Keycloak's Java uses, by area.",
                    "bytes",
                    'sum by (instance, area) (jvm_memory_used_bytes{job="keycloak"})',
                    "{{instance}} {{area}}",
                ),
            ),
        ),
    ),
)

AUDIT = Dashboard(
    "audit",
    "Audit",
    "Whether every request is in the audit database, and the chain of hashes anchored.",
    (
        (
            "Now",
            (
                stat(
                    "Oldest request not stored",
                    "Age of the oldest line of the access log that is not in the audit database.",
                    "s",
                    "max(mlops_audit_oldest_unstored_seconds)",
                ),
                stat(
                    "Bytes not stored",
                    "Bytes of the access logs that are not in the audit database.",
                    "bytes",
                    "sum(mlops_audit_lag_bytes)",
                ),
                stat(
                    "Since the last anchor",
                    "Time since the newest hash was written to the locked bucket.",
                    "s",
                    "time() - max(mlops_audit_last_anchor_timestamp_seconds)",
                ),
                stat(
                    "Lines set aside",
                    "Lines of the access logs that the shippers could not read.",
                    "short",
                    "sum(mlops_audit_rejected_lines_total)",
                ),
            ),
        ),
        (
            "Over time",
            (
                lines(
                    "Rows stored",
                    "Requests a second that were stored, by edge.",
                    "ops",
                    f"sum by (instance) (rate(mlops_audit_rows_stored_total[{RATE}]))",
                ),
                lines(
                    "Age of the oldest request not stored",
                    "How far each shipper is behind.",
                    "s",
                    "mlops_audit_oldest_unstored_seconds",
                ),
                lines(
                    "Since the last batch",
                    "Time since each shipper last stored something.",
                    "s",
                    "time() - mlops_audit_last_batch_timestamp_seconds",
                ),
                lines(
                    "Time behind",
                    "Share of the time that the audit was more than a minute behind; the objective is 1 % at most.",
                    "percentunit",
                    '{__name__=~"mlops:audit_late:ratio(5m|30m|1h|6h)"}',
                    "{{__name__}}",
                ),
            ),
        ),
    ),
)

DASHBOARDS = (OVERVIEW, MLFLOW, POSTGRES, MINIO, EDGE, AUDIT)
