package trace

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// request is the HTTP request that is followed, with the host's name.
type request struct {
	authority string
	Request
}

// virtualHost takes the virtual host that Envoy takes: the name itself, then the longest "*.suffix", then the longest "prefix.*",
// then "*".
func virtualHost(rc *admin.RouteConfig, authority string) *admin.VirtualHost {
	var found *admin.VirtualHost
	top := 0
	for i := range rc.Hosts {
		for _, d := range rc.Hosts[i].Domains {
			if score := fitDomain(strings.ToLower(d), authority); score > top {
				top, found = score, &rc.Hosts[i]
			}
		}
	}
	return found
}

func fitDomain(domain, authority string) int {
	const exact, suffix, prefix, every = 4 << 16, 2 << 16, 1 << 16, 1
	switch {
	case domain == authority:
		return exact
	case domain == "*":
		return every
	case strings.HasPrefix(domain, "*"):
		if rest := domain[1:]; strings.HasSuffix(authority, rest) && len(authority) > len(rest) {
			return suffix + len(rest)
		}
	case strings.HasSuffix(domain, "*"):
		if rest := domain[:len(domain)-1]; strings.HasPrefix(authority, rest) && len(authority) > len(rest) {
			return prefix + len(rest)
		}
	}
	return 0
}

// firstRoute takes the first route that fits the request.
func firstRoute(vh *admin.VirtualHost, r request) *admin.Route {
	for i := range vh.Routes {
		if fitsRoute(&vh.Routes[i], r) {
			return &vh.Routes[i]
		}
	}
	return nil
}

func fitsRoute(route *admin.Route, r request) bool {
	if route.Other {
		return false // query parameters, CONNECT and the like: not in the request that is followed
	}
	switch {
	case route.Path != "" && route.Path != r.Path,
		!strings.HasPrefix(r.Path, route.Prefix),
		route.Regex != "" && !fullMatch(route.Regex, r.Path):
		return false
	}
	return !slices.ContainsFunc(route.Headers, func(h admin.Header) bool { return !fitsHeader(h, r) })
}

func fitsHeader(h admin.Header, r request) bool {
	value, there := map[string]string{":authority": r.authority, ":path": r.Path, ":method": r.Method, ":scheme": "http"}[h.Name]
	if !there {
		value, there = r.Headers[strings.ToLower(h.Name)]
	}
	fits := there
	switch {
	case !there:
	case h.Exact != "":
		fits = value == h.Exact
	case h.Prefix != "":
		fits = strings.HasPrefix(value, h.Prefix)
	case h.Regex != "":
		fits = fullMatch(h.Regex, value)
	}
	return fits != h.Invert
}

func fullMatch(pattern, text string) bool {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	return err == nil && re.MatchString(text)
}
