// Package recipe turns a set into the Istio objects that a document tells people to apply, one file per documented
// configuration. It does no I/O and gives the same objects in the same order for the same set and facts.
//
// A mode is added by one file with its recipe and one line in the table.
package recipe

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// Object is one of Istio's own types with apiVersion, kind, name, namespace and the labels of ownership set.
type Object interface {
	metav1.Object
	runtime.Object
}

// recipe adds what one route needs to the draft of its set.
type recipe func(*draft, egress.Route) error

// recipes is the table of the modes that can be applied. Auto is not among them: Set.Routes resolves it.
var recipes = map[egress.Mode]recipe{
	egress.HTTP:        plainHTTP,   // Istio egress gateway task, "Egress gateway for HTTP traffic"
	egress.Passthrough: passthrough, // Istio egress gateway task, "Egress gateway for HTTPS traffic"
}

// Build gives the objects of a set in the order in which they are to be written: ServiceEntries, Gateway, DestinationRule,
// VirtualServices. What the user can mend by asking for something else is an *egress.InputError.
func Build(set egress.Set, facts mesh.Facts) ([]Object, error) {
	if err := Can(set); err != nil {
		return nil, err
	}
	routes := set.Routes()
	d, err := newDraft(set, facts)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if err := recipes[r.Mode](d, r); err != nil {
			return nil, fmt.Errorf("%s by %s: %w", r.Host, r.Mode, err)
		}
	}
	return d.objects()
}

// Can refuses a set that needs a mode which has no recipe yet, before anything is known of a cluster. The error is an
// *egress.InputError that names the modes there are.
func Can(set egress.Set) error {
	for _, r := range set.Routes() {
		if recipes[r.Mode] == nil {
			return unavailable(set, r)
		}
	}
	return nil
}

// Available lists the modes that Build can make, sorted. Auto is available as far as the modes that it stands for are.
func Available() []egress.Mode {
	modes := make([]egress.Mode, 0, len(recipes))
	for m := range recipes {
		modes = append(modes, m)
	}
	slices.Sort(modes)
	return modes
}

func unavailable(set egress.Set, r egress.Route) error {
	words := make([]string, 0, len(recipes))
	for _, m := range Available() {
		words = append(words, string(m))
	}
	list := strings.Join(words, ", ")
	if set.Mode == egress.Auto {
		return egress.Inputf("mode %s, which %s needs, is not available in this version; available: %s", r.Mode, r.Host, list)
	}
	return egress.Inputf("mode %s is not available in this version; available: %s", r.Mode, list)
}
