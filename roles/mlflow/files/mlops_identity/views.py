# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every view of MLflow 3.17.2 that changes something, by the name under which Flask or FastAPI knows it.

A view that is in none of these sets was not looked at yet: the server does not start with it.
"""

from __future__ import annotations

# What decides which version is in production, and what removes versions of it. Prompts use the same views.
PROMOTION: frozenset[str] = frozenset(
    {
        "_set_registered_model_alias",
        "_delete_registered_model_alias",
        "_transition_stage",
        "_delete_model_version",
        "_delete_registered_model",
        "_rename_registered_model",
        # These move aliases of their own prompts, and remove models with everything else of a workspace.
        "_generate_demo",
        "_delete_demo",
        "_delete_workspace_handler",
    }
)

# What writes or removes files or tags of a version, or says which files it has; judged by what it touches.
CONTENT: frozenset[str] = frozenset(
    {
        "_upload_artifact",
        "_delete_artifact_mlflow_artifacts",
        "_create_multipart_upload_artifact",
        "_complete_multipart_upload_artifact",
        "_abort_multipart_upload_artifact",
        "serve_upload_artifact",
        "_create_presigned_upload_url",
        "_create_model_version",
        "_delete_model_version_tag",
        "_set_model_version_tag",
        "_delete_logged_model",
        "_delete_run",
        "_delete_experiment",
        "mlflow.server.artifact_router:upload_artifact",
    }
)

# What runs code on the server's host with the server's own rights, where no guard would be asked.
CLOSED: frozenset[str] = frozenset(
    {
        "_create_prompt_optimization_job",
        "_invoke_genai_evaluate_handler",
        "_invoke_issue_detection_handler",
        "_invoke_scorer_handler",
        "mlflow.server.assistant.api:install_skills_endpoint",
        "mlflow.server.assistant.api:patch_session",
        "mlflow.server.assistant.api:resolve_client_tool_result",
        "mlflow.server.assistant.api:resolve_permission",
        "mlflow.server.assistant.api:send_message",
        "mlflow.server.assistant.api:update_config",
        "mlflow.server.job_api:submit_job",
    }
)

# MLflow's own rights are enough: nothing here changes what is in production or the files of a version.
FREE: frozenset[str] = frozenset(
    {
        "_add_dataset_to_experiments_handler",
        "_add_guardrail_to_endpoint",
        "_add_items_to_review_queue",
        "_attach_model_to_gateway_endpoint",
        "_batch_get_trace_infos",
        "_calculate_trace_filter_correlation",
        "_cancel_job",
        "_cancel_prompt_optimization_job",
        "_create_assessment",
        "_create_budget_policy",
        "_create_dataset_handler",
        "_create_experiment",
        "_create_gateway_endpoint",
        "_create_gateway_endpoint_binding",
        "_create_gateway_guardrail",
        "_create_gateway_model_definition",
        "_create_gateway_secret",
        "_create_issue",
        "_create_label_schema",
        "_create_logged_model",
        "_create_presigned_download_url",
        "_create_registered_model",
        "_create_review_queue",
        "_create_run",
        "_create_webhook",
        "_create_workspace_handler",
        "_delete_assessment",
        "_delete_budget_policy",
        "_delete_dataset_handler",
        "_delete_dataset_records_handler",
        "_delete_dataset_tag_handler",
        "_delete_experiment_tag",
        "_delete_gateway_endpoint",
        "_delete_gateway_endpoint_binding",
        "_delete_gateway_endpoint_tag",
        "_delete_gateway_guardrail",
        "_delete_gateway_model_definition",
        "_delete_gateway_secret",
        "_delete_label_schema",
        "_delete_logged_model_tag",
        "_delete_prompt_optimization_job",
        "_delete_registered_model_tag",
        "_delete_review_queue",
        "_delete_scorer",
        "_delete_tag",
        "_delete_trace_tag",
        "_delete_trace_tag_v3",
        "_delete_traces",
        "_delete_webhook",
        "_deprecated_end_trace_v2",
        "_deprecated_start_trace_v2",
        "_detach_model_from_gateway_endpoint",
        "_finalize_logged_model",
        # It reads, by POST too.
        "_get_latest_versions",
        "_get_or_create_user_queue",
        # Its mutations have a list of their own.
        "_graphql",
        "_link_prompts_to_trace",
        "_link_traces_to_run",
        "_log_batch",
        "_log_inputs",
        "_log_logged_model_params",
        "_log_metric",
        "_log_model",
        "_log_outputs",
        "_log_param",
        "_not_implemented",
        "_query_trace_metrics",
        "_register_scorer",
        "_remove_dataset_from_experiments_handler",
        "_remove_guardrail_from_endpoint",
        "_remove_items_from_review_queue",
        "_restore_experiment",
        "_restore_run",
        "_search_evaluation_datasets_handler",
        "_search_experiments",
        "_search_issues",
        "_search_logged_models",
        "_search_prompt_optimization_jobs",
        "_search_runs",
        "_search_traces_v3",
        "_set_dataset_tags_handler",
        "_set_experiment_tag",
        "_set_gateway_endpoint_tag",
        "_set_logged_model_tags",
        "_set_registered_model_tag",
        "_set_review_queue_item_status",
        "_set_tag",
        "_set_trace_tag",
        "_set_trace_tag_v3",
        "_start_trace_v3",
        "_test_webhook",
        "_update_assessment",
        "_update_budget_policy",
        "_update_endpoint_guardrail_config",
        "_update_experiment",
        "_update_gateway_endpoint",
        "_update_gateway_model_definition",
        "_update_gateway_secret",
        "_update_issue",
        "_update_label_schema",
        "_update_model_version",
        "_update_registered_model",
        "_update_review_queue",
        "_update_run",
        "_update_webhook",
        "_update_workspace_handler",
        "_upsert_dataset_records_handler",
        "_upsert_online_scoring_config",
        "serve_create_promptlab_run",
        "serve_gateway_proxy",
        "serve_post_ui_telemetry",
        "serve_search_datasets",
        # Users and roles.
        "<lambda>",
        "add_role_permission",
        "assign_role",
        "create_role",
        "create_user",
        "delete_role",
        "delete_user",
        "grant_user_permission",
        "remove_role_permission",
        "revoke_user_permission",
        "unassign_role",
        "update_role",
        "update_role_permission",
        "update_user_admin",
        "update_user_password",
        # Views of the asynchronous pool. Aliases of tool servers are none of models.
        "mlflow.server.gateway_api:invocations",
        "mlflow.server.gateway_api:chat_completions",
        "mlflow.server.gateway_api:openai_passthrough_chat",
        "mlflow.server.gateway_api:openai_passthrough_embeddings",
        "mlflow.server.gateway_api:typesafe_passthrough_system_one",
        "mlflow.server.gateway_api:openai_passthrough_responses",
        "mlflow.server.gateway_api:openai_passthrough_responses_compact",
        "mlflow.server.gateway_api:anthropic_passthrough_messages",
        "mlflow.server.gateway_api:gemini_passthrough_generate_content",
        "mlflow.server.gateway_api:gemini_passthrough_stream_generate_content",
        "mlflow.server.gateway_api:raw_proxy",
        "mlflow.server.job_api:cancel_job",
        "mlflow.server.job_api:search_jobs",
        "mlflow.server.otel_api:export_traces",
        "mlflow.server.mcp_server_api:create_mcp_server",
        "mlflow.server.mcp_server_api:set_mcp_server_version_tag",
        "mlflow.server.mcp_server_api:delete_mcp_server_version_tag",
        "mlflow.server.mcp_server_api:update_mcp_server_version",
        "mlflow.server.mcp_server_api:delete_mcp_server_version",
        "mlflow.server.mcp_server_api:create_mcp_server_version",
        "mlflow.server.mcp_server_api:create_mcp_access_endpoint",
        "mlflow.server.mcp_server_api:update_mcp_access_endpoint",
        "mlflow.server.mcp_server_api:delete_mcp_access_endpoint",
        "mlflow.server.mcp_server_api:set_mcp_server_tag",
        "mlflow.server.mcp_server_api:delete_mcp_server_tag",
        "mlflow.server.mcp_server_api:set_mcp_server_alias",
        "mlflow.server.mcp_server_api:delete_mcp_server_alias",
        "mlflow.server.mcp_server_api:update_mcp_server",
        "mlflow.server.mcp_server_api:delete_mcp_server",
    }
)

# Anybody may see them: that the server lives, how it is configured, and the pages' own files.
PUBLIC: frozenset[str] = frozenset({"health", "serve_static_file", "_get_server_info"})

# What a GraphQL query may change: nothing, by these names.
GRAPHQL_MUTATIONS: frozenset[str] = frozenset({"mlflowSearchDatasets", "mlflowSearchRuns", "testMutation"})

# The routers of the asynchronous pool, and whether a path alone says which view it is for: the views of tool servers
# stand below prefixes, and none of them needs a guard.
NATIVE_ROUTERS: tuple[tuple[str, str, bool], ...] = (
    ("mlflow.server.artifact_router", "artifact_router", True),
    ("mlflow.server.assistant.api", "assistant_router", True),
    ("mlflow.server.gateway_api", "gateway_router", True),
    ("mlflow.server.job_api", "job_api_router", True),
    ("mlflow.server.mcp_server_api", "mcp_server_router", False),
    ("mlflow.server.otel_api", "otel_router", True),
    ("mlflow.server.server_info_api", "server_info_router", True),
)
