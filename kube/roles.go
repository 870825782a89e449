package kube

import (
	"slices"
	"strings"
)

// Namespaces says which namespaces the places of the table are. Home and Gateways must be named.
type Namespaces struct {
	Home, Istio, DNS string
	Gateways         []string
	// All has what is needed at home granted in all namespaces.
	All bool
	// Only grants nothing outside these namespaces: what is needed everywhere is granted in the lesser place that the table has.
	Only bool
}

// Grant is a rule of a role: the resources of one API group and what may be done with them.
type Grant struct {
	Group            string
	Resources, Verbs []string
	Why              string
	Optional         bool
}

// Role is a Role, or a ClusterRole if it has no namespace.
type Role struct {
	Name, Namespace string
	Grants          []Grant
}

// Granted is what a command, or several together, are to be granted.
type Granted struct {
	Name   string // of the roles
	Roles  []Role // the ClusterRole first, if there is one
	Beyond []Right
}

// Grants gives the least roles for rights, each of which is granted once: what a ClusterRole has no Role repeats. Beyond are the rights
// that are granted nowhere, since n.Only leaves no place for them.
func Grants(name string, rights []Right, n Namespaces) Granted {
	granted := Granted{Name: name}
	byNamespace := map[string]int{}
	have := map[string]map[Rule]bool{"": {}} // by namespace
	spread := func(r Right, namespace string) {
		rules := slices.DeleteFunc(r.Rules(), func(rule Rule) bool { return have[""][rule] || have[namespace][rule] })
		if len(rules) == 0 {
			return
		}
		at, ok := byNamespace[namespace]
		if !ok {
			at = len(granted.Roles)
			byNamespace[namespace] = at
			granted.Roles = append(granted.Roles, Role{Name: name, Namespace: namespace})
		}
		if have[namespace] == nil {
			have[namespace] = map[Rule]bool{}
		}
		for _, rule := range rules {
			have[namespace][rule] = true
		}
		granted.Roles[at].Grants = append(granted.Roles[at].Grants, grantsOf(rules, r)...)
	}
	// What is needed comes before what is optional, and what is everywhere before the rest, so that a rule stands where it says most.
	for _, pass := range []struct{ everywhere, optional bool }{{true, false}, {true, true}, {false, false}, {false, true}} {
		for _, r := range rights {
			namespaces := n.of(r)
			switch {
			case r.Optional != pass.optional || (namespaces == nil) != pass.everywhere:
			case namespaces == nil && n.Only:
				granted.Beyond = append(granted.Beyond, r)
			case namespaces == nil:
				spread(r, "")
			}
			for _, namespace := range namespaces {
				if r.Optional == pass.optional && !pass.everywhere {
					spread(r, namespace)
				}
			}
		}
	}
	return granted
}

// of is where a right is granted; nil for all namespaces.
func (n Namespaces) of(r Right) []string {
	place := r.In
	if place == Everywhere && n.Only {
		place = r.Else
	}
	switch place {
	case Home, HomeOrAll:
		if n.All {
			return nil
		}
		return []string{n.Home}
	case AtGateway:
		return n.Gateways
	case OfIstio:
		return []string{n.Istio}
	case OfDNS:
		return []string{n.DNS}
	}
	return nil
}

// grantsOf puts rules of one right together again, a grant for each group, as far as they have the same verbs.
func grantsOf(rules []Rule, r Right) []Grant {
	var grants []Grant
	for _, rule := range rules {
		i := slices.IndexFunc(grants, func(g Grant) bool { return g.Group == rule.Group && slices.Equal(g.Resources, []string{rule.Resource}) })
		if i < 0 {
			grants = append(grants, Grant{Group: rule.Group, Resources: []string{rule.Resource}, Why: r.Why, Optional: r.Optional})
			i = len(grants) - 1
		}
		grants[i].Verbs = append(grants[i].Verbs, rule.Verb)
	}
	var merged []Grant
	for _, g := range grants {
		i := slices.IndexFunc(merged, func(m Grant) bool { return m.Group == g.Group && slices.Equal(m.Verbs, g.Verbs) })
		if i < 0 {
			merged = append(merged, g)
			continue
		}
		merged[i].Resources = append(merged[i].Resources, g.Resources...)
	}
	return merged
}

// Word is what a right that is not always needed is asked for by: its flag without dashes, or the circumstance.
func (r Right) Word() string {
	word := strings.TrimLeft(r.With, "-")
	if _, value, ok := strings.Cut(word, " "); ok { // -o wide
		return value
	}
	return word
}

// Circumstance tells when a right is needed that is not always: "with --security", "for sets with wildcard hosts".
func (r Right) Circumstance() string {
	if strings.HasPrefix(r.With, "-") {
		return "with " + r.With
	}
	return circumstances()[r.With]
}
