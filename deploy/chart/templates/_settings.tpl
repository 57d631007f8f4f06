{{/* Not empty for a URL with a login in it: such a one goes into the Secret. */}}
{{- define "gitops-canary.urlIsSecret" -}}
{{- if regexMatch "^https?://[^/]*@" .Values.git.url }}yes{{ end }}
{{- end }}

{{/* The settings file: only what is set, under the names of `gitops-canary settings`. */}}
{{- define "gitops-canary.settings" -}}
{{- $v := .Values }}
{{- $file := dict "git-branch" $v.git.branch "metrics-server" $v.metricsServer }}
{{- if not (include "gitops-canary.urlIsSecret" .) }}{{ $_ := set $file "git-url" $v.git.url }}{{ end }}
{{- $_ := set $file "applier-service-account" (printf "%s:%s" .Release.Namespace $v.applier.name) }}
{{- $texts := dict
  "git-poll-interval" $v.git.pollInterval "git-timeout" $v.git.timeout "git-user" $v.git.user "git-email" $v.git.email
  "git-ci-skip-message" $v.git.ciSkipMessage "git-default-ref" $v.git.defaultRef
  "sync-interval" $v.sync.interval "sync-state" $v.sync.state "namespace" $v.namespace
  "registry-poll-interval" $v.registry.pollInterval "registry-rps" $v.registry.rps "registry-burst" $v.registry.burst
  "charts-sync-interval" $v.chartsSyncInterval "helm-workers" $v.workers "cluster-name" $v.clusterName
  "slack-channel" $v.slack.channel "slack-user" $v.slack.user }}
{{- range $name, $value := $texts }}{{ if $value }}{{ $_ := set $file $name $value }}{{ end }}{{ end }}
{{- $lists := dict
  "git-path" $v.git.path "registry-insecure-host" $v.registry.insecureHosts "registry-exclude-image" $v.registry.excludeImage
  "registry-include-image" $v.registry.includeImage "registry-mirror" $v.registry.mirrors
  "selector-labels" $v.selectorLabels "include-label-prefix" $v.includeLabelPrefix }}
{{- range $name, $value := $lists }}{{ if $value }}{{ $_ := set $file $name (kindIs "slice" $value | ternary (join "," $value) $value) }}{{ end }}{{ end }}
{{- $others := list
  (list "git-secret-name" $v.git.ssh.secretName "gitops-canary-git-deploy") (list "mesh-provider" $v.meshProvider "istio")
  (list "log-level" $v.logLevel "info") (list "log-format" $v.logFormat "json")
  (list "git-ci-skip" $v.git.ciSkip false) (list "sync-garbage-collection" $v.sync.garbageCollection.enabled true)
  (list "enable-config-tracking" $v.configTracking.enabled true) (list "enable-leader-election" $v.leaderElection.enabled true) }}
{{- range $others }}{{ if ne (toString (index . 1)) (toString (index . 2)) }}{{ $_ := set $file (index . 0) (index . 1) }}{{ end }}{{ end }}
{{- with $v.allowedNamespaces | default (compact (list $v.namespace)) }}{{ $_ := set $file "k8s-allow-namespace" (join "," .) }}{{ end }}
{{- range $name, $value := $v.settings }}{{ $_ := set $file $name $value }}{{ end }}
{{- toYaml $file }}
{{- end }}
