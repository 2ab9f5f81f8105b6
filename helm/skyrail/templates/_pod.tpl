{{/* What all pods of the platform share: security, places, volumes. Each is fit for Pod Security's level "restricted". */}}

{{/* The start of a pod's spec: (list $ "scheduler"). */}}
{{- define "skyrail.pod" -}}
{{- $root := index . 0 -}}
{{- $scheduling := $root.Values.scheduling -}}
# No pod gets the addresses of all Services as variables: SKYRAIL_… among them would be read as settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
  {{- if not (kindIs "invalid" $root.Values.userId) }}
  runAsUser: {{ int $root.Values.userId }}
  runAsGroup: 0
  fsGroup: {{ int $root.Values.userId }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with $scheduling.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Spread a component's pods over nodes and zones, as far as there are any. */}}
{{- define "skyrail.spread" -}}
topologySpreadConstraints:
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app.kubernetes.io/instance: {{ (index $ 0).Release.Name }}, app.kubernetes.io/component: {{ index $ 1 }}}}
{{- end }}
{{- end -}}

{{- define "skyrail.restricted" -}}
securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end -}}

{{/* A container of the image: image, security, variables and folders. (list $ "database" "fernet" …) names secrets. */}}
{{- define "skyrail.container" -}}
{{- $root := index . 0 -}}
image: {{ include "skyrail.image" (list $root $root.Values.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{ include "skyrail.restricted" . }}
envFrom:
  - configMapRef: {name: {{ $root.Release.Name }}-environment}
{{- with include "skyrail.secrets" . | trim }}
env: {{- . | nindent 2 }}
{{- end }}
volumeMounts:
  - {name: home, mountPath: /opt/airflow}
  - {name: tmp, mountPath: /tmp}
  - {name: config, mountPath: /opt/skyrail/config, readOnly: true}
{{- if or (has "database" .) (has "direct" .) (and (has "broker" .) (include "skyrail.celery" $root)) }}
  {{- include "skyrail.authorityMounts" $root | nindent 2 }}
{{- else if and $root.Values.tls.enabled $root.Values.tls.web }}
  - {name: tls, mountPath: /opt/skyrail/tls, readOnly: true}
{{- end }}
{{- if has "logs" . }}
  - {name: shared, mountPath: /opt/airflow/logs, subPath: logs}
{{- end }}
{{- if and (has "store" .) (not $root.Values.storage.bucket) }}
  - {name: shared, mountPath: /opt/skyrail/store, subPath: store}
{{- end }}
{{- end -}}

{{- define "skyrail.volumes" -}}
{{ include "skyrail.commonVolumes" . }}
{{- include "skyrail.authorities" . }}
{{- end -}}

{{/* Steps reach neither database nor broker, but the api-server and MLflow. */}}
{{- define "skyrail.stepVolumes" -}}
{{ include "skyrail.commonVolumes" . }}
{{- if .Values.tls.web }}{{ include "skyrail.authority" . }}{{ end }}
{{- end -}}

{{- define "skyrail.commonVolumes" -}}
- {name: home, emptyDir: {}}
- {name: tmp, emptyDir: {}}
- {name: config, configMap: {name: {{ .Release.Name }}-config}}
- {name: shared, persistentVolumeClaim: {claimName: {{ .Release.Name }}-shared}}
{{- end -}}

{{/* Pods start again when what they read at their start has changed. */}}
{{- define "skyrail.checksum" -}}
skyrail.dev/configuration: {{ printf "%s%s%s%s" (include "skyrail.environment" .) (.Values.teams | toJson) (include "skyrail.classes" .) (.Files.Get "files/config/airflow.cfg") | sha256sum | trunc 16 }}
{{- end -}}

{{/* Wait until the database has the schema of this image: a light program, and not Airflow. */}}
{{- define "skyrail.wait" -}}
- name: wait
  args: [python, -m, skyrail.operations.schema, wait]
  resources: {requests: {cpu: 10m, memory: 40Mi}, limits: {memory: 120Mi}}
  {{- include "skyrail.container" (list . "database") | nindent 2 }}
{{- end -}}

{{/* Probes by the true liveness: whether the process does its work, and not whether it exists. */}}
{{- define "skyrail.health" -}}
{{- $probe := dict "exec" (dict "command" (list "python" "-m" "skyrail.operations.alive" .)) "timeoutSeconds" 20 -}}
startupProbe: {{ merge (dict "periodSeconds" 5 "failureThreshold" 60) $probe | toJson }}
livenessProbe: {{ merge (dict "periodSeconds" 30 "failureThreshold" 5) $probe | toJson }}
{{- end -}}

{{/* A disruption budget, for more than one replica: (list $ "scheduler" replicas). */}}
{{- define "skyrail.budget" -}}
{{- if gt (int (index . 2)) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "skyrail.metadata" (list (index . 0) (index . 1)) | nindent 2 }}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app.kubernetes.io/instance: {{ (index . 0).Release.Name }}, app.kubernetes.io/component: {{ index . 1 }}}}
{{- end }}
{{- end -}}

{{/* A service account without a token: (list $ "scheduler"). */}}
{{- define "skyrail.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata: {{- include "skyrail.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}
