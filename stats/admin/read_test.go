package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorded opens a reply that a real Envoy 1.40 under Istio 1.31 gave; where the list was long, only what egress is about is left.
func recorded(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// golden compares a value with what was checked by eye once.
func golden(t *testing.T, name string, got any) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	text, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}

func TestReadRecordedConfiguration(t *testing.T) {
	t.Parallel()
	for name, resource := range map[string]string{
		"listeners": DynamicListeners, "gateway-listeners": DynamicListeners, "clusters": DynamicClusters, "routes": DynamicRoutes,
		"secrets": DynamicSecrets, "matcher": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Config
			if err := c.Read(recorded(t, name), resource); err != nil {
				t.Fatal(err)
			}
			golden(t, name, c)
			var slow Config
			if err := slow.Read(iotest.OneByteReader(recorded(t, name)), resource); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, slow); diff != "" {
				t.Errorf("read byte by byte it differs: -at once +byte by byte\n%s", diff)
			}
		})
	}
}

// TestWholeDump: one reply that holds everything says the same as one reply for each list.
func TestWholeDump(t *testing.T) {
	t.Parallel()
	element := func(name string) string {
		var reply struct {
			Configs []json.RawMessage `json:"configs"`
		}
		raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &reply); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, 0, len(reply.Configs))
		for _, c := range reply.Configs {
			parts = append(parts, string(c))
		}
		return strings.Join(parts, ",")
	}
	whole := `{"configs":[` + element("matcher") +
		`,{"@type":"x.ClustersConfigDump","version_info":"1","static_clusters":[],"dynamic_active_clusters":[` + element("clusters") + `]},
		{"@type":"x.ListenersConfigDump","dynamic_listeners":[` + element("listeners") + `]},
		{"@type":"x.ScopedRoutesConfigDump"},
		{"@type":"x.RoutesConfigDump","dynamic_route_configs":[` + element("routes") + `]},
		{"@type":"x.SecretsConfigDump","dynamic_active_secrets":[` + element("secrets") + `]}]}`
	var got, want Config
	if err := got.Read(strings.NewReader(whole), ""); err != nil {
		t.Fatal(err)
	}
	for name, resource := range map[string]string{
		"listeners": DynamicListeners, "clusters": DynamicClusters, "routes": DynamicRoutes, "secrets": DynamicSecrets, "matcher": "",
	} {
		if err := want.Read(recorded(t, name), resource); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-list by list +whole\n%s", diff)
	}
}

func TestReadStates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		resource, text string
		want           Config
	}{
		"nothing": {DynamicListeners, `{}`, Config{}},
		"a listener that only drains is not there": {
			DynamicListeners, `{"configs":[{"name":"a","draining_state":{"listener":{"name":"a"}}}]}`, Config{},
		},
		"a listener that was never accepted": {
			DynamicListeners, `{"configs":[{"name":"a","error_state":{"details":"no such filter","last_update_attempt":"2026-11-21T00:00:00Z"}}]}`,
			Config{Listeners: []Listener{{Name: "a", Rejected: &Rejection{Detail: "no such filter", At: "2026-11-21T00:00:00Z"}}}},
		},
		"a refused update leaves the old listener in force": {
			DynamicListeners, `{"configs":[{"name":"a","active_state":{"listener":{"name":"a","address":{"socket_address":{"address":"0.0.0.0","port_value":8443}}}},"error_state":{"details":"no"}}]}`,
			Config{Listeners: []Listener{{Name: "a", Address: "0.0.0.0", Port: 8443, Rejected: &Rejection{Detail: "no"}}}},
		},
		"when it was taken": {
			DynamicListeners, `{"configs":[{"name":"a","active_state":{"listener":{"name":"a"},"last_updated":"2026-11-21T00:00:00Z"}}]}`,
			Config{Listeners: []Listener{{Name: "a", Updated: "2026-11-21T00:00:00Z"}}},
		},
		"when a cluster was taken": {
			DynamicClusters, `{"configs":[{"cluster":{"name":"c"},"last_updated":"2026-11-21T00:00:00Z"}]}`,
			Config{Clusters: []Cluster{{Name: "c", Type: Static, Updated: "2026-11-21T00:00:00Z"}}},
		},
		"when routes were taken": {
			DynamicRoutes, `{"configs":[{"route_config":{"name":"r"},"last_updated":"2026-11-21T00:00:00Z"}]}`,
			Config{Routes: []RouteConfig{{Name: "r", Updated: "2026-11-21T00:00:00Z"}}},
		},
		"warming listener": {
			DynamicListeners, `{"configs":[{"name":"a","warming_state":{"listener":{"name":"a","use_original_dst":true,"bind_to_port":false}}}]}`,
			Config{Listeners: []Listener{{Name: "a", UseOriginalDst: true, Unbound: true, Warming: true}}},
		},
		"bind_to_port as old Envoys write it": {
			DynamicListeners, `{"configs":[{"active_state":{"listener":{"name":"a","deprecated_v1":{"bind_to_port":false}}}}]}`,
			Config{Listeners: []Listener{{Name: "a", Unbound: true}}},
		},
		"internal listener, dual stack, matcher": {
			StaticListeners, `{"configs":[{"listener":{"name":"sni_listener","internal_listener":{},"filter_chain_matcher":{"x":1},"additional_addresses":[{"address":{"socket_address":{"address":"::","port_value":1}}}]}}]}`,
			Config{Listeners: []Listener{{Name: "sni_listener", Internal: true, Matcher: true, More: []Address{{"::", 1}}}}},
		},
		"warming cluster": {
			DynamicWarmingClusters, `{"configs":[{"cluster":{"name":"c"}}]}`,
			Config{Clusters: []Cluster{{Name: "c", Type: Static, Warming: true}}},
		},
		"cluster by extension, to an internal listener": {
			DynamicClusters, `{"configs":[{"cluster":{"name":"d","cluster_type":{"name":"envoy.clusters.dynamic_forward_proxy"}}},
				{"cluster":{"name":"s","load_assignment":{"endpoints":[{"lb_endpoints":[{"endpoint":{"address":{"envoy_internal_address":{"server_listener_name":"sni_listener"}}}}]}]}}}]}`,
			Config{Clusters: []Cluster{{Name: "d", Type: DynamicForward}, {Name: "s", Type: Static, Endpoints: []Endpoint{{Listener: "sni_listener"}}}}},
		},
		"secret that is asked for and not there": {
			DynamicWarmingSecrets, `{"configs":[{"name":"kubernetes://client-credential","secret":{"tls_certificate":{"private_key":{"inline_bytes":"W3JlZGFjdGVkXQ=="}}}}]}`,
			Config{Secrets: []Secret{{Name: "kubernetes://client-credential", Warming: true}}},
		},
		"no matcher keeps all": {"", `{"configs":[{"bootstrap":{}}]}`, Config{Stats: &StatsMatcher{All: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got Config
			if err := got.Read(strings.NewReader(tt.text), tt.resource); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestReadFilters(t *testing.T) {
	t.Parallel()
	text := `{"configs":[{"active_state":{"listener":{"name":"l","filter_chains":[{
		"filter_chain_match":{"destination_port":443,"prefix_ranges":[{"address_prefix":"10.0.0.0","prefix_len":8}],"source_ports":[1]},
		"transport_socket":{"name":"envoy.transport_sockets.tls","typed_config":{"require_client_certificate":true,"common_tls_context":{
			"alpn_protocols":["istio"],"tls_certificates":[{"certificate_chain":{"filename":"/etc/certs/cert-chain.pem"}}],
			"validation_context":{"trusted_ca":{"filename":"/etc/certs/root-cert.pem"},"match_typed_subject_alt_names":[{"matcher":{"prefix":"spiffe://a/"}}]}}}},
		"filters":[
			{"name":"sni","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig","dns_cache_config":{"name":"cache"}}},
			{"name":"tcp","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy","access_log":[{"name":"x"}],
				"weighted_clusters":{"clusters":[{"name":"a","weight":60},{"name":"b","weight":40}]}}},
			{"name":"hcm","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
				"route_config":{"name":"r","virtual_hosts":[{"domains":["*"],"routes":[
					{"match":{"path_separated_prefix":"/a.b","headers":[{"name":"x","string_match":{"suffix":".com"},"invert_match":true},{"name":"y","exact_match":"1"}]},"redirect":{"https_redirect":true}},
					{"match":{"prefix":"/","query_parameters":[{"name":"q"}]},"direct_response":{"status":502}}]}]}}},
			{"name":"other"}]}]}}}]}`
	want := FilterChain{
		Match: Match{Port: 443, Prefixes: []string{"10.0.0.0/8"}, Sourced: true},
		TLS: &TLS{
			Mode: Mutual, SANs: []string{"spiffe://a/*"}, Certificate: "/etc/certs/cert-chain.pem", Validation: "/etc/certs/root-cert.pem",
			ALPN: []string{"istio"}, Demands: true,
		},
		Filters: []Filter{
			{Name: "sni", SNI: &SNIProxy{Port: 443, Cache: "cache"}},
			{Name: "tcp", TCP: &TCPProxy{Weighted: []Weighted{{"a", 60}, {"b", 40}}, AccessLog: true}},
			{Name: "hcm", HTTP: &HTTP{Inline: &RouteConfig{Name: "r", Hosts: []VirtualHost{{Domains: []string{"*"}, Routes: []Route{
				{Regex: `/a\.b(/.*)?`, Headers: []Header{{Name: "x", Regex: `.*\.com`, Invert: true}, {Name: "y", Exact: "1"}}, Redirect: true},
				{Prefix: "/", Other: true, Status: 502},
			}}}}}},
			{Name: "other"},
		},
	}
	var got Config
	if err := got.Read(strings.NewReader(text), DynamicListeners); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]FilterChain{want}, got.Listeners[0].Chains); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestReadRefuses: a reply that ends too early or makes no sense is an error and keeps what came before.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"cut":               {`{"configs":[{"name":"a","active_state":{"listener":{"name":"a"}}},{"name":"b"`, "unexpected EOF"},
		"no JSON":           {`upstream connect error`, `'u' where '{' was expected`},
		"another type":      {`{"configs":[{"active_state":7}]}`, "dynamic_listeners: json:"},
		"a port of letters": {`{"configs":[{"active_state":{"listener":{"address":{"socket_address":{"port_value":"x"}}}}}]}`, "no number"},
		"no list":           {`{"configs":{}}`, `where '[' was expected`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Config
			err := c.Read(strings.NewReader(tt.text), DynamicListeners)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "configuration dump: ") {
				t.Fatalf("got error %v, want one that says %q", err, tt.want)
			}
			if name == "cut" && (len(c.Listeners) != 1 || c.Listeners[0].Name != "a") {
				t.Errorf("what came before is lost: %v", c.Listeners)
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	// small seeds: the engine spends its time on making large ones smaller
	for _, seed := range [][2]string{
		{`{"configs":[{"active_state":{"listener":{"name":"a","address":{"socket_address":{"address":"0.0.0.0","port_value":443}}}},"error_state":{"details":"x"}}]}`, DynamicListeners},
		{`{"configs":[{"active_state":{"listener":{"filter_chains":[{"filter_chain_match":{"server_names":["*.a.b"],"prefix_ranges":[{"address_prefix":"::","prefix_len":0}]}}]}}}]}`, DynamicListeners},
		{`{"configs":[{"active_state":{"listener":{"filter_chains":[{"filters":[{"typed_config":{"@type":"x.TcpProxy","weighted_clusters":{"clusters":[{"name":"a","weight":1}]}}}]}]}}}]}`, DynamicListeners},
		{`{"configs":[{"cluster":{"name":"c","type":"EDS","transport_socket":{"name":"tls","typed_config":{"sni":"a"}}}}]}`, DynamicClusters},
		{`{"configs":[{"route_config":{"name":"80","virtual_hosts":[{"domains":["*"],"routes":[{"match":{"path_separated_prefix":"/a"},"direct_response":{"status":404}}]}]}}]}`, DynamicRoutes},
		{`{"configs":[{"bootstrap":{"stats_config":{"stats_matcher":{"inclusion_list":{"patterns":[{"safe_regex":{"regex":"a"}}]}}}}}]}`, ""},
		{`{"configs":[{"dynamic_warming_secrets":[{"name":"s"}]}]}`, ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, resource string) {
		var c, again Config
		if err := c.Read(strings.NewReader(text), resource); err != nil {
			return
		}
		for _, l := range c.Listeners {
			if l.Port < 0 {
				t.Errorf("port %d", l.Port)
			}
		}
		// what was read is plain data: it survives being saved
		saved, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(saved, &again); err != nil {
			t.Fatalf("%v: %s", err, saved)
		}
		twice, err := json.Marshal(again)
		if err != nil || !bytes.Equal(twice, saved) {
			t.Errorf("saved and loaded it differs (%v):\n%s\n%s", err, saved, twice)
		}
		c.Stats.Records("cluster.a.upstream_cx_total")
	})
}
