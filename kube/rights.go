package kube

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Place is where a right is needed.
type Place string

// The places. Which namespaces they are is known where a command runs.
const (
	Everywhere Place = "everywhere"  // all namespaces, or objects that are in none
	HomeOrAll  Place = "home or all" // the namespace of -n; with -A all of them
	Home       Place = "home"        // the namespace of -n, where sets and workloads are
	AtGateway  Place = "gateway"     // the namespace of the gateway's pods
	OfIstio    Place = "istio"       // Istio's root namespace
	OfDNS      Place = "dns"         // the namespace of the cluster's DNS
)

// Right is something that the API server has to allow a command.
type Right struct {
	// Can is verbs and resources as kubectl writes them: "get,list pods,pods/log,deployments.apps".
	Can string
	In  Place
	// Else is the place that has to do for somebody without rights In all namespaces; such a command then sees less, and says so.
	Else Place
	// With is what makes the right needed: a flag of the command, or a word for a circumstance. Empty: it always is.
	With string
	// Optional: without it the command does its work and says what it could not see.
	Optional bool
	// Why is for people: what is read or written.
	Why string
}

// Command is what one command may ask of the API server. Everything else is refused before it is sent.
type Command struct {
	Name   string // words after the program's name: "gateway install"
	Writes bool   // whether it may change the cluster; else writes are refused, but for dry runs
	Rights []Right
}

// Rule is one right taken apart, as RBAC has it.
type Rule struct {
	Verb, Group, Resource string // the resource with its subresource: pods/log
}

// String is as kubectl writes it: "list deployments.apps".
func (r Rule) String() string {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	if r.Group != "" {
		resource += "." + r.Group
	}
	if sub != "" {
		resource += "/" + sub
	}
	return r.Verb + " " + resource
}

// Rules takes a right apart, in the order in which it is written.
func (r Right) Rules() []Rule {
	verbs, resources, _ := strings.Cut(r.Can, " ")
	var rules []Rule
	for resource := range strings.SplitSeq(resources, ",") {
		resource, sub, _ := strings.Cut(resource, "/")
		resource, group, _ := strings.Cut(resource, ".")
		if sub != "" {
			resource += "/" + sub
		}
		for verb := range strings.SplitSeq(verbs, ",") {
			rules = append(rules, Rule{Verb: verb, Group: group, Resource: resource})
		}
	}
	return rules
}

// FindCommand gives what a command may; false if no command of that name asks the API server.
func FindCommand(name string) (Command, bool) {
	all := Commands()
	i := slices.IndexFunc(all, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Command{}, false
	}
	return all[i], true
}

// allowed is what a command may, for look-ups: whether everywhere or only in a namespace.
type allowed map[Rule]bool

func (c Command) allowed() allowed {
	a := allowed{}
	for _, right := range c.Rights {
		for _, rule := range right.Rules() {
			a[rule] = a[rule] || right.In == Everywhere || right.In == HomeOrAll
		}
	}
	return a
}

// tableGuard lets nothing pass that is not in the table of the command that runs. So the table is what the command needs: what `rbac`
// prints cannot fall behind what is asked, and no bug above can ask for more than was agreed to.
type tableGuard struct {
	command string
	allowed allowed
	prefix  string // the path before /api, for API servers behind a proxy
	next    http.RoundTripper
}

// RoundTrip sends a request that is in the table, or fails with ErrUnlisted.
func (g *tableGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	what := g.refuse(r)
	if what == "" {
		return g.next.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close() // a RoundTripper has to close it; nothing of it was read
	}
	return nil, fmt.Errorf("%w: %s is not in the table of %s; please report this", ErrUnlisted, what, g.command)
}

// WrappedRoundTripper lets client-go find the transport below.
func (g *tableGuard) WrappedRoundTripper() http.RoundTripper { return g.next }

// refuse names what a request asks for if it is not in the table.
func (g *tableGuard) refuse(r *http.Request) string {
	p, ok := strings.CutPrefix(r.URL.Path, g.prefix)
	target := parseTarget(p)
	if !ok || target.resource == "" {
		if ok && r.Method == http.MethodGet && aboutAPI(p) {
			return ""
		}
		return r.Method + " " + r.URL.Path
	}
	rule := Rule{Verb: target.verb(r), Group: target.group, Resource: target.resource}
	if target.sub != "" {
		rule.Resource += "/" + target.sub
	}
	wide, listed := g.allowed[rule]
	one := target.namespace != "" || target.resource == "namespaces" && target.name != "" // a namespace is in itself, to RBAC
	switch {
	case !listed:
		return rule.String()
	case !wide && !one:
		return rule.String() + " in all namespaces"
	}
	return ""
}

// aboutAPI says whether a path only tells which API groups and versions there are, which every user that the API server knows may ask.
func aboutAPI(p string) bool {
	group, ok := strings.CutPrefix(p, "/apis/")
	return ok && group != "" && !strings.Contains(group, "/")
}

// verb is what RBAC calls the request. An exec or port-forward by WebSocket is a GET, for which create will do as well: the client
// falls back to a POST.
func (t apiTarget) verb(r *http.Request) string {
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if t.name == "" {
			return "deletecollection"
		}
		return "delete"
	}
	switch {
	case t.streams():
		return "create"
	case t.name != "":
		return "get"
	case r.URL.Query().Get("watch") != "":
		return "watch"
	}
	return "list"
}
