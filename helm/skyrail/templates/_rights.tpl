{{/*
All that components may do in the cluster, in this one table: no more than what their code calls. A Role of one namespace
each, and never a ClusterRole; with teams the same in their namespaces. What each verb is for is in docs/helm.md.
*/}}
{{- define "skyrail.rights" -}}
# Start the pods of steps, follow them, mark those that are done, remove them.
scheduler:
  - {apiGroups: [""], resources: [pods], verbs: [create, delete, get, list, patch, watch]}
# Find the pod of a running step, and read what it prints.
api-server:
  - {apiGroups: [""], resources: [pods], verbs: [list]}
  - {apiGroups: [""], resources: [pods/log], verbs: [get]}
# Find failed pods, and remove the old.
pod-cleanup:
  - {apiGroups: [""], resources: [pods], verbs: [delete, list]}
{{- end -}}

{{/* Role and RoleBinding of a component, in the namespace of the first entry: (list $ "scheduler" "<home>"). */}}
{{- define "skyrail.role" -}}
{{- $root := index . 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{- include "skyrail.metadata" (list $root (index . 1)) | nindent 2 }}
rules: {{- get (include "skyrail.rights" $root | fromYaml) (index . 1) | toYaml | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{- include "skyrail.metadata" (list $root (index . 1)) | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $root.Release.Name }}-{{ index . 1 }}}
subjects: [{kind: ServiceAccount, name: {{ $root.Release.Name }}-{{ index . 1 }}, namespace: {{ index . 2 }}}]
{{- end -}}
