package egress

import "fmt"

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
// namespace and name, may be among the others. The error is an *OverlapError about the first host that overlaps.
func Overlap(s Set, others []Set) error {
	exact := make(map[Host]Set)
	var wild []Host
	for _, o := range others {
		if o.Namespace == s.Namespace && o.Name == s.Name {
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
		if o.Namespace == s.Namespace && o.Name == s.Name {
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
