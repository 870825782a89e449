package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadHosts(t *testing.T) {
	t.Parallel()
	got, err := ReadHosts(recorded(t, "hosts"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "hosts", got)
}

func TestReadHostsKinds(t *testing.T) {
	t.Parallel()
	text := `{"cluster_statuses":[{"name":"dynamic_forward_proxy_cluster","host_statuses":[
		{"address":{"socket_address":{"address":"10.96.0.81","port_value":443}},"hostname":"en.wikipedia.org:443",
		 "stats":[{"name":"cx_total","value":"18446744073709551615"},{"name":"cx_active","value":"2","type":"GAUGE"},{"name":"cx_connect_fail","value":3},{"name":"rq_error","value":"4"}],
		 "health_status":{"eds_health_status":"HEALTHY","failed_outlier_check":true}}]},
		{"name":"sni_cluster","host_statuses":[{"address":{"envoy_internal_address":{"server_listener_name":"sni_listener"}},"health_status":{"eds_health_status":"DRAINING"}}]},
		{"name":"empty"}]}`
	want := []HostCounters{
		{Cluster: "dynamic_forward_proxy_cluster", Hosts: []HostStatus{{
			Address: "10.96.0.81", Port: 443, Hostname: "en.wikipedia.org:443", Unhealthy: true,
			Opened: 18446744073709551615, Active: 2, Failed: 3, RequestsBad: 4,
		}}},
		{Cluster: "sni_cluster", Hosts: []HostStatus{{Listener: "sni_listener", Unhealthy: true}}},
		{Cluster: "empty"},
	}
	got, err := ReadHosts(iotest.HalfReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestReadHostsRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, `{"cluster_statuses":[{"name":"a"}`, `{"cluster_statuses":[{"host_statuses":[{"stats":[{"value":"-1"}]}]}]}`, `[]`} {
		if got, err := ReadHosts(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "clusters: ") {
			t.Errorf("%q: got %v, %v; want an error about clusters", text, got, err)
		}
	}
}

func TestReadCertificates(t *testing.T) {
	t.Parallel()
	got, err := ReadCertificates(recorded(t, "certs"))
	if err != nil {
		t.Fatal(err)
	}
	// Envoy lists the pair once for each place that uses it
	want := []Certificate{
		{Path: "<inline>", Serial: got[0].Serial, From: got[0].From, Expires: got[0].Expires, CA: true},
		{
			Path: "<inline>", Serial: got[1].Serial, From: got[1].From, Expires: got[1].Expires,
			SANs: []string{"spiffe://cluster.local/ns/istio-system/sa/istio-egressgateway-service-account"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got[1].Expires <= got[1].From || got[0].Serial == got[1].Serial {
		t.Errorf("times or serials are not those of the certificates: %+v", got)
	}
}

func TestReadCertificatesRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"cut": `{"certificates":[`, "no JSON": `no`, "too much": `{"certificates":[]}` + strings.Repeat(" ", maxCerts),
	} {
		if got, err := ReadCertificates(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "certificates: ") {
			t.Errorf("%s: got %v, %v; want an error about certificates", name, got, err)
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	const cx = "cluster.outbound|443||edition.cnn.com;.upstream_cx_total"
	var istio Config
	if err := istio.Read(recorded(t, "matcher"), ""); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		matcher *StatsMatcher
		stat    string
		want    bool
	}{
		"Istio's default keeps no cluster":         {istio.Stats, cx, false},
		"Istio's default keeps refused listeners":  {istio.Stats, "listener_manager.lds.update_rejected", true},
		"Istio's default keeps by suffix":          {istio.Stats, "http.inbound.rbac.allowed", true},
		"Istio's default keeps by regular pattern": {istio.Stats, "vhost.a.route.b.c", true},
		"a pattern is for the whole name":          {istio.Stats, "x.vhost.a.route.b", false},
		"nothing known":                            {nil, cx, false},
		"no matcher":                               {&StatsMatcher{All: true}, cx, true},
		"rejects all":                              {&StatsMatcher{None: true}, cx, false},
		"exact":                                    {&StatsMatcher{Inclusion: true, Patterns: []Pattern{{Exact: cx}}}, cx, true},
		"exact is not a prefix":                    {&StatsMatcher{Inclusion: true, Patterns: []Pattern{{Exact: cx}}}, cx + "x", false},
		"contains":                                 {&StatsMatcher{Inclusion: true, Patterns: []Pattern{{Contains: "|443|"}}}, cx, true},
		"the pattern of the documents": {
			&StatsMatcher{Inclusion: true, Patterns: []Pattern{{Regex: `cluster\.outbound\|.*upstream_(cx|rq).*`}}}, cx, true,
		},
		"a pattern that is none":  {&StatsMatcher{Inclusion: true, Patterns: []Pattern{{Regex: `(`}}}, cx, false},
		"an empty prefix":         {&StatsMatcher{Inclusion: true, Patterns: []Pattern{{}}}, cx, true},
		"excluded":                {&StatsMatcher{Patterns: []Pattern{{Prefix: "cluster."}}}, cx, false},
		"not excluded":            {&StatsMatcher{Patterns: []Pattern{{Prefix: "listener."}}}, cx, true},
		"inclusion without entry": {&StatsMatcher{Inclusion: true}, cx, false},
	} {
		if got := tt.matcher.Records(tt.stat); got != tt.want {
			t.Errorf("%s: Records(%q) = %t", name, tt.stat, got)
		}
	}
}

func TestMatcherKinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]StatsMatcher{
		`{"reject_all":true}`: {None: true},
		`{"exclusion_list":{"patterns":[{"prefix":"a"},{"safe_regex":{"regex":"b"}}]}}`: {Patterns: []Pattern{{Prefix: "a"}, {Regex: "b"}}},
		`{"inclusion_list":{"patterns":[{"contains":"c"}]}}`:                            {Inclusion: true, Patterns: []Pattern{{Contains: "c"}}},
		`{}`: {All: true},
	} {
		var c Config
		if err := c.Read(strings.NewReader(`{"configs":[{"bootstrap":{"stats_config":{"stats_matcher":`+text+`}}}]}`), ""); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, c.Stats); diff != "" {
			t.Errorf("%s: -want +got\n%s", text, diff)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/apis/networking.istio.io/v1alpha3/namespaces/default/virtual-service/cnn":                  "VirtualService default/cnn",
		"/apis/networking.istio.io/v1/namespaces/istio-system/destination-rule/cnn":                  "DestinationRule istio-system/cnn",
		"/apis/networking.istio.io/v1/namespaces/default/virtual-service/direct-cnn~edition.cnn.com": "VirtualService default/direct-cnn",
		"/apis/x/namespaces/a": "",
		"":                     "",
	} {
		var m wireMetadata
		m.Filter.Istio.Config = path
		if got := origin(m); got != want {
			t.Errorf("origin(%q) = %q, want %q", path, got, want)
		}
	}
}

func FuzzHosts(f *testing.F) {
	f.Add(`{"cluster_statuses":[{"name":"a","host_statuses":[{"address":{"socket_address":{"address":"1.2.3.4","port_value":1}},"stats":[{"name":"cx_total","value":"1"}]}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadHosts(strings.NewReader(text))
		if err == nil && !json.Valid([]byte(text)) && len(got) > 0 {
			// what comes after the last bracket is not looked at; what was taken is valid by itself
			if _, again := ReadHosts(iotest.OneByteReader(strings.NewReader(text))); again != nil {
				t.Errorf("taken at once and refused byte by byte: %v", again)
			}
		}
	})
}

func FuzzCertificates(f *testing.F) {
	f.Add(`{"certificates":[{"ca_cert":[{"serial_number":"1"}],"cert_chain":[{"subject_alt_names":[{"uri":"spiffe://a"}]}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ReadCertificates(strings.NewReader(text)); err == nil && !json.Valid([]byte(text)) {
			t.Error("took what is no JSON")
		}
	})
}
