package egress

import (
	"fmt"
	"slices"
)

// OverlapError says that a host of a set belongs to another set already. It is an *InputError too (errors.As).
type OverlapError struct {
	Host  Host // of the set that was asked for
	Other Host // of the other set
	Set   Set  // the other set
}

// Error says what to do about it.
func (e *OverlapError) Error() string {
	switch {
	case e.Host == e.Other:
		return fmt.Sprintf("%s is already in set %s; change that set with --name %s -n %s, or remove it first", e.Host, e.Set, e.Set.Name, e.Set.Namespace)
	case e.Host.Covers(e.Other):
		return fmt.Sprintf("%s would swallow %s of set %s; put both in one set with --name %s -n %s, or remove that set first", e.Host, e.Other, e.Set, e.Set.Name, e.Set.Namespace)
	default:
		return fmt.Sprintf("%s is already covered by %s of set %s; put both in one set with --name %s -n %s, or remove that set first", e.Host, e.Other, e.Set, e.Set.Name, e.Set.Namespace)
	}
}

// Unwrap makes the error an InputError: the user has to ask for something else.
func (e *OverlapError) Unwrap() error { return &InputError{Msg: e.Error()} }

// Overlap refuses a set that has a host of another set, a wildcard that swallows a host of another set, or a host that
// a wildcard of another set covers: which of the two Istio would follow is not for users to guess. The set itself, known by
// namespace and name, may be among the others, and so may sets that never meet it: no workload sees both, and no gateway serves
// both. The error is an *OverlapError about the first host that overlaps.
func Overlap(s Set, others []Set) error {
	exact := make(map[Host]Set)
	var wild []Host
	for _, o := range others {
		if s.apart(o) {
			continue
		}
		for _, h := range o.Hosts {
			if h.IsWildcard() {
				wild = append(wild, h)
			}
			exact[h] = o
		}
	}
	for _, h := range s.Hosts {
		if o, taken := exact[h]; taken {
			return &OverlapError{Host: h, Other: h, Set: o}
		}
		for _, w := range wild {
			if w.Covers(h) {
				return &OverlapError{Host: h, Other: w, Set: exact[w]}
			}
		}
		if h.IsWildcard() {
			if e := swallowed(h, s, others); e != nil {
				return e
			}
		}
	}
	return nil
}

// swallowed finds the first host of another set that a wildcard covers.
func swallowed(wildcard Host, s Set, others []Set) error {
	for _, o := range others {
		if s.apart(o) {
			continue
		}
		for _, h := range o.Hosts {
			if wildcard.Covers(h) {
				return &OverlapError{Host: wildcard, Other: h, Set: o}
			}
		}
	}
	return nil
}

// apart says that two sets never meet, or are the same one.
func (s Set) apart(o Set) bool {
	if s.String() == o.String() {
		return true
	}
	if s.Gateway == o.Gateway && !s.Direct() && !o.Direct() {
		return false
	}
	ours, theirs := s.clients(), o.clients()
	return ours != nil && theirs != nil && !slices.ContainsFunc(ours, func(ns string) bool { return slices.Contains(theirs, ns) })
}

// clients are the namespaces whose workloads see the set; nil for all.
func (s Set) clients() []string {
	if len(s.ExportTo) == 0 || slices.Contains(s.ExportTo, "*") {
		return nil
	}
	out := make([]string, 0, len(s.ExportTo))
	for _, e := range s.ExportTo {
		if e == "." {
			e = s.Namespace
		}
		out = append(out, e)
	}
	return out
}
