package check

import (
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// arrived gives the gateway legs that the traffic goes through to the end.
func arrived(p *trace.Path) []*trace.Leg {
	return slices.DeleteFunc(p.At(egress.AtGateway), func(l *trace.Leg) bool { return l.Stop != nil })
}

var noAccessLog = Check{
	Code:     "EGR051",
	Title:    "no access log",
	Severity: Skip,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		silent := slices.DeleteFunc(arrived(&p), func(l *trace.Leg) bool { return l.Log })
		if len(silent) == 0 {
			return nil
		}
		pod := silent[0].Proxy
		f := Finding{Message: fmt.Sprintf("gateway %s writes no access log line for %s", p.Gateway, p)}
		for _, t := range s.Objects.Telemetries {
			if t.Namespace == pod.Namespace && t.Spec.Selector != nil && snapshot.Selects(t.Spec.Selector.MatchLabels, pod.Labels) {
				f.Object = object("Telemetry", t.Meta, "spec.accessLogging")
			}
		}
		switch {
		case f.Object != nil:
			f.Evidence = []string{fmt.Sprintf("Telemetry %s/%s decides about this workload", f.Object.Namespace, f.Object.Name)}
		case s.Facts.Config.AccessLogFile == "":
			f.Evidence = []string{"accessLogFile is not set in the mesh configuration, and no Telemetry turns the log on"}
		default:
			f.Evidence = []string{fmt.Sprintf("the mesh configuration has accessLogFile %s, but Envoy's filter has no access log", s.Facts.Config.AccessLogFile)}
		}
		f.Fix = turnLogOn(&p, f.Object)
		return []Finding{f}
	},
	Why: "Without an access log nobody can see afterwards which connection took which way. Istio's default profile has none; a Telemetry " +
		"object overrides what the mesh configuration says.",
	Fix: "Turn the log on for the gateway's workload with a Telemetry object, provider envoy, or for all with meshConfig.accessLogFile: /dev/stdout.",
}

// turnLogOn makes or replaces the Telemetry of the gateway's workload.
func turnLogOn(p *trace.Path, have *Object) string {
	namespace, name := p.Gateway.Namespace, p.Gateway.Service+"-access-log"
	if have != nil {
		namespace, name = have.Namespace, have.Name
	}
	return apply(manifest{
		APIVersion: "telemetry.istio.io/v1", Kind: "Telemetry", Metadata: fields{"namespace": namespace, "name": name},
		Spec: fields{
			"selector":      fields{"matchLabels": p.Want.Selector},
			"accessLogging": []any{fields{"providers": []any{fields{"name": "envoy"}}}},
		},
	})
}

var counterNotRecorded = Check{
	Code:     "EGR052",
	Title:    "counter not recorded",
	Severity: Skip,
	Hop:      egress.AtGateway,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		for _, l := range arrived(&p) {
			for _, e := range l.Exits {
				stat := fmt.Sprintf("cluster.%s;.upstream_cx_total", e.Cluster.Name)
				m := l.Proxy.Config.Stats
				if m == nil || m.Records(stat) {
					continue
				}
				return []Finding{{
					Message:  fmt.Sprintf("gateway pod %s does not record %s: it is absent, not zero", l.Proxy.Pod, stat),
					Evidence: []string{"the counters shown here are those of /clusters, which Envoy always keeps"},
					Fix:      recordCounters(l.Proxy),
				}}
			}
		}
		return nil
	},
	Why: "Istio's proxies keep only a short list of statistics; those of clusters are not on it since Istio 1.1. grep finds nothing, whatever " +
		"the traffic. The hosts' own counters in /clusters are always there, and this program uses those.",
	Fix: "Add the names to proxyStatsMatcher in the pod annotation proxy.istio.io/config, or in meshConfig.defaultConfig; the pods restart.",
}

// wantedStats are those that tell of a connection's way, its failures and its TLS.
var wantedStats = []any{
	`cluster\.outbound\|.*upstream_(cx|rq).*`, `cluster\..*ssl\..*`, `listener\..*(ssl\..*|no_filter_chain_match|downstream_cx_total)`,
}

// recordCounters adds to the pod template's annotation and keeps what is there.
func recordCounters(p *snapshot.Proxy) string {
	config := map[string]any{}
	if err := yaml.Unmarshal([]byte(p.ProxyConfig), &config); err != nil || config == nil {
		config = map[string]any{}
	}
	matcher, _ := config["proxyStatsMatcher"].(map[string]any)
	matcher = maps.Clone(matcher)
	if matcher == nil {
		matcher = map[string]any{}
	}
	have, _ := matcher["inclusionRegexps"].([]any)
	matcher["inclusionRegexps"] = append(slices.Clone(have), wantedStats...)
	config["proxyStatsMatcher"] = matcher
	value := fields{"spec": fields{"template": fields{"metadata": fields{"annotations": fields{"proxy.istio.io/config": oneLine(config)}}}}}
	owner := p.Owner
	if owner == "" {
		owner = "deployment/" + p.Gateway.Service
	}
	return fmt.Sprintf("kubectl -n %s patch %s --type=merge -p %s", word(p.Namespace), word(owner), word(oneLine(value)))
}
