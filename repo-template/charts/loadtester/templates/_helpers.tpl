{{- define "loadtester.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "loadtester.account" -}}
{{- default (ternary (include "loadtester.name" .) "default" .Values.rbac.create) .Values.serviceAccountName -}}
{{- end -}}

{{- define "loadtester.labels" -}}
app: {{ include "loadtester.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}
