package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// meshConfig is Istio's mesh configuration as far as it decides about egress, with its defaults filled in.
type meshConfig struct {
	mesh.MeshConfig
	rootNamespace, trustDomain string
	autoMTLS                   *bool // nil: not set
}

// enum is a protobuf enum: in JSON its name, or its number.
type enum string

// UnmarshalJSON takes either form.
func (e *enum) UnmarshalJSON(b []byte) error {
	if n, err := strconv.Atoi(string(b)); err == nil {
		*e = enum(strconv.Itoa(n))
		return nil
	}
	return json.Unmarshal(b, (*string)(e))
}

// named gives the name for a number.
func (e enum) named(names map[string]string) string {
	if name, ok := names[string(e)]; ok {
		return name
	}
	return string(e)
}

// meshConfigYAML is what is read of MeshConfig, as users write it.
type meshConfigYAML struct {
	RootNamespace                  string         `json:"rootNamespace"`
	TrustDomain                    string         `json:"trustDomain"`
	OutboundTrafficPolicy          outboundPolicy `json:"outboundTrafficPolicy"`
	AccessLogFile                  string         `json:"accessLogFile"`
	AccessLogEncoding              enum           `json:"accessLogEncoding"`
	AccessLogFormat                string         `json:"accessLogFormat"`
	EnableAutoMTLS                 *bool          `json:"enableAutoMtls"`
	DefaultDestinationRuleExportTo []string       `json:"defaultDestinationRuleExportTo"`
	DefaultServiceExportTo         []string       `json:"defaultServiceExportTo"`
	DefaultVirtualServiceExportTo  []string       `json:"defaultVirtualServiceExportTo"`
}

type outboundPolicy struct {
	Mode enum `json:"mode"`
}

// parseMeshConfig reads MeshConfig as istiod does: YAML, unknown fields passed over. Defaults depend on the version;
// an unknown one is taken for a new one.
func parseMeshConfig(text string, version mesh.Version) (meshConfig, error) {
	var raw meshConfigYAML
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		return meshConfig{}, fmt.Errorf("read the mesh configuration: %w", err)
	}
	config := meshConfig{rootNamespace: raw.RootNamespace, trustDomain: raw.TrustDomain, autoMTLS: raw.EnableAutoMTLS}
	config.MeshConfig = mesh.MeshConfig{
		OutboundTrafficPolicy:          raw.OutboundTrafficPolicy.Mode.named(map[string]string{"0": "REGISTRY_ONLY", "1": policyAllowAny, "3": "ALLOW_ANY_DYNAMIC_DNS"}),
		AccessLogFile:                  raw.AccessLogFile,
		AccessLogEncoding:              raw.AccessLogEncoding.named(map[string]string{"": "TEXT", "0": "TEXT", "1": "JSON"}),
		AccessLogFormat:                raw.AccessLogFormat,
		EnableAutoMTLS:                 autoMTLSByDefault(version),
		DefaultDestinationRuleExportTo: exportTo(raw.DefaultDestinationRuleExportTo),
		DefaultServiceExportTo:         exportTo(raw.DefaultServiceExportTo),
		DefaultVirtualServiceExportTo:  exportTo(raw.DefaultVirtualServiceExportTo),
	}
	if config.OutboundTrafficPolicy == "" {
		config.OutboundTrafficPolicy = policyAllowAny
		if old(version, 1, 1) {
			config.OutboundTrafficPolicy = "REGISTRY_ONLY"
		}
	}
	if raw.EnableAutoMTLS != nil {
		config.EnableAutoMTLS = *raw.EnableAutoMTLS
	}
	return config, nil
}

// exportTo is empty where the default "*" holds.
func exportTo(list []string) []string {
	if slices.Contains(list, "*") {
		return nil
	}
	return list
}

// old says that a version is known and before a release.
func old(v mesh.Version, major, minor int) bool { return !v.IsZero() && !v.AtLeast(major, minor) }

// autoMTLSByDefault: on since Istio 1.5.
func autoMTLSByDefault(v mesh.Version) bool { return !old(v, 1, 5) }

// meshConfig reads the ConfigMap of a control plane: "istio", or "istio-REVISION".
func (f *finder) meshConfig(ctx context.Context, p controlPlane) (meshConfig, error) {
	name := "istio"
	if p.revision.Name != "default" {
		name += "-" + p.revision.Name
	}
	source := "configmap " + p.revision.Namespace + "/" + name
	var object configMap
	if err := f.Get(ctx, configMapsResource, p.revision.Namespace, name, &object); err != nil {
		return meshConfig{}, f.soften(ctx, source, err)
	}
	text, ok := object.Data["mesh"]
	if !ok {
		f.note(source, kindAbsent, `it has no key "mesh"`)
		return meshConfig{}, nil
	}
	config, err := parseMeshConfig(text, p.revision.Version)
	if err != nil {
		return meshConfig{}, f.soften(ctx, source, err)
	}
	return config, nil
}

// mtls decides whether workloads may speak Istio's mutual TLS to a gateway: by the mesh-wide PeerAuthentication, on
// Istio up to 1.5 by the mesh policy, else by automatic mTLS as the mesh configuration or the version has it.
func (f *finder) mtls(ctx context.Context, facts mesh.Facts, security string, p controlPlane, config meshConfig) (mesh.MTLS, error) {
	if m, err := f.peerAuthentication(ctx, facts.RootNamespace, security); err != nil || m.Reason != "" {
		return m, err
	}
	if m, err := f.meshPolicy(ctx, facts.Networking, p); err != nil || m.Reason != "" {
		return m, err
	}
	version := p.revision.Version
	switch {
	case config.autoMTLS != nil:
		return mesh.MTLS{On: *config.autoMTLS, Reason: fmt.Sprintf("enableAutoMtls: %t in the mesh configuration", *config.autoMTLS)}, nil
	case old(version, 1, 5), version.IsZero() && p.app == "pilot":
		return mesh.MTLS{On: false, Reason: "Istio before 1.5 does not use mutual TLS of itself"}, nil
	}
	return mesh.MTLS{On: true, Reason: "Istio uses mutual TLS of itself since 1.5 (enableAutoMtls)"}, nil
}

// security is the newest version of Istio's security API that the cluster serves; empty before Istio 1.4.
func (f *finder) security(ctx context.Context) (string, error) {
	versions, err := f.ServedVersions(ctx, groupSecurity)
	if errors.Is(err, kube.ErrAbsent) {
		return "", nil
	}
	if err != nil || len(versions) == 0 {
		return "", f.soften(ctx, "API group "+groupSecurity, err)
	}
	return versions[0], nil
}

// peerAuthentication reads the mesh-wide one: in the root namespace, without selector; of several the oldest holds.
// No Reason means that none decides.
func (f *finder) peerAuthentication(ctx context.Context, root, version string) (mesh.MTLS, error) {
	if version == "" {
		return mesh.MTLS{}, nil
	}
	resource := kube.Resource{Group: groupSecurity, Version: version, Resource: "peerauthentications"}
	all, err := kube.ListOf[peerAuthentication](ctx, f, resource, root, kube.ListOptions{})
	if errors.Is(err, kube.ErrAbsent) {
		return mesh.MTLS{}, nil // 1.4 has the group, but not yet this kind
	}
	if err != nil {
		return mesh.MTLS{}, f.soften(ctx, "peerauthentications in namespace "+root, err)
	}
	egress.SortFunc(all, func(a, b peerAuthentication) int {
		if d := a.Metadata.CreationTimestamp.Compare(b.Metadata.CreationTimestamp); d != 0 {
			return d
		}
		return byName(a.Metadata, b.Metadata)
	})
	for _, object := range all {
		if selects(object.Spec.Selector) {
			continue
		}
		reason := fmt.Sprintf("PeerAuthentication %s/%s is ", root, object.Metadata.Name)
		switch mode := object.Spec.MTLS.Mode; mode {
		case "STRICT", "PERMISSIVE":
			return mesh.MTLS{On: true, Reason: reason + mode}, nil
		case "DISABLE":
			return mesh.MTLS{On: false, Reason: reason + mode}, nil
		}
		return mesh.MTLS{}, nil // UNSET: as if it were not there
	}
	return mesh.MTLS{}, nil
}

// selects says whether a workload selector names any label; an empty one does not.
func selects(selector json.RawMessage) bool {
	var s struct {
		MatchLabels map[string]string `json:"matchLabels"`
	}
	return len(selector) > 0 && (json.Unmarshal(selector, &s) != nil || len(s.MatchLabels) > 0)
}

// meshPolicy reads what stood for the mesh-wide PeerAuthentication up to Istio 1.5.
func (f *finder) meshPolicy(ctx context.Context, networking string, p controlPlane) (mesh.MTLS, error) {
	if v := p.revision.Version; v.AtLeast(1, 6) || v.IsZero() && (p.app == "istiod" || networking == "v1") {
		return mesh.MTLS{}, nil
	}
	var policy meshPolicy
	err := f.Get(ctx, kube.Resource{Group: "authentication.istio.io", Version: "v1alpha1", Resource: "meshpolicies"}, "", "default", &policy)
	if errors.Is(err, kube.ErrAbsent) {
		return mesh.MTLS{}, nil
	}
	if err != nil {
		return mesh.MTLS{}, f.soften(ctx, "meshpolicy default", err)
	}
	for _, peer := range policy.Spec.Peers {
		if peer.MTLS != nil {
			mode := strings.ToUpper(peer.MTLS.Mode)
			if mode == "" {
				mode = "STRICT"
			}
			return mesh.MTLS{On: true, Reason: "MeshPolicy default is " + mode}, nil
		}
	}
	return mesh.MTLS{On: false, Reason: "MeshPolicy default asks for no mutual TLS"}, nil
}
