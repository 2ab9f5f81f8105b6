{{/* Names, labels and addresses. Nothing else composes them. */}}

{{/* Labels of an object: (list $ "scheduler"). The component's word is that of its values key and template folder. */}}
{{- define "skyrail.labels" -}}
{{- $root := index . 0 -}}
{{ include "skyrail.selector" . }}
app.kubernetes.io/name: skyrail
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: skyrail-{{ $root.Chart.Version }}
{{- end -}}

{{/* Labels that find the pods of a component, and never change. */}}
{{- define "skyrail.selector" -}}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Metadata of an object: (list $ "scheduler"), with a third entry for a name that is not the component's. */}}
{{- define "skyrail.metadata" -}}
{{- $root := index . 0 -}}
name: {{ $root.Release.Name }}-{{ if gt (len .) 2 }}{{ index . 2 }}{{ else }}{{ index . 1 }}{{ end }}
namespace: {{ $root.Release.Namespace }}
labels: {{- include "skyrail.labels" . | nindent 2 }}
{{- end -}}

{{/* An image: (list $ .Values.image), or another's key. */}}
{{- define "skyrail.image" -}}
{{- $image := index . 1 -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}

{{/* Host and port by which processes reach the database, and by which PgBouncer and migrations do. */}}
{{- define "skyrail.databaseHost" -}}
{{ .Values.database.host | default (printf "%s-postgresql" .Release.Name) }}
{{- end -}}
{{- define "skyrail.pooledHost" -}}
{{- if .Values.pgbouncer.enabled }}{{ .Release.Name }}-pgbouncer{{ else }}{{ include "skyrail.databaseHost" . }}{{ end -}}
{{- end -}}
{{- define "skyrail.pooledPort" -}}
{{- if .Values.pgbouncer.enabled }}6432{{ else }}{{ .Values.database.port }}{{ end -}}
{{- end -}}

{{/* Secrets with the passwords of Airflow's user and of MLflow's. */}}
{{- define "skyrail.databaseSecret" -}}
{{ .Values.database.passwordSecret | default (printf "%s-database" .Release.Name) }}
{{- end -}}
{{- define "skyrail.tlsSecret" -}}
{{ .Values.tls.secret | default (printf "%s-tls" .Release.Name) }}
{{- end -}}
{{- define "skyrail.mlflowSecret" -}}
{{ .Values.mlflow.passwordSecret | default (printf "%s-mlflow" .Release.Name) }}
{{- end -}}

{{/* For pods in another namespace the rest of a Service's name, else nothing: a name without dots is found sooner. */}}
{{- define "skyrail.away" -}}{{ with .Home }}.{{ . }}{{ end }}{{- end -}}

{{/* What the api-server and MLflow speak. */}}
{{- define "skyrail.scheme" -}}http{{ if and .Values.tls.enabled .Values.tls.web }}s{{ end }}{{- end -}}

{{- define "skyrail.mlflowAddress" -}}
{{ .Values.mlflow.url | default (printf "%s://%s-mlflow%s:5000" (include "skyrail.scheme" .) .Release.Name (include "skyrail.away" .)) }}
{{- end -}}

{{/* Address at which people open Airflow. */}}
{{- define "skyrail.url" -}}
{{- if .Values.apiServer.url }}{{ .Values.apiServer.url | trimSuffix "/" }}
{{- else if .Values.ingress.kind }}{{ ternary "https" "http" (or (eq .Values.ingress.kind "gateway") (ne .Values.ingress.tlsSecret "")) }}://{{ .Values.ingress.host }}
{{- else }}{{ include "skyrail.scheme" . }}://localhost:8080{{ end -}}
{{- end -}}

{{/* "true" if the executor is there, else nothing. */}}
{{- define "skyrail.celery" -}}{{ if contains "Celery" .Values.executor }}true{{ end }}{{- end -}}
{{- define "skyrail.kubernetes" -}}{{ if contains "Kubernetes" .Values.executor }}true{{ end }}{{- end -}}

{{/* The resource classes, as a file. */}}
{{- define "skyrail.classes" -}}
{{- if .Values.resourceClasses -}}
{{ dict "classes" .Values.resourceClasses | toYaml }}
{{- else -}}
{{ .Files.Get "files/config/classes.yaml" }}
{{- end -}}
{{- end -}}
