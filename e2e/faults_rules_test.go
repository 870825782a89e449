package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ruleFault is a fault of the collection of rules, put in by hand.
type ruleFault struct {
	file   string // of testdata/faults; its code begins the name
	state  string // in which check reports it; empty: fail
	ask    string // asked for before, where only counters tell; its answer does not matter
	client string // empty: -client
	rolls  string // a Deployment that the objects and the fix restart
	byHand string // the fix only tells where to look, and this is what one sees there
	dir    string // where the fix finds the files that it asks for
	url    string // passes through the gateway afterwards; empty: nothing of the sort
}

func (f ruleFault) code() string { code, _, _ := strings.Cut(f.file, "-"); return code }

// TestFaultsOfRules: one fault at a time is found under its own code and no other; the printed fix, run to the letter, mends it.
func TestFaultsOfRules(t *testing.T) {
	tls, http := "https://"+*host, "http://"+*host
	for _, f := range []ruleFault{
		{file: "EGR004", state: "warn", url: tls},
		{file: "EGR005", url: tls},
		{file: "EGR007", url: http},
		{file: "EGR007-tls", url: tls},
		{file: "EGR008", url: tls},
		{file: "EGR009", client: "default/past", rolls: "default/past"},
		{file: "EGR016", url: tls},
		{file: "EGR019-mesh-only", url: tls},
		{file: "EGR020-target", url: tls},
		{file: "EGR021", state: "warn", url: tls},
		{file: "EGR025", url: http},
		{file: "EGR026", byHand: "o resources found"},
		{file: "EGR039", state: "warn", ask: http, url: http},
		{file: "EGR041", state: "warn", ask: tls, byHand: "onnect"},
		{file: "EGR045", client: "default/asks", rolls: "default/asks"},
		{file: "EGR046"},
		{file: "EGR048", rolls: "default/way-out"},
		{file: "EGR053", state: "warn", url: tls},
		{file: "EGR070", url: tls},
	} {
		t.Run(f.file, func(t *testing.T) { newCluster(t).ruled(f, strings.ReplaceAll(fault(t, f.file), "IMAGE", *image)) })
	}
	t.Run("EGR006", func(t *testing.T) { // the fault is the client's: it knows an address and no name
		c := newCluster(t)
		namespace, name := split(*outsideRef)
		address := c.kube("-n", namespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
		c.ruled(ruleFault{file: "EGR006", state: "warn", ask: "https://" + address, byHand: "PassthroughCluster"}, fault(t, "working-passthrough"))
	})
}

// ruled puts a fault in, sees its code and no other, follows the fix and sees that all is well.
func (c *cluster) ruled(f ruleFault, objects string) {
	c.t.Helper()
	c.restore()
	state, client := f.state, f.client
	if state == "" {
		state = "fail"
	}
	if client == "" {
		client = *clientRef
	}
	c.apply(objects)
	c.rolledOut(f.rolls)
	var rep report
	only := func(want string) func() (bool, string) {
		return func() (bool, string) {
			if f.ask != "" {
				c.request(*clientRef, f.ask) // counters and logs tell only of what was tried
			}
			rep = c.check("--from-pod=" + client)
			got := strings.Join(rep.codes("fail", "warn", "unknown"), " ")
			return got == want && len(rep.Paths) > 0, "codes " + got
		}
	}
	c.eventually("check names "+f.code(), time.Minute, only(f.code()))
	if got := strings.Join(rep.codes(state), " "); got != f.code() {
		c.t.Errorf("%s is not said as %s: %s", f.code(), state, got)
	}
	told := map[string]bool{}
	for _, x := range rep.Findings {
		if x.State != state || told[x.Fix] {
			continue
		}
		told[x.Fix] = true
		if f.byHand != "" {
			if r := c.run("", "bash", "-c", x.Fix); !strings.Contains(r.stdout+r.stderr, f.byHand) {
				c.t.Errorf("it shows nothing of %q: %s", f.byHand, r)
			}
			return
		}
		c.followIn(f.dir, x.Fix)
	}
	c.rolledOut(f.rolls)
	c.eventually("check is content after the fix", time.Minute, only(""))
	if f.url != "" && !c.passes(*clientRef, f.url, *outsideRef) {
		c.t.Errorf("after the fix %s still goes round the gateway", f.url)
	}
}

// rolledOut waits for a Deployment, if one is named.
func (c *cluster) rolledOut(ref string) {
	c.t.Helper()
	if ref == "" {
		return
	}
	namespace, name := split(ref)
	c.kube("-n", namespace, "rollout", "status", "deploy/"+name, "--timeout=90s")
}

// TestRefusedByIstio: rule R36 cannot be put on a cluster whose admission webhook runs; check knows it from files.
func TestRefusedByIstio(t *testing.T) {
	c := newCluster(t)
	r := c.run(fault(t, "EGR036"), c.kubectl, "apply", "--dry-run=server", "-f", "-")
	if r.code == 0 || !strings.Contains(r.stderr, "resolution mode DNS") {
		t.Errorf("a wildcard with resolution DNS is taken: %s", r)
	}
}

// TestDocumentsByHand applies what the documents print: check is content with every one of them.
func TestDocumentsByHand(t *testing.T) {
	namespace, _ := split(*gatewayRef)
	const en, www = "mesh-external/en", "mesh-external/www"
	set := newCluster(t)
	set.restoreSecret(namespace, "outside-ca", set.outsideCA())
	for _, d := range []struct{ file, url, outside, direct string }{
		{file: "direct-exact", direct: "https://" + *host, outside: *outsideRef},
		{file: "direct-wildcard", direct: "https://en.wikipedia.org", outside: en},
		{file: "common-host-plain", url: "https://en.wikipedia.org", outside: www},
		{file: "common-host-mtls", url: "https://en.wikipedia.org", outside: www},
		{file: "sni-dynamic-plain", url: "https://en.wikipedia.org", outside: en},
		{file: "sni-dynamic-mtls", url: "https://en.wikipedia.org", outside: en},
		{file: "tls-origination-plain", url: "http://" + *host, outside: *outsideRef},
		{file: "tls-origination-mtls", url: "http://" + *host, outside: *outsideRef},
		{file: "tls-origination-target-port", url: "http://" + *host, outside: *outsideRef},
	} {
		t.Run(d.file, func(t *testing.T) {
			c := newCluster(t)
			c.apply(readFile(t, filepath.Join("testdata", "documents", d.file+".yaml")))
			c.eventually("check is content", 30*time.Second, func() (bool, string) {
				rep := c.check("--from-pod=" + *clientRef)
				said := strings.Join(rep.codes("fail", "warn", "unknown"), " ")
				return rep.ExitCode == 0 && len(rep.Paths) > 0 && said == "", said
			})
			if d.direct != "" && c.takes(*clientRef, d.direct, d.outside, 200) {
				t.Errorf("%s goes through a gateway", d.direct)
			}
			if d.url != "" && !c.takes(*clientRef, d.url, d.outside, 200) {
				t.Errorf("%s goes round the gateway", d.url)
			}
		})
	}
}

// restoreSecret makes a Secret with a CA for as long as the test lasts; one that is there already is left alone.
func (c *cluster) restoreSecret(namespace, name, ca string) {
	c.t.Helper()
	if r := c.run("", c.kubectl, "-n", namespace, "get", "secret", name); r.code == 0 {
		return
	}
	c.run(ca, c.kubectl, "-n", namespace, "create", "secret", "generic", name, "--from-file=ca.crt=/dev/stdin")
	c.t.Cleanup(func() { c.kube("-n", namespace, "delete", "secret", name) })
}
