{{/* The flusher beside a worker or a step: a native sidecar, which starts first and ends last. */}}
{{- define "skyrail.flusher" -}}
- name: flusher
  # When the pod ends it first sends what is left.
  args: [python, -m, skyrail.tracking.flusher, --drain]
  restartPolicy: Always
  resources: {{- toYaml .Values.flusher.resources | nindent 4 }}
  {{- include "skyrail.container" (list . "bucket" "store") | nindent 2 }}
    - {name: spool, mountPath: /opt/airflow/spool}
  livenessProbe: {exec: {command: [python, -m, skyrail.operations.alive, flusher]}, timeoutSeconds: 20, periodSeconds: 60, failureThreshold: 3}
{{- end -}}
