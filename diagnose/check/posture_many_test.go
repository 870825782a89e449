package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// TestManyMakers: a sentence names three of those who are at fault, the evidence five, and both say how many more there are.
func TestManyMakers(t *testing.T) {
	t.Parallel()
	for n, tt := range map[int]struct{ names, last string }{
		1: {"deployment/bare", ""},
		3: {"deployment/bare, deployment/bare-1, deployment/bare-2", ""},
		4: {"deployment/bare, deployment/bare-1, deployment/bare-2 and 1 more", ""},
		5: {"deployment/bare, deployment/bare-1, deployment/bare-2 and 2 more", ""},
		8: {"deployment/bare, deployment/bare-1, deployment/bare-2 and 5 more", "and so do 3 more"},
	} {
		f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
			w := *workload(t, s, "deployment/bare")
			for i := range n - 1 {
				w.Owner, w.Pod = fmt.Sprintf("deployment/bare-%d", i+1), fmt.Sprintf("bare-%d", i+1)
				s.Security.Workloads = append(s.Security.Workloads, w)
			}
		}), "EGR062")
		if want := "pods without a sidecar in namespace egress-posture may leave without the gateway: " + tt.names; f.Message != want {
			t.Errorf("%d: %s", n, f.Message)
		}
		evidence := slices.DeleteFunc(slices.Clone(f.Evidence), func(line string) bool { return strings.HasPrefix(line, "deployment/bare") })
		if told := len(f.Evidence) - len(evidence); told != min(n, 5) || strings.Join(evidence, "\n") != tt.last {
			t.Errorf("%d: %q", n, f.Evidence)
		}
		if commands := strings.Count(f.Fix, "kubectl "); commands != n { // who mends needs all of them
			t.Errorf("%d: %s", n, f.Fix)
		}
	}
}

// TestManyPaths: the same of paths, whose set is declared anew once, however many of its paths are told of.
func TestManyPaths(t *testing.T) {
	t.Parallel()
	for n, names := range map[int]string{
		2: "de.wikipedia.org:443, edition.cnn.com:443",
		3: "de.wikipedia.org:443, edition.cnn.com:443, host-0.example.com:443",
		4: "de.wikipedia.org:443, edition.cnn.com:443, host-0.example.com:443 and 1 more",
		5: "de.wikipedia.org:443, edition.cnn.com:443, host-0.example.com:443 and 2 more",
		6: "de.wikipedia.org:443, edition.cnn.com:443, host-0.example.com:443 and 3 more",
		9: "de.wikipedia.org:443, edition.cnn.com:443, host-0.example.com:443 and 6 more",
	} {
		s := captured.Load(t, "posture-open")
		paths, _ := diagnosis(s)
		all := Security(s, append(paths, alike(paths[1], n-2)...), "")
		f := one(t, all, "EGR066")
		if want := "gateway egress-posture/posture-gw takes " + names + " from anybody: no Istio mTLS tells who calls"; f.Message != want {
			t.Errorf("%d: %s", n, f.Message)
		}
		if len(f.Evidence) != min(n, 5) {
			t.Errorf("%d: %q", n, f.Evidence)
		}
		if render, enable := strings.Count(f.Fix, "egress render"), strings.Count(f.Fix, "egress enable"); render != 1 || enable != 1 {
			t.Errorf("%d: %s", n, f.Fix)
		}
		past := one(t, all, "EGR063").Evidence
		taken := len(slices.DeleteFunc(slices.Clone(past), func(line string) bool {
			return !strings.HasSuffix(line, "is meant to take gateway egress-posture/posture-gw")
		}))
		if taken != min(n, 5) || !strings.HasPrefix(past[len(past)-1], "pod egress-posture/sleep-") {
			t.Errorf("%d: %q", n, past)
		}
	}
}

// TestOwnAddresses: what is in the gateway's pod, as an SNI proxy is, is no outside host: nobody is told that it may be reached past
// the gateway.
func TestOwnAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"10.96.0.83": "10.96.0.83:443", "127.0.0.1": "1.0.0.0:443", "/run/proxy.sock": "1.0.0.0:443"} {
		f := one(t, posed(t, "posture-open", func(s *snapshot.Snapshot) {
			for i := range s.Proxies {
				for j := range s.Proxies[i].Hosts {
					for k := range s.Proxies[i].Hosts[j].Hosts {
						if h := &s.Proxies[i].Hosts[j].Hosts[k]; strings.HasPrefix(h.Address, "10.96.") {
							h.Address = address
						}
					}
				}
			}
		}), "EGR059")
		want := "no NetworkPolicy for outgoing traffic selects it: it may reach any address, such as " + want
		if diff := cmp.Diff([]string{"deployment/bare: " + want, "deployment/sleep: " + want, enforcement}, f.Evidence); diff != "" {
			t.Errorf("%s: -want +got\n%s", address, diff)
		}
	}
}
