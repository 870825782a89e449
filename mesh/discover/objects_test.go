package discover

import (
	"encoding/json"
	"testing"
)

func TestTag(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"docker.io/istio/pilot:1.31.0":             "1.31.0",
		"pilot:1.31.0-distroless":                  "1.31.0-distroless",
		"registry:5000/istio/pilot:1.31.0":         "1.31.0",
		"registry:5000/istio/pilot":                "",
		"registry:5000/istio/pilot@sha256:ab":      "",
		"registry/istio/pilot:1.31.0@sha256:ab":    "1.31.0",
		"auto":                                     "",
		"":                                         "",
		"registry.example:5000/a.b/pilot:1.4.3-x8": "1.4.3-x8",
	} {
		if got := tag(image); got != want {
			t.Errorf("tag(%q) = %q, want %q", image, got, want)
		}
	}
}

func TestArgument(t *testing.T) {
	t.Parallel()
	args := []string{"discovery", "--monitoringAddr=:15014", "--domain", "cluster.local", "--last"}
	for name, want := range map[string]string{"--monitoringAddr": ":15014", "--domain": "cluster.local", "--last": "", "--none": "", "--dom": ""} {
		if got := argument(args, name); got != want {
			t.Errorf("argument(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestTargetPort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]targetPort{
		`8443`: {number: 8443}, `"8443"`: {number: 8443}, `"https"`: {name: "https"}, `0`: {}, `null`: {},
	} {
		var got targetPort
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{`[]`, `{}`, `true`} {
		var got targetPort
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was taken for a port: %+v", text, got)
		}
	}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pod  string
		want bool
	}{
		"gateway":                          {`{"spec":{"containers":[{"name":"istio-proxy","args":["proxy","router"]}]}}`, true},
		"gateway with its proxy first":     {`{"spec":{"initContainers":[{"name":"istio-proxy","args":["proxy","router"]}],"containers":[{"name":"sni"}]}}`, true},
		"sidecar":                          {`{"spec":{"containers":[{"name":"app"},{"name":"istio-proxy","args":["proxy","sidecar"]}]}}`, false},
		"native sidecar":                   {`{"spec":{"initContainers":[{"name":"istio-proxy","args":["proxy","sidecar"]}],"containers":[{"name":"app"}]}}`, false},
		"waypoint":                         {`{"spec":{"containers":[{"name":"istio-proxy","args":["proxy","waypoint"]}]}}`, false},
		"router of somebody else":          {`{"spec":{"containers":[{"name":"router","args":["proxy","router"]}]}}`, false},
		"gateway of Istio 1.0":             {`{"spec":{"containers":[{"name":"egressgateway","args":["proxy","router"]}]}}`, true},
		"named like one of Istio 1.0":      {`{"spec":{"containers":[{"name":"egressgateway","args":["serve"]}]}}`, false},
		"gateway by its template":          {`{"metadata":{"annotations":{"inject.istio.io/templates":"grpc-agent, gateway"}},"spec":{"containers":[{"name":"istio-proxy"}]}}`, true},
		"sidecar with a template's name":   {`{"metadata":{"annotations":{"inject.istio.io/templates":"gateway"}},"spec":{"containers":[{"name":"istio-proxy","args":["proxy","sidecar"]}]}}`, false},
		"other template":                   {`{"metadata":{"annotations":{"inject.istio.io/templates":"gatewayish"}},"spec":{"containers":[{"name":"istio-proxy"}]}}`, false},
		"gateway template without a proxy": {`{"metadata":{"annotations":{"inject.istio.io/templates":"gateway"}},"spec":{"containers":[{"name":"app"}]}}`, false},
	} {
		var p pod
		if err := json.Unmarshal([]byte(test.pod), &p); err != nil {
			t.Fatal(err)
		}
		if got := p.router(); got != test.want {
			t.Errorf("%s: router() = %t", name, got)
		}
	}
}

func TestServingAndReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pod            string
		serving, ready bool
	}{
		"ready":      {`{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`, true, true},
		"starting":   {`{"status":{"phase":"Pending"}}`, true, false},
		"not ready":  {`{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"Unknown"}]}}`, true, false},
		"evicted":    {`{"status":{"phase":"Failed"}}`, false, false},
		"done":       {`{"status":{"phase":"Succeeded"}}`, false, false},
		"going away": {`{"metadata":{"deletionTimestamp":"2026-11-21T03:00:00Z"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`, false, true},
	} {
		var p pod
		if err := json.Unmarshal([]byte(test.pod), &p); err != nil {
			t.Fatal(err)
		}
		if p.serving() != test.serving || p.ready() != test.ready {
			t.Errorf("%s: serving %t, ready %t", name, p.serving(), p.ready())
		}
	}
}
