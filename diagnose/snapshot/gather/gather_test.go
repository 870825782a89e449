package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

func gathered(t *testing.T, c *cluster, o Options) *snapshot.Snapshot {
	t.Helper()
	if o.Facts == nil {
		o.Facts = facts()
	}
	s, err := Gather(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pods(s *snapshot.Snapshot) []string {
	var out []string
	for i := range s.Proxies {
		out = append(out, fmt.Sprintf("%s %s %s", s.Proxies[i].Role, s.Proxies[i].Name(), s.Proxies[i].State.Kind))
	}
	return out
}

func TestGather(t *testing.T) {
	t.Parallel()
	c := working(t)
	s := gathered(t, c, Options{})
	if diff := cmp.Diff([]string{"gateway istio-system/egress-gateway-1 read", "sidecar a/sleep-3 read", "sidecar b/sleep-1 read"}, pods(s)); diff != "" {
		t.Errorf("proxies: -want +got\n%s", diff)
	}
	for source, st := range s.States {
		if st.Kind != snapshot.Read {
			t.Errorf("%s: %+v", source, st)
		}
	}
	if len(s.States) != 12 {
		t.Errorf("%d sources have a state", len(s.States))
	}
	if s.Objects.Gateways[0].Name != "cnn" || s.Objects.Gateways[0].Spec.Selector["istio"] != "egressgateway" {
		t.Errorf("objects are not sorted or not read: %+v", s.Objects.Gateways)
	}
	if e := s.Objects.ServiceEntries[0]; e.Created != "2026-11-21T00:00:00Z" || e.Spec.Ports[0].Number != 443 {
		t.Errorf("%+v", e)
	}
	var sets []string
	for _, set := range s.Sets {
		sets = append(sets, fmt.Sprintf("%s %v", set, set.Broken != ""))
	}
	if diff := cmp.Diff([]string{"a/broken true", "b/news false"}, sets); diff != "" {
		t.Errorf("sets: -want +got\n%s", diff)
	}
	gw := &s.Proxies[0]
	if gw.Owner != "deployment/egress-gateway" || gw.ProxyConfig != "concurrency: 1" || gw.Gateway.String() != "istio-system/egress-gateway" || gw.IP != "10.0.0.4" {
		t.Errorf("gateway pod: %+v", gw)
	}
	if gw.Config.Stats == nil || len(gw.Config.Secrets) == 0 || len(gw.Certs) == 0 || len(gw.Hosts) == 0 || len(gw.Config.Listeners) == 0 {
		t.Error("parts of the gateway's configuration are missing")
	}
	if sc := &s.Proxies[1]; sc.Config.Stats != nil || len(sc.Certs) > 0 || len(sc.Config.Routes) == 0 || sc.Gateway != (egress.GatewayRef{}) {
		t.Error("a sidecar is asked for what is of use there")
	}
	if asked := c.times("envoy"); c.closed != asked {
		t.Errorf("%d replies, %d closed", asked, c.closed)
	}
	if c.times("list v1/configmaps@ app.kubernetes.io/managed-by=kubectl-egress,applyset.kubernetes.io/id") != 1 {
		t.Errorf("parents are not asked for by label: %q", c.asked)
	}
	if s.Taken.IsZero() {
		t.Error("nobody knows when")
	}
}

// TestNoSecretIsAskedFor: neither objects nor Envoys are asked for what is secret.
func TestNoSecretIsAskedFor(t *testing.T) {
	t.Parallel()
	c := working(t)
	gathered(t, c, Options{})
	for _, a := range c.asked {
		if strings.Contains(a, "/secrets@") || strings.Contains(a, "secrets") && !strings.Contains(a, "mask=name,last_updated") ||
			strings.HasSuffix(a, "/config_dump") || strings.Contains(a, "mask=bootstrap") && !strings.HasSuffix(a, "stats_matcher") {
			t.Errorf("asked: %s", a)
		}
	}
}

// TestOneSourceFails: forbidden, absent and slow sources are told apart, and the others are read.
func TestOneSourceFails(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]snapshot.Kind{
		kube.ErrForbidden: snapshot.Forbidden, kube.ErrAbsent: snapshot.Absent, kube.ErrTimeout: snapshot.TimedOut, errors.New("odd"): snapshot.Failed,
	} {
		for resource, source := range map[string]snapshot.Source{
			"gateways": snapshot.Gateways, "virtualservices": snapshot.VirtualServices, "serviceentries": snapshot.ServiceEntries,
			"destinationrules": snapshot.DestinationRules, "envoyfilters": snapshot.EnvoyFilters, "sidecars": snapshot.Sidecars,
			"telemetries": snapshot.Telemetries, "peerauthentications": snapshot.PeerAuthentications, "services": snapshot.Services,
			"configmaps": snapshot.Sets,
		} {
			c := working(t)
			c.fails[resource] = err
			s := gathered(t, c, Options{})
			if st := s.State(source); st.Kind != want || !strings.Contains(st.Detail, resource) {
				t.Errorf("%s: %+v, want %s", resource, st, want)
			}
			for other, st := range s.States {
				if other != source && st.Kind != snapshot.Read {
					t.Errorf("%s fails and so does %s: %+v", resource, other, st)
				}
			}
		}
	}
}

// TestNothingToSay: what concerns every source is an error.
func TestNothingToSay(t *testing.T) {
	t.Parallel()
	for _, want := range []error{kube.ErrUnreachable, kube.ErrUnauthorized} {
		for _, where := range []string{"gateways", "pods", "envoy"} {
			c := working(t)
			c.fails[where] = want
			if s, err := Gather(t.Context(), c, Options{Facts: facts()}); !errors.Is(err, want) || s != nil {
				t.Errorf("%s at %s: %v, %v", want, where, s, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Gather(ctx, working(t), Options{Facts: facts()}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestSlowEnvoy: one that never answers costs its deadline and no more, and is told apart from the others.
func TestSlowEnvoy(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.hangs = "sleep-1"
	start := time.Now()
	s := gathered(t, c, Options{Deadline: 50 * time.Millisecond})
	if diff := cmp.Diff([]string{"gateway istio-system/egress-gateway-1 read", "sidecar a/sleep-3 read", "sidecar b/sleep-1 timeout"}, pods(s)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestOddReplies: an Envoy that answers half, or nonsense, or not at all.
func TestOddReplies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]snapshot.Kind{`{"configs":[{"name":"a"`: snapshot.Cut, "no healthy upstream": snapshot.Failed, "": snapshot.Cut} {
		name := text
		c := working(t)
		c.envoy = func(pod, path string) string { return text }
		s := gathered(t, c, Options{})
		for i := range s.Proxies {
			if st := s.Proxies[i].State; st.Kind != want || st.Detail == "" {
				t.Errorf("%s: %s is %+v", name, s.Proxies[i].Name(), st)
			}
		}
	}
	c := working(t)
	c.fails["path /clusters"] = errors.New("connection reset")
	if s := gathered(t, c, Options{}); s.Proxies[0].State.Kind != snapshot.Failed || !strings.Contains(s.Proxies[0].State.Detail, "connection reset") {
		t.Errorf("%+v", s.Proxies[0].State)
	}
}

// TestGone: a pod that was deleted meanwhile takes no traffic and is left out.
func TestGone(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.fails["envoy sleep-1"] = kube.ErrAbsent
	if got := pods(gathered(t, c, Options{})); slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "sleep-1") }) {
		t.Errorf("%q", got)
	}
}

// TestByExec: where ports may not be forwarded, the agent in the pod asks, once it is known for all the rest.
func TestByExec(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.fails["envoy"] = kube.ErrForbidden
	s := gathered(t, c, Options{From: "a/sleep-3"})
	want := gathered(t, working(t), Options{From: "a/sleep-3"})
	for i := range s.Proxies {
		if diff := cmp.Diff(want.Proxies[i], s.Proxies[i]); diff != "" {
			t.Errorf("by port-forward and by exec it differs: -forward +exec\n%s", diff)
		}
	}
	if n := c.times("envoy a/sleep-3"); n != 1 {
		t.Errorf("the forbidden way was tried %d times", n)
	}
	if c.times("exec a/sleep-3 istio-proxy pilot-agent request GET clusters?format=json") != 1 {
		t.Errorf("%q", c.asked)
	}
}

func TestBothForbidden(t *testing.T) {
	t.Parallel()
	c := working(t)
	c.fails["envoy"], c.fails["exec"] = kube.ErrForbidden, kube.ErrForbidden
	for _, p := range gathered(t, c, Options{}).Proxies {
		if p.State.Kind != snapshot.Forbidden || !strings.Contains(p.State.Detail, "ask Envoy of pod") {
			t.Errorf("%+v: the lesser right is that to forward ports", p.State)
		}
	}
	c.fails["exec"] = &kube.ExitError{Code: 1}
	for _, p := range gathered(t, c, Options{}).Proxies {
		if p.State.Kind != snapshot.Failed || !strings.HasSuffix(p.State.Detail, "exit code 1: Error: command failed") {
			t.Errorf("%+v", p.State)
		}
	}
}

// TestOlderIstio reads by the newest version that the cluster serves.
func TestOlderIstio(t *testing.T) {
	t.Parallel()
	for served, want := range map[string]string{"v1": "v1", "v1beta1": "v1beta1", "v1alpha3": "v1alpha3", "": "v1"} {
		c := working(t)
		c.served = []string{served}
		gathered(t, c, Options{})
		if c.times("list "+want+"/virtualservices@") != 1 || c.times("list v1alpha3/envoyfilters@") != 1 {
			t.Errorf("served %q: %q", served, c.asked)
		}
	}
}

// TestProxies reads the proxies alone.
func TestProxies(t *testing.T) {
	t.Parallel()
	c := working(t)
	s, err := Proxies(t.Context(), c, Options{Facts: facts()})
	if err != nil || len(s.Proxies) != 3 || c.times("list v1/gateways") != 0 {
		t.Errorf("%v, %v, %q", s, err, c.asked)
	}
}

// TestDiscovers: without facts given, they are found out.
func TestDiscovers(t *testing.T) {
	t.Parallel()
	s, err := Gather(t.Context(), working(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Facts.Networking != "v1" || s.State(snapshot.Facts).Kind != snapshot.Read {
		t.Errorf("%+v, %+v", s.Facts, s.States)
	}
}
