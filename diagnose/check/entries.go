package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var credentialAtSidecar = Check{
	Code:     "EGR032",
	Title:    "sidecar ignores credentialName",
	Severity: Fail,
	Hop:      egress.AtSidecar,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.DestinationRules},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if p.Mode != egress.Direct {
			return nil
		}
		for _, l := range p.At(egress.AtSidecar) {
			for _, e := range l.Exits {
				name, ok := trace.ParseCluster(e.Cluster.Name)
				if !ok || e.Cluster.TLS != nil || !snapshot.HostCovers(string(p.Host), name.Host) {
					continue
				}
				d, path := credentialRule(s, l.Proxy, name)
				if d == nil {
					continue
				}
				f := Finding{
					Object: object("DestinationRule", d.Meta, "spec.workloadSelector"),
					Message: fmt.Sprintf("DestinationRule %s begins TLS with a Secret (credentialName), which sidecars take only with a workloadSelector: they send plain text to %s",
						d, name.Host),
					Evidence: []string{fmt.Sprintf("cluster %s of %s does not begin TLS, though %s says so", e.Cluster.Name, l.Proxy.Pod, field(path))},
				}
				labels := fields{}
				for _, k := range []string{"app", "app.kubernetes.io/name"} {
					if v := l.Proxy.Labels[k]; v != "" {
						labels[k] = v
						break
					}
				}
				f.Fix = patch(f.Object, add("/spec/workloadSelector", fields{"matchLabels": labels}))
				return []Finding{f}
			}
		}
		return nil
	},
	Why: "Sidecars get Secrets by name only where a DestinationRule says which workloads it is for; without workloadSelector istiod leaves the " +
		"whole of its TLS out, and the application's plain text goes to a port that speaks TLS.",
	Fix: "Set spec.workloadSelector.matchLabels, and have the Secret in the workload's namespace; or begin TLS at an egress gateway.",
}

// credentialRule finds a rule by which a sidecar is meant to begin TLS with a Secret, and that is for no workload in particular.
func credentialRule(s *snapshot.Snapshot, pod *snapshot.Proxy, name trace.ClusterName) (d *snapshot.DestinationRule, path string) {
	for i := range s.Objects.DestinationRules {
		d := &s.Objects.DestinationRules[i]
		if !strings.EqualFold(s.FullHost(d.Spec.Host, d.Namespace), name.Host) || d.Spec.WorkloadSelector != nil || !d.VisibleTo(s, pod.Namespace) {
			continue
		}
		if path, tls := policyTLS(d.Spec.TrafficPolicy, name.Port); begun(tls) && tls.CredentialName != "" {
			return d, "/spec/trafficPolicy" + path
		}
	}
	return nil, ""
}

var wildcardLookedUp = Check{
	Code:     "EGR036",
	Title:    "wildcard host with resolution DNS",
	Severity: Fail,
	Hop:      egress.AtOutside,
	Direct:   true,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		if len(arrived(&p)) > 0 {
			return nil // what is in force is older
		}
		for _, e := range p.Wanted.Entries(string(p.Host)) {
			if !strings.HasPrefix(strings.ToUpper(e.Spec.Resolution), "DNS") || len(e.Spec.Endpoints) > 0 || entryPort(e, p.Port) < 0 ||
				!slices.Contains(e.Spec.Hosts, string(p.Host)) || !p.Host.IsWildcard() {
				continue
			}
			legs := p.Failed()
			f := because(legs)
			f.Object = object("ServiceEntry", e.Meta, "spec.resolution")
			f.Message = fmt.Sprintf("ServiceEntry %s has resolution %s for %s: a wildcard is no name that DNS knows", e, e.Spec.Resolution, p.Host)
			f.Evidence = append(f.Evidence, "Istio's admission webhook refuses such an object; it came in while that did not run")
			f.Fix = patch(f.Object, replace("/spec/resolution", "NONE"))
			if at := p.At(egress.AtGateway); len(at) > 0 && s.Facts.Version.AtLeast(1, 30) {
				f.Fix = patch(f.Object, replace("/spec/resolution", "DYNAMIC_DNS")) + "\n" + lookUpFilter(&p, at[0])
			}
			return []Finding{f}
		}
		return nil
	},
	Why: "Resolution DNS has Envoy look the host up. A wildcard cannot be looked up, so that Istio refuses the object; where its admission webhook " +
		"does not run, the object is on the cluster and nothing is made of it.",
	Fix: "Use resolution NONE for wildcards that sidecars send out by themselves; through a gateway use DYNAMIC_DNS with the filter that looks up " +
		"server names (mode sni-dynamic), or modes sni-proxy and common-host.",
}

var dynamicAtGateway = Check{
	Code:     "EGR046",
	Title:    "resolution DYNAMIC_DNS at a gateway",
	Severity: Fail,
	Hop:      egress.AtGateway,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs := stopped(&p, egress.AtGateway, trace.NoLookup)
		if len(legs) == 0 || p.Set != "" || filtered(s, &p) || !s.State(snapshot.EnvoyFilters).Known() {
			return nil // EGR042 is about filters that are there, and about those that could not be read
		}
		for _, e := range p.Wanted.Entries(string(p.Host)) {
			if !strings.EqualFold(e.Spec.Resolution, "DYNAMIC_DNS") || !e.VisibleTo(s, p.Gateway.Namespace) {
				continue
			}
			f := because(legs)
			f.Object = object("ServiceEntry", e.Meta, "spec.resolution")
			f.Message = fmt.Sprintf("ServiceEntry %s has resolution DYNAMIC_DNS, by which sidecars look up server names; gateway %s does not", e, p.Gateway)
			f.Fix = lookUpFilter(&p, legs[0])
			return []Finding{f}
		}
		return nil
	},
	Why: "DYNAMIC_DNS (Istio 1.30) finds a wildcard's address by the server name of each connection. istiod puts the filter that looks it up into " +
		"sidecars and waypoints only; a gateway gets the cluster without the filter, and resets every connection.",
	Fix: "Give the gateway the filter by an EnvoyFilter, as mode sni-dynamic does; or let sidecars go out by themselves (mode direct).",
}

// lookUpFilter is the command that has the gateway look up server names.
func lookUpFilter(p *trace.Path, leg *trace.Leg) string {
	return apply(manifest{
		APIVersion: "networking.istio.io/v1alpha3", Kind: "EnvoyFilter",
		Metadata: fields{"namespace": p.Gateway.Namespace, "name": "look-up-" + named(string(p.Host))},
		Spec:     fields{"workloadSelector": fields{"labels": p.Want.Selector}, "configPatches": []any{lookUpPatch(p, leg)}},
	})
}

// lookUpPatch is the patch that has the gateway look up server names, in the cache that istiod gives the cluster.
func lookUpPatch(p *trace.Path, leg *trace.Leg) fields {
	return fields{
		"applyTo": "NETWORK_FILTER",
		"match": fields{"context": "GATEWAY", "listener": fields{
			"portNumber":  leg.Ask.Port,
			"filterChain": fields{"sni": string(p.Host), "filter": fields{"name": "envoy.filters.network.tcp_proxy"}},
		}},
		"patch": fields{"operation": "INSERT_BEFORE", "value": fields{
			"name": "envoy.filters.network.sni_dynamic_forward_proxy",
			"typed_config": fields{
				"@type":            "type.googleapis.com/envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
				"port_value":       p.Port,
				"dns_cache_config": fields{"name": string(p.Host) + "_dfp_dns_cache", "dns_lookup_family": "V4_ONLY"},
			},
		}},
	}
}

var entriesDiffer = Check{
	Code:     "EGR053",
	Title:    "ServiceEntries of several namespaces disagree about the host",
	Severity: Warn,
	Hop:      egress.AtOutside,
	Needs:    []snapshot.Source{snapshot.ServiceEntries},
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		var first *snapshot.ServiceEntry
		for _, e := range p.Wanted.Entries(string(p.Host)) {
			if !slices.Contains(e.Spec.Hosts, string(p.Host)) || entryPort(e, p.Port) < 0 || !e.VisibleTo(s, p.Gateway.Namespace) {
				continue
			}
			if first == nil {
				first = e
				continue
			}
			what := difference(first, e, p.Port)
			if first.Namespace == e.Namespace || what == "" {
				continue
			}
			keep, drop := first, e
			if !slices.ContainsFunc(routesFor(&p), func(v *snapshot.VirtualService) bool { return v.Namespace == first.Namespace }) {
				keep, drop = e, first
			}
			f := Finding{
				Object:   object("ServiceEntry", drop.Meta, "spec.exportTo"),
				Message:  fmt.Sprintf("ServiceEntry %s and ServiceEntry %s both have %s and differ: Istio uses one of them", keep, drop, p),
				Evidence: []string{what, fmt.Sprintf("both are exported to namespace %s, where the gateway is", p.Gateway.Namespace)},
			}
			f.Fix = patch(f.Object, add("/spec/exportTo", []string{"."}))
			return []Finding{f}
		}
		return nil
	},
	Why: "Istio takes one of several ServiceEntries for the same host and port, mostly the oldest; which one has changed among its versions. Where " +
		"they say the same it does not matter. Where they differ, the path works or not by whose entry was made first.",
	Fix: "Have one ServiceEntry for a host; export those of other teams only to their own namespaces (exportTo [\".\"]).",
}

// difference says in what two entries differ about a port; empty if in nothing that matters.
func difference(a, b *snapshot.ServiceEntry, port int) string {
	p, q := a.Spec.Ports[entryPort(a, port)], b.Spec.Ports[entryPort(b, port)]
	endpoints := func(e *snapshot.ServiceEntry) string {
		var out []string
		for _, x := range e.Spec.Endpoints {
			out = append(out, x.Address)
		}
		slices.Sort(out)
		return strings.Join(out, ",")
	}
	for _, x := range []struct{ name, a, b string }{
		{"resolution", strings.ToUpper(a.Spec.Resolution), strings.ToUpper(b.Spec.Resolution)},
		{"endpoints", endpoints(a), endpoints(b)},
		{"protocol", strings.ToUpper(p.Protocol), strings.ToUpper(q.Protocol)},
		{"targetPort", fmt.Sprint(p.TargetPort), fmt.Sprint(q.TargetPort)},
	} {
		if x.a != x.b && (x.a+x.b != "HTTPSTLS" && x.a+x.b != "TLSHTTPS") {
			return fmt.Sprintf("%s is %s in %s and %s in %s", x.name, orNone(x.a), a, orNone(x.b), b)
		}
	}
	return ""
}

func orNone(s string) string {
	if s == "" || s == "0" {
		return "not set"
	}
	return s
}
