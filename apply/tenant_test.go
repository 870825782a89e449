package apply

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// tenant takes all rights away that are not in namespace team.
func (w *world) tenant() {
	w.arm(func(_ int, r *http.Request) fault {
		if strings.Contains(r.URL.Path, "/namespaces/team/") || r.URL.Path == "/apis/networking.istio.io" {
			return none
		}
		return denied
	})
}

func private(t *testing.T, mode string, hosts ...string) egress.Set {
	t.Helper()
	return declare(t, egress.Declaration{Name: "news", Namespace: "team", Domains: hosts, Mode: mode, ExportTo: []string{"."}})
}

// TestTenant: a set that only its own namespace sees is put there, changed and taken away with rights in that namespace alone, and
// says what it could not compare with.
func TestTenant(t *testing.T) {
	t.Parallel()
	const (
		head = "compared with what namespace team has, and no other, for want of the right to list configmaps, "
		tail = "serviceentries.networking.istio.io, virtualservices.networking.istio.io in all namespaces"
	)
	through := []string{head + "gateways.networking.istio.io, " + tail}
	for mode, want := range map[string][]string{
		"auto": through, "http": through, "passthrough": through, "tls-origination": through, "direct": {head + tail},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tenant()
			p := w.plan(private(t, mode, "edition.cnn.com"), Options{})
			if diff := cmp.Diff(want, p.Notes); diff != "" {
				t.Error(diff)
			}
			w.execute(p)
			w.execute(w.plan(private(t, mode, "edition.cnn.com", "www.cnn.com"), Options{}))
			if p := w.plan(private(t, mode, "edition.cnn.com", "www.cnn.com"), Options{}); p.Writes() {
				t.Errorf("not settled: %v", brief(p.Changes))
			}
			if sets, err := Sets(t.Context(), w.client, "team"); err != nil || len(sets) != 1 {
				t.Errorf("%v, %v", sets, err)
			}
			w.execute(w.removal("team", "news"))
			if left := w.snapshot(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestTenantComparesAtHome: what can be seen still counts.
func TestTenantComparesAtHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("kubectl", parse(t, service("team", "{hosts: [edition.cnn.com]}")))
	w.tenant()
	wantRefused(t, w.refusal(private(t, "http", "edition.cnn.com"), Options{}), Clash,
		"VirtualService team/theirs routes edition.cnn.com for the mesh already, and of two the older wins; take it away first, or leave that host out")
	other := declare(t, egress.Declaration{Name: "other", Namespace: "team", Domains: []string{"a.com"}, ExportTo: []string{"."}})
	w.execute(w.plan(other, Options{}))
	var overlap *egress.OverlapError
	if err := w.refusal(private(t, "http", "a.com"), Options{}); !errors.As(err, &overlap) {
		t.Errorf("%v", err)
	}
}

// TestNotPrivate: a set that others see is compared with all of theirs, or refused with the right that it takes.
func TestNotPrivate(t *testing.T) {
	t.Parallel()
	for right, message := range map[string]string{
		"list configmaps":      "find the sets: list configmaps in all namespaces: forbidden",
		"list gateways":        "look for Gateways on the pods of istio-system/istio-egressgateway: list gateways.networking.istio.io in all namespaces: forbidden",
		"list serviceentries":  "look for others' objects about the hosts of set team/news: list serviceentries.networking.istio.io in all namespaces: forbidden",
		"list virtualservices": "look for others' objects about the hosts of set team/news: list virtualservices.networking.istio.io in all namespaces: forbidden",
	} {
		for _, exportTo := range [][]string{nil, {"*"}, {".", "shop"}} {
			w := newWorld(t)
			verb, resource, _ := strings.Cut(right, " ")
			w.arm(func(_ int, r *http.Request) fault {
				if verb == "list" && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/v1/"+resource) {
					return denied
				}
				return none
			})
			set := declare(t, egress.Declaration{Name: "news", Namespace: "team", Domains: []string{"a.com"}, ExportTo: exportTo})
			err := w.refusal(set, Options{})
			if !errors.Is(err, kube.ErrForbidden) || !strings.HasPrefix(err.Error(), message) {
				t.Errorf("%v: got  %v\nwant %s", exportTo, err, message)
			}
		}
	}
}

// TestTenantTimedOut: what could not be looked at because the API server was busy is not what may not be looked at.
func TestTenantTimedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arm(func(_ int, r *http.Request) fault {
		if strings.HasSuffix(r.URL.Path, "/v1/configmaps") {
			return broken
		}
		return none
	})
	if err := w.refusal(private(t, "http", "a.com"), Options{}); errors.Is(err, kube.ErrForbidden) || !strings.Contains(err.Error(), "etcd is away") {
		t.Errorf("%v", err)
	}
}
