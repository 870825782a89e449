package trace

import (
	"strconv"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// anyName stands for "some host of the wildcard".
const anyName = "any-host"

// sample is the name that stands for a path's host: the host itself, or for a wildcard a name below it for which no object has
// anything of its own, so that it goes the way of all that are not special.
func (w *walker) sample(h egress.Host) string {
	if !h.IsWildcard() {
		return string(h)
	}
	name := anyName + "." + h.Domain()
	for n := 2; w.wanted.mentions(name); n++ {
		name = anyName + "-" + strconv.Itoa(n) + "." + h.Domain()
	}
	return name
}

// mentions says whether an object names the host itself, or a wildcard of which it is the domain.
func (w *Wanted) mentions(name string) bool {
	return len(w.lines[name])+len(w.entries[name])+len(w.servers[name]) > 0
}
