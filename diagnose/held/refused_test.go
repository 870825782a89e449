package held

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
)

// written is the access log of every container, or why it cannot be read.
type written struct {
	text string
	err  error
}

func (w written) Logs(_ context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error) {
	if p.Container != "istio-proxy" || o.Tail == 0 || o.Since == 0 || o.Follow {
		return nil, fmt.Errorf("asked for %+v %+v", p, o)
	}
	return io.NopCloser(strings.NewReader(w.text)), w.err
}

// TestRefused: only a connection tells whether a CA is that of the server: the last one of each cluster counts, since the CA was changed.
func TestRefused(t *testing.T) {
	t.Parallel()
	const (
		server  = "outbound|443||my-nginx.outside"
		failure = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_%s:TLS_error_end"
		noCA    = "X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate"
		noName  = "SAN_matcher"
	)
	line := func(after time.Duration, cluster, why string) string {
		if why != "" {
			why = fmt.Sprintf(failure, why)
		}
		at := now.Add(after).Format("2006-01-02T15:04:05.000Z")
		return fmt.Sprintf("%s [%s] \"GET / HTTP/2\" 503 URX,UF upstream_reset_before_response_started{remote_connection_failure} - %q 0 0 5 - \"-\" \"-\" \"-\" \"my-nginx.outside\" \"10.96.0.84:443\" %s - 10.244.0.88:8080 10.244.0.5:39962 - -\n",
			at, at, why, cluster)
	}
	at := now.Format(time.RFC3339)
	said := func(why string) []string {
		return []string{"  fail it does not accept the server of " + server + ", at " + at + ": verify cert failed: " + strings.ReplaceAll(why, "_", " ")}
	}
	for name, test := range map[string]struct {
		log  written
		want []string
		fix  string
	}{
		"another CA":                  {written{text: line(0, server, noCA)}, said(noCA), "into Secret client-credential as ca.crt (EGR028)"},
		"another name":                {written{text: line(0, server, noName)}, said(noName), "compare subjectAltNames of the rule"},
		"mended since":                {written{text: line(0, server, noCA) + line(time.Second, server, "")}, nil, ""},
		"broken again":                {written{text: line(-time.Second, server, "") + line(0, server, noCA)}, said(noCA), "EGR028"},
		"before the CA was changed":   {written{text: line(-2*time.Minute, server, noCA)}, nil, ""},
		"another cluster's":           {written{text: line(0, "outbound|443||elsewhere", noCA)}, nil, ""},
		"nothing, and what is no log": {written{text: "agent says hello\n"}, nil, ""},
		"may not be read":             {written{err: kube.ErrForbidden}, nil, "noted"},
	} {
		m := newWorld()
		ca := strings.Replace(chain("kubernetes://client-credential-cacert", own(t, "spiffe://ca", true, 90*24*time.Hour)), "tls_certificate", "validation_context", 1)
		ca = strings.Replace(strings.Replace(ca, "certificate_chain", "trusted_ca", 1), `{"name"`, fmt.Sprintf(`{"last_updated":%q,"name"`, now.Add(-time.Minute).Format(time.RFC3339)), 1)
		m.replies[certs.ActivePath] = `{"configs":[` + ca + `]}`
		m.replies["/config_dump?resource=dynamic_active_clusters"] = `{"configs":[{"cluster":{"name":"` + server + `","transport_socket":{"name":"envoy.transport_sockets.tls","typed_config":{` +
			`"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext","common_tls_context":{"combined_validation_context":{"default_validation_context":{},"validation_context_sds_secret_config":{"name":"kubernetes://client-credential-cacert"}}}}}}}]}`
		got, pods, _ := look(t, m, Options{Logs: test.log})
		want := append([]string{"kubernetes://client-credential-cacert ACTIVE cluster " + server}, test.want...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if noted := len(pods[0].Notes) > 0; noted != (test.fix == "noted") {
			t.Errorf("%s: notes %q", name, pods[0].Notes)
		}
		if len(test.want) > 0 && !strings.Contains(pods[0].Held[0].Problems[0].Fix, test.fix) {
			t.Errorf("%s: %+v", name, pods[0].Held[0].Problems)
		}
	}
}
