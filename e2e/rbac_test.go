package e2e

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rbacCase is a command line, and the rights that `rbac` prints for it.
type rbacCase struct {
	command string   // as rbac takes it
	with    []string // circumstances
	args    []string // of the plugin; # is a number of the run
	before  []string // of the plugin: what is done first, with all rights
	code    int      // with all these rights
	// none: only with all rights, since what this line writes cannot be written twice.
	none bool
	// partly: never with all rights; keeps: nothing may be changed by it.
	partly, keeps bool
	missing       need // what is taken away
	// extra: only the rights of the circumstances are taken away; those of the command itself are another line's.
	extra bool
	// only are the rights that are taken away, and not those that are not, because the line does not come so far; another one does.
	only, not []string
	// undo are rights that are used to take back what was done, and to read with other commands.
	undo []string
}

// need says of which of a command's rights a line is to do without.
type need string

const (
	all      need = ""
	needed   need = "needed"
	optional need = "optional"
)

func (tt rbacCase) name() string { return strings.Join(append([]string{tt.command}, tt.with...), " ") }

// takes says whether a right is to be taken away.
func (tt rbacCase) takes(a atom) bool {
	return !tt.none && (len(tt.only) == 0 || slices.Contains(tt.only, a.String())) && !slices.Contains(tt.not, a.String())
}

// The namespaces of this test: that of sets and workloads, and that of a gateway of its own, so that no other test feels it.
const (
	rbacHome = "egress-e2e-rbac"
	rbacEdge = "egress-e2e-rbac-edge"
	rbacGate = rbacEdge + "/egress"
	rbacHost = "b.example.net"

	rbacCredential = "egress-e2e-rbac"
)

// home and gate are flags that nearly every line has.
func home(args ...string) []string { return append(args, "-n", rbacHome) }
func gate(args ...string) []string { return append(args, "--gateway="+rbacGate) }

// rbacCases are the lines in the order of a life: what runs in one phase does not meet.
func rbacCases(dir string) [][]rbacCase {
	sleep := home("sample", "install", "sleep", "--image="+*image)
	enable := home(gate("enable", "--domains="+rbacHost, "--name=e2e-rbac", "--mtls=on", "--export-to=.,"+rbacEdge, "--timeout=60s")...)
	seen := []string{"create pods/portforward", "list pods", "get pods", "list sidecars.networking.istio.io"}
	pods, services := []string{"list pods"}, []string{"get services"}
	standing := func(kinds ...string) []string { // what is only asked about what is there already
		again := slices.Clone(pods)
		for _, k := range kinds {
			again = append(again, "list "+k)
		}
		return again
	}
	sampled := standing("serviceaccounts", "services", "deployments.apps")
	installed := append(slices.Clone(sampled), standing("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
		"horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy")...)
	return [][]rbacCase{
		{
			{command: "gateway install", args: []string{"gateway", "install", rbacEdge + "/n#", "--dry-run=server"}, not: append(slices.Clone(installed), elsewhere()["gateway install"]...)},
			{command: "sample install", args: append(slices.Clone(sleep), "--dry-run=server"), not: sampled},
		},
		{
			{command: "gateway install", args: []string{"gateway", "install", rbacGate}, none: true},
			{command: "sample install", args: sleep, none: true},
		},
		{{command: "credential create", args: gate("credential", "create", rbacCredential, "--self-signed", "--dns=rbac.example.org"), none: true}},
		{{command: "enable", args: enable, none: true}},
		append(rbacReads(dir), []rbacCase{
			{command: "gateway install", args: []string{"gateway", "install", rbacGate}, only: installed},
			{command: "sample install", args: sleep, only: sampled},
			{command: "enable", args: home(gate("enable", "--domains=e#.rbac.example.org", "--mtls=on", "--dry-run=server")...), not: seen},
			{command: "enable", args: enable, only: seen},
			{command: "enable", with: []string{"wildcards"}, extra: true, args: home(gate("enable", "--domains=*.w#.rbac.example.org", "--mtls=on", "--dry-run=server")...)},
			{command: "diff", args: home(gate("diff", "--domains=d#.rbac.example.org", "--mtls=on")...), code: 1},
			{command: "credential create", args: gate("credential", "create", "dry#", "--self-signed", "--dns=rbac.example.org", "--dry-run=server"), not: []string{
				"list destinationrules.networking.istio.io", "list gateways.networking.istio.io", "create pods/portforward",
			}},
			{command: "credential create", args: gate("credential", "create", "c#", "--self-signed", "--dns=rbac.example.org"), only: []string{
				"list destinationrules.networking.istio.io", "list gateways.networking.istio.io",
			}},
		}...),
		rbacRefused(),
		{
			{
				command: "cleanup", args: home("cleanup", "s#", "--yes"), missing: optional,
				before: home(gate("enable", "--domains=s#.rbac.example.org", "--name=s#", "--mtls=on", "--export-to=.,"+rbacEdge, "--wait=false")...),
			},
			{
				command: "credential delete", args: gate("credential", "delete", "d#", "--yes"), missing: optional,
				before: gate("credential", "create", "d#", "--self-signed", "--dns=rbac.example.org", "--wait=false"),
			},
		},
		// without the right to look the gateway is told to record all the same, and that is said
		{{command: "stats record", args: gate("stats", "record", "on", "--yes"), partly: true, missing: needed, only: []string{"create pods/portforward"}}},
		{{command: "stats record", args: gate("stats", "record", "off", "--yes", "--wait=false"), none: true}},
		{{command: "stats record", args: gate("stats", "record", "on", "--yes"), none: true}},
		{
			{command: "cleanup", args: home("cleanup", "e2e-rbac", "--yes"), none: true},
			{command: "credential delete", args: gate("credential", "delete", rbacCredential, "--yes"), none: true},
		},
		{
			{command: "sample delete", args: home("sample", "delete", "sleep", "--yes"), none: true},
			{command: "gateway uninstall", args: []string{"gateway", "uninstall", rbacGate, "--yes"}, none: true},
		},
		{
			{command: "sample delete", args: home("sample", "delete", "sleep", "--yes"), partly: true, missing: optional, undo: services, before: append(slices.Clone(sleep), "--wait=false")},
			{
				command: "gateway uninstall", args: []string{"gateway", "uninstall", rbacGate, "--yes"}, partly: true, missing: optional, undo: services,
				before: []string{"gateway", "install", rbacGate, "--wait=false"},
			},
		},
	}
}

// rbacRefused are the commands that take away, and one that restarts pods, each without what it cannot do without: nothing may be
// changed by any of them.
func rbacRefused() []rbacCase {
	cases := []rbacCase{
		{command: "cleanup", args: home("cleanup", "e2e-rbac", "--yes"), partly: true, missing: needed, not: []string{"list configmaps"}},
		{command: "cleanup", args: home("cleanup", "--all", "--yes"), partly: true, missing: needed, only: []string{"list configmaps"}},
		{command: "credential delete", args: gate("credential", "delete", rbacCredential, "--yes"), partly: true, missing: needed},
		{command: "sample delete", args: home("sample", "delete", "sleep", "--yes"), partly: true, missing: needed},
		{command: "gateway uninstall", args: []string{"gateway", "uninstall", rbacGate, "--yes", "--force"}, partly: true, missing: needed, not: []string{"list configmaps"}},
		{command: "gateway uninstall", args: []string{"gateway", "uninstall", rbacGate, "--yes"}, partly: true, missing: needed, only: []string{"list configmaps"}},
		{command: "stats record", args: gate("stats", "record", "on", "--yes"), partly: true, missing: needed, not: []string{"create pods/portforward"}},
		{command: "stats record", args: []string{"stats", "record", "on", "--yes"}, missing: optional, not: elsewhere()["stats record"], code: 2}, // which of two gateways
	}
	for i := range cases {
		cases[i].keeps = true
	}
	return cases
}

// rbacReads are the commands that only look.
func rbacReads(dir string) []rbacCase {
	return []rbacCase{
		{command: "version", args: []string{"version", "--mesh"}},
		{command: "list", args: home("list")},
		{command: "list", with: []string{"wide"}, extra: true, args: home("list", "-o", "wide")},
		{command: "get", args: home("get", "e2e-rbac")},
		{command: "check", args: home("check", "e2e-rbac")},
		{command: "check", with: []string{"security"}, extra: true, args: home("check", "e2e-rbac", "--security"), code: 3},
		{command: "stats", args: home("stats", "e2e-rbac", "--sidecars")},
		{command: "certs", args: []string{"certs", rbacGate}},
		{command: "logs", args: gate("logs", "--tail=1")},
		{command: "logs", with: []string{"sidecars"}, extra: true, args: home(gate("logs", "--tail=1", "--sidecars")...)},
		{command: "gateway list", args: []string{"gateway", "list"}},
		{command: "capture", args: home("capture", "-o", filepath.Join(dir, "c#.tar.gz"))},
		{command: "probe", args: home("probe", rbacHost, "--port=80")},
	}
}

// TestRBAC runs commands with the rights that `rbac` prints for them and no others, and then with each right missing in turn: a command
// that cannot do without says which, and never takes what it may not see for absent.
func TestRBAC(t *testing.T) {
	c := newCluster(t)
	for _, namespace := range []string{rbacHome, rbacEdge} {
		c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + ", labels: {istio-injection: enabled}}")
	}
	phases := rbacCases(t.TempDir())
	rights := c.grantRights(phases)
	n := 0
	for i, cases := range phases {
		ok := t.Run("phase "+strconv.Itoa(i), func(t *testing.T) {
			own := *c
			own.t = t
			n = own.phase(cases, rights[i], n)
			t.Logf("%d runs by now", n)
		})
		if !ok && cases[0].none {
			t.Fatal("what comes next stands on this")
		}
	}
}

// phase runs cases that do not meet. Runs are numbered, n is the last number.
func (c *cluster) phase(cases []rbacCase, rights []held, n int) int {
	c.t.Helper()
	var jobs []func()
	before := ""
	if cases[0].keeps {
		before = c.standing()
	}
	for j, tt := range cases {
		if !tt.partly {
			n++
			own := n
			jobs = append(jobs, func() { c.with(tt, own) })
		}
		for _, missing := range rights[j].tried {
			n++
			own := n
			jobs = append(jobs, func() { c.without(tt, rights[j], missing, own) })
		}
	}
	some(jobs)
	if cases[0].keeps {
		if after := c.standing(); after != before {
			c.t.Errorf("without a right that is needed something was changed:\n%s\nnow it is\n%s", before, after)
		}
	}
	return n
}
