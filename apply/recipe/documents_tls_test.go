package recipe_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// filesOf are the certificates that Istio mounted into every proxy up to 1.4.
var filesOf = map[string]string{
	"cert": "/etc/certs/cert-chain.pem", "key": "/etc/certs/key.pem", "ca": "/etc/certs/root-cert.pem",
}

const legacyFiles = "/etc/certs"

// clientTLS is how a rule begins TLS. The zero value says nothing about it.
type clientTLS struct {
	mode, sni, credential string
	files                 string // legacyFiles, or what else the rule names
	sans                  []string
}

// takeTLS uses up the tls block of a traffic policy, server's and client's words alike.
func (m *meaning) takeTLS(where string, block map[string]any) clientTLS {
	tls := clientTLS{
		mode: takeString(block, "mode"), sni: takeString(block, "sni"),
		credential: takeString(block, "credentialName"), sans: takeStrings(block, "subjectAltNames"),
	}
	got := map[string]string{
		"cert": takeString(block, "clientCertificate", "serverCertificate"),
		"key":  takeString(block, "privateKey"),
		"ca":   takeString(block, "caCertificates"),
	}
	var named []string
	for _, k := range []string{"cert", "key", "ca"} {
		if got[k] != "" {
			named = append(named, k+"="+got[k])
		}
	}
	tls.files = strings.Join(named, " ")
	if fmt.Sprint(got) == fmt.Sprint(filesOf) {
		tls.files = legacyFiles
	}
	m.left("tls of "+where, block)
	return tls
}

// String is "tls{MODE what=…}", and empty where nothing is said.
func (t clientTLS) String() string {
	if t.mode == "" && t.files == "" && t.credential == "" {
		return ""
	}
	words := []string{t.mode}
	for _, w := range [][2]string{{"", t.files}, {"credential=", t.credential}, {"sni=", t.sni}, {"san=", strings.Join(t.sans, ",")}} {
		if w[1] != "" {
			words = append(words, w[0]+w[1])
		}
	}
	return " tls{" + strings.Join(words, " ") + "}"
}

// policy is what a DestinationRule says of one subset or of all traffic to its host.
type policy struct {
	tls   clientTLS
	ports map[string]clientTLS // by port number; they win
}

func (p policy) at(port string) clientTLS {
	if tls, ok := p.ports[port]; ok {
		return tls
	}
	return p.tls
}

// rule is a DestinationRule.
type rule struct {
	host, namespace string
	exportTo        []string
	all             policy
	subsets         map[string]policy
}

func (m *meaning) readRules() []rule {
	var rules []rule
	for _, o := range m.rules {
		r := rule{
			host: takeString(o.spec, "host"), namespace: o.namespace, exportTo: m.takeExportTo(o.spec),
			subsets: map[string]policy{},
		}
		r.all = m.takePolicy("DestinationRule for "+r.host, takeMap(o.spec, "trafficPolicy"))
		for _, s := range takeMaps(o.spec, "subsets") {
			name := takeString(s, "name")
			r.subsets[name] = m.takePolicy("subset of "+r.host, takeMap(s, "trafficPolicy"))
			m.left("subset of "+r.host, s)
		}
		m.left("DestinationRule for "+r.host, o.spec)
		rules = append(rules, r)
	}
	return rules
}

func (m *meaning) takePolicy(where string, block map[string]any) policy {
	p := policy{ports: map[string]clientTLS{}}
	if block == nil {
		return p
	}
	m.takeBalancer(where, block)
	p.tls = m.takeTLS(where, takeMap(block, "tls"))
	for _, level := range takeMaps(block, "portLevelSettings") {
		port := takeString(takeMap(level, "port"), "number")
		m.takeBalancer(where, level)
		p.ports[port] = m.takeTLS(where, takeMap(level, "tls"))
		m.left("port "+port+" of "+where, level)
	}
	m.left(where, block)
	return p
}

// takeBalancer drops ROUND_ROBIN, which was the default when the documents were written, and says any other.
func (m *meaning) takeBalancer(where string, block map[string]any) {
	balancer := takeMap(block, "loadBalancer")
	if simple := takeString(balancer, "simple"); simple != "" && simple != "ROUND_ROBIN" {
		m.say("%s balances by %s", where, simple)
	}
	m.left("loadBalancer of "+where, balancer)
}

// lookup finds the TLS of a host's port as a proxy of namespace client sees it: Istio takes rules of the client's namespace, else of the
// host's, else of the root namespace, and lets a subset's words win over those for all traffic.
func (w world) lookup(client, host, hostNamespace, subset, port string) clientTLS {
	for _, ns := range []string{client, hostNamespace, w.facts.RootNamespace} {
		var tls clientTLS
		found, hasSubset := false, false
		for _, r := range w.rules {
			if r.namespace != ns || r.host != host || !visible(r.exportTo, r.namespace, client) {
				continue
			}
			found = true
			if got := r.all.at(port); got.mode != "" {
				tls = got
			}
			if p, ok := r.subsets[subset]; ok && subset != "" {
				hasSubset = true
				if got := p.at(port); got.mode != "" {
					tls = got
				}
			}
		}
		switch {
		case !found:
			continue
		case subset != "" && !hasSubset:
			return clientTLS{mode: "subset missing"}
		}
		return tls
	}
	if subset != "" {
		return clientTLS{mode: "subset missing"}
	}
	return clientTLS{}
}

// toGateway spells out what a rule towards a gateway leaves to Istio, and tells the SNI by the server that expects it.
func (w world) toGateway(tls clientTLS, gw mesh.Gateway, subset, port string) clientTLS {
	if w.legacy && tls.mode == "ISTIO_MUTUAL" {
		tls.mode, tls.files = "MUTUAL", legacyFiles
		if len(tls.sans) == 0 {
			// Istio fills in the identities behind the Service.
			tls.sans = []string{fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", w.facts.TrustDomain, gw.Namespace, gw.ServiceAccount)}
		}
	}
	if tls.mode == "" || tls.mode == "DISABLE" || tls.mode == "subset missing" {
		return tls
	}
	if tls.sni == "" {
		tls.sni = fmt.Sprintf("outbound_.%s_.%s_.%s", port, subset, gw.Host(w.facts.ClusterDomain))
	}
	for _, s := range w.servers {
		if s.service == gw.Ref().String() && (s.port == port || port == "any") && covers(s.host, tls.sni) {
			tls.sni = s.host
			return tls
		}
	}
	tls.sni += " which no server expects"
	return tls
}

// covers says whether a host of a server, exact, with a wildcard or "*", takes an SNI.
func covers(host, sni string) bool {
	if _, after, ok := strings.Cut(host, "/"); ok {
		host = after
	}
	suffix, wild := strings.CutPrefix(host, "*")
	return host == sni || wild && strings.HasSuffix(sni, suffix)
}

// catchAlls says what rules without a subset do to all traffic of sidecars, whoever sends it.
func (w world) catchAlls() {
	for _, r := range w.rules {
		if !visible(r.exportTo, r.namespace, w.home) {
			continue
		}
		to, gw, isGateway := w.destination(r.host)
		tellAt := func(port string, tls clientTLS) {
			if tls.mode == "" {
				return
			}
			if isGateway {
				tls = w.toGateway(tls, gw, "", port)
			}
			w.say("sidecar all traffic to %s:%s%s", to, port, tls)
		}
		tellAt("any", r.all.tls)
		for port, tls := range r.all.ports {
			tellAt(port, tls)
		}
	}
}

// namespaceOf is where the Service or ServiceEntry of a host is.
func (w world) namespaceOf(host string) string {
	for _, e := range w.entries {
		if e.host == host {
			return e.namespace
		}
	}
	if parts := strings.Split(host, "."); len(parts) > 2 && slices.Contains(parts, "svc") {
		return parts[1]
	}
	return w.home
}
