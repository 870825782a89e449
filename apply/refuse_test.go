package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// refusal plans a set that must be refused, holds that nothing was written, and gives the error.
func (w *world) refusal(set egress.Set, o Options) error {
	w.t.Helper()
	before := w.snapshot()
	w.writes()
	p, err := NewPlan(w.t.Context(), w.client, set, w.facts, o)
	if err == nil {
		w.t.Fatalf("not refused: %v", brief(p.Changes))
	}
	if log := w.writes(); len(log) > 0 {
		w.t.Errorf("a refused plan wrote %v", log)
	}
	if diff := cmp.Diff(before, w.snapshot()); diff != "" {
		w.t.Errorf("a refused plan changed something: %s", diff)
	}
	return err
}

func wantRefused(t *testing.T, err error, reason Reason, msg string) {
	t.Helper()
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != reason || err.Error() != msg {
		t.Errorf("got  %v\nwant %s: %s", err, reason, msg)
	}
}

const foreignEntry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: egress-news, namespace: default}
spec: {hosts: [foreign.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
`

func TestForeignObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.put("kubectl-client-side-apply", parse(t, foreignEntry))
	wantRefused(t, w.refusal(set, Options{}), Foreign,
		`there already, and of no set: ServiceEntry default/egress-news (made by "kubectl-client-side-apply"); take over with --adopt, or give this set another name with --name`)

	// To adopt is not to force: the fields still have their owner.
	wantRefused(t, w.refusal(set, Options{Adopt: true}), Conflict,
		`.spec.hosts of ServiceEntry default/egress-news is owned by "kubectl-client-side-apply", .spec.ports of ServiceEntry default/egress-news is owned by "kubectl-client-side-apply"; take it over with --force-conflicts, or leave that field to its owner`)

	w.execute(w.plan(set, Options{Adopt: true, Force: true}))
	if p := w.plan(set, Options{}); p.Writes() {
		t.Errorf("adopted, and yet %v", brief(p.Changes))
	}
	w.execute(w.removal("default", "news"))
	if left := w.snapshot(); len(left) > 0 {
		t.Errorf("what was adopted is not removed: %v", left)
	}
}

func TestForeignParent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("kubectl", parse(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: egress-news, namespace: default}, data: {a: b}}"))
	wantRefused(t, w.refusal(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}), Options{}), Foreign,
		`there already, and of no set: ConfigMap default/egress-news (made by "kubectl"); take over with --adopt, or give this set another name with --name`)
}

func TestObjectOfAnotherSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := declare(t, egress.Declaration{Name: "other", Domains: []string{"a.com"}})
	w.enable(other)
	stolen := parse(t, foreignEntry)
	stolen.SetLabels(map[string]string{egress.LabelPartOf: other.ApplySetID()})
	w.put("kubectl", stolen)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	msg := "ServiceEntry default/egress-news belongs to set default/other; give this set another name with --name"
	wantRefused(t, w.refusal(set, Options{}), OtherSet, msg)
	wantRefused(t, w.refusal(set, Options{Adopt: true, Force: true}), OtherSet, msg)

	stolen.SetLabels(map[string]string{egress.LabelPartOf: "applyset-of-kubectl"})
	w.put("kubectl", stolen)
	wantRefused(t, w.refusal(set, Options{Adopt: true}), OtherSet,
		"ServiceEntry default/egress-news belongs to another ApplySet, applyset-of-kubectl; give this set another name with --name")
}

func TestObjectThatIsGoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	w.hold("Gateway", "default", "egress-news", "example.com/hold")
	if _, err := w.removal("default", "news").Execute(t.Context(), func(Change) {}); err == nil {
		t.Fatal("removed although held")
	}
	wantRefused(t, w.refusal(set, Options{}), Terminating,
		`Gateway default/egress-news is being deleted, held by "example.com/hold"; try again when it is gone`)
}

func TestFieldConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	entry := w.object("ServiceEntry", "default", "egress-news")
	entry.Object["spec"].(map[string]any)["resolution"] = "STATIC"
	w.put("somebody", entry)
	wantRefused(t, w.refusal(set, Options{}), Conflict,
		`.spec.resolution of ServiceEntry default/egress-news is owned by "somebody"; take it over with --force-conflicts, or leave that field to its owner`)
	p := w.plan(set, Options{Force: true})
	if got := brief(p.Changes)[1]; got != "configured ServiceEntry default/egress-news" {
		t.Error(got)
	}
	w.execute(p)
	if got := w.object("ServiceEntry", "default", "egress-news").Object["spec"].(map[string]any)["resolution"]; got != "DNS" {
		t.Errorf("resolution is %v after force", got)
	}
}

func TestNoNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wantRefused(t, w.refusal(declare(t, egress.Declaration{Name: "news", Namespace: "nowhere", Domains: []string{"edition.cnn.com"}}), Options{}), NoNamespace,
		"namespace nowhere does not exist; create it first, or name another with -n")
}

func TestDefaultNameOfAnotherHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "cnn-com", Domains: []string{"a-cnn.com", "b.cnn.net", "c.cnn.net", "d.cnn.net"}}))
	wantRefused(t, w.refusal(declare(t, egress.Declaration{Domains: []string{"cnn.com"}}), Options{}), OtherHosts,
		"set default/cnn-com is there already and has none of these hosts but a-cnn.com, b.cnn.net, c.cnn.net and 1 more; give this one another name with --name, or remove that set first")
	w.plan(declare(t, egress.Declaration{Name: "cnn-com", Domains: []string{"a-cnn.com"}}), Options{}) // the same set, changed
}

func TestOverlapWithOtherSets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enable(declare(t, egress.Declaration{Name: "news", Namespace: "team", Domains: []string{"edition.cnn.com"}}))
	err := w.refusal(declare(t, egress.Declaration{Name: "mine", Domains: []string{"edition.cnn.com"}}), Options{})
	var overlap *egress.OverlapError
	if !errors.As(err, &overlap) || overlap.Set.String() != "team/news" {
		t.Errorf("%v", err)
	}
}

// TestBrokenSet: a set that cannot be read may have the host; guessing that it has not would be a pass. It can still be mended by
// declaring it anew, and be removed.
func TestBrokenSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}})
	w.enable(set)
	parent := w.object("ConfigMap", "default", "egress-news")
	parent.Object["data"] = map[string]any{egress.DataKey: "nonsense: true"}
	w.put("vandal", parent)
	err := w.refusal(declare(t, egress.Declaration{Name: "other", Domains: []string{"a.com"}}), Options{})
	for _, want := range []string{"ConfigMap default/egress-news is marked as a set but its set.yaml cannot be used", "nonsense"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, ok := errors.AsType[*egress.InputError](err); ok {
		t.Error("a faulty object is taken for a faulty request")
	}
	if _, err := Sets(t.Context(), w.client, ""); err == nil {
		t.Error("a broken set is left out in silence")
	}
	w.plan(set, Options{Force: true})
	w.execute(w.removal("default", "news"))

	parent.Object["data"] = map[string]any{egress.DataKey: "apiVersion: kubectl-egress/v1\nkind: Set\nname: copy\ndomains: [a.com]\n"}
	w.put("vandal", parent)
	if _, err := Sets(t.Context(), w.client, ""); err == nil || !strings.Contains(err.Error(), "it declares set default/copy") {
		t.Errorf("a copied parent: %v", err)
	}
}

// TestRights: what may not be done is named, each right once.
func TestRights(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		forbidden []string
		want      []string
	}{
		{[]string{"list configmaps"}, []string{"find the sets"}},
		{[]string{"get configmaps"}, []string{"read set default/news"}},
		{[]string{"list serviceentries"}, []string{"read the objects of set default/news"}},
		{[]string{"list gateways"}, nil},
		{[]string{"patch configmaps", "patch serviceentries", "patch virtualservices"}, []string{"dry run of"}},
	} {
		w := newWorld(t)
		w.forbidden = tt.forbidden
		err := w.refusal(declare(t, egress.Declaration{Name: "news", Domains: []string{"a.com", "b.com"}}), Options{})
		if !errors.Is(err, kube.ErrForbidden) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", tt.forbidden, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
		var rights []string
		for _, e := range kubeErrors(err) {
			rights = append(rights, e.Verb+" "+e.Resource)
		}
		if diff := cmp.Diff(tt.forbidden, rights); diff != "" {
			t.Errorf("%v: rights told: %s", err, diff)
		}
	}
}

// kubeErrors finds the errors of the API server in what a plan was refused with.
func kubeErrors(err error) []*kube.Error {
	all, ok := errors.AsType[several](err)
	if !ok {
		all = several{err}
	}
	var found []*kube.Error
	for _, one := range all {
		if e, ok := errors.AsType[*kube.Error](one); ok {
			found = append(found, e)
		}
	}
	return found
}
