package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// Action is what becomes of an object.
type Action string

// The actions, in kubectl's words.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged" // nothing is written
	Deleted    Action = "deleted"
)

// Change is one object of a plan.
type Change struct {
	Ref    Ref
	Action Action
	Before *unstructured.Unstructured // as it is on the cluster; nil if created
	After  *unstructured.Unstructured // as the API server says it will be; nil if deleted

	want *unstructured.Unstructured // what is sent
}

// Options are what the user has to say explicitly.
type Options struct {
	Force bool // take over fields that other field managers own
	Adopt bool // take over objects of the right name that no set owns
}

// Plan is what has to be done for a set, in the order of writing. It was accepted by the API server in a dry run.
type Plan struct {
	Set     egress.Set
	Changes []Change

	client Client
	api    api
	force  bool
	id     string
	// parent is the last word on the parent where it is not the first: while objects are in places that the set leaves, the
	// parent records these places too, so that whoever comes after a crash finds everything.
	parent *unstructured.Unstructured
	times  times
}

// times bound what must end although nobody waits for it any more.
type times struct {
	grace    time.Duration // for a write that was begun when the command was told to stop
	rollBack time.Duration // for taking back what was written
	attempt  time.Duration // of that, for one look and one write, so that one lost answer does not take it all
	gone     time.Duration // for deleted objects to go
	pause    time.Duration // between looks, only so that a busy API server is not asked without pause
}

func newPlan(c Client, set egress.Set, a api) *Plan {
	return &Plan{
		Set: set, client: c, api: a, id: set.ApplySetID(),
		times: times{
			grace: 2 * time.Second, rollBack: 30 * time.Second, attempt: 10 * time.Second, gone: time.Minute, pause: 200 * time.Millisecond,
		},
	}
}

// Writes says whether Execute would write anything.
func (p *Plan) Writes() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action != Unchanged })
}

// NewPlan finds out what has to change on the cluster for the set, whose gateway is named. It refuses what would harm others
// (*RefusedError; hosts of other sets: *egress.OverlapError), then has the API server check all of it in a dry run.
// It writes nothing.
func NewPlan(ctx context.Context, c Client, set egress.Set, facts mesh.Facts, o Options) (*Plan, error) {
	objs, err := recipe.Build(set, facts)
	if err != nil {
		return nil, err
	}
	want, err := recipe.Render(set, facts)
	if err != nil {
		return nil, err
	}
	p := newPlan(c, set, api{networking: facts.Networking})
	p.force = o.Force
	parents, err := listParents(ctx, c, "")
	if err != nil {
		return nil, err
	}
	if err := refuseOverlap(set, parents); err != nil {
		return nil, err
	}
	now, err := p.live(ctx, want)
	if err != nil {
		return nil, err
	}
	if err := p.refuseForeign(want, now, parents, o.Adopt); err != nil {
		return nil, err
	}
	if err := refuseClash(ctx, c, p.api, set, facts, objs); err != nil {
		return nil, err
	}
	if err := refuseRivals(ctx, c, p.api, set); err != nil {
		return nil, err
	}
	if err := p.dryRun(ctx, want, now); err != nil {
		return nil, err
	}
	p.keepRecord()
	return p, nil
}

// refuseOverlap compares with all other sets, and with what a set of the same default name has now: *.cnn.com and cnn.com have the
// same default name, and the second must not silently take the place of the first.
func refuseOverlap(set egress.Set, parents []parent) error {
	var others []egress.Set
	for _, p := range parents {
		other, err := p.set()
		if err != nil {
			if p.GetNamespace() == set.Namespace && p.GetName() == set.ParentName() {
				continue // about to be mended
			}
			return err
		}
		others = append(others, other)
		if other.String() != set.String() || set.Name != egress.DefaultName(set.Hosts) {
			continue
		}
		if !slices.ContainsFunc(set.Hosts, func(h egress.Host) bool { return slices.Contains(other.Hosts, h) }) {
			return &RefusedError{
				Reason: OtherHosts, Refs: []Ref{refOf(p.Unstructured)},
				Msg: fmt.Sprintf("set %s is there already and has none of these hosts but %s; give this one another name with --name, or remove that set first",
					set, join(other.Hosts)),
			}
		}
	}
	return egress.Overlap(set, others)
}

func join(hosts []egress.Host) string {
	const most = 3
	s := ""
	for i, h := range hosts {
		if i == most {
			return fmt.Sprintf("%s and %d more", s, len(hosts)-most)
		}
		if i > 0 {
			s += ", "
		}
		s += string(h)
	}
	return s
}

// live reads what is on the cluster now: everything that has a name we want or that is marked as a member of the set.
func (p *Plan) live(ctx context.Context, want []*unstructured.Unstructured) (map[Ref]*unstructured.Unstructured, error) {
	now := map[Ref]*unstructured.Unstructured{}
	places := make([]parent, 0, 2)
	wanted := map[Ref]bool{}
	for _, w := range want {
		wanted[refOf(w)] = true
		if w.GetKind() == kindParent {
			places = append(places, parent{w})
		}
	}
	own, err := p.api.get(ctx, p.client, refOf(want[0]))
	switch {
	case err == nil:
		now[refOf(own)] = own
		if own.GetLabels()[egress.LabelApplySetID] == p.id {
			places = append(places, parent{own})
		}
	case !errors.Is(err, kube.ErrAbsent):
		return nil, fmt.Errorf("read set %s: %w", p.Set, err)
	}
	all, err := placesOf(places, false)
	if err != nil {
		return nil, err
	}
	for _, at := range all {
		objs, err := p.api.list(ctx, p.client, at, "", func(namespace, name, partOf string) bool {
			return partOf == p.id || wanted[Ref{Kind: at.kind, Namespace: namespace, Name: name}]
		})
		if err != nil {
			return nil, fmt.Errorf("read the objects of set %s: %w", p.Set, err)
		}
		for _, o := range objs {
			now[refOf(o)] = o
		}
	}
	return now, nil
}

// owner is the identity of the set that an object belongs to, as parent or member; empty if to none.
func owner(u *unstructured.Unstructured) string {
	if u.GetKind() == kindParent {
		return u.GetLabels()[egress.LabelApplySetID]
	}
	return u.GetLabels()[egress.LabelPartOf]
}

// refuseForeign refuses objects that have a name which the set needs and that are not the set's.
func (p *Plan) refuseForeign(want []*unstructured.Unstructured, now map[Ref]*unstructured.Unstructured, parents []parent, adopt bool) error {
	var foreign []Ref
	var managers []string
	for _, w := range want {
		ref := refOf(w)
		o := now[ref]
		if o == nil {
			continue
		}
		if o.GetDeletionTimestamp() != nil {
			return &RefusedError{Reason: Terminating, Refs: []Ref{ref}, Msg: fmt.Sprintf("%s is being deleted%s; try again when it is gone", ref, heldBy(o))}
		}
		switch id := owner(o); {
		case id == p.id:
		case id != "":
			return &RefusedError{
				Reason: OtherSet, Refs: []Ref{ref},
				Msg: fmt.Sprintf("%s belongs to %s; give this set another name with --name", ref, setOf(id, parents)),
			}
		case !adopt:
			foreign = append(foreign, ref)
			managers = append(managers, fieldManagers(o)...)
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	by := ""
	if managers = compact(managers); len(managers) > 0 {
		by = fmt.Sprintf(" (made by %s)", quoteAll(managers))
	}
	return &RefusedError{
		Reason: Foreign, Refs: foreign,
		Msg: fmt.Sprintf("there already, and of no set: %s%s; take over with --adopt, or give this set another name with --name", names(foreign), by),
	}
}

func setOf(id string, parents []parent) string {
	for _, o := range parents {
		if o.id() == id {
			return "set " + o.GetNamespace() + "/" + o.setName()
		}
	}
	return "another ApplySet, " + id
}
