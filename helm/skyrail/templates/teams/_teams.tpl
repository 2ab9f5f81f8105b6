{{/* What the scheduler and the api-server know of teams: plugins/skyrail/kubernetes/teams.py reads it. */}}
{{- define "skyrail.teams" -}}
{{- $teams := list }}
{{- range .Values.teams }}
{{- $team := dict "name" .name "namespace" .namespace "dags" .dags "secrets" (.secrets | default list) }}
{{- if .azure }}{{ $_ := set $team "labels" (dict "azure.workload.identity/use" "true") }}{{ end }}
{{- $teams = append $teams $team }}
{{- end -}}
{{ dict "teams" $teams | toYaml }}
{{- end -}}

{{- define "skyrail.teamsEnvironment" -}}
{{- if .Values.teams }}
{{- if not .Home }}
AIRFLOW__SKYRAIL_RESOURCES__TEAMS: /opt/skyrail/config/teams.yaml
# Named one by one: without a list it would watch the whole cluster, and need a ClusterRole for it.
AIRFLOW__KUBERNETES_EXECUTOR__MULTI_NAMESPACE_MODE: "True"
AIRFLOW__KUBERNETES_EXECUTOR__MULTI_NAMESPACE_MODE_NAMESPACE_LIST: {{ .Release.Namespace }}{{ range .Values.teams }},{{ .namespace }}{{ end }}
# A step waits, queued, until its team's quota has room for it; Airflow's default is to fail it.
AIRFLOW__KUBERNETES_EXECUTOR__TASK_PUBLISH_MAX_RETRIES: "-1"
{{- end }}
# The volume of the logs is one namespace's.
AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS: skyrail.logs.configuration.LOGGING
AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER: {{ trimSuffix "/" .Values.storage.bucket }}/logs
{{- end }}
{{- end -}}
