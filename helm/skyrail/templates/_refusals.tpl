{{/*
All refusals, each with its fix. The schema refuses wrong types before; unknown keys are refused here, where it can be
said which key was meant.
*/}}
{{- define "skyrail.refusals" -}}
{{- include "skyrail.refuseUnknownKeys" . }}
{{- $celery := include "skyrail.celery" . }}
{{- if gt (len .Release.Name) 40 }}
{{- fail (printf "\nThe release name %q is longer than 40 letters, and names of pods are made of it.\nPlease choose a shorter one:\n  helm install skyrail …" .Release.Name) }}
{{- end }}
{{- if and (not .Values.store.enabled) (not .Values.database.host) }}
{{- fail "\nWithout the store there is no database.\nPlease name yours:\ndatabase:\n  host: postgresql.example.com\n  passwordSecret: skyrail-database" }}
{{- end }}
{{- if and .Values.database.host (not .Values.database.passwordSecret) }}
{{- fail (printf "\nThe database at %s has a password that the chart cannot know.\nPlease put it into a Secret under `password`, and name that:\ndatabase:\n  passwordSecret: skyrail-database" .Values.database.host) }}
{{- end }}
{{- if and .Values.database.host (not .Values.mlflow.url) (not .Values.mlflow.passwordSecret) }}
{{- fail (printf "\nMLflow needs a database %q of the user %q on %s.\nPlease make it, put the password into a Secret under `password`, and name that, or an MLflow server of yours:\nmlflow:\n  passwordSecret: skyrail-mlflow" .Values.mlflow.database .Values.mlflow.user .Values.database.host) }}
{{- end }}
{{- if and (not .Values.database.host) (or (ne .Values.database.name "airflow") (ne .Values.database.user "airflow") (ne .Values.mlflow.database "mlflow") (ne .Values.mlflow.user "mlflow") (ne (int .Values.database.port) 5432)) }}
{{- fail "\nThe store's databases and users are called airflow and mlflow, at port 5432.\nPlease leave these keys out, or name a database of yours:\ndatabase:\n  host: postgresql.example.com" }}
{{- end }}
{{- if and $celery (not .Values.store.enabled) (not .Values.broker.urlSecret) }}
{{- fail "\nCelery's workers need a broker, and without the store there is none.\nPlease name a Secret with the address of yours under `url`, or do without workers:\nbroker:\n  urlSecret: skyrail-broker" }}
{{- end }}
{{- if and $celery (not .Values.workers.groups) }}
{{- fail "\nCeleryExecutor needs workers.\nPlease add a group, or let all steps run as pods:\nexecutor: KubernetesExecutor" }}
{{- end }}
{{- include "skyrail.refuseWorkers" . }}
{{- if and .Values.ingress.kind (not .Values.ingress.host) }}
{{- fail "\nThe way in needs a host name.\nPlease set:\ningress:\n  host: airflow.example.com" }}
{{- end }}
{{- if and (eq .Values.ingress.kind "gateway") (not .Values.ingress.gateway.name) }}
{{- fail "\nAn HTTPRoute needs a Gateway. `kubectl get gateways --all-namespaces` lists those that there are.\nPlease set:\ningress:\n  gateway: {name: gateway, namespace: gateway}" }}
{{- end }}
{{- if and (not .Values.storage.bucket) (or .Values.storage.endpoint .Values.storage.keySecret) }}
{{- fail "\nstorage.endpoint and storage.keySecret are about a bucket, and none is named.\nPlease set:\nstorage:\n  bucket: s3://bucket/skyrail" }}
{{- end }}
{{- if and (not (kindIs "invalid" .Values.userId)) (eq (int .Values.userId) 0) }}
{{- fail "\nuserId is 0, and nothing here runs as root.\nPlease leave it out, or let the platform choose:\nuserId: null" }}
{{- end }}
{{- include "skyrail.refuseOptions" . }}
{{- include "skyrail.refuseAddresses" . }}
{{- include "skyrail.refuseClasses" . }}
{{- include "skyrail.refuseIdentities" . }}
{{- include "skyrail.refuseTeams" . }}
{{- end -}}

{{/* Where things are, and what contradicts it. */}}
{{- define "skyrail.refuseAddresses" -}}
{{- range $key, $value := dict "apiServer.url" .Values.apiServer.url "mlflow.url" .Values.mlflow.url "storage.endpoint" .Values.storage.endpoint }}
{{- if and $value (not (regexMatch "^https?://[^/ ]+" $value)) }}
{{- fail (printf "\n%s is %q, which is no address of a web server.\nPlease write all of it: https://%s" $key $value $value) }}
{{- end }}
{{- end }}
{{- if and .Values.storage.bucket (not (regexMatch "^[a-z0-9]+://[^/ ]+" .Values.storage.bucket)) }}
{{- fail (printf "\nstorage.bucket is %q, which does not say whose bucket it is.\nPlease write its address:\nstorage:\n  bucket: s3://%s" .Values.storage.bucket .Values.storage.bucket) }}
{{- end }}
{{- if and .Values.ingress.host (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" .Values.ingress.host)) }}
{{- fail (printf "\ningress.host is %q, which is no host name.\nPlease write it alone, without a scheme or a path:\ningress:\n  host: airflow.example.com" .Values.ingress.host) }}
{{- end }}
{{- if and .Values.ingress.host (not .Values.ingress.kind) }}
{{- fail (printf "\nNothing leads from %s to the web server.\nPlease say what should, `ingress` or `gateway`:\ningress:\n  kind: ingress" .Values.ingress.host) }}
{{- end }}
{{- if and (eq .Values.ingress.kind "gateway") .Values.ingress.tlsSecret }}
{{- fail "\nThe certificate of an HTTPRoute is its Gateway's business, and ingress.tlsSecret is for an Ingress.\nPlease take it out, and name the Secret in the Gateway's listener." }}
{{- end }}
{{- if and (or .Values.tls.secret .Values.tls.web) (not .Values.tls.enabled) }}
{{- fail "\ntls.secret and tls.web are about TLS, which is off.\nPlease take them out, or set:\ntls:\n  enabled: true" }}
{{- end }}
{{- if and .Values.database.caConfigMap (not (and .Values.database.host (hasPrefix "verify" .Values.database.ssl))) }}
{{- fail "\ndatabase.caConfigMap is for checking the certificate of a database of yours, and nothing checks it.\nPlease take it out, or set:\ndatabase:\n  host: postgresql.example.com\n  ssl: verify-full" }}
{{- end }}
{{- if and (not .Values.database.host) (has .Values.database.ssl (list "require" "verify-ca" "verify-full")) }}
{{- fail (printf "\ndatabase.ssl is %s, and is about a database of yours.\nPlease leave it out; this is for the store's:\ntls:\n  enabled: true" .Values.database.ssl) }}
{{- end }}
{{- if eq .Values.storage.volume.access "ReadWriteOnce" }}
{{- range $key, $replicas := dict "apiServer" .Values.apiServer.replicas "scheduler" .Values.scheduler.replicas "triggerer" .Values.triggerer.replicas }}
{{- if gt (int $replicas) 1 }}
{{- fail (printf "\n%s.replicas is %v, to survive the loss of a node, and a ReadWriteOnce volume ties all of them to one node.\nPlease choose a class of volumes that many may write, or one replica:\nstorage:\n  volume: {access: ReadWriteMany, class: nfs}" $key $replicas) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The scheduler would find these, too: but then the release is there, and does not start. */}}
{{- define "skyrail.refuseClasses" -}}
{{- $names := list }}
{{- $queues := list "default" }}
{{- range .Values.workers.groups }}{{ $queues = append $queues (.queue | default "") }}{{ end }}
{{- $groups := list }}
{{- range .Values.workers.groups }}{{ $groups = append $groups (.class | default "") }}{{ end }}
{{- range $i, $class := .Values.resourceClasses }}
{{- range list "name" "cpu" "memory" }}
{{- if not (get $class .) }}
{{- fail (printf "\nresourceClasses[%d] has no %s.\nPlease write at least:\nresourceClasses:\n  - {name: small, cpu: 1, memory: 2Gi}" $i .) }}
{{- end }}
{{- end }}
{{- if has $class.name $names }}
{{- fail (printf "\nThere are two resource classes %q.\nPlease give each a name of its own." $class.name) }}
{{- end }}
{{- $names = append $names $class.name }}
{{- if not (has ($class.executor | default "CeleryExecutor") (list "CeleryExecutor" "KubernetesExecutor")) }}
{{- fail (printf "\nThe resource class %q has the executor %q, which is not in this chart.\nPlease write CeleryExecutor or KubernetesExecutor, or leave it out." $class.name $class.executor) }}
{{- end }}
{{- $celery := and (contains "Celery" $.Values.executor) (or (not $class.executor) (eq $class.executor "CeleryExecutor")) }}
{{- if and $celery $class.queue (not (has $class.queue $queues)) (not (has $class.name $groups)) (not $class.retired) }}
{{- fail (printf "\nNo workers take from the queue %q of the resource class %q: its steps would wait for ever.\nPlease add a group, or let them run as pods by `executor: KubernetesExecutor` in the class:\nworkers:\n  groups:\n    - name: %s\n      class: %s" $class.queue $class.name $class.name $class.name) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "skyrail.refuseWorkers" -}}
{{- $names := list }}
{{- range $group := .Values.workers.groups }}
{{- if has $group.name $names }}
{{- fail (printf "\nThere are two worker groups %q.\nPlease give each a name of its own." $group.name) }}
{{- end }}
{{- $names = append $names $group.name }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$" $group.name) }}
{{- fail (printf "\nThe worker group %q cannot be part of a pod's name.\nPlease use up to 20 lower-case letters, digits and dashes." $group.name) }}
{{- end }}
{{- if not (or $group.resources $group.class) }}
{{- fail (printf "\nNothing says how large a worker of the group %q is.\nPlease set, for `concurrency` tasks at once:\nworkers:\n  groups:\n    - name: %s\n      resources: {requests: {cpu: 500m, memory: 2Gi}, limits: {memory: 6Gi}}" $group.name $group.name) }}
{{- end }}
{{- if $group.class }}
{{- $classes := list }}
{{- range (include "skyrail.classes" $ | fromYaml).classes }}{{ $classes = append $classes .name }}{{ end }}
{{- if not (has $group.class $classes) }}
{{- fail (printf "\nThe worker group %q is of the resource class %q, and there is none.\nPlease use one of: %s" $group.name $group.class (join ", " $classes)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Secrets have no place in values, where everybody reads them who may read the release. */}}
{{- define "skyrail.refuseOptions" -}}
{{- $secrets := list "fernet_key" "jwt_secret" "secret_key" "sql_alchemy_conn" "sql_alchemy_conn_async" "broker_url" "result_backend" }}
{{- range $section, $options := .Values.airflow }}
{{- if not (kindIs "map" $options) }}
{{- fail (printf "\nairflow.%s is no section.\nPlease write a section and its options:\nairflow:\n  core:\n    parallelism: 64" $section) }}
{{- end }}
{{- range $name, $value := $options }}
{{- if has (lower $name) $secrets }}
{{- fail (printf "\nairflow.%s.%s is a secret, and values are no place for it.\nPlease use secrets.airflow, database.passwordSecret or broker.urlSecret, which name Secrets." $section $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A pod whose service account is not there never starts. */}}
{{- define "skyrail.refuseIdentities" -}}
{{- $known := list }}
{{- range .Values.pods.identities }}{{ $known = append $known .name }}{{ end }}
{{- range $class := .Values.resourceClasses }}
{{- range $class.identities }}
{{- if not (has . $known) }}
{{- fail (printf "\nThe resource class %q offers the identity %q, and there is no such service account.\nPlease set:\npods:\n  identities:\n    - name: %s" $class.name . .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
