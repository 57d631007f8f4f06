{{- define "podinfo.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "podinfo.labels" -}}
app: {{ include "podinfo.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "podinfo.address" -}}
{{- $suffix := ternary "-canary" "" .Values.canary.enabled -}}
http://{{ include "podinfo.name" . }}{{ $suffix }}.{{ .Release.Namespace }}:{{ .Values.service.port }}
{{- end -}}
