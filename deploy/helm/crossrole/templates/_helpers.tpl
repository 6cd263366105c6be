{{/* The names are fixed: two of them on one node would take each other's callers. */}}
{{- define "crossrole.selectorLabels" -}}
app.kubernetes.io/name: crossrole
{{- end }}

{{- define "crossrole.labels" -}}
{{ include "crossrole.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "crossrole.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The address of the listener for pods, on the device crossrole0. Constants of `crossrole node install`. */}}
{{- define "crossrole.listener" -}}169.254.171.254:51679{{- end }}
{{- define "crossrole.listener6" -}}[fd00:ec2:fa11::254]:51679{{- end }}

{{- define "crossrole.audience" -}}
{{- dig "kubernetes" "audience" "sts.amazonaws.com" .Values.config -}}
{{- end }}

{{/* The configuration as the daemon reads it. */}}
{{- define "crossrole.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $kubernetes := set (default dict $config.kubernetes) "access" .Values.access -}}
{{- $listeners := list (dict "address" (include "crossrole.listener" .) "pods" true) -}}
{{- if .Values.ipv6 -}}
{{- $listeners = append $listeners (dict "address" (include "crossrole.listener6" .) "pods" true) -}}
{{- end -}}
{{- $_ := set $config "kubernetes" $kubernetes -}}
{{- $_ := set $config "listeners" $listeners -}}
{{- $_ := set $config "operations" (dict "address" (printf "%s:51680" .Values.operations.host)) -}}
{{- $_ := set $config "state" (dict "directory" "/run/crossrole/state") -}}
{{ toYaml $config }}
{{- end }}

{{/* Whether the daemon reads annotations of service accounts, and of namespaces. */}}
{{- define "crossrole.readsServiceAccounts" -}}
{{- $annotations := dig "kubernetes" "annotations" dict .Values.config -}}
{{- if or (hasKey $annotations "crossrole") (hasKey $annotations "irsa") -}}true{{- end -}}
{{- end }}
{{- define "crossrole.readsNamespaces" -}}
{{- $annotations := dig "kubernetes" "annotations" dict .Values.config -}}
{{- if or (hasKey $annotations "crossrole") (hasKey $annotations "kube2iam") (hasKey $annotations "kiam") -}}true{{- end -}}
{{- end }}

{{/* What no container of this chart goes without. */}}
{{- define "crossrole.hardened" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Fails early, with what to do. Of `helm template` the version is what --kube-version says. */}}
{{- define "crossrole.check" -}}
{{- $isBefore136 := semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version -}}
{{- if and (eq .Values.access "impersonation") $isBefore136 -}}
{{- fail "access: impersonation needs Kubernetes 1.36: set access: rbac (with helm template, say --kube-version)" -}}
{{- end -}}
{{- if and (or .Values.injection.endpoint .Values.injection.sidecar) $isBefore136 -}}
{{- fail "injection needs the MutatingAdmissionPolicy of Kubernetes 1.36 (with helm template, say --kube-version)" -}}
{{- end -}}
{{- if and .Values.podMonitor.enabled (ne .Values.operations.host "0.0.0.0") -}}
{{- fail "podMonitor.enabled: Prometheus cannot reach 127.0.0.1 of a node: set operations.host: 0.0.0.0" -}}
{{- end -}}
{{- end }}

{{/* What the interception is, for `node install` and for `node verify` alike. */}}
{{- define "crossrole.interceptionFlags" -}}
{{- $flags := list "--listen" (include "crossrole.listener" .) -}}
{{- if .Values.ipv6 }}{{ $flags = concat $flags (list "--listen6" (include "crossrole.listener6" .)) -}}
{{- else }}{{ $flags = append $flags "--no-ipv6" }}{{ end -}}
{{- if .Values.interception.podIdentity }}{{ $flags = append $flags "--pod-identity" }}{{ end -}}
{{- if .Values.interception.antiSpoof }}{{ $flags = append $flags "--anti-spoof" }}{{ end -}}
{{- if .Values.injection.endpoint }}{{ $flags = append $flags "--direct" }}{{ end -}}
{{ toJson $flags }}
{{- end }}

{{- define "crossrole.installFlags" -}}
{{ toJson (prepend (fromJsonArray (include "crossrole.interceptionFlags" .)) "--watch") }}
{{- end }}

{{- define "crossrole.verify" -}}
{{ toJson (concat (list "crossrole" "node" "verify") (fromJsonArray (include "crossrole.interceptionFlags" .))) }}
{{- end }}

{{/* The pods that are changed. A pod of the node's own network has no loopback and no address of its own. */}}
{{- define "crossrole.injectable" -}}
- name: is-not-excluded
  expression: object.metadata.?labels[?'crossrole.dev/inject'].orValue('') != 'false'
- name: has-its-own-network
  expression: "!object.spec.?hostNetwork.orValue(false)"
{{- end }}

{{/* The variable in every container; one that names an endpoint of its own keeps it. */}}
{{- define "crossrole.endpointVariable" -}}
- patchType: ApplyConfiguration
  applyConfiguration:
    expression: >-
      Object{
        spec: Object.spec{
          {{- range $containers := list "containers" "initContainers" }}
          {{ $containers }}: object.spec.?{{ $containers }}.orValue([])
            .filter(c, !c.?env.orValue([]).exists(e, e.name == 'AWS_EC2_METADATA_SERVICE_ENDPOINT'))
            .map(c, Object.spec.{{ $containers }}{
              name: c.name,
              env: [Object.spec.{{ $containers }}.env{ name: 'AWS_EC2_METADATA_SERVICE_ENDPOINT', value: '{{ $ }}' }]
            }),
          {{- end }}
        }
      }
{{- end }}
