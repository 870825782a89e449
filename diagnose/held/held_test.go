package held

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
)

var now = time.Now().UTC().Truncate(time.Second)

// world is a cluster with one gateway, as far as looking at its certificates needs it.
type world struct {
	lists   map[string][]string // JSON by plural
	replies map[string]string   // of Envoy, by the path's beginning
	fails   map[string]error    // by plural, by the path's beginning, or "exec"
	files   map[string]string
	mu      sync.Mutex
	ran     []string
}

func (m *world) ServedVersions(context.Context, string) ([]string, error) { return []string{"v1"}, nil }

func (m *world) PodGet(context.Context, string, string, int, string) ([]byte, error) {
	return nil, kube.ErrAbsent
}

func (m *world) Get(_ context.Context, r kube.Resource, _, name string, into any) error {
	for _, text := range m.lists[r.Resource] {
		if strings.Contains(text, `"name":"`+name+`"`) {
			return json.Unmarshal([]byte(text), into)
		}
	}
	return kube.ErrAbsent
}

func (m *world) List(_ context.Context, r kube.Resource, _ string, o kube.ListOptions, item func(json.RawMessage) error) error {
	if err := m.fails[r.Resource]; err != nil {
		return err
	}
	for _, text := range m.lists[r.Resource] {
		if key, value, ok := strings.Cut(o.Labels, "="); ok && !strings.Contains(text, fmt.Sprintf("%q:%q", key, value)) {
			continue
		}
		if err := item(json.RawMessage(text)); err != nil {
			return err
		}
	}
	return nil
}

func (m *world) EnvoyGet(_ context.Context, _, _, path string) (io.ReadCloser, error) {
	for begins, err := range m.fails {
		if strings.HasPrefix(begins, "/") && strings.HasPrefix(path, begins) {
			return nil, err
		}
	}
	for begins, text := range m.replies {
		if strings.HasPrefix(path, begins) {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	return io.NopCloser(strings.NewReader("{}")), nil
}

func (m *world) Exec(_ context.Context, _ kube.Pod, command []string, stdout, stderr io.Writer) error {
	m.mu.Lock()
	m.ran = append(m.ran, strings.Join(command, " "))
	m.mu.Unlock()
	if err := m.fails["exec"]; err != nil {
		return err
	}
	text, ok := m.files[command[len(command)-1]]
	if !ok {
		if _, err := io.WriteString(stderr, "cat: no such file\n"); err != nil {
			return err
		}
		return &kube.ExitError{Code: 1}
	}
	_, err := io.WriteString(stdout, text)
	return err
}

const (
	service = `{"metadata":{"namespace":"istio-system","name":"istio-egressgateway","labels":{"istio":"egressgateway"}},"spec":{"selector":{"istio":"egressgateway"},"ports":[{"name":"tls","port":443,"targetPort":8443}]}}`
	pod     = `{"metadata":{"namespace":"istio-system","name":"gw-1","labels":{"istio":"egressgateway"}},"spec":{"serviceAccountName":"gw","containers":[{"name":"istio-proxy","args":["proxy","router"],"image":"proxyv2:1.31.0"}]},` +
		`"status":{"phase":"Running","podIP":"10.244.0.4","conditions":[{"type":"Ready","status":"True"}]}}`
	identity = "spiffe://cluster.local/ns/istio-system/sa/gw"
)

func newWorld() *world {
	return &world{lists: map[string][]string{"services": {service}, "pods": {pod}}, replies: map[string]string{}, fails: map[string]error{}, files: map[string]string{}}
}

// own is a certificate with a name, signed by itself, as PEM.
func own(t *testing.T, name string, ca bool, until time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(17), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(until), URIs: []*url.URL{u}, BasicConstraintsValid: true, IsCA: ca,
		KeyUsage: map[bool]x509.KeyUsage{true: x509.KeyUsageCertSign, false: x509.KeyUsageDigitalSignature}[ca],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func chain(name, text string) string {
	return fmt.Sprintf(`{"name":%q,"secret":{"tls_certificate":{"certificate_chain":{"inline_bytes":%q}}}}`, name, base64.StdEncoding.EncodeToString([]byte(text)))
}

// look gives what is held as NAME STATE and its problems, and what was noted.
func look(t *testing.T, m *world, o Options) (held []string, pods []certs.Pod, notes []string) {
	t.Helper()
	o.Now, o.Soon = now, 30*24*time.Hour
	pods, notes, err := Look(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods {
		for _, h := range p.Held {
			held = append(held, h.Name+" "+string(h.State)+" "+strings.Join(h.Users, ", "))
			for _, problem := range h.Problems {
				held = append(held, "  "+string(problem.Level)+" "+problem.Says)
			}
		}
	}
	return held, pods, notes
}

const rule = `{"metadata":{"namespace":"istio-system","name":"origin"},"spec":{"host":"my-nginx.outside","trafficPolicy":{"portLevelSettings":[{"tls":{"mode":"MUTUAL","credentialName":"client-credential"}}]}}}`

func TestLook(t *testing.T) {
	t.Parallel()
	m := newWorld()
	m.lists["destinationrules"] = []string{
		rule, strings.ReplaceAll(strings.ReplaceAll(rule, "client-credential", "late"), "origin", "other"),
		`{"metadata":{"namespace":"default","name":"news"},"spec":{"host":"istio-egressgateway.istio-system.svc.cluster.local","subsets":[{"trafficPolicy":{"tls":{"mode":"ISTIO_MUTUAL","subjectAltNames":["spiffe://old"]}}}]}}`,
		`{"metadata":{"namespace":"default","name":"elsewhere"},"spec":{"host":"shop","trafficPolicy":{"tls":{"mode":"ISTIO_MUTUAL","subjectAltNames":["spiffe://shop"]}}}}`,
	}
	m.replies[certs.ActivePath] = `{"configs":[` + chain("default", own(t, identity, false, 23*time.Hour)) + "," + chain("kubernetes://client-credential", own(t, "", false, 90*24*time.Hour)) + `]}`
	m.replies[certs.WarmingPath] = `{"configs":[{"name":"kubernetes://client-credential-cacert"},{"name":"default"}]}`
	m.replies["/config_dump?resource=dynamic_active_clusters"] = `{"configs":[{"cluster":{"name":"outbound|443||my-nginx.outside","transport_socket":{"name":"envoy.transport_sockets.tls","typed_config":{` +
		`"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext","common_tls_context":{"tls_certificate_sds_secret_configs":[{"name":"kubernetes://client-credential"}]}}}}}]}`
	got, pods, notes := look(t, m, Options{})
	want := []string{
		"default ACTIVE ",
		"  fail DestinationRule default/news accepts spiffe://old, and the gateway is " + identity + ": sidecars refuse it (EGR025)",
		"kubernetes://client-credential ACTIVE DestinationRule istio-system/origin, cluster outbound|443||my-nginx.outside",
		"kubernetes://client-credential-cacert WARMING DestinationRule istio-system/origin",
		"  fail Envoy waits for it and istiod does not send it: is the Secret in namespace istio-system, with tls.crt, tls.key and ca.crt, and may the gateway's service account read it?",
		"kubernetes://late MISSING DestinationRule istio-system/other",
		"  fail DestinationRule istio-system/other wants it, and nothing in the gateway's configuration asks for it",
		"kubernetes://late-cacert MISSING DestinationRule istio-system/other",
		"  fail DestinationRule istio-system/other wants it, and nothing in the gateway's configuration asks for it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(notes) != 0 || len(pods) != 1 || pods[0].Via != "port-forward" || len(pods[0].Notes) != 0 {
		t.Errorf("%q, %+v", notes, pods)
	}
	if len(m.ran) != 0 {
		t.Errorf("commands were run in the pod: %q", m.ran)
	}
}

// TestOldMesh: Istio up to 1.4 has files and no secrets.
func TestOldMesh(t *testing.T) {
	t.Parallel()
	told := fmt.Sprintf(`{"certificates":[{"ca_cert":[{"path":"/etc/certs/root-cert.pem","serial_number":"11","valid_from":%q,"expiration_time":%[2]q}],`+
		`"cert_chain":[{"path":"/etc/certs/cert-chain.pem","serial_number":"11","subject_alt_names":[{"uri":%[3]q}],"valid_from":%[1]q,"expiration_time":%[2]q}]}]}`,
		now.Add(-time.Hour).Format(time.RFC3339), now.Add(24*time.Hour).Format(time.RFC3339), identity)
	files := map[string]string{"/etc/certs/cert-chain.pem": own(t, identity, true, 24*time.Hour)}
	files["/etc/certs/root-cert.pem"] = files["/etc/certs/cert-chain.pem"]
	want := []string{"/etc/certs/cert-chain.pem ACTIVE ", "/etc/certs/root-cert.pem ACTIVE ", "  warn the certificate ends in 24 hours"}
	for name, test := range map[string]struct {
		told  string
		files map[string]string
		exec  error
		notes int
	}{
		"by its files":                  {told, files, nil, 0},
		"an Envoy that tells nothing":   {"{}", files, nil, 0},
		"an Envoy that tells otherwise": {`{"certificates":"none"}`, files, nil, 1},
		"files may not be read":         {told, nil, kube.ErrForbidden, 2},
		"an image without cat":          {told, nil, &kube.ExitError{Code: 127}, 2},
	} {
		m := newWorld()
		m.replies["/certs"], m.files = test.told, test.files
		if test.exec != nil {
			m.fails["exec"] = test.exec
		}
		got, pods, _ := look(t, m, Options{Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}})
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], ", at ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if len(pods[0].Notes) != test.notes || len(pods[0].Held[0].Certificates) != 1 {
			t.Errorf("%s: %q", name, pods[0].Notes)
		}
		for _, c := range m.ran {
			if strings.Contains(c, "key") {
				t.Errorf("%s: a key was read: %s", name, c)
			}
		}
	}
}

// TestFails: what is forbidden, absent or cut off is told as that, and is no pod without certificates.
func TestFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fails  map[string]error
		o      Options
		fatal  string
		failed string
		notes  int
	}{
		"Envoy may not be asked":       {map[string]error{"/config": kube.ErrForbidden}, Options{Via: ask.PortForward}, "", "forbidden", 0},
		"an Envoy that breaks off":     {map[string]error{certs.WarmingPath: errors.New("cut off")}, Options{}, "", "cut off", 0},
		"the API server goes away":     {map[string]error{"/config": kube.ErrUnreachable}, Options{}, "cannot reach", "", 0},
		"rules may not be seen":        {map[string]error{"destinationrules": kube.ErrForbidden}, Options{}, "", "", 1},
		"rules time out":               {map[string]error{"destinationrules": kube.ErrTimeout}, Options{}, "timed out", "", 0},
		"gateways may not be searched": {map[string]error{"services": kube.ErrForbidden}, Options{}, "name one as NAMESPACE/SERVICE", "", 0},
		"no such gateway":              {nil, Options{Gateway: egress.GatewayRef{Namespace: "a", Service: "b"}}, "gateway a/b", "", 0},
	} {
		m := newWorld()
		m.replies[certs.ActivePath] = `{"configs":[` + chain("default", own(t, identity, false, 23*time.Hour)) + `]}`
		maps.Copy(m.fails, test.fails)
		test.o.Now = now
		pods, notes, err := Look(t.Context(), m, test.o)
		if test.fatal != "" {
			if err == nil || !strings.Contains(err.Error(), test.fatal) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(pods) != 1 || len(notes) != test.notes || !strings.Contains(pods[0].Failed, test.failed) || (pods[0].Failed == "") != (test.failed == "") {
			t.Errorf("%s: %+v, %q, %v", name, pods, notes, err)
		}
	}
}

func TestNoPods(t *testing.T) {
	t.Parallel()
	m := newWorld()
	m.lists["pods"] = nil
	if _, pods, notes := look(t, m, Options{}); len(pods) != 0 || len(notes) != 1 || !strings.Contains(notes[0], "has no pod") {
		t.Errorf("%+v, %q", pods, notes)
	}
	m.lists["services"] = nil
	if _, pods, notes := look(t, m, Options{}); len(pods) != 0 || len(notes) != 0 {
		t.Errorf("%+v, %q", pods, notes)
	}
}

func TestFileWithoutEnd(t *testing.T) {
	t.Parallel()
	m := newWorld()
	m.files["/etc/certs/cert-chain.pem"] = strings.Repeat("x", maxFile+1)
	l := looker{Client: m, asker: ask.New(m, ask.Auto)}
	for path, want := range map[string]string{"/etc/certs/cert-chain.pem": "too large", "/etc/certs/key.pem": "that of a key", "/none": "no such file"} {
		if _, err := l.file(t.Context(), &certs.Pod{Namespace: "istio-system", Pod: "gw-1"}, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
