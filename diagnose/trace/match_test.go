package trace

import (
	"net/netip"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// choose takes the chain of a listener of which nothing is remembered.
func choose(l *admin.Listener, c connection) (*admin.FilterChain, bool) {
	return newChainIndex(l).choose(c)
}

// chains makes a listener whose chains are named by what they match.
func chains(names ...string) *admin.Listener {
	all := map[string]admin.Match{
		"any":             {},
		"port 443":        {Port: 443},
		"10/8":            {Prefixes: []string{"10.0.0.0/8"}},
		"10.1/16":         {Prefixes: []string{"192.168.0.0/16", "10.1.0.0/16"}},
		"0/0":             {Prefixes: []string{"0.0.0.0/0"}},
		"en":              {ServerNames: []string{"en.wikipedia.org"}},
		"*.wikipedia.org": {ServerNames: []string{"*.wikipedia.org"}},
		"*.org":           {ServerNames: []string{"*.example.com", "*.org"}},
		"tls":             {Transport: "tls"},
		"raw":             {Transport: "raw_buffer"},
		"raw http":        {Transport: "raw_buffer", Applications: []string{"http/1.1", "h2c"}},
		"h2":              {Applications: []string{"h2"}},
		"http/1.1":        {Applications: []string{"http/1.1"}},
		"port 443 and de": {Port: 443, ServerNames: []string{"de.wikipedia.org"}},
		"en raw":          {ServerNames: []string{"en.wikipedia.org"}, Transport: "raw_buffer"},
		"sourced":         {Sourced: true},
		"no prefix":       {Prefixes: []string{"nonsense"}},
		"en by Case":      {ServerNames: []string{"EN.wikipedia.org"}},
	}
	l := &admin.Listener{Name: "l", Default: &admin.FilterChain{Name: "default"}}
	for _, n := range names {
		l.Chains = append(l.Chains, admin.FilterChain{Name: n, Match: all[n]})
	}
	return l
}

func TestChoose(t *testing.T) {
	t.Parallel()
	en := connection{port: 443, sni: "en.wikipedia.org", transport: "tls", applications: []string{"h2", "http/1.1"}}
	plain := connection{port: 80, transport: "raw_buffer", applications: []string{"http/1.1"}}
	at := func(ip string) connection {
		c := en
		c.address = netip.MustParseAddr(ip)
		return c
	}
	for name, tt := range map[string]struct {
		listener *admin.Listener
		c        connection
		want     string
	}{
		"the name before the wildcard":               {chains("any", "*.wikipedia.org", "en"), en, "en"},
		"the longest wildcard":                       {chains("any", "*.org", "*.wikipedia.org"), en, "*.wikipedia.org"},
		"a wildcard before no name":                  {chains("any", "*.org"), en, "*.org"},
		"no name":                                    {chains("any", "port 443 and de"), connection{port: 80, sni: "en.wikipedia.org", transport: "tls"}, "any"},
		"no name in the connection":                  {chains("en", "*.org"), connection{port: 443, transport: "tls"}, "default"},
		"names in any case of letters":               {chains("any", "en by Case"), en, "en by Case"},
		"the port before the name, and no way back":  {chains("en", "port 443 and de"), en, "default"},
		"the port, then the name":                    {chains("en", "port 443"), en, "port 443"},
		"another port":                               {chains("port 443"), plain, "default"},
		"the narrowest network":                      {chains("any", "10/8", "10.1/16"), at("10.1.2.3"), "10.1/16"},
		"a wider network":                            {chains("any", "10/8", "10.1/16"), at("10.2.2.3"), "10/8"},
		"a network before the name, and no way back": {chains("en", "10/8", "0/0"), at("1.1.1.1"), "0/0"},
		"an address that is in no network":           {chains("any", "10/8"), en, "any"},
		"every address":                              {chains("any", "0/0"), en, "0/0"},
		"a network that is none":                     {chains("no prefix"), at("10.1.2.3"), "default"},
		"the name before the transport":              {chains("en raw", "tls"), en, "default"},
		"the transport":                              {chains("any", "raw", "tls"), en, "tls"},
		"plain HTTP":                                 {chains("raw http", "tls"), plain, "raw http"},
		"TLS on a port for HTTP":                     {chains("raw http"), en, "default"},
		"the client's first application":             {chains("any", "http/1.1", "h2"), en, "h2"},
		"the client's second application":            {chains("any", "http/1.1"), en, "http/1.1"},
		"no application":                             {chains("h2"), plain, "default"},
		"the first of equals":                        {chains("any", "any"), en, "any"},
		"no chain":                                   {chains(), en, "default"},
		"unsourced before sourced":                   {chains("sourced", "any"), en, "any"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, decided := choose(tt.listener, tt.c)
			if !decided || got == nil || got.Name != tt.want {
				t.Errorf("chose %v (decided %t), want %s", got, decided, tt.want)
			}
		})
	}
	if got, decided := choose(chains("sourced"), en); decided {
		t.Errorf("chose %v although it depends on the source", got)
	}
	if got, _ := choose(&admin.Listener{}, en); got != nil {
		t.Errorf("chose %v from nothing", got)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	looks := &admin.Listener{Filters: []string{"envoy.filters.listener.tls_inspector"}}
	blind := &admin.Listener{}
	https := Ask{Port: 443, TLS: []Layer{{SNI: "EN.wikipedia.org", ALPN: []string{"h2"}}}}
	if c := inspect(looks, https); c.sni != "en.wikipedia.org" || c.transport != "tls" || c.applications[0] != "h2" {
		t.Errorf("with an inspector: %+v", c)
	}
	if c := inspect(blind, https); c.sni != "" || c.transport != "raw_buffer" {
		t.Errorf("without an inspector: %+v", c)
	}
	if c := inspect(chains("en"), https); c.sni == "" {
		t.Error("Envoy puts the inspector in by itself where a chain needs it")
	}
	plain := Ask{Address: "::ffff:10.0.0.1", Port: 80, Authority: "a"}
	if c := inspect(&admin.Listener{Filters: []string{"envoy.filters.listener.http_inspector"}}, plain); len(c.applications) != 1 || c.address.String() != "10.0.0.1" {
		t.Errorf("plain HTTP: %+v", c)
	}
	for name, l := range map[string]*admin.Listener{
		"chains without names": {Chains: []admin.FilterChain{{}}}, "TLS, which it does not look at": {Filters: []string{"envoy.filters.listener.http_inspector"}},
	} {
		if c := inspect(l, Ask{Port: 443, Authority: "a", TLS: https.TLS}); c.sni != "" || c.transport != "raw_buffer" || len(c.applications) != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := inspect(chains("tls"), https); c.transport != "tls" {
		t.Errorf("a chain for TLS: %+v", c)
	}
	if c := inspect(&admin.Listener{Filters: []string{"envoy.filters.listener.http_inspector"}}, Ask{Port: 5432}); len(c.applications) != 0 {
		t.Errorf("bytes that are no HTTP: %+v", c)
	}
	if c := inspect(looks, plain); len(c.applications) != 0 || c.transport != "raw_buffer" {
		t.Errorf("plain HTTP without an inspector for it: %+v", c)
	}
}

func TestVirtualHost(t *testing.T) {
	t.Parallel()
	rc := &admin.RouteConfig{Hosts: []admin.VirtualHost{
		{Name: "all", Domains: []string{"*"}},
		{Name: "prefix", Domains: []string{"en.*"}},
		{Name: "short suffix", Domains: []string{"*.org"}},
		{Name: "long suffix", Domains: []string{"*.wikipedia.org", "*-wiki.org"}},
		{Name: "exact", Domains: []string{"de.wikipedia.org", "DE.wikipedia.org:80"}},
	}}
	for authority, want := range map[string]string{
		"de.wikipedia.org": "exact", "de.wikipedia.org:80": "exact", "en.wikipedia.org": "long suffix", "a-wiki.org": "long suffix",
		"wikipedia.org": "short suffix", "en.example.com": "prefix", "fr.example.com": "all", "en.": "all",
	} {
		if got := virtualHost(rc, authority); got == nil || got.Name != want {
			t.Errorf("%s: %v, want %s", authority, got, want)
		}
	}
	if got := virtualHost(&admin.RouteConfig{Hosts: rc.Hosts[1:2]}, "de.wikipedia.org"); got != nil {
		t.Errorf("found %v where nothing fits", got)
	}
}

func TestFirstRoute(t *testing.T) {
	t.Parallel()
	get := request{"edition.cnn.com", plainRequest()}
	get.Headers = map[string]string{"x-team": "shop"}
	for name, tt := range map[string]struct {
		route admin.Route
		fits  bool
	}{
		"every path":               {admin.Route{Prefix: "/"}, true},
		"another prefix":           {admin.Route{Prefix: "/politics"}, false},
		"the path":                 {admin.Route{Path: "/"}, true},
		"another path":             {admin.Route{Path: "/x"}, false},
		"a pattern":                {admin.Route{Regex: "/.*"}, true},
		"a pattern for a part":     {admin.Route{Regex: ""}, true},
		"a pattern that is none":   {admin.Route{Regex: "("}, false},
		"a longer pattern":         {admin.Route{Regex: "/a"}, false},
		"a query":                  {admin.Route{Prefix: "/", Other: true}, false},
		"its authority":            {admin.Route{Headers: []admin.Header{{Name: ":authority", Exact: "edition.cnn.com"}}}, true},
		"another authority":        {admin.Route{Headers: []admin.Header{{Name: ":authority", Prefix: "www."}}}, false},
		"an authority by pattern":  {admin.Route{Headers: []admin.Header{{Name: ":authority", Regex: `.*\.com`}}}, true},
		"another by pattern":       {admin.Route{Headers: []admin.Header{{Name: ":authority", Regex: `.*\.org`}}}, false},
		"a header of its own":      {admin.Route{Headers: []admin.Header{{Name: "X-Team", Exact: "shop"}}}, true},
		"another value of it":      {admin.Route{Headers: []admin.Header{{Name: "X-Team", Exact: "cart"}}}, false},
		"any value, and none":      {admin.Route{Headers: []admin.Header{{Name: "x-user", Regex: ".*"}}}, false},
		"GET":                      {admin.Route{Headers: []admin.Header{{Name: ":method", Exact: "GET"}}}, true},
		"not POST":                 {admin.Route{Headers: []admin.Header{{Name: ":method", Exact: "POST", Invert: true}}}, true},
		"a header that is there":   {admin.Route{Headers: []admin.Header{{Name: ":path"}}}, true},
		"a header that is missing": {admin.Route{Headers: []admin.Header{{Name: "x-user", Exact: "jason"}}}, false},
		"without a header":         {admin.Route{Headers: []admin.Header{{Name: "x-user", Exact: "jason", Invert: true}}}, true},
	} {
		vh := &admin.VirtualHost{Routes: []admin.Route{tt.route, {Name: "last", Prefix: "/"}}}
		if got := firstRoute(vh, get); (got.Name != "last") != tt.fits {
			t.Errorf("%s: fits is %t", name, !tt.fits)
		}
	}
	if got := firstRoute(&admin.VirtualHost{}, get); got != nil {
		t.Errorf("found %v in nothing", got)
	}
}

func TestParseCluster(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]ClusterName{
		"outbound|443|cnn|gw.istio-system.svc.cluster.local": {443, "cnn", "gw.istio-system.svc.cluster.local"},
		"outbound|80||edition.cnn.com":                       {80, "", "edition.cnn.com"},
	} {
		if got, ok := ParseCluster(in); !ok || got != want {
			t.Errorf("%s: %+v, %t", in, got, ok)
		}
	}
	for _, in := range []string{"PassthroughCluster", "inbound|80||", "outbound|x||h", "", "outbound|80|h", "outbound|80", "outbound_.80_._.h", "443||h"} {
		if got, ok := ParseCluster(in); ok {
			t.Errorf("%q is taken for %+v", in, got)
		}
	}
}
