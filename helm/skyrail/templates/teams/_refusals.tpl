{{/* What cannot work with teams. */}}
{{- define "skyrail.refuseTeams" -}}
{{- if .Values.teams }}
{{- if not (include "skyrail.kubernetes" .) }}
{{- fail "\nThe namespace of a team is for pods, and Celery's workers run all steps.\nPlease add the other executor, or take `teams` away:\nexecutor: CeleryExecutor,KubernetesExecutor" }}
{{- end }}
{{- if not .Values.storage.bucket }}
{{- fail "\nResults and logs are on a volume, which steps in the namespaces of teams cannot reach.\nPlease name a bucket:\nstorage:\n  bucket: s3://bucket/skyrail" }}
{{- end }}
{{- /* Those of plugins/skyrail/logs/bucket.py: with another one none of Airflow's parts would start. */}}
{{- if not (regexMatch "^(s3|gs|abfs)://" .Values.storage.bucket) }}
{{- fail (printf "\nLogs of teams' steps cannot be kept in %s.\nPlease name a bucket of S3, Google or Azure, as s3://, gs:// or abfs://:\nstorage:\n  bucket: s3://bucket/skyrail" .Values.storage.bucket) }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range $team := .Values.teams }}
{{- range $word := list $team.name $team.namespace }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" $word) }}
{{- fail (printf "\nThe team %q has the word %q, which cannot be the name of a team or a namespace.\nPlease use up to 63 lower-case letters, digits and dashes." $team.name $word) }}
{{- end }}
{{- end }}
{{- if eq $team.namespace $.Release.Namespace }}
{{- fail (printf "\nThe team %q has the namespace %q, which is that of the platform.\nPlease give it one of its own:\nteams:\n  - name: %s\n    namespace: %s-%s" $team.name $team.namespace $team.name $team.namespace $team.name) }}
{{- end }}
{{- if not $team.dags }}
{{- fail (printf "\nNo DAG belongs to the team %q.\nPlease name some, by patterns:\nteams:\n  - name: %s\n    namespace: %s\n    dags: [\"%s_*\"]" $team.name $team.name $team.namespace $team.name) }}
{{- end }}
{{- range $what, $words := dict "name" (list $team.name) "namespace" (list $team.namespace) "pattern" $team.dags }}
{{- range $word := $words }}
{{- $key := printf "%s %s" $what $word }}
{{- if hasKey $seen $key }}
{{- fail (printf "\nThe %s %q is there twice among the teams, at %q and at %q.\nPlease give it to one of them." $what $word (get $seen $key) $team.name) }}
{{- end }}
{{- $_ := set $seen $key $team.name }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
