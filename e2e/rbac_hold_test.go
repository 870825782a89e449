package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
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
	return strings.Contains(out, a.String()) || strings.Contains(out, fmt.Sprintf("cannot %s resource %q", a.verb, a.resource))
}

// rbacObject is a Role, a ClusterRole or a binding.
type rbacObject struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   objectName   `json:"metadata"`
	Rules      []rule       `json:"rules,omitempty"`
	RoleRef    *subject     `json:"roleRef,omitempty"`
	Subjects   []subject    `json:"subjects,omitempty"`
	Items      []rbacObject `json:"items,omitempty"`
}

type objectName struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

type rule struct {
	APIGroups []string `json:"apiGroups"`
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
}

type subject struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

// atomsOf reads what `rbac -o json` printed.
func atomsOf(t *testing.T, printed string) []atom {
	t.Helper()
	var list rbacObject
	if err := json.Unmarshal([]byte(printed), &list); err != nil {
		t.Fatalf("rbac -o json printed no JSON: %v\n%s", err, printed)
	}
	var atoms []atom
	for _, o := range list.Items {
		for _, r := range o.Rules {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					atoms = append(atoms, atom{o.Metadata.Namespace, verb, r.APIGroups[0], resource})
				}
			}
		}
	}
	return atoms
}

// grantEach gives every right to a group of its own, so that a user who is impersonated with all groups but one lacks just that right.
func (c *cluster) grantEach(atoms []atom) {
	c.t.Helper()
	const group = "rbac.authorization.k8s.io"
	list := rbacObject{APIVersion: "v1", Kind: "List"}
	done := map[atom]bool{}
	roles := map[atom]string{}
	for _, a := range atoms {
		if done[a] {
			continue
		}
		done[a] = true
		role := atom{"", a.verb, a.group, a.resource}
		if roles[role] == "" {
			roles[role] = "e2e-rbac-each-" + strconv.Itoa(len(roles))
			list.Items = append(list.Items, rbacObject{
				APIVersion: group + "/v1", Kind: "ClusterRole", Metadata: objectName{Name: roles[role]},
				Rules: []rule{{[]string{a.group}, []string{a.resource}, []string{a.verb}}},
			})
		}
		binding := rbacObject{
			APIVersion: group + "/v1", Kind: "ClusterRoleBinding", Metadata: objectName{roles[role], a.namespace},
			RoleRef: &subject{group, "ClusterRole", roles[role]}, Subjects: []subject{{group, "Group", a.holder()}},
		}
		if a.namespace != "" {
			binding.Kind = "RoleBinding"
		}
		list.Items = append(list.Items, binding)
	}
	text, err := json.Marshal(list)
	if err != nil {
		c.t.Fatal(err)
	}
	c.apply(string(text))
	last := atoms[len(atoms)-1]
	c.eventually("the rights to be granted", 30*time.Second, func() (bool, string) {
		args := []string{"auth", "can-i", last.verb, qualified(last), "--as=e2e-rbac", "--as-group=" + last.holder()}
		if _, sub, ok := strings.Cut(last.resource, "/"); ok {
			args = append(args, "--subresource="+sub)
		}
		if last.namespace != "" {
			args = append(args, "-n", last.namespace)
		} else {
			args = append(args, "-A")
		}
		r := c.run("", c.kubectl, args...)
		return r.code == 0, r.String()
	})
}

// qualified is a resource as kubectl takes it, without its subresource.
func qualified(a atom) string {
	resource, _, _ := strings.Cut(a.resource, "/")
	if a.group != "" {
		resource += "." + a.group
	}
	return resource
}

// lacking are the flags by which the plugin is a user with all rights but one.
func lacking(all []atom, missing atom) []string {
	flags := []string{"--as=e2e-rbac"}
	for _, a := range all {
		if a != missing {
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

func inOrder(jobs []func()) {
	for _, job := range jobs {
		job()
	}
}

// held are the rights of a case.
type held struct {
	all, needed []atom
	tried       []atom // taken away in turn
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
			for _, a := range h.all {
				if tt.takes(a) && !slices.Contains(base, a) && !twice(h.all, a) {
					h.tried = append(h.tried, a)
				}
			}
			untried[tt.command] = slices.DeleteFunc(untried[tt.command], func(a atom) bool {
				return slices.Contains(h.tried, a) || twice(h.all, a) || quiet(a) && !slices.Contains(h.needed, a) || slices.Contains(elsewhere()[tt.command], a.String())
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
		"cleanup":           {"list pods", "create pods/portforward", "list sidecars.networking.istio.io", "get pods"}, // enable
		"gateway install":   {"create rolebindings.rbac.authorization.k8s.io"},                                         // roles: a dry run does not come to it
		"credential create": {"create pods/portforward"},                                                               // certs
		"stats record":      {"list pods", "create pods/portforward"},                                                  // gateway install, certs
	}
}

// quiet says whether an optional right is only used when something goes wrong: to take back what was done, to see whether a write took
// place whose answer was lost, and to say why a pod does not start. Reading for a purpose of its own is never quiet.
func quiet(a atom) bool {
	return slices.Contains([]string{"delete", "create", "patch"}, a.verb) || a.resource == "events" ||
		a.verb == "get" && a.resource != "pods" && a.resource != "services" && !(a.resource == "configmaps" && a.namespace == "istio-system")
}

// with runs a case with exactly the rights that rbac prints.
func (c *cluster) with(tt rbacCase, n int) {
	c.prepare(tt, n)
	r := c.run("", c.egress, append(numbered(tt.args, n), "--as=e2e-rbac:"+tt.name())...)
	if r.code != tt.code || strings.Contains(r.stderr, "forbidden") || strings.Contains(r.stderr, "for want of the right") {
		c.t.Errorf("%s with the rights that rbac prints: want exit code %d and nothing unseen\n%s", tt.name(), tt.code, r)
	}
}

func (c *cluster) prepare(tt rbacCase, n int) {
	for _, before := range tt.before {
		if r := c.run("", c.egress, numbered(before, n)...); r.code != 0 {
			c.t.Errorf("%s, to prepare:\n%s", tt.name(), r)
		}
	}
}

// unknown is how reports say that something could not be seen, and absent how they would say that it is not there.
var (
	unknown = regexp.MustCompile(`\bunknown\b`)
	absent  = regexp.MustCompile(`(?i)\bnot found\b|\babsent\b|\bno sets\b|\bthere is no\b|\bhas no egress gateway\b|\bNo egress gateways\b|: none\b`)
)

// without runs a case with one right missing. What cannot do without it fails or says unknown, and names it; what can names it too.
func (c *cluster) without(tt rbacCase, h held, missing atom, n int) {
	c.prepare(tt, n)
	r := c.run("", c.egress, append(numbered(tt.args, n), lacking(h.all, missing)...)...)
	r.args = append(numbered(tt.args, n), "(all rights but: "+missing.String()+" in "+missing.namespace+")")
	needed := slices.Contains(h.needed, missing)
	out := r.stdout + r.stderr
	switch {
	case strings.Contains(out, "fault of this program"):
		c.t.Errorf("asks for what is not in its table\n%s", r)
	case absent.MatchString(out):
		c.t.Errorf("takes what it may not see for absent\n%s", r)
	case needed && (r.code == 0 || r.code == tt.code) && !unknown.MatchString(out):
		c.t.Errorf("exit code %d, and nothing is unknown\n%s", r.code, r)
	case needed && !missing.told(r):
		c.t.Errorf("does not name the right\n%s", r)
	case !needed && r.code != tt.code:
		c.t.Errorf("does not do without what is optional, want exit code %d\n%s", tt.code, r)
	case !needed && !missing.told(r) && !quiet(missing):
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
