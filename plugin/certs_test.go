package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/diagnose/held"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
)

func TestCertsUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"certs gateway":              "NAMESPACE/SERVICE",
		"certs a/b c/d":              "name one gateway",
		"certs -o table":             "there are wide, json, yaml, name",
		"certs --via=curl":           "there are auto, exec, port-forward",
		"certs --expires-within=-1h": "what has ended is told anyway",
	} {
		code, stdout, stderr := command(t, strings.Fields(line)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q, %q", line, code, stdout, stderr)
		}
	}
}

var judgedAt = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// certsFor is certs with an output format, whose streams are buffers.
func certsFor(output, failOn string) (*certsCommand, *bytes.Buffer) {
	var out bytes.Buffer
	return &certsCommand{
		tool: &tool{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &bytes.Buffer{}}}, options: held.Options{Now: judgedAt},
		output: &choice{value: output}, failOn: &choice{value: failOn},
	}, &out
}

func gatewayPods() []certs.Pod {
	one := func(subject, issuer string, from, until time.Duration, sans ...string) certs.Certificate {
		return certs.Certificate{Subject: subject, Issuer: issuer, Serial: "7af2", SANs: sans, From: judgedAt.Add(from), Expires: judgedAt.Add(until)}
	}
	return []certs.Pod{{
		Gateway: egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}, Namespace: "istio-system", Pod: "gw-1",
		Held: []certs.Held{
			{Name: "default", Type: certs.Chain, State: certs.Active, For: "Istio mTLS", Certificates: []certs.Certificate{one("", "O=cluster.local", -2*time.Hour, 22*time.Hour, "spiffe://a")}},
			{Name: "file-root:system", Type: certs.Anchor, State: certs.Active, For: "system CAs", Certificates: []certs.Certificate{
				one("CN=A", "CN=A", -9999*time.Hour, 9999*time.Hour), one("CN=B", "CN=B", -9999*time.Hour, 999*time.Hour),
			}},
			{
				Name: "kubernetes://c", Type: certs.Chain, State: certs.Warming, For: "credential c", Users: []string{"DestinationRule default/news"},
				Problems: []certs.Problem{{Level: certs.Fail, Says: "Envoy waits for it", Fix: "kubectl -n istio-system get secret c"}},
			},
			{Name: "kubernetes://c-cacert", Type: certs.Anchor, State: certs.Active, For: "verifies", Certificates: []certs.Certificate{one("CN=R", "CN=R", -time.Hour, -time.Minute)}, Problems: []certs.Problem{{Level: certs.Warn, Says: "it ended"}}},
		},
	}}
}

func TestCertsTable(t *testing.T) {
	t.Parallel()
	c, out := certsFor("", "failure")
	if err := c.print(gatewayPods()); err != nil {
		t.Fatal(err)
	}
	const want = `POD   NAME                   TYPE        STATE    SAN         ISSUER           SERIAL  FROM               EXPIRES            LEFT   FOR
gw-1  default                Cert Chain  ACTIVE   spiffe://a  O=cluster.local  7af2    2026-11-21T06:00Z  2026-11-22T06:00Z  22h    Istio mTLS
gw-1  file-root:system       CA          ACTIVE   -           2 CAs            -       -                  2027-01-01T23:00Z  41d    system CAs
gw-1  kubernetes://c         Cert Chain  WARMING  -           -                -       -                  -                  -      credential c
gw-1  kubernetes://c-cacert  CA          ACTIVE   -           CN=R             7af2    2026-11-21T07:00Z  2026-11-21T07:59Z  ended  verifies

FAIL  gw-1 kubernetes://c: Envoy waits for it
      mend it: kubectl -n istio-system get secret c
warn  gw-1 kubernetes://c-cacert: it ended
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for format, words := range map[string][]string{
		"wide": {"USED BY", "DestinationRule default/news", "SUBJECT"},
		"yaml": {"kind: CertificateList", "message: Envoy waits for it", "fail: 1"},
		"name": {"istio-system/gw-1 default\n", "istio-system/gw-1 kubernetes://c\n"},
	} {
		c, out := certsFor(format, "failure")
		if err := c.print(gatewayPods()); err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s has no %q:\n%s", format, w, out)
			}
		}
	}
}

func TestCertsJSON(t *testing.T) {
	t.Parallel()
	c, out := certsFor("json", "failure")
	if err := c.print(gatewayPods()); err != nil {
		t.Fatal(err)
	}
	var got certsList
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "CertificateList" || got.Summary["fail"] != 1 || got.Summary["warn"] != 1 || len(got.Items[0].Held) != 4 || got.Items[0].Held[2].State != certs.Warming {
		t.Errorf("%+v", got)
	}
	c, out = certsFor("json", "failure")
	if err := c.print(nil); err != nil || !strings.Contains(out.String(), `"items": []`) {
		t.Errorf("nothing: %v %s", err, out)
	}
	c, out = certsFor("", "failure")
	if err := c.print(nil); err != nil || out.Len() != 0 {
		t.Errorf("nothing: %v %q", err, out)
	}
}

// TestCertsExitCode is the same for every output: it goes by what was found.
func TestCertsExitCode(t *testing.T) {
	t.Parallel()
	warned := gatewayPods()
	warned[0].Held = warned[0].Held[3:]
	well := gatewayPods()
	well[0].Held = well[0].Held[:2]
	lost := gatewayPods()
	lost[0].Held, lost[0].Failed = nil, "forbidden"
	for name, test := range map[string]struct {
		pods   []certs.Pod
		failOn string
		want   int
	}{
		"well": {well, "warning", exitOK}, "warned": {warned, "failure", exitOK}, "warned, and that is asked": {warned, "warning", exitWarning},
		"wrong": {gatewayPods(), "failure", exitFinding}, "not asked": {lost, "failure", exitFailed}, "wrong, and another not asked": {append(lost, gatewayPods()...), "failure", exitFinding},
	} {
		c, _ := certsFor("json", test.failOn)
		if got := exitCode(t.Context(), c.judged(test.pods)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	c, _ := certsFor("", "failure")
	if err := c.judged(lost); err == nil || errors.As(err, new(verdict)) || !strings.Contains(err.Error(), "istio-system/gw-1 could not be asked: forbidden") {
		t.Errorf("%v", err)
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "ended", 0: "ended", time.Minute: "0h", 47 * time.Hour: "47h", 48 * time.Hour: "2d", 8760 * time.Hour: "365d",
	} {
		if got := days(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
