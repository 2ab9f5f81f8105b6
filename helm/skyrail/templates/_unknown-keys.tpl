{{/* files/keys.json has the keys that there are: an object is closed, a list holds what its entries have, true is open. */}}
{{- define "skyrail.refuseUnknownKeys" -}}
{{- $state := dict "found" list "paths" list }}
{{- $known := .Files.Get "files/keys.json" | fromJson }}
{{- include "skyrail.unknownKeys" (dict "values" .Values "known" $known "path" "" "state" $state) }}
{{- if $state.found }}
{{- include "skyrail.pathsOf" (dict "known" $known "path" "" "state" $state) }}
{{- $lines := list }}
{{- range $path := $state.found }}
{{- $nearest := include "skyrail.nearest" (dict "path" $path "paths" $state.paths) }}
{{- $lines = append $lines (printf "There is no key %s.%s" $path (ternary (printf " Did you mean %s?" $nearest) "" (ne $nearest ""))) }}
{{- end }}
{{- fail (printf "\n%s\nEach key is described in the chart's values.yaml." (join "\n" $lines)) }}
{{- end }}
{{- end -}}

{{- define "skyrail.unknownKeys" -}}
{{- range $key, $value := .values }}
{{- $path := ternary $key (printf "%s.%s" $.path $key) (eq $.path "") }}
{{- if not (hasKey $.known $key) }}
{{- if ne $path "global" }}{{ $_ := set $.state "found" (append $.state.found $path) }}{{ end }}
{{- else }}
{{- $below := get $.known $key }}
{{- if and (kindIs "map" $below) (kindIs "map" $value) }}
{{- include "skyrail.unknownKeys" (dict "values" $value "known" $below "path" $path "state" $.state) }}
{{- else if and (kindIs "slice" $below) (kindIs "slice" $value) }}
{{- range $i, $entry := $value }}
{{- if kindIs "map" $entry }}
{{- include "skyrail.unknownKeys" (dict "values" $entry "known" (first $below) "path" (printf "%s[%d]" $path $i) "state" $.state) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "skyrail.pathsOf" -}}
{{- range $key, $below := .known }}
{{- $path := ternary $key (printf "%s.%s" $.path $key) (eq $.path "") }}
{{- $_ := set $.state "paths" (append $.state.paths $path) }}
{{- if kindIs "map" $below }}
{{- include "skyrail.pathsOf" (dict "known" $below "path" $path "state" $.state) }}
{{- else if kindIs "slice" $below }}
{{- include "skyrail.pathsOf" (dict "known" (first $below) "path" (printf "%s[]" $path) "state" $.state) }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The key that was probably meant: one of the same name elsewhere, or the one that shares most pairs of letters, at least
half of them. One beside the unknown key counts for a little more than one elsewhere.
*/}}
{{- define "skyrail.nearest" -}}
{{- $words := regexReplaceAll "\\[[0-9]+\\]" .path "[]" | splitList "." }}
{{- $word := lower (last $words) }}
{{- $parent := join "." (initial $words) }}
{{- $best := "" }}
{{- $most := 0 }}
{{- range $path := .paths }}
{{- $parts := splitList "." $path }}
{{- $other := lower (last $parts) }}
{{- $score := 0 }}
{{- if eq $other $word }}{{ $score = 100 }}
{{- else if gt (len $word) 1 }}
{{- $shared := 0 }}
{{- range $i := until (int (sub (len $word) 1)) }}
{{- if contains (substr $i (int (add $i 2)) $word) $other }}{{ $shared = add $shared 1 }}{{ end }}
{{- end }}
{{- $score = div (mul $shared 180) (add (len $word) (len $other) -2) }}
{{- end }}
{{- if eq (join "." (initial $parts)) $parent }}{{ $score = add $score 9 }}{{ end }}
{{- if gt (int $score) (int $most) }}{{ $most = $score }}{{ $best = $path }}{{ end }}
{{- end }}
{{- if ge (int $most) 50 }}{{ $best }}{{ end }}
{{- end -}}
