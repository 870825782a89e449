package offline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestPair follows the one path that a sidecar's and a gateway's plain configuration dumps show, without any object.
func TestPair(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string][]byte{
		"with endpoints":    {"sidecar.json": fixture(t, "sidecar.json"), "gateway.json": fixture(t, "gateway.json")},
		"without endpoints": {"a": withoutEndpoints(t, fixture(t, "sidecar.json")), "b": withoutEndpoints(t, fixture(t, "gateway.json"))},
	} {
		s := loaded(t, files)
		var paths []string
		for _, p := range check.Paths(s) {
			paths = append(paths, p.String()+" "+string(p.Mode)+" "+p.Gateway.String())
		}
		if diff := cmp.Diff([]string{
			"de.wikipedia.org:80 http istio-system/istio-egressgateway", "de.wikipedia.org:443 passthrough istio-system/istio-egressgateway",
		}, paths); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if got := bad(s); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
		if s.State(snapshot.VirtualServices).Kind != snapshot.NotGiven || s.State(snapshot.Pods).Kind != snapshot.Read || s.OnlyObjects() {
			t.Errorf("%s: %+v", name, s.States)
		}
		if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "not among the files: objects of Istio") {
			t.Errorf("%s: notes %q", name, s.Notes)
		}
		if got := s.Proxies[0]; got.Role != snapshot.AtGateway || got.ServiceAccount != "istio-egressgateway-service-account" || got.IP == "" {
			t.Errorf("%s: %s %s", name, got.Name(), got.Role)
		}
	}
}

func withoutEndpoints(t testing.TB, text []byte) []byte {
	t.Helper()
	var dump map[string][]map[string]json.RawMessage
	if err := json.Unmarshal(text, &dump); err != nil {
		t.Fatal(err)
	}
	for _, m := range dump["configs"] {
		delete(m, "dynamic_endpoint_configs")
	}
	out, err := json.Marshal(dump)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBrokenPair: what the dumps show to be wrong fails, though no rule can say why.
func TestBrokenPair(t *testing.T) {
	t.Parallel()
	gateway := bytes.ReplaceAll(fixture(t, "gateway.json"), []byte(`"dynamic_listeners"`), []byte(`"dynamic_nothing"`))
	got := bad(loaded(t, map[string][]byte{"a": fixture(t, "sidecar.json"), "b": gateway}))
	if diff := cmp.Diff([]string{"fail EGR056 de.wikipedia.org:443", "fail EGR056 de.wikipedia.org:80"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// the sidecar alone: nobody knows what the gateway does
	if got := bad(loaded(t, map[string][]byte{"a": fixture(t, "sidecar.json")})); len(got) > 0 && !strings.HasPrefix(got[0], "unknown") {
		t.Errorf("%v", got)
	}
}

// report is the archive of istioctl bug-report in small: the objects of the cluster and what the proxies say, clusters as text.
func report(t testing.TB) map[string][]byte {
	t.Helper()
	const sidecar, gateway = "bug-report/proxies/default/sleep-867947c9d5-27mdr/", "bug-report/proxies/istio-system/istio-egressgateway-6f8654479b-57hq8/"
	return map[string][]byte{
		"bug-report/cluster/crs":            fixture(t, "crs.yaml"),
		"bug-report/cluster/k8s-resources":  fixture(t, "k8s-resources.yaml"),
		sidecar + "config_dump?include_eds": fixture(t, "sidecar.json"),
		sidecar + "clusters":                fixture(t, "sidecar-clusters.txt"),
		sidecar + "certs":                   []byte(`{"certificates":[]}`),
		gateway + "config_dump?include_eds": fixture(t, "gateway.json"),
		gateway + "clusters":                fixture(t, "gateway-clusters.txt"),
	}
}

// TestBugReport diagnoses like live: objects, mesh configuration and proxies are all there.
func TestBugReport(t *testing.T) {
	t.Parallel()
	files := report(t)
	if !IsReport(files) {
		t.Fatal("not known as one")
	}
	s := loaded(t, files)
	if got := bad(s); len(got) > 0 {
		t.Errorf("a working path: %v", got)
	}
	if s.Facts.Version.String() != "1.31.0" || s.Facts.Config.OutboundTrafficPolicy != "REGISTRY_ONLY" || s.State(snapshot.Facts).Kind != snapshot.Read {
		t.Errorf("%+v", s.Facts)
	}
	var opened uint64
	for _, p := range s.Proxies {
		for _, c := range p.Hosts {
			for _, h := range c.Hosts {
				if p.Role == snapshot.AtGateway && c.Cluster == "outbound|443||de.wikipedia.org" {
					opened += h.Opened
				}
			}
		}
	}
	if opened != 3 {
		t.Errorf("the gateway opened %d connections", opened)
	}
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil || !bytes.Contains(files["bug-report/cluster/k8s-resources"], []byte("S3cr3t")) || bytes.Contains(saved.Bytes(), []byte("S3cr3t")) {
		t.Errorf("environment or annotations of pods are kept (%v)", err)
	}
	files["bug-report/cluster/crs"] = bytes.Replace(files["bug-report/cluster/crs"], []byte("  - mesh\n"), nil, 1)
	if got := bad(loaded(t, files)); len(got) > 0 { // the proxies have it still: what is real counts
		t.Errorf("%v", got)
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"bug-report/cluster/crs": true, "cluster/k8s-resources": true, "bug-report/cluster/secrets": false, "bug-report/cluster/k8s-cluster-resources": false,
		"bug-report/proxies/a/b/config_dump?include_eds": true, "proxies/a/b/config_dump": true, "bug-report/proxies/a/b/istio-proxy.log": true, "bug-report/istio/a/b/discovery.log": false,
		"bug-report/proxies/a/b/clusters": true, "bug-report/proxies/a/b/stats/prometheus": false, "bug-report/istio/a/b/clusters": false, "proxies/b/certs": false,
	} {
		if got := Wanted(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestHostsText(t *testing.T) {
	t.Parallel()
	const text = `outbound|443||a.com::observability_name::outbound|443||a.com;
outbound|443||a.com::default_priority::max_connections::1024
outbound|443||a.com::10.0.0.1:443::cx_total::18446744073709551615
outbound|443||a.com::10.0.0.1:443::hostname::a.com
outbound|443||a.com::10.0.0.1:443::health_flags::/failed_outlier_check
outbound|443||a.com::[fd00::1]:443::cx_active::2
outbound|443||a.com::[fd00::1]:443::health_flags::healthy
inner::envoy://internal/::cx_total::1
nonsense
`
	raw, err := hostsJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := admin.ReadHosts(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := []admin.HostCounters{
		{Cluster: "outbound|443||a.com", Hosts: []admin.HostStatus{
			{Address: "10.0.0.1", Port: 443, Hostname: "a.com", Unhealthy: true, Opened: 1<<64 - 1}, {Address: "fd00::1", Port: 443, Active: 2},
		}},
		{Cluster: "inner", Hosts: []admin.HostStatus{{Listener: "internal", Opened: 1}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// bomb is YAML of a few hundred bytes that names one list in another so often that it would fill any memory.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\na0: &a0 " + strings.Repeat("x", 1000) + "\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	const vs = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
	for name, tt := range map[string]struct{ file, text, want string }{
		"aliases in aliases":   {"a.yaml", bomb(4), "alias"},
		"long aliases":         {"a.yaml", "a: &a " + strings.Repeat("x", 100_000) + "\nb: [" + strings.Repeat("*a, ", 1000) + "]\n", "aliases make it many times as long"},
		"aliases without end":  {"a.yaml", bomb(30), "alias"},
		"deep YAML":            {"a.yaml", "a: " + strings.Repeat("[", 1<<20), "yaml"},
		"deep JSON":            {"a.json", strings.Repeat(`{"a":`, 1<<18), "yaml"},
		"deep dump":            {"a.json", `{"configs":[{"bootstrap":` + strings.Repeat("[", 1<<20), "configuration dump"},
		"no YAML":              {"a.yaml", "a: [", "yaml"},
		"the same twice":       {"a.yaml", vs + "---\n" + vs, "VirtualService default/a is there twice"},
		"lists in lists":       {"a.json", strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 9) + strings.Repeat("]}", 9), "lists in lists"},
		"half a dump":          {"a.json", `{"configs":[{"a":1}`, "unexpected EOF"},
		"dump of nobody":       {"a.json", `{"configs":[]}`, "does not say whose it is"},
		"dump that is no list": {"a.json", `{"configs":{}}`, "is expected"},
		"a list that is none":  {"a.json", `{"configs":[{"dynamic_listeners":1}]}`, "dynamic_listeners"},
		"certificates":         {"proxies/a/b/certs", `x`, "no JSON"},
		"clusters":             {"proxies/a/b/clusters", `{x`, "no JSON"},
		"half a dump of a pod": {"proxies/a/b/config_dump", ``, "unexpected EOF"},
	} {
		f := New()
		if err := f.Add(tt.file, []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want an error of one line that says %q", name, err, tt.want)
		}
	}
	f := New()
	if err := f.Add("a.yaml", []byte(vs)); err != nil {
		t.Fatal(err)
	}
	if err := f.Add("b.yaml", []byte(vs)); err == nil || !strings.Contains(err.Error(), "is also in a.yaml: which one holds?") {
		t.Errorf("%v", err)
	}
	if err := f.Add("pod", fixture(t, "sidecar.json")); err != nil {
		t.Fatal(err)
	}
	if err := f.Add("again", fixture(t, "sidecar.json")); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("%v", err)
	}
}

func TestAddTakes(t *testing.T) {
	t.Parallel()
	f := New()
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {tls.key: S3cr3t}\n"
	for name, text := range map[string]string{
		"values.yaml": "replicas: 2\n", "list.yaml": "- a\n- b\n", "empty.yaml": "", "comment.yaml": "# nothing\n---\n---\n", "secret.yaml": secret,
		"small-alias.yaml": "apiVersion: v1\nkind: Service\nmetadata: &m {name: a, namespace: b}\nspec: {selector: {app: x}}\nstatus: {m: *m}\n",
		"windows.yaml":     "apiVersion: v1\r\nkind: Service\r\nmetadata:\r\n  name: w\r\n---\r\napiVersion: v1\r\nkind: Service\r\nmetadata:\r\n  name: w2\r\n",
		"list.json":        `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"name":"g"}},{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"g"}}]}`,
	} {
		if err := f.Add(name, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	got := map[string]int{}
	for key, list := range f.objects {
		got[key] = len(list)
		for _, raw := range list {
			if bytes.Contains(raw, []byte("S3cr3t")) {
				t.Errorf("a Secret is kept: %s", raw)
			}
		}
	}
	want := map[string]int{"services.": 3, "gateways.networking.istio.io": 1, "gateways.gateway.networking.k8s.io": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	nothing := New()
	if err := nothing.Add("values.yaml", []byte("replicas: 2")); err != nil {
		t.Fatal(err)
	}
	if _, err := nothing.Load(t.Context(), gather.Options{}); err == nil || !strings.Contains(err.Error(), "none of 1 files holds an object") {
		t.Errorf("%v", err)
	}
}

// FuzzAdd: whatever a file holds, there is a snapshot or an error.
func FuzzAdd(f *testing.F) {
	f.Add("a.yaml", "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a.com], tls: [{match: [{sniHosts: [a.com], port: 443}], route: [{destination: {host: egress.b.svc.cluster.local}}]}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: egress, namespace: b}\nspec: {selector: {istio: egressgateway}}")
	f.Add("a.json", `{"configs":[{"bootstrap":{"node":{"id":"sidecar~1.2.3.4~a.b~b.svc.cluster.local","metadata":{"LABELS":{"security.istio.io/tlsMode":"istio"}}}}},{"dynamic_active_clusters":[{"cluster":{"name":"outbound|443||egress.b.svc.cluster.local"}}]}]}`)
	f.Add("proxies/a/b/clusters", "c::1.2.3.4:5::cx_total::1")
	f.Add("a.yaml", bomb(2))
	f.Fuzz(func(t *testing.T, name, text string) {
		files := New()
		if err := files.Add(name, []byte(text)); err != nil {
			return
		}
		const gateway = `{"configs":[{"bootstrap":{"node":{"id":"router~10.0.0.4~gw-1.b~b.svc.cluster.local","metadata":{"LABELS":{"istio":"egressgateway"},"WORKLOAD_NAME":"egress"}}}}]}`
		if err := files.Add("more", []byte(gateway)); err != nil {
			return
		}
		s, err := files.Load(t.Context(), gather.Options{})
		if err != nil {
			return
		}
		_ = bad(s) // judging it must not fail either
		var out bytes.Buffer
		if err := s.SaveArchive(&out); err != nil {
			t.Error(err)
		}
	})
}
