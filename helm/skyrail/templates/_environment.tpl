{{/* What depends on the installation, for all parts of Airflow and for steps. Opinions are in config/airflow.cfg. */}}
{{- define "skyrail.environment" -}}
{{- $variables := include "skyrail.ownEnvironment" . | fromYaml -}}
{{- range $section, $options := .Values.airflow }}
{{- range $name, $value := ternary $options dict (kindIs "map" $options) }}
{{- $_ := set $variables (printf "AIRFLOW__%s__%s" (upper $section) (upper $name)) (toString $value) }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.environment }}
{{- $_ := set $variables $name (toString $value) }}
{{- end -}}
{{ toYaml $variables }}
{{- end -}}

{{- define "skyrail.ownEnvironment" -}}
AIRFLOW_HOME: /opt/airflow
AIRFLOW_CONFIG: /opt/skyrail/config/airflow.cfg
SKYRAIL_CONFIG: /opt/skyrail/config
AIRFLOW__CORE__EXECUTOR: {{ .Values.executor | replace "KubernetesExecutor" "skyrail.executors.KubernetesExecutor" | quote }}
AIRFLOW__CORE__PARALLELISM: {{ .Values.scheduler.parallelism | quote }}
AIRFLOW__CORE__EXECUTION_API_SERVER_URL: {{ include "skyrail.scheme" . }}://{{ .Release.Name }}-api-server{{ include "skyrail.away" . }}:8080/execution/
# The pod's name: the full one would be asked of the cluster's DNS by each task.
AIRFLOW__CORE__HOSTNAME_CALLABLE: socket.gethostname
AIRFLOW__DATABASE__CHECK_MIGRATIONS: "False"
AIRFLOW__API__HOST: 0.0.0.0
AIRFLOW__API__PORT: "8080"
AIRFLOW__API__WORKERS: {{ .Values.apiServer.workers | quote }}
AIRFLOW__API__BASE_URL: {{ include "skyrail.url" . }}/
AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT: {{ .Values.scheduler.queuedSeconds | quote }}
AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST: {{ include "skyrail.bundles" . | quote }}
AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH: /opt/airflow/bundles
AIRFLOW__LOGGING__BASE_LOG_FOLDER: /opt/airflow/logs
AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY: /opt/airflow/dag-files
AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS: database
AIRFLOW__SKYRAIL_AUTH__LOGIN_COMMAND: skyrail login --namespace {{ .Release.Namespace }} --release {{ .Release.Name }}
AIRFLOW__SKYRAIL_TRACKING__SERVER: {{ include "skyrail.mlflowAddress" . }}
AIRFLOW__SKYRAIL_TRACKING__BROWSER_URL: {{ .Values.mlflow.url | default (printf "%s://localhost:5000" (include "skyrail.scheme" .)) }}
AIRFLOW__SKYRAIL_TRACKING__SPOOL: /opt/airflow/spool
AIRFLOW__SKYRAIL_TRACKING__STORE: {{ .Values.storage.bucket | default "/opt/skyrail/store" }}
AIRFLOW__SKYRAIL_RESOURCES__TARGET: {{ ternary "celery" "kubernetes" (contains "Celery" .Values.executor) }}
AIRFLOW__SKYRAIL_RESOURCES__POOL_CPU: {{ .Values.workers.pool.cpu | quote }}
AIRFLOW__SKYRAIL_RESOURCES__POOL_MEMORY: {{ .Values.workers.pool.memory | quote }}
AIRFLOW__SKYRAIL_RESOURCES__POOL_GPU: {{ .Values.workers.pool.gpu | quote }}
AIRFLOW__SKYRAIL_RESOURCES__POD_TEMPLATES: /opt/airflow/pod_templates
{{- if include "skyrail.celery" . }}
# Workers ask for one task at a time: one that waits behind a long one on a worker cannot go to another.
AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER: "1"
# Longer than any task: the broker gives one that takes longer to a second worker.
AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT: "604800"
{{- end }}
{{- if include "skyrail.kubernetes" . }}
AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE: {{ .Release.Namespace }}
AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_REPOSITORY: {{ .Values.image.repository }}
AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_TAG: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
# Tasks that are no steps get the smallest class.
AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE: /opt/airflow/pod_templates/default.yaml
AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE: {{ .Values.scheduler.podsPerLoop | quote }}
AIRFLOW__KUBERNETES_EXECUTOR__POD_LAUNCH_FAILURE_RETRIES: {{ .Values.scheduler.podLaunchRetries | quote }}
{{- include "skyrail.teamsEnvironment" . }}
# A failed pod says why it failed, and a step that ran out of memory is made larger by it. A job removes them later.
AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS_ON_FAILURE: "False"
{{- end }}
{{- if eq (include "skyrail.scheme" .) "https" }}
AIRFLOW__API__SSL_CA_FILE: /opt/skyrail/tls/ca.crt
{{- if not .Values.mlflow.url }}
MLFLOW_TRACKING_SERVER_CERT_PATH: /opt/skyrail/tls/ca.crt
{{- end }}
{{- end }}
# MLflow reports usage to its makers unless told not to; so may libraries that steps import.
MLFLOW_DISABLE_TELEMETRY: "true"
DO_NOT_TRACK: "true"
{{- if .Values.storage.endpoint }}
AWS_ENDPOINT_URL: {{ .Values.storage.endpoint | quote }}
MLFLOW_S3_ENDPOINT_URL: {{ .Values.storage.endpoint | quote }}
{{- end }}
{{- end -}}

{{- define "skyrail.bundles" -}}
{{- $git := .Values.dags.git -}}
{{- $bundle := dict "name" "dags" -}}
{{- if $git.repository -}}
{{- $_ := set $bundle "classpath" "airflow.providers.git.bundles.git.GitDagBundle" -}}
{{- $kwargs := dict "repo_url" $git.repository "tracking_ref" $git.ref "refresh_interval" $git.refreshSeconds -}}
{{- if $git.folder }}{{ $_ := set $kwargs "subdir" $git.folder }}{{ end -}}
{{- $_ := set $bundle "kwargs" $kwargs -}}
{{- else -}}
{{- $_ := set $bundle "classpath" "airflow.dag_processing.bundles.local.LocalDagBundle" -}}
{{- $_ := set $bundle "kwargs" (dict "path" .Values.dags.folder "refresh_interval" 5) -}}
{{- end -}}
{{ list $bundle | toJson }}
{{- end -}}

{{/* Variables with secrets: (list $ "database" "keys" "broker"), what a component needs and no more. Passwords of the
database are no part of its address: libpq and asyncpg read PGPASSWORD, and any character may be in them. */}}
{{- define "skyrail.secrets" -}}
{{- $root := index . 0 -}}
{{- $keys := $root.Values.secrets.airflow | default (printf "%s-airflow" $root.Release.Name) -}}
{{- if has "database" . }}
- {name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, value: "postgresql+psycopg2://{{ $root.Values.database.user }}@{{ include "skyrail.pooledHost" $root }}:{{ include "skyrail.pooledPort" $root }}/{{ $root.Values.database.name }}"}
{{- include "skyrail.password" $root }}
{{- end }}
{{- if has "direct" . }}
# Past PgBouncer: the lock of migrations belongs to a connection.
- {name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, value: "postgresql+psycopg2://{{ $root.Values.database.user }}@{{ include "skyrail.databaseHost" $root }}:{{ $root.Values.database.port }}/{{ $root.Values.database.name }}"}
{{- include "skyrail.sslVariables" (list $root "direct") }}
- {name: PGPASSWORD, valueFrom: {secretKeyRef: {name: {{ include "skyrail.databaseSecret" $root }}, key: password}}}
{{- end }}
{{- if has "fernet" . }}
- {name: AIRFLOW__CORE__FERNET_KEY, valueFrom: {secretKeyRef: {name: {{ $keys }}, key: fernet-key}}}
{{- end }}
{{- if has "jwt" . }}
- {name: AIRFLOW__API_AUTH__JWT_SECRET, valueFrom: {secretKeyRef: {name: {{ $keys }}, key: jwt-secret}}}
{{- end }}
{{- if has "api" . }}
- {name: AIRFLOW__API__SECRET_KEY, valueFrom: {secretKeyRef: {name: {{ $keys }}, key: api-secret-key}}}
{{- end }}
{{- if has "certificate" . }}
- {name: AIRFLOW__API__SSL_CERT, value: /opt/skyrail/certificate/tls.crt}
- {name: AIRFLOW__API__SSL_KEY, value: /opt/skyrail/certificate/tls.key}
{{- end }}
{{- if and (has "broker" .) (include "skyrail.celery" $root) }}
{{- if $root.Values.broker.urlSecret }}
- {name: AIRFLOW__CELERY__BROKER_URL, valueFrom: {secretKeyRef: {name: {{ $root.Values.broker.urlSecret }}, key: url}}}
{{- else }}
- {name: BROKER_PASSWORD, valueFrom: {secretKeyRef: {name: {{ $root.Release.Name }}-broker, key: password}}}
- {name: AIRFLOW__CELERY__BROKER_URL, value: "redis{{ if $root.Values.tls.enabled }}s{{ end }}://:$(BROKER_PASSWORD)@{{ $root.Release.Name }}-valkey:{{ $root.Values.broker.port }}/0
    {{- if $root.Values.tls.enabled }}?ssl_cert_reqs=required&ssl_ca_certs=/opt/skyrail/tls/ca.crt{{ end }}"}
{{- end }}
# Results go the same way, so that a worker needs no password of the database.
- {name: AIRFLOW__CELERY__RESULT_BACKEND, value: "$(AIRFLOW__CELERY__BROKER_URL)"}
{{- end }}
{{- if and (has "bucket" .) $root.Values.storage.keySecret }}
- {name: AWS_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: {{ $root.Values.storage.keySecret }}, key: AWS_ACCESS_KEY_ID}}}
- {name: AWS_SECRET_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ $root.Values.storage.keySecret }}, key: AWS_SECRET_ACCESS_KEY}}}
{{- end }}
{{- end -}}

{{- define "skyrail.password" }}
{{- include "skyrail.sslVariables" (list . "pooled") }}
- {name: PGPASSWORD, valueFrom: {secretKeyRef: {name: {{ include "skyrail.databaseSecret" . }}, key: password}}}
{{- end }}


{{/* How a connection to PostgreSQL is secured, in libpq's variables, which asyncpg reads, too: (list $ "pooled") goes to
PgBouncer where it is, and "direct" past it. */}}
{{- define "skyrail.ssl" -}}
{{- $root := index . 0 -}}
{{- $database := $root.Values.database -}}
{{- $bouncer := and (eq (index . 1) "pooled") $root.Values.pgbouncer.enabled -}}
{{- if and $root.Values.tls.enabled (or $bouncer (not $database.host)) }}
PGSSLMODE: verify-full
PGSSLROOTCERT: /opt/skyrail/tls/ca.crt
{{- else if not $bouncer }}
PGSSLMODE: {{ $database.ssl }}
{{- if hasPrefix "verify" $database.ssl }}
# libpq knows no authority by itself.
PGSSLROOTCERT: {{ ternary "/opt/skyrail/database-ca/ca.crt" "/etc/ssl/certs/ca-certificates.crt" (ne $database.caConfigMap "") }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "skyrail.sslVariables" }}
{{- range $name, $value := include "skyrail.ssl" . | fromYaml }}
- {name: {{ $name }}, value: {{ $value }}}
{{- end }}
{{- end -}}

{{/* Where the authorities are that sign the certificates of others: for components that reach a database or the broker. */}}
{{- define "skyrail.authorityMounts" -}}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /opt/skyrail/tls, readOnly: true}
{{- end }}
{{- if .Values.database.caConfigMap }}
- {name: database-ca, mountPath: /opt/skyrail/database-ca, readOnly: true}
{{- end }}
{{- end -}}
{{- define "skyrail.authority" -}}
{{- if .Values.tls.enabled }}
- {name: tls, secret: {secretName: {{ include "skyrail.tlsSecret" . }}, items: [{key: ca.crt, path: ca.crt}]}}
{{- end }}
{{- end -}}
{{- define "skyrail.authorities" -}}
{{- include "skyrail.authority" . }}
{{- if .Values.database.caConfigMap }}
- {name: database-ca, configMap: {name: {{ .Values.database.caConfigMap }}}}
{{- end }}
{{- end -}}
{{/* The certificate and its key, for those who are called: root's and readable for the pod's group, as PostgreSQL wants it.
Named one by one, so that the pod waits for a job that has yet to make them. */}}
{{- define "skyrail.certificateMount" -}}
{{- if .Values.tls.enabled }}
- {name: certificate, mountPath: /opt/skyrail/certificate, readOnly: true}
{{- end }}
{{- end -}}
{{- define "skyrail.certificate" -}}
{{- if .Values.tls.enabled }}
- {name: certificate, secret: {secretName: {{ include "skyrail.tlsSecret" . }}, defaultMode: 0440, items: [{{ range $i, $key := list "ca.crt" "tls.crt" "tls.key" }}{{ if $i }}, {{ end }}{key: {{ $key }}, path: {{ $key }}}{{ end }}]}}
{{- end }}
{{- end -}}
