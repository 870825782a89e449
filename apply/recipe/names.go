package recipe

import (
	"encoding/base64"
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

// entryObject names the n-th ServiceEntry of a role, counting from one. The first has the set's and the role's name alone.
func entryObject(set egress.Set, r role, n int) string {
	name := set.ParentName()
	if r != exact {
		name += "." + string(r)
	}
	if n > 1 {
		name += "." + strconv.Itoa(n)
	}
	return name
}

// originObject names the rule by which a gateway begins TLS for a host. It has the set's namespace in its name wherever it is, so
// that no rule of a set in the gateway's own namespace is named the same.
func originObject(set egress.Set, h egress.Host) string {
	return egress.Shorten(set.ParentName()+"."+set.Namespace+"."+h.Domain(), string(h), maxObjectName)
}

// AuthorityName names the Secret with the CA of a set, in the gateway's namespace.
func AuthorityName(set egress.Set) string {
	return set.ParentName() + "." + set.Namespace + ".ca"
}

// encode is how Secrets hold text.
func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// awayFromHome names an object in a namespace that sets of several namespaces write to. The set's namespace is part of the
// name there, so that sets of the same name do not meet.
func awayFromHome(set egress.Set, namespace string) string {
	if namespace == set.Namespace {
		return set.ParentName()
	}
	return set.ParentName() + "." + set.Namespace
}
