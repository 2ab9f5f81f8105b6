{{/*
Who calls whom, and at which port. Both ends of a connection get their rule from this one table: the caller may go out,
the called lets it in. What is no component here is outside: `kubernetes` (the cluster's API), a database, a broker, a
bucket, a git server or an MLflow of yours, at its port.
*/}}
{{- define "skyrail.connections" -}}
{{- $celery := include "skyrail.celery" . -}}
{{- $kubernetes := include "skyrail.kubernetes" . -}}
{{- $ownDatabase := and .Values.store.enabled (not .Values.database.host) -}}
{{- $ownBroker := and (eq $celery "true") .Values.store.enabled (not .Values.broker.urlSecret) -}}
{{- $database := ternary "postgresql: 5432" (printf "database: %v" .Values.database.port) $ownDatabase -}}
{{- $pooled := ternary "pgbouncer: 6432" $database .Values.pgbouncer.enabled -}}
{{- $broker := ternary (ternary "valkey: 6379" (printf "broker: %v" .Values.broker.port) $ownBroker) "" (eq $celery "true") -}}
{{- $mlflow := ternary "mlflow: 5000" (printf "mlflow-server: %s" (include "skyrail.port" .Values.mlflow.url)) (not .Values.mlflow.url) -}}
{{- $bucket := ternary (printf "bucket: %s" (include "skyrail.port" (.Values.storage.endpoint | default "https://"))) "" (ne .Values.storage.bucket "") -}}
{{- $git := ternary (printf "git: %v" .Values.dags.git.port) "" (ne .Values.dags.git.repository "") -}}
{{- $cluster := ternary "kubernetes: 443" "" (eq $kubernetes "true") -}}
components:
  - api-server
  - scheduler
  - dag-processor
  - triggerer
  - migrations
{{- if include "skyrail.generated" . | fromYaml }}
  - secrets
{{- end }}
{{- if $celery }}
  - workers
{{- end }}
{{- if $kubernetes }}
  - steps
  - pod-cleanup
{{- end }}
{{- if not .Values.mlflow.url }}
  - mlflow
{{- end }}
{{- if .Values.pgbouncer.enabled }}
  - pgbouncer
{{- end }}
{{- if $ownDatabase }}
  - postgresql
{{- end }}
{{- if $ownBroker }}
  - valkey
{{- end }}
connections:
  api-server: { {{ include "skyrail.flow" (list $pooled $mlflow $bucket $cluster) }} }
  scheduler: { {{ include "skyrail.flow" (list $pooled $broker $cluster) }} }
  dag-processor: { {{ include "skyrail.flow" (list $pooled $git) }} }
  # With teams it keeps the logs of what waits in the bucket.
  triggerer: { {{ include "skyrail.flow" (list $pooled (ternary $bucket "" (gt (len .Values.teams) 0))) }} }
  migrations: { {{ $database }} }
  secrets: {kubernetes: 443}
  pod-cleanup: {kubernetes: 443}
  workers: { {{ include "skyrail.flow" (list "api-server: 8080" $mlflow $broker $bucket $git) }} }
  steps: { {{ include "skyrail.flow" (list "api-server: 8080" $mlflow $bucket $git) }} }
  mlflow: { {{ include "skyrail.flow" (list $database $bucket) }} }
  pgbouncer: { {{ $database }} }
{{- end -}}

{{- define "skyrail.flow" -}}{{ without . "" | join ", " }}{{- end -}}

{{/* Names of the cluster, from its DNS or the copy on each node. */}}
{{- define "skyrail.dns" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
    - ipBlock: {cidr: 169.254.20.10/32}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{/* The port of an address. */}}
{{- define "skyrail.port" -}}
{{- $port := regexFind ":[0-9]+(/|$)" . | trimSuffix "/" | trimPrefix ":" -}}
{{ $port | default (ternary "80" "443" (hasPrefix "http:" .)) }}
{{- end -}}
