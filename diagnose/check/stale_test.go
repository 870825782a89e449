package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// TestChangeMissed: only what is newer than anything that the proxy has, and has had the time to get there, was missed.
func TestChangeMissed(t *testing.T) {
	t.Parallel()
	writes := func(at string, subresource string) func(*snapshot.Snapshot) {
		return func(s *snapshot.Snapshot) {
			for _, m := range metas(s) {
				m.Created, m.Writes = "2026-11-20T10:00:00Z", []snapshot.Write{{Time: at, Subresource: subresource}}
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(*snapshot.Snapshot)
		want   string
	}{
		"as it was":                    {func(*snapshot.Snapshot) {}, "fail EGR055 " + tls},
		"older than the configuration": {writes("2026-11-20T11:00:00Z", ""), "fail EGR056 " + tls},
		"only its status is newer":     {writes("2026-11-21T12:53:00Z", "status"), "fail EGR056 " + tls},
		"a moment newer":               {writes("2026-11-21T12:48:15Z", ""), "fail EGR056 " + tls},
		"newer by just so much":        {writes("2026-11-21T12:48:20.099Z", ""), "fail EGR055 " + tls},
		"newer by a second less":       {writes("2026-11-21T12:48:19Z", ""), "fail EGR056 " + tls},
		"looked at as soon as can be":  {func(s *snapshot.Snapshot) { s.Taken = at(t, "2026-11-21T12:53:15Z") }, "fail EGR055 " + tls},
		"looked at a second before":    {func(s *snapshot.Snapshot) { s.Taken = at(t, "2026-11-21T12:53:14Z") }, "fail EGR056 " + tls},
		"the proxy could not be read":  {func(s *snapshot.Snapshot) { s.Proxies[0].State.Kind = snapshot.Failed }, "unknown EGR056 " + tls},
		"just now":                     {func(s *snapshot.Snapshot) { s.Taken = at(t, "2026-11-21T12:53:05Z") }, "fail EGR056 " + tls},
		"nobody knows when it changed": {func(s *snapshot.Snapshot) {
			for _, m := range metas(s) {
				m.Created, m.Writes = "", nil
			}
		}, "fail EGR056 " + tls},
		"only the DestinationRule is new": {func(s *snapshot.Snapshot) {
			writes("2026-11-20T11:00:00Z", "")(s)
			s.Objects.DestinationRules[0].Writes = []snapshot.Write{{Time: "2026-11-21T12:53:00Z"}}
		}, "fail EGR055 " + tls},
		"a DestinationRule of another host is new": {func(s *snapshot.Snapshot) {
			writes("2026-11-20T11:00:00Z", "")(s)
			s.Objects.DestinationRules[0].Writes = []snapshot.Write{{Time: "2026-11-21T12:53:00Z"}}
			s.Objects.DestinationRules[0].Spec.Host = "shop.default.svc.cluster.local"
		}, "fail EGR056 " + tls},
		"the proxy has something newer": {func(s *snapshot.Snapshot) {
			s.Proxies[0].Config.Clusters[0].Updated = "2026-11-21T12:53:10Z"
		}, "fail EGR056 " + tls},
		"nobody knows how old it is": {func(s *snapshot.Snapshot) {
			c := &s.Proxies[0].Config
			for i := range c.Listeners {
				c.Listeners[i].Updated = ""
			}
			for i := range c.Routes {
				c.Routes[i].Updated = ""
			}
			for i := range c.Clusters {
				c.Clusters[i].Updated = ""
			}
		}, "fail EGR056 " + tls},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, "EGR055")
			tt.change(s)
			if _, all := diagnosis(s); !slices.Equal(said(all), []string{tt.want}) {
				t.Errorf("%q, want %q", said(all), tt.want)
			}
		})
	}
}

// TestChangeNotMissed: what another check explains is not for want of a change, however new the objects are.
func TestChangeNotMissed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"EGR001", "EGR013", "EGR023-tls", "working-passthrough"} {
		s := captured.Load(t, name)
		for _, m := range metas(s) {
			m.Created, m.Writes = "", []snapshot.Write{{Time: s.Taken.Add(-time.Minute).Format(time.RFC3339)}}
		}
		for i := range s.Proxies {
			c := &s.Proxies[i].Config
			for j := range c.Listeners {
				c.Listeners[j].Updated = s.Taken.Add(-time.Hour).Format(time.RFC3339)
			}
			c.Routes, c.Clusters = slices.Clone(c.Routes), slices.Clone(c.Clusters)
			for j := range c.Routes {
				c.Routes[j].Updated = ""
			}
			for j := range c.Clusters {
				c.Clusters[j].Updated = ""
			}
		}
		if _, all := diagnosis(s); !slices.Equal(said(all), expected[name].said) {
			t.Errorf("%s: %q", name, said(all))
		}
	}
}

// TestChangeMissedSays: which change, which pod, and how old what it has is. A pod that nothing made anew cannot be restarted.
func TestChangeMissedSays(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR055")
	pod := s.Proxies[0].Pod
	f := finding(t, s, "EGR055")
	contains(t, f, "gateway "+pod+" seems not to have got VirtualService default/egress-demo.edition.cnn.com as it was changed at 2026-11-21T12:53:00Z",
		"kubectl -n istio-system rollout restart deployment/istio-egressgateway")
	if f.Object == nil || f.Object.Kind != "Pod" || f.Object.Name != pod {
		t.Errorf("blames %+v", f.Object)
	}
	if all := strings.Join(f.Evidence, "\n"); !strings.Contains(all, "the newest that gateway "+pod+" has is of 2026-11-21T12:48:05Z") || !strings.Contains(all, "no filter chain") {
		t.Errorf("evidence:\n%s", all)
	}
	s.Proxies[0].Owner = ""
	contains(t, finding(t, s, "EGR055"), "get configmap egress-demo")
}

// metas are the objects of a snapshot that paths are made of.
func metas(s *snapshot.Snapshot) []*snapshot.Meta {
	var all []*snapshot.Meta
	for i := range s.Objects.VirtualServices {
		all = append(all, &s.Objects.VirtualServices[i].Meta)
	}
	for i := range s.Objects.Gateways {
		all = append(all, &s.Objects.Gateways[i].Meta)
	}
	for i := range s.Objects.ServiceEntries {
		all = append(all, &s.Objects.ServiceEntries[i].Meta)
	}
	for i := range s.Objects.DestinationRules {
		all = append(all, &s.Objects.DestinationRules[i].Meta)
	}
	return all
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
