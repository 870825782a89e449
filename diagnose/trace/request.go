package trace

import (
	"regexp"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Request is the HTTP request that is followed.
type Request struct {
	Method  string
	Path    string
	Headers map[string]string // names in lower case; without the Host header, which is the Ask's authority
	// Unsampled says why no request is known that the routes to the gateway take; what is followed says nothing of them then.
	Unsampled string
}

// plainRequest is what is followed where the routes ask for nothing in particular.
func plainRequest() Request { return Request{Method: "GET", Path: "/"} }

// request is one that the routes towards the gateway take: GET / where one of them takes every request, else what the first asks for.
// A route for some paths of a host is no fault of the others.
func (w *Wanted) request(host string, port int) Request {
	var first *snapshot.RouteMatch
	for _, l := range w.Toward(host, port) {
		if l.List != HTTPList || !l.ForMesh() {
			continue
		}
		if everyRequest(l.Match) {
			return plainRequest()
		}
		if first == nil {
			first = l.Match
		}
	}
	if first == nil {
		return plainRequest()
	}
	return requestFor(first)
}

// everyRequest says whether a match asks for nothing of a request.
func everyRequest(m *snapshot.RouteMatch) bool {
	return m == nil || m.URI == nil && m.Method == nil && len(m.Headers) == 0 && len(m.Query) == 0
}

func requestFor(m *snapshot.RouteMatch) Request {
	r := plainRequest()
	if len(m.Query) > 0 {
		r.Unsampled = "routes ask for parameters of the query"
	}
	fill := func(to *string, c *snapshot.StringMatch, what string, likely ...string) {
		text, ok := sampleText(c, likely...)
		if !ok {
			r.Unsampled = "routes ask for " + what + " by the pattern " + c.Regex
			return
		}
		*to = text
	}
	if m.URI != nil {
		fill(&r.Path, m.URI, "paths", "/")
	}
	if m.Method != nil {
		fill(&r.Method, m.Method, "methods", "GET", "POST", "PUT", "DELETE")
	}
	for name, c := range m.Headers {
		value := ""
		fill(&value, &c, "header "+name, "1", "true")
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers[strings.ToLower(name)] = value
	}
	return r
}

// sampleText is a text that fits; for a pattern one of some that are likely, or what it begins with.
func sampleText(c *snapshot.StringMatch, likely ...string) (text string, ok bool) {
	switch {
	case c.Exact != "":
		return c.Exact, true
	case c.Prefix != "":
		return c.Prefix, true
	case c.Regex == "":
		return likely[0], true
	}
	re, err := regexp.Compile("^(?:" + c.Regex + ")$")
	if err != nil {
		return "", false
	}
	// the literal part of an anchored pattern is that of the pattern itself
	begin := ""
	if bare, err := regexp.Compile(c.Regex); err == nil {
		begin, _ = bare.LiteralPrefix()
	}
	for _, tail := range []string{"", "/", "a", "1", "/a", "/1"} {
		likely = append(likely, begin+tail)
	}
	for _, t := range likely {
		if re.MatchString(t) {
			return t, true
		}
	}
	return "", false
}

// fits says whether a text fulfils a criterion.
func fits(c *snapshot.StringMatch, text string) bool {
	switch {
	case c.Exact != "":
		return c.Exact == text
	case c.Prefix != "":
		return strings.HasPrefix(text, c.Prefix)
	case c.Regex != "":
		return fullMatch(c.Regex, text)
	}
	return true
}

// about narrows the hosts of an http route to those that its match names as authority.
func about(hosts []string, m *snapshot.RouteMatch) []string {
	if m == nil || m.Authority == nil {
		return hosts
	}
	var out []string
	for _, h := range hosts {
		switch name := strings.ToLower(h); {
		case fits(m.Authority, name), fits(m.Authority, name+":80"):
			out = append(out, h)
		case m.Authority.Exact != "" && snapshot.HostCovers(name, m.Authority.Exact) && egress.Host(name).IsWildcard():
			out = append(out, m.Authority.Exact)
		}
	}
	if len(out) == 0 {
		return hosts // a pattern that the names themselves do not tell of
	}
	return out
}
