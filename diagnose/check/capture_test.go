package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

const captures = "../../testdata/captures"

// load reads a capture of a real cluster.
func load(t testing.TB, name string) *snapshot.Snapshot {
	t.Helper()
	f, err := os.Open(filepath.Join(captures, name, "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := snapshot.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// diagnosis finds the paths of a snapshot, follows them and judges them.
func diagnosis(s *snapshot.Snapshot) ([]trace.Path, []Finding) {
	var paths []trace.Path
	w := trace.New(s)
	for _, p := range Paths(s) {
		paths = append(paths, w.Walk(p))
	}
	return paths, Run(s, paths)
}

// said are the findings that are no passes, as "STATE CODE PATH".
func said(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		if f.State != Pass {
			out = append(out, strings.TrimSpace(string(f.State)+" "+string(f.Code)+" "+f.Path))
		}
	}
	slices.Sort(out)
	return out
}

const (
	tls   = "edition.cnn.com:443"
	http  = "edition.cnn.com:80"
	wiki  = "*.wikipedia.org:443"
	nginx = "my-nginx.mesh-external.svc.cluster.local:80"
	byHd  = "" // made by hand
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
	"set-broken-by-hand": {
		[]string{tls + " passthrough set default/demo", http + " http set default/demo", "en.wikipedia.org:443 passthrough set default/demo", "en.wikipedia.org:80 http set default/demo"},
		[]string{"fail EGR001 " + tls, "fail EGR001 " + http, "skip EGR052 en.wikipedia.org:443", "skip EGR052 en.wikipedia.org:80"},
	},
	"set-route-deleted": {
		[]string{tls + " passthrough set default/demo", http + " http set default/demo", "en.wikipedia.org:443 passthrough set default/demo", "en.wikipedia.org:80 http set default/demo"},
		[]string{"fail EGR001 " + tls, "fail EGR001 " + http, "skip EGR052 en.wikipedia.org:443", "skip EGR052 en.wikipedia.org:80"},
	},
}

// TestCaptures: each fault is found under its own code and no other, and what works yields no fail, no warn and no unknown.
func TestCaptures(t *testing.T) {
	t.Parallel()
	dirs, err := os.ReadDir(captures)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			want, ok := expected[d.Name()]
			if !ok {
				t.Fatal("nobody says what must be found in this capture")
			}
			paths, findings := diagnosis(load(t, d.Name()))
			var names []string
			for _, p := range paths {
				name := p.String() + " " + string(p.Mode)
				if p.Set != byHd {
					name += " set " + p.Set
				}
				names = append(names, name)
			}
			slices.Sort(names)
			slices.Sort(want.said)
			if diff := cmp.Diff(want.paths, names); diff != "" {
				t.Errorf("paths: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(want.said, said(findings)); diff != "" {
				t.Errorf("findings: -want +got\n%s", diff)
			}
		})
	}
}

// TestEveryCaptureIsThere: a row of the table whose capture is gone proves nothing.
func TestEveryCaptureIsThere(t *testing.T) {
	t.Parallel()
	for name := range expected {
		if _, err := os.Stat(filepath.Join(captures, name, "snapshot.json")); err != nil {
			t.Error(err)
		}
	}
}

// TestEveryRuleHasACapture: a rule that no real cluster has shown is not believed.
func TestEveryRuleHasACapture(t *testing.T) {
	t.Parallel()
	shown := map[Code]bool{
		setUnreadable.Code: true, pathsHidden.Code: true, // these are about the snapshot itself: see TestUnread and TestBrokenSet
	}
	for _, e := range expected {
		for _, line := range e.said {
			shown[Code(strings.Fields(line)[1])] = true
		}
	}
	for _, c := range Table() {
		if !shown[c.Code] {
			t.Errorf("no capture shows %s", c.Code)
		}
	}
}

// TestFindingsOfFaults holds every finding to what people need: the object, what was seen, and a command that mends it.
func TestFindingsOfFaults(t *testing.T) {
	t.Parallel()
	for name := range expected {
		_, findings := diagnosis(load(t, name))
		for _, f := range findings {
			if f.State == Pass {
				continue
			}
			at := name + ": " + string(f.Code)
			if f.Message == "" || strings.Contains(f.Message, "%!") {
				t.Errorf("%s: message %q", at, f.Message)
			}
			if len(f.Evidence) == 0 {
				t.Errorf("%s tells no evidence", at)
			}
			if !strings.HasPrefix(f.Fix, "kubectl ") || strings.Contains(f.Fix, "%!") {
				t.Errorf("%s: the fix is no command: %q", at, f.Fix)
			}
			if f.State == Fail && f.Object == nil && !slices.Contains([]Code{"EGR002", "EGR023", "EGR026", "EGR056", "EGR001"}, f.Code) {
				t.Errorf("%s blames no object", at)
			}
			if f.Hop == "" || f.Title == "" || f.Path == "" {
				t.Errorf("%s: hop %q, title %q, path %q", at, f.Hop, f.Title, f.Path)
			}
		}
	}
}

// TestCausesAlone: the same capture with the gateway's or the sidecars' part of the configuration missing must not become a pass.
func TestCausesAlone(t *testing.T) {
	t.Parallel()
	for name := range expected {
		s := load(t, name)
		if len(Paths(s)) == 0 {
			continue
		}
		for i := range s.Proxies {
			s.Proxies[i].State = snapshot.State{Kind: snapshot.TimedOut, Detail: "no answer within 10 s"}
		}
		paths, findings := diagnosis(s)
		for _, p := range paths {
			if len(p.Failed()) > 0 {
				t.Errorf("%s: %s fails although no proxy was read", name, p)
			}
			unknown := func(f Finding) bool { return f.Path == p.String() && f.State == Unknown && f.Code == "EGR056" }
			if !slices.ContainsFunc(findings, unknown) {
				t.Errorf("%s: nothing says that %s could not be judged", name, p)
			}
		}
	}
}

// TestNoSecretInCaptures: what is saved must never hold what a thief could use.
func TestNoSecretInCaptures(t *testing.T) {
	t.Parallel()
	for name := range expected {
		raw, err := os.ReadFile(filepath.Join(captures, name, "snapshot.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"PRIVATE KEY", "BEGIN CERTIFICATE", "LS0tLS1CRUdJTi", "eyJhbGciOi", "inline_bytes", "private_key", "Bearer "} {
			if strings.Contains(string(raw), word) {
				t.Errorf("%s holds %q", name, word)
			}
		}
	}
}

// TestPathsNameTheGateway: what is made by hand is followed to the gateway that it means.
func TestPathsNameTheGateway(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"working-passthrough": "istio-system/istio-egressgateway", "EGR026": "istio-system/egress-two", "EGR011": "istio-system/istio-egressgateway",
		"EGR001-nomatch": "istio-system/istio-egressgateway",
	} {
		for _, p := range Paths(load(t, name)) {
			if p.Gateway.String() != want {
				t.Errorf("%s: gateway %s, want %s", name, p.Gateway, want)
			}
			if want := map[int]egress.Protocol{80: egress.ProtocolHTTP, 443: egress.ProtocolTLS}[p.Port]; p.Protocol != want {
				t.Errorf("%s: protocol %s on port %d", name, p.Protocol, p.Port)
			}
		}
	}
}
