package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// alike gives paths of other hosts that go as one does.
func alike(p trace.Path, n int) []trace.Path {
	var out []trace.Path
	for i := range n {
		p.Host = egress.Host(fmt.Sprintf("host-%d.example.com", i))
		out = append(out, p)
	}
	return out
}

// crowd is a mesh of many namespaces, each with ten pods and a policy that holds them, and many paths through one gateway.
func crowd(t testing.TB, namespaces, paths int) (*snapshot.Snapshot, []trace.Path) {
	t.Helper()
	s := captured.Load(t, "posture-held")
	walked, _ := diagnosis(s)
	all := alike(walked[0], paths)
	w := *workload(t, s, "deployment/sleep")
	policy := s.Security.NetworkPolicies[0]
	for i := range namespaces {
		w.Namespace = fmt.Sprintf("ns-%d", i)
		policy.Namespace = w.Namespace
		s.Security.NetworkPolicies = append(s.Security.NetworkPolicies, policy)
		s.Security.Namespaces = append(s.Security.Namespaces, snapshot.Namespace{Meta: snapshot.Meta{Name: w.Namespace}})
		for j := range 10 {
			w.Pod = fmt.Sprintf("sleep-%d", j)
			s.Security.Workloads = append(s.Security.Workloads, w)
		}
	}
	return s, all
}

// TestSecurityOfACrowd: a thousand paths, three hundred namespaces and three thousand pods take well below what people wait for.
func TestSecurityOfACrowd(t *testing.T) {
	t.Parallel()
	s, paths := crowd(t, 300, 1000)
	start := time.Now()
	found := Security(s, paths, "")
	if took := time.Since(start); took > 3*time.Minute {
		t.Errorf("it took %s", took)
	}
	if len(found) < 300 {
		t.Errorf("%d findings", len(found)) // the policies do not know the new namespaces' own Sidecars: EGR061 in each
	}
}

func BenchmarkSecurity(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		s, paths := crowd(b, n, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Security(s, paths, "")
			}
		})
	}
}
