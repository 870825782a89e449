package kube

import (
	"slices"
	"strings"
	"testing"
)

// TestWritesCanBeTakenBack: a fault halfway is rolled back, so that what may be deleted can be put back in the same place, and what may
// be created can be taken away. A right for that which the table lacks would be found out at the worst of moments.
func TestWritesCanBeTakenBack(t *testing.T) {
	t.Parallel()
	back := map[string][]string{"delete": {"get", "create", "patch"}, "create": {"get", "delete"}}
	// What is not rolled back: pods that are made to ask from and always taken away, and namespaces, which are judged anew.
	never := []string{"pods", "namespaces"}
	for _, c := range Commands() {
		if !c.Writes {
			continue
		}
		places := map[Rule][]Place{}
		for _, r := range c.Rights {
			for _, rule := range r.Rules() {
				places[rule] = append(places[rule], r.In)
			}
		}
		for rule, in := range places {
			if slices.Contains(never, rule.Resource) || strings.Contains(rule.Resource, "/") {
				continue
			}
			for _, verb := range back[rule.Verb] {
				need := Rule{Verb: verb, Group: rule.Group, Resource: rule.Resource}
				for _, place := range in {
					if !slices.Contains(places[need], place) && !slices.Contains(places[need], Everywhere) {
						t.Errorf("%s may %s (%s), and not %s there", c.Name, rule, place, need)
					}
				}
			}
		}
	}
}
