package admin

import (
	"strconv"
	"strings"
	"unique"
)

// once keeps one copy of a text that comes back thousands of times in a dump: names of filters, clusters and objects.
func once(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}

func (w *wireListener) model() Listener {
	l := Listener{
		Name: w.Name, Address: w.Address.Socket.Address, Port: w.Address.Socket.Port.int(), Internal: bool(w.Internal),
		UseOriginalDst: w.UseOriginal, Direction: w.Direction, Matcher: bool(w.Matcher),
	}
	l.Unbound = isFalse(w.BindToPort) || w.DeprecatedV1 != nil && isFalse(w.DeprecatedV1.BindToPort)
	for _, a := range w.More {
		l.More = append(l.More, Address{Address: a.Address.Socket.Address, Port: a.Address.Socket.Port.int()})
	}
	l.Filters = each(w.Filters, func(n *wireNamed) string { return once(n.Name) })
	l.Chains = each(w.Chains, (*wireChain).model)
	if w.Default != nil {
		chain := w.Default.model()
		l.Default = &chain
	}
	return l
}

// each converts a list into one that has no room to spare, for it will be kept.
func each[W, M any](list []W, model func(*W) M) []M {
	if len(list) == 0 {
		return nil
	}
	out := make([]M, 0, len(list))
	for i := range list {
		out = append(out, model(&list[i]))
	}
	return out
}

// onceAll is once for a list.
func onceAll(list []string) []string {
	return each(list, func(s *string) string { return once(*s) })
}

func isFalse(b *bool) bool { return b != nil && !*b }

func (w *wireChain) model() FilterChain {
	c := FilterChain{Name: w.Name, TLS: w.Transport.model(), Origin: origin(w.Metadata)}
	c.Match = Match{
		Port: w.Match.Port.int(), ServerNames: w.Match.ServerNames, Transport: once(w.Match.Transport), Applications: onceAll(w.Match.Applications),
		Sourced: w.Match.SourceType != "" || w.Match.AddressSuffix != "" || bool(w.Match.Source || w.Match.DirectSource || w.Match.SourcePorts),
	}
	for _, p := range w.Match.Prefixes {
		c.Match.Prefixes = append(c.Match.Prefixes, p.Prefix+"/"+strconv.Itoa(p.Length.int()))
	}
	c.Filters = each(w.Filters, (*wireFilter).model)
	return c
}

func (w *wireFilter) model() Filter {
	f := Filter{Name: once(w.Name)}
	switch typ := w.Config.Type; {
	case strings.HasSuffix(typ, ".TcpProxy"):
		f.TCP = &TCPProxy{Cluster: once(w.Config.Cluster), Weighted: w.Config.Weighted.model(), AccessLog: bool(w.Config.AccessLog)}
	case strings.HasSuffix(typ, ".HttpConnectionManager"):
		f.HTTP = &HTTP{Routes: w.Config.RDS.Name, AccessLog: bool(w.Config.AccessLog)}
		if w.Config.Routes != nil {
			f.HTTP.Inline = w.Config.Routes.model()
		}
	case strings.Contains(typ, ".sni_dynamic_forward_proxy."):
		f.SNI = &SNIProxy{Port: w.Config.Port.int(), Cache: w.Config.Cache.Name}
		if f.SNI.Port == 0 {
			f.SNI.Port = 443
		}
	}
	return f
}

func (w wireWeights) model() []Weighted {
	var out []Weighted
	for _, c := range w.Clusters {
		out = append(out, Weighted{Cluster: c.Name, Weight: c.Weight.int()})
	}
	return out
}

func (w *wireRoutes) model() *RouteConfig {
	rc := &RouteConfig{Name: w.Name}
	rc.Hosts = each(w.Hosts, func(h *wireVirtualHost) VirtualHost {
		return VirtualHost{Name: h.Name, Domains: h.Domains, Routes: each(h.Routes, (*wireRoute).model)}
	})
	return rc
}

func (w *wireRoute) model() Route {
	r := Route{
		Name: w.Name, Prefix: once(w.Match.Prefix), Path: w.Match.Path, Regex: w.Match.Regex.Regex,
		Other:   bool(w.Match.Query || w.Match.GRPC || w.Match.Connect || w.Match.Template || w.Match.Metadata),
		Cluster: once(w.Route.Cluster), Weighted: w.Route.Weighted.model(), Redirect: bool(w.Redirect), Status: w.Direct.Status.int(),
		Origin: origin(w.Metadata),
	}
	if s := w.Match.Separated; s != "" {
		// the path itself or something below it
		r.Regex = regexpQuote(s) + "(/.*)?"
	}
	r.Headers = each(w.Match.Headers, (*wireHeader).model)
	return r
}

func (w *wireHeader) model() Header {
	h := Header{Name: w.Name, Exact: w.Exact, Prefix: w.Prefix, Regex: w.Regex.Regex, Invert: w.Invert}
	if w.String.Exact != "" {
		h.Exact = w.String.Exact
	}
	if w.String.Prefix != "" {
		h.Prefix = w.String.Prefix
	}
	if re := w.String.regex(); re != "" {
		h.Regex = re
	}
	return h
}

// regex is the pattern for what Exact and Prefix cannot say.
func (w wireString) regex() string {
	switch {
	case w.Regex.Regex != "":
		return w.Regex.Regex
	case w.Suffix != "":
		return ".*" + regexpQuote(w.Suffix)
	case w.Contains != "":
		return ".*" + regexpQuote(w.Contains) + ".*"
	}
	return ""
}

func (w *wireCluster) model() Cluster {
	c := Cluster{Name: w.Name, Type: ClusterType(once(w.Type)), TLS: w.Transport.model(), Origin: origin(w.Metadata)}
	switch {
	case w.Custom.Name != "":
		c.Type = ClusterType(once(w.Custom.Name))
	case c.Type == "":
		c.Type = Static // proto's zero value is not written
	}
	for _, m := range w.Matches {
		if t := m.Transport.model(); t != nil && c.AutoTLS == nil {
			c.AutoTLS = t
		}
	}
	for _, locality := range w.Load.Endpoints {
		for _, lb := range locality.LB {
			a := lb.Endpoint.Address
			c.Endpoints = append(c.Endpoints, Endpoint{Address: a.Socket.Address, Port: a.Socket.Port.int(), Listener: a.Internal.Listener})
		}
	}
	return c
}

// istioSecret is the name under which Istio's agent hands a workload its own certificate.
const istioSecret = "default"

func (w *wireSocket) model() *TLS {
	// raw_buffer and the like carry no TLS; Istio names its TLS sockets envoy.transport_sockets.tls
	if w == nil || !strings.HasSuffix(w.Name, "tls") {
		return nil
	}
	common := &w.Config.Common
	t := &TLS{SNI: w.Config.SNI, ALPN: onceAll(common.ALPN), Demands: w.Config.Demands}
	switch {
	case len(common.Certificates) > 0:
		t.Certificate = once(common.Certificates[0].Name)
	case len(common.Files) > 0:
		t.Certificate = common.Files[0].Chain.Filename
	}
	t.Validation = once(firstOf(common.Combined.Secret.Name, common.FromSecret.Name, common.Combined.Default.CA.Filename, common.Validation.CA.Filename))
	for _, v := range []wireValidation{common.Combined.Default, common.Validation} {
		for _, m := range v.Typed {
			t.SANs = append(t.SANs, once(m.Matcher.text()))
		}
		for _, m := range v.Old {
			t.SANs = append(t.SANs, once(m.text()))
		}
	}
	t.Mode = Mutual
	switch t.Certificate {
	case istioSecret:
		t.Mode = IstioMutual
	case "":
		t.Mode = Simple
	}
	return t
}

// text shows a string criterion to people: exact as it is, others with a star where anything may stand.
func (w wireString) text() string {
	switch {
	case w.Exact != "":
		return w.Exact
	case w.Prefix != "":
		return w.Prefix + "*"
	case w.Suffix != "":
		return "*" + w.Suffix
	case w.Contains != "":
		return "*" + w.Contains + "*"
	}
	return "~" + w.Regex.Regex
}

func firstOf(candidates ...string) string {
	for _, c := range candidates {
		if c != "" {
			return c
		}
	}
	return ""
}
