package recipe_test

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// world is what routes refer to.
type world struct {
	*meaning
	entries []entry
	servers []server
	rules   []rule
}

// server is one host on one port of a Gateway.
type server struct {
	gateway string // NAMESPACE/NAME of the Gateway object
	service string // NAMESPACE/SERVICE of the gateway that it selects
	port    string // of the Service
	host    string
}

// servers says what gateways open.
func (m *meaning) servers() []server {
	var all []server
	for _, o := range m.gateways {
		service := m.selected(takeMap(o.spec, "selector"))
		for _, s := range takeMaps(o.spec, "servers") {
			port := takeMap(s, "port")
			number, protocol := m.servicePort(service, takeString(port, "number")), takeString(port, "protocol")
			take(port, "name")
			m.left("port of Gateway", port)
			hosts := takeStrings(s, "hosts")
			tls := m.takeTLS("Gateway for "+strings.Join(hosts, " "), takeMap(s, "tls"))
			if tls.mode == "PASSTHROUGH" {
				protocol = sniProtocol(protocol)
			}
			for _, h := range hosts {
				m.say("gateway %s:%s %s %s%s", service, number, protocol, h, tls)
				all = append(all, server{gateway: o.namespace + "/" + o.name, service: service, port: number, host: h})
			}
			m.left("server of Gateway for "+strings.Join(hosts, " "), s)
		}
		m.left("Gateway", o.spec)
	}
	return all
}

// selected names the gateway that has these labels.
func (m *meaning) selected(selector map[string]any) string {
	for _, g := range m.facts.Gateways {
		if len(selector) == len(g.Selector) && fmt.Sprint(selector) == fmt.Sprint(g.Selector) {
			return g.Ref().String()
		}
	}
	return fmt.Sprint("pods ", selector)
}

// servicePort: a server may name the Service's port or the pod's own behind it.
func (m *meaning) servicePort(service, number string) string {
	for _, g := range m.facts.Gateways {
		for _, p := range g.Ports {
			if g.Ref().String() == service && fmt.Sprint(p.Target) == number {
				return fmt.Sprint(p.Number)
			}
		}
	}
	return number
}

// routes says where a VirtualService sends what.
func (w world) routes(o object) {
	hosts, gateways := takeStrings(o.spec, "hosts"), takeStrings(o.spec, "gateways")
	if len(gateways) == 0 {
		gateways = []string{allSidecars}
	}
	seen := seenBy(w.takeExportTo(o.spec), o.namespace)
	for _, kind := range []string{"http", "tls", "tcp"} {
		for _, r := range takeMaps(o.spec, kind) {
			matches := takeMaps(r, "match")
			if len(matches) == 0 {
				matches = []map[string]any{{}}
			}
			to := takeMaps(r, "route")
			for _, match := range matches {
				w.route(leg{o, kind, hosts, gateways, seen}, match, to)
			}
			w.left(kind+" route of "+strings.Join(hosts, " "), r)
		}
	}
	w.left("VirtualService of "+strings.Join(hosts, " "), o.spec)
}

// leg is what the matches of one route share.
type leg struct {
	object   object
	kind     string
	hosts    []string
	gateways []string
	seen     string
}

func (w world) route(l leg, match map[string]any, to []map[string]any) {
	gateways, sni, port := takeStrings(match, "gateways"), takeStrings(match, "sniHosts", "sni_hosts"), takeString(match, "port")
	w.left(l.kind+" match of "+strings.Join(l.hosts, " "), match)
	if len(gateways) == 0 {
		gateways = l.gateways
	}
	hosts := l.hosts
	if l.kind == "tls" {
		hosts = sni
	}
	if port == "" {
		port = "any"
	}
	for _, g := range gateways {
		if !slices.Contains(l.gateways, g) {
			w.say("%s route of %s names %s, to which its VirtualService is not bound", l.kind, strings.Join(hosts, " "), g)
		}
		from, client, number := "sidecar", w.home, port
		if g != allSidecars {
			from, client, number = w.gatewayNamed(l.object.namespace, g, port)
		}
		for _, h := range hosts {
			for _, d := range to {
				w.say("%s %s %s:%s -> %s%s", from, l.kind, h, number, w.sends(client, runtime.DeepCopyJSON(d), len(to)), l.seen)
			}
		}
	}
}

// gatewayNamed follows a VirtualService's word for a Gateway: NAME of its own namespace or NAMESPACE/NAME.
func (w world) gatewayNamed(namespace, name, port string) (from, client, number string) {
	if !strings.Contains(name, "/") {
		name = namespace + "/" + name
	}
	for _, s := range w.servers {
		if s.gateway == name {
			ns, _, _ := strings.Cut(s.service, "/")
			return "gateway " + s.service, ns, w.servicePort(s.service, port)
		}
	}
	return "gateway that does not exist", "", port
}

// sends is the other end of a route.
func (w world) sends(client string, d map[string]any, of int) string {
	dest := takeMap(d, "destination")
	host, subset, port := takeString(dest, "host"), takeString(dest, "subset"), takeString(takeMap(dest, "port"), "number")
	w.left("destination "+host, dest)
	weight := takeString(d, "weight")
	w.left("route to "+host, d)
	share := ""
	if of > 1 {
		share = " weight " + weight
	}
	to, gw, isGateway := w.destination(host)
	if port == "" && isGateway && len(gw.Ports) == 1 {
		port = fmt.Sprint(gw.Ports[0].Number) // Istio takes the only port there is
	}
	if to == nobody {
		return to + share
	}
	tls := w.lookup(client, host, w.namespaceOf(host), subset, port)
	if isGateway {
		tls = w.toGateway(tls, gw, subset, port)
	}
	return fmt.Sprintf("%s:%s%s%s", to, port, tls, share)
}

const nobody = "nobody"

// destination names a host by what it is: a gateway's Service, something outside, or nothing that Istio knows.
func (w world) destination(host string) (to string, gw mesh.Gateway, isGateway bool) {
	for _, g := range w.facts.Gateways {
		if g.Host(w.facts.ClusterDomain) == host {
			return "gateway " + g.Ref().String(), g, true
		}
	}
	for _, e := range w.entries {
		if e.host == host {
			return "outside " + e.called, mesh.Gateway{}, false
		}
	}
	if strings.HasSuffix(host, ".svc."+w.facts.ClusterDomain) {
		return "outside " + host, mesh.Gateway{}, false
	}
	return nobody, mesh.Gateway{}, false
}
