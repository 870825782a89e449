package snapshot

import "strings"

// Mesh is the word in a VirtualService's gateways that stands for all sidecars.
const Mesh = "mesh"

// FullHost resolves a host as Istio does: a name without a dot is a Service of the object's own namespace.
func (s *Snapshot) FullHost(host, namespace string) string {
	if host == "*" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + ".svc." + s.ClusterDomain()
}

// ClusterDomain is cluster.local unless the mesh says otherwise.
func (s *Snapshot) ClusterDomain() string {
	if s.Facts.ClusterDomain == "" {
		return "cluster.local"
	}
	return s.Facts.ClusterDomain
}

// RootNamespace is istio-system unless the mesh says otherwise.
func (s *Snapshot) RootNamespace() string {
	if s.Facts.RootNamespace == "" {
		return "istio-system"
	}
	return s.Facts.RootNamespace
}

// Visible says whether proxies in the namespace viewer see an object of the namespace owner. Fallback is the mesh's default for
// the kind and holds where exportTo is empty; where that is empty too, everybody sees it.
func Visible(exportTo, fallback []string, owner, viewer string) bool {
	if len(exportTo) == 0 {
		exportTo = fallback
	}
	if len(exportTo) == 0 {
		return true
	}
	for _, to := range exportTo {
		if to == "*" || to == viewer || to == "." && owner == viewer {
			return true
		}
	}
	return false
}

// VisibleTo says whether proxies in a namespace see the entry.
func (e *ServiceEntry) VisibleTo(s *Snapshot, namespace string) bool {
	return Visible(e.Spec.ExportTo, s.Facts.Config.DefaultServiceExportTo, e.Namespace, namespace)
}

// VisibleTo says whether proxies in a namespace see the routes.
func (v *VirtualService) VisibleTo(s *Snapshot, namespace string) bool {
	return Visible(v.Spec.ExportTo, s.Facts.Config.DefaultVirtualServiceExportTo, v.Namespace, namespace)
}

// VisibleTo says whether proxies in a namespace see the rule.
func (d *DestinationRule) VisibleTo(s *Snapshot, namespace string) bool {
	return Visible(d.Spec.ExportTo, s.Facts.Config.DefaultDestinationRuleExportTo, d.Namespace, namespace)
}

// Imports says whether workloads of a namespace look at objects of another one: a Sidecar of their own namespace, or without one that of
// the root namespace, may narrow what they look at. Where Sidecars of a namespace differ by workload, one that does not look is
// enough to say no.
func (s *Snapshot) Imports(viewer, owner string) bool {
	for _, namespace := range []string{viewer, s.RootNamespace()} {
		found, imports := false, true
		for i := range s.Objects.Sidecars {
			if c := &s.Objects.Sidecars[i]; c.Namespace == namespace && len(c.Spec.Egress) > 0 {
				found, imports = true, imports && c.imports(viewer, owner)
			}
		}
		if found {
			return imports
		}
	}
	return true
}

// imports says whether a listener of the Sidecar has hosts of the owner's namespace: NAMESPACE/HOST, "*" for every one, "." for the
// viewer's own.
func (c *Sidecar) imports(viewer, owner string) bool {
	for _, e := range c.Spec.Egress {
		for _, h := range e.Hosts {
			if namespace, _, _ := strings.Cut(h, "/"); namespace == "*" || namespace == owner || namespace == "." && viewer == owner {
				return true
			}
		}
	}
	return false
}

// Bound gives the gateways that the routes are bound to, with the namespace: Mesh or NAMESPACE/NAME.
func (v *VirtualService) Bound() []string {
	if len(v.Spec.Gateways) == 0 {
		return []string{Mesh}
	}
	return v.qualify(v.Spec.Gateways)
}

// Applies gives the gateways that one match applies to; nil for a route without any match means those of the object.
func (v *VirtualService) Applies(m *RouteMatch) []string {
	if m == nil || len(m.Gateways) == 0 {
		return v.Bound()
	}
	bound := v.Bound()
	var out []string
	for _, g := range v.qualify(m.Gateways) {
		for _, b := range bound {
			if g == b {
				out = append(out, g)
			}
		}
	}
	return out
}

func (v *VirtualService) qualify(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, v.GatewayNamed(n))
	}
	return out
}

// GatewayNamed resolves the name of a Gateway as Istio does: Mesh, or NAMESPACE/NAME for what is written as that, as NAME (or ./NAME,
// which only its admission webhook refuses: the object's own namespace), or as people did before Istio 1.1: NAME.NAMESPACE and
// NAME.NAMESPACE.svc.DOMAIN.
func (v *VirtualService) GatewayNamed(name string) string {
	if name == Mesh {
		return name
	}
	if namespace, gateway, ok := strings.Cut(name, "/"); ok {
		if namespace == "." {
			namespace = v.Namespace
		}
		return namespace + "/" + gateway
	}
	gateway, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		return v.Namespace + "/" + name
	}
	namespace, _, _ := strings.Cut(rest, ".")
	return namespace + "/" + gateway
}

// Selects says whether labels fit a selector; an empty selector fits all.
func Selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// HostCovers says whether a host of an object, which may be a wildcard, stands for name, which may be one too.
func HostCovers(host, name string) bool {
	host, name = strings.ToLower(strings.TrimSuffix(host, ".")), strings.ToLower(name)
	if host == name || host == "*" {
		return true
	}
	suffix, ok := strings.CutPrefix(host, "*")
	return ok && strings.HasPrefix(suffix, ".") && len(name) > len(suffix) && strings.HasSuffix(name, suffix)
}

// ServerHost takes a server's host apart: NAMESPACE/HOST, where no namespace means every one and "." the Gateway's own.
func ServerHost(host string) (namespace, name string) {
	if ns, rest, ok := strings.Cut(host, "/"); ok {
		return ns, rest
	}
	return "*", host
}
