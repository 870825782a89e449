package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// atom is one right in one namespace, or in all if that is empty.
type atom struct{ namespace, verb, group, resource string }

// String is as the plugin's errors and kubectl name it.
func (a atom) String() string {
	resource, sub, _ := strings.Cut(a.resource, "/")
	if a.group != "" {
		resource += "." + a.group
	}
	if sub != "" {
		resource += "/" + sub
	}
	return a.verb + " " + resource
}

// holder names the group that has this right and no other.
func (a atom) holder() string {
	return strings.Join([]string{"e2e-rbac", a.namespace, a.verb, a.group, a.resource}, ":")
}

// told says whether what was printed names the right, in the plugin's words or in the API server's.
func (a atom) told(r result) bool {
	out := r.stdout + r.stderr
	if strings.Contains(out, "grant RBAC permissions not currently held") { // nobody can give what they have not
		return strings.Contains(out, fmt.Sprintf("Resources:[%q]", a.resource)) && strings.Contains(out, strconv.Quote(a.verb))
	}
	return strings.Contains(out, a.String()) || strings.Contains(out, fmt.Sprintf("cannot %s resource %q", a.verb, a.resource)) || a.notSeen(r.stderr)
}

// notSeen says whether the right is in the line that ends a command: "Not seen, for want of the right to get services in namespace a; list
// pods and services in all namespaces; …".
func (a atom) notSeen(stderr string) bool {
	verb, resource, _ := strings.Cut(a.String(), " ")
	for line := range strings.Lines(stderr) {
		rights, ok := strings.CutPrefix(line, "Not seen, for want of the right to ")
		for group := range strings.SplitSeq(rights, "; ") {
			words := strings.FieldsFunc(group, func(r rune) bool { return r == ' ' || r == ',' })
			if ok && words[0] == verb && slices.Contains(words, resource) {
				return true
			}
		}
	}
	return false
}

// lacking are the flags by which the plugin is a user with all rights but some.
func lacking(all, missing []atom) []string {
	flags := []string{"--as=e2e-rbac"}
	for _, a := range all {
		if !slices.Contains(missing, a) {
			flags = append(flags, "--as-group="+a.holder())
		}
	}
	return flags
}

// some runs jobs, a few at a time.
func some(jobs []func()) {
	const atOnce = 4
	var wg sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for _, job := range jobs {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			job()
		})
	}
	wg.Wait()
}

// held are the rights of a case.
type held struct {
	all, needed []atom
	tried       [][]atom // taken away in turn: one right each, and together those that are only used when something goes wrong
}

// takeAway lists what runs of a case are to do without.
func (h *held) takeAway(tt rbacCase, base []atom) {
	var quietly []atom
	for _, a := range h.all {
		switch {
		case !tt.takes(a) || slices.Contains(base, a) || twice(h.all, a):
		case tt.missing == needed && !slices.Contains(h.needed, a) || tt.missing == optional && slices.Contains(h.needed, a):
		case h.spare(a, tt.undo):
			quietly = append(quietly, a)
		default:
			h.tried = append(h.tried, []atom{a})
		}
	}
	if len(quietly) > 0 {
		h.tried = append(h.tried, quietly)
	}
}

// spare says whether a command that goes well does not even ask for what a right is needed for.
func (h *held) spare(a atom, undo []string) bool {
	return (quiet(a) || slices.Contains(undo, a.String())) && !slices.Contains(h.needed, a)
}

// grantRights has `rbac` print the rights of each case, and grants them: together to a user of the case's own, and one by one. Each
// right of each command is tried by one line at least.
func (c *cluster) grantRights(phases [][]rbacCase) [][]held {
	c.t.Helper()
	rights := make([][]held, len(phases))
	printed := map[string]held{}
	var each []atom
	untried := map[string][]atom{}
	for i, cases := range phases {
		for _, tt := range cases {
			rbac := func(with []string, more ...string) []string {
				args := append([]string{"rbac"}, strings.Fields(tt.command)...)
				for _, w := range with {
					args = append(args, "--with="+w)
				}
				return append(home(append(args, "--gateway="+rbacGate+","+*gatewayRef, "--name=e2e-rbac-"+strings.ReplaceAll(tt.name(), " ", "-"))...), more...)
			}
			h, known := printed[tt.name()]
			if !known {
				c.apply(c.plugin(0, rbac(tt.with, "--user=e2e-rbac:"+tt.name())...).stdout)
				h.all = atomsOf(c.t, c.plugin(0, rbac(tt.with, "-o=json")...).stdout)
				h.needed = atomsOf(c.t, c.plugin(0, rbac(tt.with, "-o=json", "--needed")...).stdout)
				each = append(each, h.all...)
				printed[tt.name()] = h
				if _, begun := untried[tt.command]; !begun {
					untried[tt.command] = slices.Clone(h.all)
				}
			}
			var base []atom
			if tt.extra {
				base = atomsOf(c.t, c.plugin(0, rbac(nil, "-o=json")...).stdout)
			}
			h.takeAway(tt, base)
			untried[tt.command] = slices.DeleteFunc(untried[tt.command], func(a atom) bool {
				return slices.Contains(slices.Concat(h.tried...), a) || twice(h.all, a) || h.spare(a, tt.undo) || slices.Contains(elsewhere()[tt.command], a.String())
			})
			rights[i] = append(rights[i], h)
		}
	}
	for command, left := range untried {
		if len(left) > 0 {
			c.t.Errorf("%s: no line is run without the right to %v", command, left)
		}
	}
	c.grantEach(each)
	return rights
}

// twice says whether a right at the mesh's own gateway is one that this test's gateway has as well: one of the two is enough to try.
func twice(all []atom, a atom) bool {
	namespace, _ := split(*gatewayRef)
	return a.namespace == namespace && slices.Contains(all, atom{rbacEdge, a.verb, a.group, a.resource})
}

// elsewhere are rights that are tried with another command that does the same by the same code: here each would take a restart of the
// gateway's pods, a set of its own, or a rule that refers to a credential.
func elsewhere() map[string][]string {
	return map[string][]string{
		"gateway install":   {"create rolebindings.rbac.authorization.k8s.io"}, // roles: a dry run does not come to it
		"credential create": {"create pods/portforward"},                       // certs
		"stats record":      {"list services"},                                 // certs: with --gateway it is not asked for, and without there is no choice
	}
}

// quiet says whether an optional right is only used when something goes wrong: to take back what was done, to see whether a write took
// place whose answer was lost, and to say why a pod does not start. Reading for a purpose of its own is never quiet.
func quiet(a atom) bool {
	return slices.Contains([]string{"delete", "create", "patch"}, a.verb) && !strings.HasPrefix(a.resource, "pods/") || a.resource == "events" ||
		a.verb == "get" && a.resource != "pods" && a.resource != "services" && (a.resource != "configmaps" || a.namespace != "istio-system")
}

// prepare does what has to be there for a run.
func (c *cluster) prepare(tt rbacCase, n int) {
	if len(tt.before) == 0 {
		return
	}
	if r := c.run("", c.egress, numbered(tt.before, n)...); r.code != 0 {
		c.t.Errorf("%s, to prepare:\n%s", tt.name(), r)
	}
}

// standing is what is in this test's namespaces, and whether it was changed since.
func (c *cluster) standing() string {
	c.t.Helper()
	const (
		kinds = "configmaps,secrets,services,serviceaccounts,deployments,roles,rolebindings,hpa,pdb,serviceentries,gateways.networking.istio.io," +
			"destinationrules,envoyfilters,virtualservices"
		each = `{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.uid} {.metadata.generation} {.metadata.deletionTimestamp}{"\n"}{end}`
	)
	return c.kube("-n", rbacHome, "get", kinds, "-o", "jsonpath="+each) + c.kube("-n", rbacEdge, "get", kinds, "-o", "jsonpath="+each)
}

// with runs a case with exactly the rights that rbac prints.
func (c *cluster) with(tt rbacCase, n int) {
	c.prepare(tt, n)
	r := c.run("", c.egress, append(numbered(tt.args, n), "--as=e2e-rbac:"+tt.name())...)
	if r.code != tt.code || strings.Contains(r.stderr, "forbidden") || strings.Contains(r.stderr, "for want of the right") {
		c.t.Errorf("%s with the rights that rbac prints: want exit code %d and nothing unseen\n%s", tt.name(), tt.code, r)
	}
}

// unknown is how reports say that something could not be seen, and absent how they would say that it is not there.
var (
	unknown = regexp.MustCompile(`\bunknown\b`)
	absent  = regexp.MustCompile(`(?i)\bnot found\b|\babsent\b|\bno sets\b|\bthere is no\b|\bhas no egress gateway\b|\bNo egress gateways\b|: none\b`)
)

// without runs a case with rights missing. What cannot do without one fails or says unknown, and names it; what can names it too,
// unless it had no reason to ask.
func (c *cluster) without(tt rbacCase, h held, missing []atom, n int) {
	c.prepare(tt, n)
	r := c.run("", c.egress, append(numbered(tt.args, n), lacking(h.all, missing)...)...)
	r.args = append(numbered(tt.args, n), fmt.Sprintf("(all rights but: %s)", missing))
	one := missing[0]
	needed, spare := slices.Contains(h.needed, one), h.spare(one, tt.undo)
	out := r.stdout + r.stderr
	switch {
	case strings.Contains(out, "fault of this program"):
		c.t.Errorf("asks for what is not in its table\n%s", r)
	case absent.MatchString(out):
		c.t.Errorf("takes what it may not see for absent\n%s", r)
	case needed && (r.code == 0 || r.code == tt.code) && !unknown.MatchString(out):
		c.t.Errorf("exit code %d, and nothing is unknown\n%s", r.code, r)
	case needed && !one.told(r):
		c.t.Errorf("does not name the right\n%s", r)
	case !needed && r.code != tt.code:
		c.t.Errorf("does not do without what is optional, want exit code %d\n%s", tt.code, r)
	case !needed && !spare && !one.told(r):
		c.t.Errorf("does not say what it could not see\n%s", r)
	}
}

// numbered puts a number into arguments where they say #, so that runs do not meet.
func numbered(args []string, n int) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = strings.ReplaceAll(a, "#", strconv.Itoa(n))
	}
	return out
}
