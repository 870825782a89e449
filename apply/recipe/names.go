package recipe

import (
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Longest names that Kubernetes takes.
const (
	maxLabelName  = 63  // subsets and ports
	maxObjectName = 253 // objects
)

// labelOf is the host as a DNS label of at most limit bytes, different for different hosts: dots become dashes, and where
// that could be read in two ways (a-b.example.com and a.b.example.com) or is too long, a hash of the host ends it.
func labelOf(h egress.Host, limit int) string {
	dashed := strings.ReplaceAll(h.Domain(), ".", "-")
	if !strings.Contains(string(h), "-") && !h.IsWildcard() && len(dashed) <= limit {
		return dashed
	}
	tail := "-" + egress.Hash(string(h))
	if room := limit - len(tail); len(dashed) > room {
		dashed = strings.TrimRight(dashed[:room], "-")
	}
	return dashed + tail
}

// hostObject names an object that a set has once per host. Names of sets hold no dot, so that the first dot ends the
// set's part and no two sets of a namespace share a name.
func hostObject(set egress.Set, h egress.Host) string {
	name := set.ParentName() + "." + h.Domain()
	if h.IsWildcard() {
		name = set.ParentName() + ".wildcard." + h.Domain() + "-" + egress.Hash(string(h))
	}
	return egress.Shorten(name, string(h), maxObjectName)
}

// numbered names the n-th object of a kind, counting from one. The first has the set's own name.
func numbered(set egress.Set, n int) string {
	if n == 1 {
		return set.ParentName()
	}
	return set.ParentName() + "." + strconv.Itoa(n)
}

// awayFromHome names an object in a namespace that sets of several namespaces write to. The set's namespace is part of the
// name there, so that sets of the same name do not meet.
func awayFromHome(set egress.Set, namespace string) string {
	if namespace == set.Namespace {
		return set.ParentName()
	}
	return set.ParentName() + "." + set.Namespace
}
