package diagnose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

var egressGateway = egress.GatewayRef{Namespace: "istio-system", Service: "istio-egressgateway"}

const (
	certName = "kubernetes://client-credential"
	caName   = certName + "-cacert"
)

func holding(pod string, secrets ...admin.HeldSecret) podSecrets {
	return podSecrets{pod: pod, secrets: secrets}
}

// held is an active secret with certificates of these serial numbers.
func held(name string, serials ...string) admin.HeldSecret {
	return admin.HeldSecret{Name: name, Updated: "2026-11-21T06:18:52Z", Certificates: certs(serials...)}
}

func certs(serials ...string) []admin.HeldCertificate {
	all := make([]admin.HeldCertificate, 0, len(serials))
	for _, s := range serials {
		all = append(all, admin.HeldCertificate{Serial: s, SHA256: "sum of " + s})
	}
	return all
}

func awaited(name string) admin.HeldSecret { return admin.HeldSecret{Name: name, Warming: true} }

func TestMisses(t *testing.T) {
	t.Parallel()
	both := []Wanted{{Name: certName, Holds: certs("2")}, {Name: caName}}
	for name, tt := range map[string]struct {
		pods   []podSecrets
		wanted []Wanted
		want   string // part of what is said; empty: nothing is
	}{
		"all have all":           {[]podSecrets{holding("a", held(certName, "2"), held(caName, "9")), holding("b", held(caName, "9"), held(certName, "2"))}, both, ""},
		"whichever":              {[]podSecrets{holding("a", held(certName, "1"))}, []Wanted{{Name: certName}}, ""},
		"no pod":                 {nil, both, "no pod of gateway istio-system/istio-egressgateway is ready"},
		"never asked":            {[]podSecrets{holding("a", held("default", "2"))}, both, "pod a has not asked for kubernetes://client-credential: nothing in its configuration refers to it"},
		"asked and not there":    {[]podSecrets{holding("a", awaited(certName))}, both, "pod a waits for kubernetes://client-credential and istiod does not send it: is the Secret in namespace istio-system"},
		"CA asked and not there": {[]podSecrets{holding("a", held(certName, "2"), awaited(caName))}, both, "pod a waits for kubernetes://client-credential-cacert"},
		"the old one":            {[]podSecrets{holding("a", held(certName, "1"), held(caName))}, both, "pod a still holds kubernetes://client-credential with serial 1 of 2026-11-21T06:18:52Z, not serial 2"},
		"the old chain":          {[]podSecrets{holding("a", held(certName, "2", "3"), held(caName))}, both, "with serial 2 and 1 more of"},
		"holds nothing":          {[]podSecrets{holding("a", held(certName), held(caName))}, both, "with no certificate of"},
		"one pod of two":         {[]podSecrets{holding("a", held(certName, "2"), held(caName)), holding("b", held(certName, "1"), held(caName))}, both, "pod b still holds"},
		"active and warming":     {[]podSecrets{holding("a", held(certName, "2"), awaited(certName), held(caName))}, both, ""},
		"one that hangs":         {[]podSecrets{holding("a", held(certName, "2"), held(caName)), {pod: "b", err: errors.New("timed out")}}, both, "pod b could not be read: timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := misses(tt.pods, egressGateway, tt.wanted)
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// oneAfterAnother gives one answer after the other, the last for ever.
func oneAfterAnother(answers ...any) (lookSecrets, *int) {
	looks := 0
	return func(context.Context) ([]podSecrets, error) {
		answer := answers[min(looks, len(answers)-1)]
		looks++
		pods, ok := answer.([]podSecrets)
		if err, failed := answer.(error); failed && !ok {
			return nil, err
		}
		return pods, nil
	}, &looks
}

// TestPollSecrets: a rotation as a gateway goes through it, with a pod that comes anew and a moment in which nothing can be read.
func TestPollSecrets(t *testing.T) {
	t.Parallel()
	at, looks := oneAfterAnother(
		[]podSecrets{holding("a", held(certName, "1"))}, errors.New("the connection broke"), []podSecrets{},
		[]podSecrets{holding("a", held(certName, "2")), holding("b", awaited(certName))},
		[]podSecrets{holding("a", held(certName, "2")), holding("b", held(certName, "2"))})
	if err := pollSecrets(t.Context(), at, egressGateway, []Wanted{{Name: certName, Holds: certs("2")}}); err != nil || *looks != 5 {
		t.Errorf("%v after %d looks, want none after 5", err, *looks)
	}
}

func TestPollSecretsEnds(t *testing.T) {
	t.Parallel()
	wanted := []Wanted{{Name: certName}}
	for _, hopeless := range []error{kube.ErrForbidden, kube.ErrUnreachable, kube.ErrUnauthorized, kube.ErrAbsent} {
		at, looks := oneAfterAnother(fmt.Errorf("get service: %w", hopeless))
		var late *NotHeldError
		if err := pollSecrets(t.Context(), at, egressGateway, wanted); !errors.Is(err, hopeless) || errors.As(err, &late) || *looks != 1 {
			t.Errorf("%v: %v after %d looks", hopeless, err, *looks)
		}
	}
	for name, answer := range map[string]any{
		"has not asked":   []podSecrets{holding("a")},
		"broke":           errors.New("the connection broke"),
		"did not tell in": nil,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), holdTick/2)
		at, _ := oneAfterAnother(answer)
		if answer == nil {
			cancel()
		}
		err := pollSecrets(ctx, at, egressGateway, wanted)
		cancel()
		var late *NotHeldError
		if !errors.As(err, &late) || !strings.Contains(late.Says, name) || answer != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestActiveReadsEnvoy goes all the way from the gateway's Service to what a real gateway said.
func TestActiveReadsEnvoy(t *testing.T) {
	t.Parallel()
	c := newSecretCluster(t)
	if err := Active(t.Context(), c, egressGateway, certName, caName); err != nil {
		t.Error(err)
	}
	for _, path := range c.asked {
		if strings.Contains(path, "private_key") || !strings.Contains(path, "&mask=name%2C") {
			t.Errorf("asked for more than is needed: %s", path)
		}
	}
	if len(c.asked) != 2 {
		t.Errorf("asked %v, want one question for active and one for warming secrets of the one pod that is ready", c.asked)
	}
	ctx, cancel := context.WithTimeout(t.Context(), holdTick/2)
	defer cancel()
	err := ActiveWith(ctx, c, egressGateway, Wanted{Name: certName, Holds: certs("ff")})
	if err == nil || !strings.Contains(err.Error(), "still holds kubernetes://client-credential with serial a1b2c of 2026-11-21T06:18:52.340Z, not serial ff") {
		t.Errorf("another certificate than the one sent: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), holdTick/2)
	defer cancel()
	if err := Active(ctx, c, egressGateway, "kubernetes://absent"); err == nil || !strings.Contains(err.Error(), "waits for kubernetes://absent") {
		t.Errorf("a secret that istiod does not send: %v", err)
	}
}

// TestActiveFailures: what is the matter with a pod is told, and what waiting cannot mend ends it.
func TestActiveFailures(t *testing.T) {
	t.Parallel()
	c := newSecretCluster(t)
	c.fails = fmt.Errorf("port-forward: %w", kube.ErrForbidden)
	if err := Active(t.Context(), c, egressGateway, certName); !errors.Is(err, kube.ErrForbidden) {
		t.Errorf("forbidden: %v", err)
	}
	for want, fails := range map[string]error{
		"could not be read: the connection broke": errors.New("the connection broke"),
		"no pod of gateway":                       fmt.Errorf("pods: %w", kube.ErrAbsent), // it has just gone
	} {
		ctx, cancel := context.WithTimeout(t.Context(), holdTick/2)
		c := newSecretCluster(t)
		c.fails = fails
		if err := Active(ctx, c, egressGateway, certName); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", fails, err)
		}
		cancel()
	}
	elsewhere := egress.GatewayRef{Namespace: "team", Service: "egress"}
	if err := Active(t.Context(), c, elsewhere, certName); !errors.Is(err, kube.ErrAbsent) {
		t.Errorf("a gateway that is not there: %v", err)
	}
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
