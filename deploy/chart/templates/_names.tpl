{{/* Names are fixed, one install a namespace: the operator finds its Lease, inventory and leader by them. */}}

{{- define "gitops-canary.labels" -}}
app.kubernetes.io/name: gitops-canary
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gitops-canary.secretSettings" -}}
{{ .Values.existingSecretSettings | default "gitops-canary-secret-settings" }}
{{- end }}

{{/* The namespaces' own names of what belongs to one served namespace, so that two operators may stand side by side. */}}
{{- define "gitops-canary.subject" -}}
- kind: ServiceAccount
  name: {{ .name }}
  namespace: {{ .namespace }}
{{- end }}
