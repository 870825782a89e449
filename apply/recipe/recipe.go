// Package recipe turns a set into the Istio objects that a document tells people to apply, one file per documented
// configuration. It does no I/O and gives the same objects in the same order for the same set and facts.
//
// A mode is added by one file with its recipe and one line in the table.
package recipe

import (
	"fmt"

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

// recipes is the table of the modes. Auto is not among them: Set.Routes resolves it.
var recipes = map[egress.Mode]recipe{
	egress.Direct:          direct,
	egress.HTTP:            plainHTTP,
	egress.TLSOrigination:  originate,
	egress.MTLSOrigination: originate,
	egress.Passthrough:     passthrough,
	egress.CommonHost:      throughCommonHost,
	egress.SNIProxy:        throughSNIProxy,
	egress.SNIDynamic:      sniDynamic,
}

// Build gives the objects of a set in the order in which they are to be written: Secret, ServiceEntries, Gateway,
// DestinationRules, EnvoyFilter, VirtualServices. What the user can mend by asking for something else is an *egress.InputError.
func Build(set egress.Set, facts mesh.Facts) ([]Object, error) {
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
