package check

const (
	tls   = "edition.cnn.com:443"
	http  = "edition.cnn.com:80"
	wiki  = "*.wikipedia.org:443"
	nginx = "my-nginx.mesh-external.svc.cluster.local:80"
	shop  = "shop.byhand.test"
	byHd  = "" // made by hand

	demands = "mtls.example.com:80"
	gaps    = "gaps.byhand.test:443"
)

// expected says what must be found in each capture: the paths with their modes, and every finding that is no pass. Istio's default
// keeps no counters of clusters, so a path that works has the skip EGR052.
var expected = map[string]struct {
	paths []string
	said  []string
}{
	"none":                      {nil, nil},
	"direct":                    {nil, nil},
	"working-passthrough":       {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls}},
	"working-registry-only":     {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls}},
	"working-http":              {[]string{http + " http"}, []string{"skip EGR052 " + http}},
	"passthrough-mtls":          {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls}},
	"http-plain":                {[]string{http + " http"}, []string{"skip EGR052 " + http}},
	"both-mtls":                 {[]string{tls + " passthrough", http + " http"}, []string{"skip EGR052 " + tls, "skip EGR052 " + http}},
	"both-plain":                {[]string{tls + " passthrough", http + " http"}, []string{"skip EGR052 " + tls, "skip EGR052 " + http}},
	"tls-origination":           {[]string{http + " tls-origination"}, []string{"skip EGR052 " + http}},
	"common-host":               {[]string{wiki + " common-host"}, []string{"skip EGR052 " + wiki}},
	"sni-dynamic":               {[]string{wiki + " sni-dynamic"}, []string{"skip EGR052 " + wiki}},
	"counters-recorded":         {[]string{tls + " passthrough"}, nil},
	"EGR020-http":               {[]string{http + " http"}, []string{"skip EGR052 " + http}}, // HTTP servers are merged, not dropped
	"EGR001":                    {[]string{tls + " passthrough"}, []string{"fail EGR001 " + tls}},
	"EGR001-http":               {[]string{http + " http"}, []string{"fail EGR001 " + http}},
	"EGR001-nomatch":            {[]string{tls + " passthrough"}, []string{"fail EGR001 " + tls}},
	"EGR002":                    {[]string{tls + " passthrough"}, []string{"fail EGR002 " + tls}},
	"EGR002-http":               {[]string{http + " http"}, []string{"fail EGR002 " + http}},
	"EGR002-registry-only":      {[]string{tls + " passthrough"}, []string{"fail EGR002 " + tls}},
	"EGR002-http-registry-only": {[]string{http + " http"}, []string{"fail EGR002 " + http}},
	"EGR003":                    {[]string{tls + " passthrough"}, []string{"fail EGR003 " + tls}},
	"EGR011":                    {[]string{tls + " passthrough"}, []string{"fail EGR011 " + tls}},
	"EGR012":                    {[]string{tls + " passthrough"}, []string{"fail EGR012 " + tls}},
	"EGR013":                    {[]string{tls + " passthrough"}, []string{"fail EGR013 " + tls}},
	"EGR014":                    {[]string{tls + " passthrough"}, []string{"fail EGR014 " + tls}},
	"EGR015":                    {[]string{tls + " passthrough"}, []string{"fail EGR015 " + tls}},
	"EGR017":                    {[]string{http + " http"}, []string{"fail EGR017 " + http}},
	"EGR017-tls":                {[]string{tls + " passthrough"}, []string{"fail EGR017 " + tls}},
	"EGR018":                    {[]string{http + " http"}, []string{"fail EGR018 " + http}},
	"EGR019":                    {[]string{http + " http"}, []string{"fail EGR019 " + http}},
	"EGR020":                    {[]string{tls + " passthrough"}, []string{"fail EGR020 " + tls}},
	"EGR020-protocol":           {[]string{tls + " passthrough"}, []string{"fail EGR020 " + tls}},
	"EGR023":                    {[]string{http + " http"}, []string{"fail EGR023 " + http}},
	"EGR023-tls":                {[]string{tls + " passthrough"}, []string{"fail EGR023 " + tls}},
	"EGR023-none":               {[]string{http + " http"}, []string{"fail EGR023 " + http}},
	"EGR023-exportto":           {[]string{http + " http"}, []string{"fail EGR023 " + http}},
	"EGR024a":                   {[]string{http + " http"}, []string{"fail EGR024 " + http}},
	"EGR024b":                   {[]string{http + " http"}, []string{"fail EGR024 " + http}},
	"EGR024c":                   {[]string{tls + " passthrough"}, []string{"fail EGR024 " + tls}},
	"EGR026":                    {[]string{tls + " passthrough"}, []string{"fail EGR026 " + tls}},
	"EGR035":                    {[]string{tls + " passthrough"}, []string{"fail EGR035 " + tls}},
	"EGR037":                    {[]string{tls + " passthrough"}, []string{"fail EGR037 " + tls}},
	"EGR051":                    {[]string{tls + " passthrough"}, []string{"skip EGR051 " + tls, "skip EGR052 " + tls}},
	"weighted":                  {[]string{tls + " passthrough"}, []string{"fail EGR056 " + tls}},
	// the documents' own configurations, applied by hand
	"direct-wildcard":             {[]string{wiki + " direct"}, nil},
	"direct-exact":                {[]string{tls + " direct"}, nil},
	"tls-origination-mtls":        {[]string{http + " tls-origination"}, []string{"skip EGR052 " + http}},
	"tls-origination-plain":       {[]string{http + " tls-origination"}, []string{"skip EGR052 " + http}},
	"tls-origination-target-port": {[]string{tls + " passthrough", http + " tls-origination"}, []string{"skip EGR052 " + tls, "skip EGR052 " + http}},
	"mtls-origination":            {[]string{nginx + " mtls-origination"}, []string{"skip EGR052 " + nginx}},
	"common-host-plain":           {[]string{wiki + " common-host"}, []string{"skip EGR052 " + wiki}},
	"common-host-mtls":            {[]string{wiki + " common-host"}, []string{"skip EGR052 " + wiki}},
	"sni-proxy-plain":             {[]string{wiki + " sni-proxy"}, []string{"skip EGR052 " + wiki}},
	"sni-proxy-mtls":              {[]string{wiki + " sni-proxy"}, []string{"skip EGR052 " + wiki}},
	"sni-dynamic-plain":           {[]string{wiki + " sni-dynamic"}, []string{"skip EGR052 " + wiki}},
	"sni-dynamic-mtls":            {[]string{wiki + " sni-dynamic"}, []string{"skip EGR052 " + wiki}},
	"blog":                        {[]string{wiki + " sni-dynamic"}, []string{"skip EGR052 " + wiki, "warn EGR044 " + wiki}},
	"EGR028":                      {[]string{http + " tls-origination"}, []string{"skip EGR052 " + http, "warn EGR028 " + http}},
	"EGR030":                      {[]string{http + " tls-origination"}, []string{"fail EGR030 " + http}},
	"EGR031":                      {[]string{http + " tls-origination"}, []string{"fail EGR031 " + http}},
	"EGR033":                      {[]string{http + " tls-origination"}, []string{"skip EGR052 " + http, "warn EGR033 " + http}},
	"EGR034":                      {[]string{http + " tls-origination"}, []string{"skip EGR052 " + http, "warn EGR034 " + http}},
	"EGR042":                      {[]string{wiki + " sni-dynamic"}, []string{"fail EGR042 " + wiki}},
	"EGR042-selector":             {[]string{wiki + " sni-dynamic"}, []string{"fail EGR042 " + wiki}},
	"EGR043":                      {[]string{wiki + " sni-dynamic"}, []string{"skip EGR052 " + wiki, "warn EGR043 " + wiki}},
	"EGR044":                      {[]string{wiki + " sni-dynamic", tls + " passthrough"}, []string{"skip EGR052 " + wiki, "warn EGR044 " + wiki, "fail EGR044 " + tls}},
	"EGR047":                      {[]string{wiki + " sni-proxy"}, []string{"fail EGR047 " + wiki}},
	"EGR047-container":            {[]string{wiki + " sni-proxy"}, []string{"fail EGR047 " + wiki}},
	"EGR004":                      {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls, "warn EGR004 " + tls}},
	"EGR005":                      {[]string{tls + " passthrough"}, []string{"fail EGR005 " + tls}},
	"EGR007":                      {[]string{http + " http"}, []string{"fail EGR007 " + http}},
	"EGR007-tls":                  {[]string{tls + " passthrough"}, []string{"fail EGR007 " + tls}},
	"EGR008":                      {[]string{tls + " passthrough"}, []string{"fail EGR008 " + tls}},
	"EGR009":                      {[]string{tls + " passthrough"}, []string{"fail EGR009 " + tls}},
	"EGR016":                      {[]string{tls + " passthrough"}, []string{"fail EGR016 " + tls}},
	"EGR020-target":               {[]string{tls + " passthrough"}, []string{"fail EGR020 " + tls}},
	"EGR021":                      {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls, "warn EGR021 " + tls}},
	"EGR032":                      {[]string{http + " direct"}, []string{"fail EGR032 " + http}},
	"EGR036":                      {[]string{wiki + " sni-dynamic"}, []string{"fail EGR036 " + wiki}},
	"EGR039":                      {[]string{http + " http"}, []string{"skip EGR052 " + http, "warn EGR039 " + http}},
	"EGR041":                      {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls, "warn EGR041 " + tls}},
	"EGR046":                      {[]string{wiki + " sni-dynamic"}, []string{"fail EGR046 " + wiki}},
	"EGR053":                      {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls, "warn EGR053 " + tls}},
	"EGR055":                      {[]string{tls + " passthrough set default/demo"}, []string{"fail EGR055 " + tls}},
	"EGR006":                      {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls, "warn EGR006 " + tls}},
	"EGR019-mesh-only":            {[]string{tls + " passthrough"}, []string{"fail EGR019 " + tls}},
	"EGR029":                      {[]string{demands + " tls-origination"}, []string{"skip EGR052 " + demands, "warn EGR029 " + demands}},
	"EGR045":                      {[]string{wiki + " direct"}, []string{"fail EGR045 " + wiki}},
	"EGR048":                      {[]string{tls + " passthrough"}, []string{"fail EGR048 " + tls}},
	// a client whose names Istio's DNS proxy answers, with an address that istiod has given the host
	"dns-capture": {[]string{tls + " passthrough"}, []string{"skip EGR052 " + tls}},
	// what people make by hand that no document has: a host some of whose paths go through the gateway, TCP by address, a gateway that
	// takes over from another, and the two halves of a path in two objects, with nothing in the gateway's name or labels to tell it
	"some-paths":    {[]string{shop + ":80 http"}, []string{"skip EGR052 " + shop + ":80"}},
	"tcp-address":   {[]string{shop + ":444 passthrough"}, []string{"skip EGR052 " + shop + ":444"}},
	"two-gateways":  {[]string{shop + ":443 passthrough"}, []string{"skip EGR052 " + shop + ":443"}},
	"split-routes":  {[]string{shop + ":443 passthrough"}, []string{"skip EGR052 " + shop + ":443"}},
	"EGR024-others": {[]string{shop + ":80 http"}, []string{"skip EGR052 " + shop + ":80", "warn EGR024 " + shop + ":80"}},
	"EGR068":        {[]string{http + " http"}, []string{"fail EGR068 " + http}},
	// routes for pods with labels that nobody has, and that the pod in question does not have
	"EGR070":     {[]string{gaps + " passthrough"}, []string{"warn EGR070 " + gaps}},
	"EGR070-pod": {[]string{gaps + " passthrough"}, []string{"fail EGR070 " + gaps}},
	// the rule that clients use for the gateway is one for *.local; and the application's own TLS meets a gateway that ends Istio's
	"EGR017-wide": {[]string{gaps + " passthrough"}, []string{"fail EGR017 " + gaps}},
	"EGR023-wide": {[]string{gaps + " passthrough"}, []string{"fail EGR023 " + gaps}},
	"EGR024-wide": {[]string{gaps + " passthrough"}, []string{"fail EGR024 " + gaps}},
	"EGR024-own":  {[]string{gaps + " passthrough"}, []string{"fail EGR024 " + gaps}},
	// of two pods of a gateway one has the label that the Gateway selects
	"EGR011-one": {
		[]string{"b.example.net:443 passthrough set gaps-two/two", "b.example.net:80 http set gaps-two/two"},
		[]string{"fail EGR011 b.example.net:443", "fail EGR011 b.example.net:80", "skip EGR052 b.example.net:443", "skip EGR052 b.example.net:80"},
	},
	// the same and more by this tool
	"set-direct":           {[]string{wiki + " direct set default/direct-wild"}, nil},
	"set-tls-origination":  {[]string{http + " tls-origination set default/tls-orig-on"}, []string{"skip EGR052 " + http}},
	"set-mtls-origination": {[]string{http + " mtls-origination set default/mtls-orig-off"}, []string{"skip EGR052 " + http}},
	"set-common-host":      {[]string{wiki + " common-host set default/common-on"}, []string{"skip EGR052 " + wiki}},
	"set-sni-proxy":        {[]string{wiki + " sni-proxy set default/sniproxy-on"}, []string{"skip EGR052 " + wiki}},
	"set-sni-dynamic":      {[]string{wiki + " sni-dynamic set default/dynamic-on"}, []string{"skip EGR052 " + wiki}},
	"set-sni-dynamic-off":  {[]string{wiki + " sni-dynamic set default/dynamic-off"}, []string{"skip EGR052 " + wiki}},
	"set-auto-mixed": {
		[]string{wiki + " sni-dynamic set default/auto-on", tls + " passthrough set default/auto-on", http + " http set default/auto-on"},
		[]string{"skip EGR052 " + tls, "skip EGR052 " + http, "skip EGR052 " + wiki},
	},
	// every mode through one gateway; the host that serves *.wikimedia.org does not exist
	"EGR038": {
		[]string{
			"*.direct.org:443 direct set default/all-direct", "*.example.com:443 sni-proxy set default/all-proxy", "*.example.edu:443 sni-dynamic set default/all-dyn3",
			"*.example.net:443 sni-dynamic set default/all-dyn2", "*.example.org:443 sni-dynamic set default/all-dyn2",
			"*.wikimedia.org:443 common-host set default/all-common", wiki + " sni-dynamic set default/all-dyn",
			tls + " passthrough set default/all-auto", http + " http set default/all-auto",
		},
		[]string{
			"fail EGR038 *.wikimedia.org:443", "skip EGR052 " + tls, "skip EGR052 " + http, "skip EGR052 " + wiki, "skip EGR052 *.example.com:443",
			"skip EGR052 *.example.edu:443", "skip EGR052 *.example.net:443", "skip EGR052 *.example.org:443",
		},
	},
	"set-auto-mtls": {
		[]string{tls + " passthrough set default/demo", http + " http set default/demo", "en.wikipedia.org:443 passthrough set default/demo", "en.wikipedia.org:80 http set default/demo"},
		[]string{"skip EGR052 " + tls, "skip EGR052 " + http, "skip EGR052 en.wikipedia.org:443", "skip EGR052 en.wikipedia.org:80"},
	},
	"set-two-owners": { // the same host, each through a gateway of its own for the clients of its own namespace
		[]string{
			"b.example.net:443 of set gaps-src/one passthrough set gaps-src/one", "b.example.net:443 of set gaps-two/two passthrough set gaps-two/two",
		},
		[]string{"skip EGR052 b.example.net:443 of set gaps-src/one", "skip EGR052 b.example.net:443 of set gaps-two/two"},
	},
	"set-broken-by-hand": {
		[]string{tls + " passthrough set default/demo", http + " http set default/demo", "en.wikipedia.org:443 passthrough set default/demo", "en.wikipedia.org:80 http set default/demo"},
		[]string{"fail EGR001 " + tls, "fail EGR001 " + http, "skip EGR052 en.wikipedia.org:443", "skip EGR052 en.wikipedia.org:80"},
	},
	"set-route-deleted": {
		[]string{tls + " passthrough set default/demo", http + " http set default/demo", "en.wikipedia.org:443 passthrough set default/demo", "en.wikipedia.org:80 http set default/demo"},
		[]string{"fail EGR001 " + tls, "fail EGR001 " + http, "skip EGR052 en.wikipedia.org:443", "skip EGR052 en.wikipedia.org:80"},
	},
	"EGR025": {[]string{"b.example.net:443 passthrough set egress-posture/posture"}, []string{"fail EGR025 b.example.net:443", "skip EGR052 b.example.net:443"}},
	// what is in these for security is not told where nobody asks: see posture_test.go
	"posture-open": {
		[]string{"de.wikipedia.org:443 passthrough", tls + " passthrough set egress-posture/posture"},
		[]string{"skip EGR052 " + tls, "skip EGR052 de.wikipedia.org:443"},
	},
	"posture-tight": {[]string{tls + " passthrough set egress-posture/posture"}, []string{"skip EGR052 " + tls}},
	"posture-held":  {[]string{tls + " passthrough set egress-posture/posture"}, []string{"skip EGR052 " + tls}},
}
