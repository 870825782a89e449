package admin

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTLS tells Istio's own TLS from others by the names of the secrets, on clusters of all the Istios that write them differently.
func TestTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		socket string
		want   *TLS
	}{
		"none":              {`null`, nil},
		"plain":             {`{"name":"envoy.transport_sockets.raw_buffer"}`, nil},
		"of another kind":   {`{"name":"envoy.transport_sockets.internal_upstream"}`, nil},
		"as Envoy 1.12 did": {`{"name":"tls","typed_config":{"sni":"a"}}`, &TLS{Mode: Simple, SNI: "a"}},
		"Istio's own": {
			`{"name":"envoy.transport_sockets.tls","typed_config":{"sni":"edition.cnn.com","common_tls_context":{"alpn_protocols":["istio","h2"],
			  "tls_certificate_sds_secret_configs":[{"name":"default"}],"combined_validation_context":{
			  "default_validation_context":{"match_subject_alt_names":[{"exact":"spiffe://cluster.local/ns/istio-system/sa/gw"}]},
			  "validation_context_sds_secret_config":{"name":"ROOTCA"}}}}}`,
			&TLS{Mode: IstioMutual, SNI: "edition.cnn.com", SANs: []string{"spiffe://cluster.local/ns/istio-system/sa/gw"}, Certificate: "default", Validation: "ROOTCA", ALPN: []string{"istio", "h2"}},
		},
		"begun with a credential": {
			`{"name":"envoy.transport_sockets.tls","typed_config":{"common_tls_context":{"tls_certificate_sds_secret_configs":[{"name":"kubernetes://client-credential"}],
			  "combined_validation_context":{"default_validation_context":{},"validation_context_sds_secret_config":{"name":"kubernetes://client-credential-cacert"}}}}}`,
			&TLS{Mode: Mutual, Certificate: "kubernetes://client-credential", Validation: "kubernetes://client-credential-cacert"},
		},
		"verified by the system's authorities": {
			`{"name":"envoy.transport_sockets.tls","typed_config":{"common_tls_context":{"validation_context_sds_secret_config":{"name":"file-root:system"}}}}`,
			&TLS{Mode: Simple, Validation: "file-root:system"},
		},
		"from files, as up to Istio 1.4": {
			`{"name":"envoy.transport_sockets.tls","typed_config":{"require_client_certificate":true,"common_tls_context":{
			  "tls_certificates":[{"certificate_chain":{"filename":"/etc/certs/cert-chain.pem"},"private_key":{"filename":"/etc/certs/key.pem"}}],
			  "validation_context":{"trusted_ca":{"filename":"/etc/certs/root-cert.pem"}}}}}`,
			&TLS{Mode: Mutual, Certificate: "/etc/certs/cert-chain.pem", Validation: "/etc/certs/root-cert.pem", Demands: true},
		},
		"accepted names of every kind": {
			`{"name":"envoy.transport_sockets.tls","typed_config":{"common_tls_context":{"combined_validation_context":{"default_validation_context":{
			  "match_typed_subject_alt_names":[{"san_type":"DNS","matcher":{"exact":"a"}},{"matcher":{"prefix":"b"}},{"matcher":{"suffix":"c"}},{"matcher":{"contains":"d"}},{"matcher":{"safe_regex":{"regex":"e+"}}}]}}}}}`,
			&TLS{Mode: Simple, SANs: []string{"a", "b*", "*c", "*d*", "~e+"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w *wireSocket
			if err := json.Unmarshal([]byte(tt.socket), &w); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, w.model()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Header{
		`{"name":"a","string_match":{"exact":"b"}}`:                      {Name: "a", Exact: "b"},
		`{"name":"a","exact_match":"b"}`:                                 {Name: "a", Exact: "b"},
		`{"name":"a","string_match":{"prefix":"b"}}`:                     {Name: "a", Prefix: "b"},
		`{"name":"a","prefix_match":"b"}`:                                {Name: "a", Prefix: "b"},
		`{"name":"a","string_match":{"safe_regex":{"regex":"b.*"}}}`:     {Name: "a", Regex: "b.*"},
		`{"name":"a","safe_regex_match":{"regex":"b.*"}}`:                {Name: "a", Regex: "b.*"},
		`{"name":"a","string_match":{"contains":"b+"}}`:                  {Name: "a", Regex: `.*b\+.*`},
		`{"name":"a","string_match":{"suffix":"b"},"invert_match":true}`: {Name: "a", Regex: ".*b", Invert: true},
		`{"name":"a","present_match":true}`:                              {Name: "a"},
	} {
		var w wireHeader
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.model()); diff != "" {
			t.Errorf("%s: -want +got\n%s", text, diff)
		}
	}
}

// TestNumbers: 64-bit numbers come in quotes, others do not, and a zero is not written.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]number{`"18446744073709551615"`: 1<<64 - 1, `15001`: 15001, `"0"`: 0, `null`: 0} {
		var n number
		if err := json.Unmarshal([]byte(text), &n); err != nil || n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	for _, text := range []string{`"-1"`, `1.5`, `"x"`, `""`, `true`, `"18446744073709551616"`, `[1]`} {
		var n number
		if err := json.Unmarshal([]byte(text), &n); err == nil {
			t.Errorf("%s is taken for %d", text, n)
		}
	}
}

// TestKept: what is kept of a dump is a small part of it, and does not hold on to the text.
func TestKept(t *testing.T) {
	t.Parallel()
	var c Config
	text := syntheticDump(1 << 20)
	if err := c.Read(bytes.NewReader(text), ""); err != nil {
		t.Fatal(err)
	}
	saved, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(saved)*2 > len(text) {
		t.Errorf("%d bytes are kept of %d", len(saved), len(text))
	}
	for i := range text {
		text[i] = 'x' // the model must not look into the reader's buffer
	}
	again, err := json.Marshal(c)
	if err != nil || !bytes.Equal(again, saved) {
		t.Errorf("the model changed with the text: %v", err)
	}
}
