package snapshot

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestObjectsKeepWhatDecides reads the objects that people write, here those of the end-to-end tests, and holds the types to
// keeping every field of them: what is lost in reading cannot be judged.
func TestObjectsKeepWhatDecides(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../e2e/testdata/faults/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq("\n"+string(text), "\n---\n") {
			var want struct {
				Kind string
				Spec map[string]any
			}
			if err := yaml.Unmarshal([]byte(doc), &want); err != nil {
				t.Fatal(err)
			}
			into := map[string]any{
				"ServiceEntry": &ServiceEntry{}, "Gateway": &Gateway{}, "VirtualService": &VirtualService{}, "DestinationRule": &DestinationRule{},
			}[want.Kind]
			if into == nil {
				continue
			}
			seen[want.Kind] = true
			if err := yaml.Unmarshal([]byte(doc), into); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if diff := cmp.Diff(want.Spec, spec(t, into)); diff != "" {
				t.Errorf("%s: %s: -written +kept\n%s", file, want.Kind, diff)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("only %v were seen", seen)
	}
}

func spec(t *testing.T, o any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Spec map[string]any }
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out.Spec
}

// TestObjectsOfAllKinds decodes one object of each kind as an API server gives it, with fields that nobody reads.
func TestObjectsOfAllKinds(t *testing.T) {
	t.Parallel()
	const meta = `"metadata":{"namespace":"a","name":"o","uid":"1","resourceVersion":"2","generation":3,"creationTimestamp":"2026-11-21T00:00:00Z","labels":{"l":"v"},"managedFields":[{"manager":"m","time":"2026-11-21T01:00:00Z","fieldsV1":{"f:spec":{}}}]}`
	wantMeta := Meta{Namespace: "a", Name: "o", Created: "2026-11-21T00:00:00Z", Labels: map[string]string{"l": "v"}, Writes: []Write{{Time: "2026-11-21T01:00:00Z"}}}
	decode := func(text string, into interface{ GetMeta() Meta }) {
		t.Helper()
		if err := json.Unmarshal([]byte(`{"apiVersion":"x/v1","kind":"K",`+meta+`,"status":{"conditions":[]},"spec":`+text+`}`), into); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantMeta, into.GetMeta()); diff != "" {
			t.Errorf("%T: -want +got\n%s", into, diff)
		}
	}
	var (
		ef  EnvoyFilter
		sc  Sidecar
		tel Telemetry
		pa  PeerAuthentication
		svc Service
		se  ServiceEntry
		dr  DestinationRule
		gw  Gateway
	)
	decode(`{"workloadSelector":{"labels":{"istio":"egressgateway"}},"configPatches":[{"applyTo":"NETWORK_FILTER","match":{"context":"GATEWAY","listener":{"portNumber":8443,"filterChain":{"sni":"*.wikipedia.org","filter":{"name":"x"}}}},"patch":{"operation":"MERGE","value":{"name":"y"}}}]}`, &ef)
	if p := ef.Spec.ConfigPatches[0]; ef.Spec.WorkloadSelector.Labels["istio"] != "egressgateway" || p.ApplyTo != "NETWORK_FILTER" || p.Match.Context != "GATEWAY" ||
		p.Match.Listener.PortNumber != 8443 || p.Match.Listener.FilterChain.SNI != "*.wikipedia.org" || p.Patch.Operation != "MERGE" {
		t.Errorf("%+v", ef.Spec)
	}
	decode(`{"egress":[{"hosts":["./*"]}],"outboundTrafficPolicy":{"mode":"REGISTRY_ONLY"},"workloadSelector":{"labels":{"app":"x"}}}`, &sc)
	if sc.Spec.Egress[0].Hosts[0] != "./*" || sc.Spec.OutboundTrafficPolicy.Mode != "REGISTRY_ONLY" || sc.Spec.WorkloadSelector.Labels["app"] != "x" {
		t.Errorf("%+v", sc.Spec)
	}
	decode(`{"selector":{"matchLabels":{"app":"x"}},"accessLogging":[{"disabled":true,"providers":[{"name":"envoy"}]}]}`, &tel)
	if tel.Spec.Selector.MatchLabels["app"] != "x" || !tel.Spec.AccessLogging[0].Disabled || tel.Spec.AccessLogging[0].Providers[0].Name != "envoy" {
		t.Errorf("%+v", tel.Spec)
	}
	decode(`{"mtls":{"mode":"STRICT"},"portLevelMtls":{"80":{"mode":"DISABLE"}}}`, &pa)
	if pa.Spec.MTLS.Mode != "STRICT" || pa.Spec.Selector != nil {
		t.Errorf("%+v", pa.Spec)
	}
	decode(`{"type":"ClusterIP","selector":{"app":"x"},"ports":[{"name":"https","port":443,"targetPort":8443,"protocol":"TCP"}]}`, &svc)
	if svc.Spec.Type != "ClusterIP" || svc.Spec.Selector["app"] != "x" || svc.Spec.Ports[0].Port != 443 {
		t.Errorf("%+v", svc.Spec)
	}
	decode(`{"hosts":["a"],"addresses":["1.2.3.4"],"resolution":"STATIC","endpoints":[{"address":"127.0.0.1","ports":{"tls":1}}],"exportTo":["."],"ports":[{"number":443,"targetPort":8443,"name":"t","protocol":"TLS"}]}`, &se)
	if se.Spec.Addresses[0] != "1.2.3.4" || se.Spec.Endpoints[0].Address != "127.0.0.1" || se.Spec.ExportTo[0] != "." || se.Spec.Ports[0].TargetPort != 8443 {
		t.Errorf("%+v", se.Spec)
	}
	decode(`{"host":"h","exportTo":["."],"workloadSelector":{"matchLabels":{"a":"b"}},"trafficPolicy":{"connectionPool":{"tcp":{}},"portLevelSettings":[{"port":{"number":443},"tls":{"mode":"MUTUAL","credentialName":"c","subjectAltNames":["s"]}}]}}`, &dr)
	if ports := dr.Spec.TrafficPolicy.Ports; ports[0].Port.Number != 443 || ports[0].TLS.CredentialName != "c" || ports[0].TLS.SubjectAltNames[0] != "s" || dr.Spec.WorkloadSelector.MatchLabels["a"] != "b" {
		t.Errorf("%+v", dr.Spec)
	}
	decode(`{"selector":{"a":"b"},"servers":[{"bind":"0.0.0.0","name":"n","port":{"number":443,"name":"p","protocol":"TLS"},"hosts":["./h"],"tls":{"mode":"SIMPLE","credentialName":"c"}}]}`, &gw)
	if srv := gw.Spec.Servers[0]; srv.Port.Number != 443 || srv.Port.Protocol != "TLS" || srv.Hosts[0] != "./h" || srv.TLS.Mode != "SIMPLE" || srv.TLS.CredentialName != "c" || srv.Name != "n" {
		t.Errorf("%+v", gw.Spec)
	}
}
