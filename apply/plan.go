package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	note string                     // what people should know of it
}

// Options are what the user has to say explicitly.
type Options struct {
	Force bool // take over fields that other field managers own
	Adopt bool // take over objects of the right name that no set owns
	// NoRollback leaves what was written standing when a later write fails.
	NoRollback bool
}

// Plan is what has to be done for a bundle, in the order of writing. It was accepted by the API server in a dry run.
type Plan struct {
	What    string     // for people, for example "set default/news"
	Set     egress.Set // zero if the bundle is not a set
	Changes []Change
	Notes   []string // what people should know besides: what stays and why, what could not be compared

	client Client
	api    api
	force  bool
	keep   bool     // what was written when a later write fails
	ref    Ref      // of the parent
	unseen []string // what may not be listed in all namespaces
	id     string   // of the bundle
	// last is the last word on the parent where it is not the first: while objects are in places that the bundle leaves, the
	// parent records these places too, so that whoever comes after a crash finds everything.
	last  *unstructured.Unstructured
	times times
}

// times bound what must end although nobody waits for it any more.
type times struct {
	grace    time.Duration // for a write that was begun when the command was told to stop
	rollBack time.Duration // for taking back what was written
	each     time.Duration // and so much more for each write
	attempt  time.Duration // of that, for one look and one write, so that one lost answer does not take it all
	gone     time.Duration // for deleted objects to go
	pause    time.Duration // between looks, only so that a busy API server is not asked without pause
}

func newPlan(c Client, parent Ref, what string) *Plan {
	return &Plan{
		What: what, client: c, ref: parent, id: egress.ParentID(parent.Kind, parent.Namespace, parent.Name),
		times: times{
			grace: 2 * time.Second, rollBack: 30 * time.Second, each: 50 * time.Millisecond, attempt: 10 * time.Second, gone: time.Minute, pause: 200 * time.Millisecond,
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
	p := newPlan(c, refOf(want[0]), kindSet+" "+set.String())
	p.Set, p.api = set, api{networking: facts.Networking}
	var parents []parent
	err = p.wide(func(namespace string) (err error) {
		parents, err = listParents(ctx, c, kindSet, namespace)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := refuseOverlap(set, parents); err != nil {
		return nil, err
	}
	err = p.make(ctx, Bundle{What: p.What, Parent: want[0], Members: want[1:]}, o, func() error {
		if err := p.refuseClash(ctx, facts, objs); err != nil {
			return err
		}
		return p.refuseRivals(ctx, facts, objs)
	})
	if err != nil {
		return nil, err
	}
	p.noteUnseen()
	return p, nil
}

// wide looks for something in all namespaces. A set that only its own namespace sees may be put there by who has rights in that
// namespace alone: then the look is at it alone, and notes tell so (see unseen). Any other set is seen everywhere, and what may not
// be looked at is an error.
func (p *Plan) wide(list func(namespace string) error) error {
	err := list("")
	if !errors.Is(err, kube.ErrForbidden) || !p.Set.Private() {
		return err
	}
	right := err.Error()
	if e, ok := errors.AsType[*kube.Error](err); ok {
		right = strings.TrimSuffix(e.Right(), allNamespaces)
	}
	if err := list(p.Set.Namespace); err != nil {
		return err
	}
	p.unseen = append(p.unseen, strings.TrimPrefix(right, "list "))
	return nil
}

// allNamespaces ends what RBAC has to grant for a look at all namespaces.
const allNamespaces = " in all namespaces"

// noteUnseen tells what other namespaces have that was not compared with.
func (p *Plan) noteUnseen() {
	if len(p.unseen) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("compared with what namespace %s has, and no other, for want of the right to list %s%s",
			p.Set.Namespace, strings.Join(p.unseen, ", "), allNamespaces))
	}
}

// make plans a bundle. What only its kind can refuse is asked after what any may.
func (p *Plan) make(ctx context.Context, b Bundle, o Options, refuse func() error) error {
	p.force, p.keep = o.Force, o.NoRollback
	want := b.inOrder()
	if err := p.refuseTooBig(want); err != nil {
		return err
	}
	now, err := p.live(ctx, want)
	if err != nil {
		return err
	}
	if want, err = p.refuseForeign(ctx, want, now, o.Adopt); err != nil {
		return err
	}
	if refuse != nil {
		if err := refuse(); err != nil {
			return err
		}
	}
	if err := p.dryRun(ctx, want, now); err != nil {
		return err
	}
	p.keepRecord()
	return nil
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
