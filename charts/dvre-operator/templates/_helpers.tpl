{{- define "dvre-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name is part of it, so that releases do not share objects, and it leaves room for a
suffix. */}}
{{- define "dvre-operator.fullname" -}}
{{- $name := include "dvre-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "dvre-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "dvre-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "dvre-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* What never changes in the life of a release. */}}
{{- define "dvre-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dvre-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dvre-operator.labels" -}}
{{ include "dvre-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: dvre-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The gateway has a name of its own, so that nothing that selects the operator's pods selects its. It
leaves room for a suffix. */}}
{{- define "dvre-operator.gateway.fullname" -}}
{{- include "dvre-operator.fullname" . | trunc 46 | trimSuffix "-" }}-gateway
{{- end }}

{{- define "dvre-operator.gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dvre-operator.name" . | trunc 55 | trimSuffix "-" }}-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dvre-operator.gateway.labels" -}}
{{- $labels := include "dvre-operator.labels" . | fromYaml }}
{{- $own := include "dvre-operator.gateway.selectorLabels" . | fromYaml }}
{{- merge $own (dict "app.kubernetes.io/component" "gateway") $labels | toYaml }}
{{- end }}

{{- define "dvre-operator.gateway.serviceAccountName" -}}
{{- with .Values.gateway.serviceAccount }}
{{- if .create }}
{{- default (include "dvre-operator.gateway.fullname" $) .name }}
{{- else }}
{{- default "default" .name }}
{{- end }}
{{- end }}
{{- end }}

{{/* Namespace of its workflows. */}}
{{- define "dvre-operator.gateway.namespace" -}}
{{- default (include "dvre-operator.namespace" .) .Values.gateway.namespace }}
{{- end }}

{{/* Not empty when it has several pods. */}}
{{- define "dvre-operator.gateway.several" -}}
{{- if gt (int64 .Values.gateway.replicas) 1 }}true{{ end }}
{{- end }}

{{/* An image: takes a list of its values and the chart's version of the application. */}}
{{- define "dvre-operator.image" -}}
{{- $image := index . 0 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) }}
{{- end }}
{{- end }}

{{/* Requests and limits as JSON. The operator reads quantities as strings only, and Helm would write
a large number with an exponent. */}}
{{- define "dvre-operator.resources" -}}
{{- $resources := dict }}
{{- range $kind, $quantities := . }}
{{- $strings := dict }}
{{- range $name, $quantity := $quantities }}
{{- if and (kindIs "float64" $quantity) (eq $quantity (floor $quantity)) }}
{{- $quantity = int64 $quantity }}
{{- end }}
{{- $_ := set $strings $name (toString $quantity) }}
{{- end }}
{{- $_ := set $resources $kind $strings }}
{{- end }}
{{- toJson $resources }}
{{- end }}

{{/* Not empty when several operators agree on one that works. */}}
{{- define "dvre-operator.elects" -}}
{{- if gt (int64 .Values.replicas) 1 }}true{{ end }}
{{- end }}

{{/* Where pods may run: takes values with the usual names, what selects the pods, and whether there are
several. */}}
{{- define "dvre-operator.scheduling" -}}
{{- $values := index . 0 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or $values.topologySpreadConstraints (index . 2) }}
topologySpreadConstraints:
  {{- $selector := index . 1 | fromYaml }}
  {{- $nodes := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" }}
  {{- range default (list $nodes) $values.topologySpreadConstraints }}
  - {{- merge (dict) . (dict "labelSelector" (dict "matchLabels" $selector)) | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Whether its roles hold for the cluster or for one namespace. */}}
{{- define "dvre-operator.scope" -}}
{{- ternary "ClusterRole" "Role" (empty .Values.watchNamespace) }}
{{- end }}

{{/* What the operator may do where it works, and no more. */}}
{{- define "dvre-operator.rules" -}}
- apiGroups: [dvre.io]
  resources: [dvreworkflows]
  # To patch: a finalizer on runs that may leave something outside of the cluster.
  verbs: [get, list, watch, patch]
- apiGroups: [dvre.io]
  resources: [dvreworkflows/status]
  verbs: [patch]
# By name only: what a workflow refers to, and the one that the run is made of. That one and the Jobs go
# some time after the end of the run, where that is asked for.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# Progress, and outputs that do not fit into a termination message, stand in the log.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Why a pod does not start.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- if .Values.deployments.kubernetes.enabled }}
# Step pods whose runner was killed.
- apiGroups: [""]
  resources: [pods]
  verbs: [deletecollection]
# For runs whose steps are pods: a service account each, bound to the role for that and to no other,
# and a policy that keeps tools off the network that do not ask for it.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, create]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  verbs: [get, create]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [{{ include "dvre-operator.scope" . | lower }}s]
  resourceNames: [{{ include "dvre-operator.fullname" . }}-steps]
  verbs: [bind]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create]
{{- end }}
{{- end }}
