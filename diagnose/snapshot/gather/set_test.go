package gather

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

func set(t *testing.T, d egress.Declaration) *egress.Set {
	t.Helper()
	d.Name, d.Domains = "one", []string{"edition.cnn.com"}
	s, err := egress.ParseSet(d)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestOnlyOfSet: what a set does not concern is not read: other gateways, and workloads that do not see it.
func TestOnlyOfSet(t *testing.T) {
	t.Parallel()
	const gateway, a, b = "gateway istio-system/egress-gateway-1 read", "sidecar a/sleep-3 read", "sidecar b/sleep-1 read"
	private := facts()
	private.Config.DefaultVirtualServiceExportTo = []string{"."}
	two := facts()
	two.Gateways = append(two.Gateways, mesh.Gateway{Namespace: "a", Service: "another", Pods: []mesh.Pod{{Name: "another-1", Ready: true}}})
	for name, tt := range map[string]struct {
		d     egress.Declaration
		facts *mesh.Facts
		want  []string
	}{
		"everybody sees it":         {egress.Declaration{Namespace: "b", Gateway: "istio-system/egress-gateway"}, facts(), []string{gateway, a, b}},
		"its own namespace":         {egress.Declaration{Namespace: "b", Gateway: "istio-system/egress-gateway", ExportTo: []string{"."}}, facts(), []string{gateway, b}},
		"another namespace":         {egress.Declaration{Namespace: "b", Gateway: "istio-system/egress-gateway", ExportTo: []string{"a"}}, facts(), []string{gateway, a}},
		"by the mesh's default":     {egress.Declaration{Namespace: "a", Gateway: "istio-system/egress-gateway"}, private, []string{gateway, a}},
		"against it":                {egress.Declaration{Namespace: "a", Gateway: "istio-system/egress-gateway", ExportTo: []string{"*"}}, private, []string{gateway, a, b}},
		"one gateway of two":        {egress.Declaration{Namespace: "b", Gateway: "istio-system/egress-gateway"}, two, []string{gateway, a, b}},
		"no gateway":                {egress.Declaration{Namespace: "b", Mode: "direct"}, two, []string{a, b}},
		"a gateway yet to be found": {egress.Declaration{Namespace: "b"}, two, []string{a, b}},
	} {
		s, err := Proxies(t.Context(), working(t), Options{Facts: tt.facts, Set: set(t, tt.d)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, pods(s)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// TestSidecarsThatLookAway: workloads of other namespaces that do not look at the set's own do not have it, and are not waited for.
func TestSidecarsThatLookAway(t *testing.T) {
	t.Parallel()
	const a, b = "sidecar a/sleep-3 read", "sidecar b/sleep-1 read"
	for name, tt := range map[string]struct {
		sidecars string
		want     []string
	}{
		"everybody looks everywhere": {"[]", []string{a, b}},
		"one looks at its own only":  {`[{metadata: {namespace: a, name: s}, spec: {egress: [{hosts: ["./*", "istio-system/*"]}]}}]`, []string{b}},
		"one names the set's":        {`[{metadata: {namespace: a, name: s}, spec: {egress: [{hosts: ["./*"]}, {hosts: ["b/*"]}]}}]`, []string{a, b}},
		"for all of the mesh":        {`[{metadata: {namespace: istio-system, name: s}, spec: {egress: [{hosts: ["./*"]}]}}]`, []string{b}},
		"for all of it, but one":     {`[{metadata: {namespace: istio-system, name: s}, spec: {egress: [{hosts: ["./*"]}]}}, {metadata: {namespace: a, name: s}, spec: {egress: [{hosts: ["*/*"]}]}}]`, []string{a, b}},
		"it says nothing of egress":  {`[{metadata: {namespace: a, name: s}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}]`, []string{a, b}},
	} {
		c := working(t)
		c.lists["sidecars"] = tt.sidecars
		s, err := Proxies(t.Context(), c, Options{Facts: facts(), Set: set(t, egress.Declaration{Namespace: "b", Mode: "direct"})})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, pods(s)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	c := working(t)
	c.fails["sidecars"] = kube.ErrForbidden
	if s, err := Proxies(t.Context(), c, Options{Facts: facts(), Set: set(t, egress.Declaration{Namespace: "b", Mode: "direct"})}); err != nil || len(s.Proxies) != 2 {
		t.Errorf("%v, %v", s, err)
	}
}

// TestGatewayOfSet: a gateway that discovery did not take for one is looked up by its name, and what is in the way is told apart.
func TestGatewayOfSet(t *testing.T) {
	t.Parallel()
	of := set(t, egress.Declaration{Namespace: "b", Gateway: "istio-system/way-out"})
	const service = `[{metadata: {namespace: istio-system, name: way-out}, spec: {selector: {istio: egressgateway}, ports: [{port: 443, targetPort: 8443}]}}]`
	forbidden := &kube.Error{Kind: kube.ErrForbidden, Verb: "list", Resource: "pods", Namespace: "istio-system"}
	for name, tt := range map[string]struct {
		services string
		fails    map[string]error
		want     snapshot.State
		found    bool
	}{
		"it is there":     {service, nil, snapshot.State{Kind: snapshot.Read}, true},
		"it is not there": {"[]", nil, snapshot.State{Kind: snapshot.Absent}, false},
		"it is slow":      {service, map[string]error{"pod way-out": kube.ErrTimeout}, snapshot.State{Kind: snapshot.TimedOut}, false},
		"its pods are not for us": {
			service, map[string]error{"pods@istio-system": forbidden}, snapshot.State{Kind: snapshot.Forbidden, Right: "list pods in namespace istio-system"}, false,
		},
	} {
		c := working(t)
		c.lists["services"] = tt.services
		maps.Copy(c.fails, tt.fails)
		s, err := Proxies(t.Context(), c, Options{Facts: facts(), Set: of})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		st := s.State(snapshot.Facts)
		st.Detail = ""
		if st != tt.want || (len(s.Facts.Gateways) == 1) != tt.found {
			t.Errorf("%s: %+v, gateways %+v", name, st, s.Facts.Gateways)
		}
	}
	c := working(t)
	c.fails["pod way-out"] = kube.ErrUnreachable
	if _, err := Proxies(t.Context(), c, Options{Facts: facts(), Set: of}); !errors.Is(err, kube.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// TestOneNamespace: who may not list everywhere gets what can be listed in the namespace that was asked for, and is told that this
// is not all.
func TestOneNamespace(t *testing.T) {
	t.Parallel()
	c := working(t)
	for _, resource := range []string{"virtualservices", "configmaps", "gateways"} {
		c.fails[resource] = kube.ErrForbidden
	}
	c.fails["gateways@b"] = kube.ErrForbidden
	s := gathered(t, c, Options{Namespace: "b"})
	for source, want := range map[snapshot.Source]snapshot.Kind{
		snapshot.VirtualServices: snapshot.Cut, snapshot.Sets: snapshot.Cut, snapshot.Gateways: snapshot.Forbidden, snapshot.ServiceEntries: snapshot.Read,
	} {
		st := s.State(source)
		if st.Kind != want {
			t.Errorf("%s: %+v, want %s", source, st, want)
		}
		if want == snapshot.Cut && (st.Known() || !strings.HasPrefix(st.Detail, "only namespace b could be read: list ")) {
			t.Errorf("%s: %+v", source, st)
		}
	}
	if len(s.Objects.VirtualServices) != 1 || len(s.Sets) != 1 || s.Sets[0].Broken != "" || len(s.Objects.Gateways) != 0 {
		t.Errorf("%+v, %+v, %+v", s.Objects.VirtualServices, s.Sets, s.Objects.Gateways)
	}
}

// TestParentsOfOthers: gateways and samples of this tool have parents too, which are no sets; a set's CA is not kept.
func TestParentsOfOthers(t *testing.T) {
	t.Parallel()
	var parents []any
	add := func(name, text string) {
		parents = append(parents, map[string]any{
			"metadata": map[string]any{"namespace": "b", "name": name}, "data": map[string]any{"set.yaml": text},
		})
	}
	add("egress.gateway.team", "")
	add("egress.sample.sleep", "")
	of := set(t, egress.Declaration{Namespace: "b", Mode: "tls-origination", CA: authority(t)})
	if of.CA == "" {
		t.Fatal("the set has no CA to begin with")
	}
	text, err := of.Encode()
	if err != nil {
		t.Fatal(err)
	}
	add("egress-one", string(text))
	raw, err := json.Marshal(parents)
	if err != nil {
		t.Fatal(err)
	}
	c := working(t)
	c.lists["configmaps"] = string(raw)
	s := gathered(t, c, Options{})
	if len(s.Sets) != 1 || s.Sets[0].Name != "one" || s.Sets[0].Broken != "" || s.Sets[0].Mode != egress.TLSOrigination || s.Sets[0].CA != "" {
		t.Errorf("%+v", s.Sets)
	}
}

// TestContainers: what else is in a pod is known, with native sidecars and without what only prepares it.
func TestContainers(t *testing.T) {
	t.Parallel()
	var p pod
	p.Spec.Init = []container{{Name: "istio-init"}, {Name: "istio-proxy", Restart: "Always"}}
	p.Spec.Containers = []container{{Name: "sni-proxy"}}
	if got := p.proxy(snapshot.AtGateway).Containers; !slices.Equal(got, []string{"istio-proxy", "sni-proxy"}) {
		t.Errorf("%q", got)
	}
	c := working(t)
	if s := gathered(t, c, Options{}); fmt.Sprint(s.Proxies[0].Containers, s.Proxies[1].Containers) != "[istio-proxy] [app istio-proxy]" {
		t.Errorf("%q, %q", s.Proxies[0].Containers, s.Proxies[1].Containers)
	}
}

// authority makes a CA.
func authority(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}
