package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/apply/pki"
)

// deed is one command that writes. In its arguments NAME is the lane's own and DIR a directory with certificates.
type deed struct {
	name   string
	before []string // brings the cluster to where the command begins
	args   []string
	who    func(name string) identity
	faults int // how many kinds of faults each write is tried with; 0 is all
	only   int // of the writes only so many, spread over all of them; 0 is all
}

const (
	faultsHome    = "faults"    // of sets and gateways
	faultsGateway = "faults-gw" // of a gateway that has no pods, so that no Envoy is troubled
)

// world is what the lanes need to be there. No pod ever starts in it.
const faultsWorld = `
{apiVersion: v1, kind: Namespace, metadata: {name: NS}}
---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: nothing-runs-here, namespace: NS}, spec: {hard: {pods: "0"}}}
---
`

const faultsService = `
apiVersion: v1
kind: Service
metadata: {name: egress, namespace: faults-gw}
spec:
  selector: {istio: faults-egress}
  ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
`

func ofSet(name string) identity { return setIdentity(faultsHome, name) }

func ofBundle(kind, namespace, name string) func(string) identity {
	return func(lane string) identity {
		return bundleIdentity(kind, strings.ReplaceAll(namespace, "NAME", lane), strings.ReplaceAll(name, "NAME", lane))
	}
}

func enableSet(more ...string) []string {
	return append([]string{"enable", "--name=NAME", "-n", faultsHome, "--gateway=" + faultsGateway + "/egress", "--wait=false"}, more...)
}

// deeds are all commands that write, each from where it is used.
func deeds() []deed {
	gone := []string{"cleanup", "NAME", "-n", faultsHome, "--yes", "--wait=false"}
	one, many := enableSet("--domains=a.NAME.example.com"), enableSet("--domains=a.NAME.example.com,b.NAME.example.com,c.NAME.example.com")
	install := []string{"gateway", "install", faultsHome + "/NAME", "--wait=false"}
	uninstall := []string{"gateway", "uninstall", faultsHome + "/NAME", "--yes", "--wait=false"}
	create := []string{"credential", "create", "NAME", "--gateway=" + faultsGateway + "/egress", "--cert=DIR/client.crt", "--key=DIR/client.key", "--ca=DIR/ca.crt", "--wait=false"}
	remove := []string{"credential", "delete", "NAME", "--gateway=" + faultsGateway + "/egress", "--yes", "--wait=false"}
	fresh := ofBundle("gateway", "faults-NAME", "egress")
	list := []deed{
		{name: "enable", before: gone, args: one, who: ofSet},
		{name: "more", before: one, args: many, who: ofSet},
		{name: "fewer", before: many, args: one, who: ofSet},
		{name: "cleanup", before: one, args: gone, who: ofSet},
		{name: "origination", before: gone, args: enableSet("--domains=a.NAME.example.com", "--mode=tls-origination", "--ca-file=DIR/ca.crt"), who: ofSet, faults: 3},
		{name: "wildcard", before: gone, args: enableSet("--domains=*.NAME.example.com"), who: ofSet, faults: 3},
		{name: "install", before: uninstall, args: install, who: ofBundle("gateway", faultsHome, "NAME"), faults: 2},
		{name: "uninstall", before: install, args: uninstall, who: ofBundle("gateway", faultsHome, "NAME"), faults: 2},
		{name: "create", before: remove, args: create, who: ofBundle("credential", faultsGateway, "NAME")},
		{name: "delete", before: create, args: remove, who: ofBundle("credential", faultsGateway, "NAME")},
		{
			name: "fresh", before: []string{"gateway", "uninstall", "faults-NAME/egress", "--yes", "--wait=false"}, who: fresh, faults: 1, only: 4,
			args: []string{"gateway", "install", "faults-NAME/egress", "--wait=false", "--node-selector=no=such-node"},
		},
	}
	for _, sample := range []string{"sleep", "mtls-server"} {
		in := "faults-" + sample
		install := []string{"sample", "install", sample, "-n", in, "--wait=false"}
		remove := []string{"sample", "delete", sample, "-n", in, "--yes", "--wait=false"}
		who := ofBundle("sample", in, sample)
		list = append(list, deed{name: sample, before: remove, args: install, who: who, faults: 1}, deed{name: "no-" + sample, before: install, args: remove, who: who, faults: 1})
	}
	return list
}

// lane tries one command with some faults, one run after the other. Lanes of the same identity follow each other.
type lane struct {
	t         *testing.T
	c         *cluster
	proxy     *faultProxy
	base      *url.URL
	transport http.RoundTripper
	deed      deed
	name      string // of the set or whatever the command is about
	dir       string
	faults    func(n int) []fault // of the n-th write
	runs      int
}

// words fills a command in.
func (l *lane) words(args []string) []string {
	filled := make([]string, 0, len(args))
	for _, a := range args {
		filled = append(filled, strings.NewReplacer("NAME", l.name, "DIR", l.dir).Replace(a))
	}
	return filled
}

func (l *lane) state() map[string]any {
	s, err := state(l.base, l.transport, l.deed.who(l.name))
	if err != nil {
		l.t.Errorf("%s: reading the cluster: %v", l.name, err)
	}
	return s
}

// reset brings the cluster to where the command begins. To take away what is not there is no failure here.
func (l *lane) reset() result {
	l.proxy.arm(0, "")
	return l.c.run("", l.c.egress, append(l.words(l.deed.before), "--kubeconfig="+l.proxy.kubeconfig)...)
}

// run lets every write of the command go wrong and holds that the cluster is then as before or as wanted, and that exit code and
// words say which is true.
func (l *lane) run() {
	args := append(l.words(l.deed.args), "--kubeconfig="+l.proxy.kubeconfig, "--request-timeout=2s")
	first := l.reset()
	before := l.state()
	l.proxy.arm(0, "")
	whole := l.c.run("", l.c.egress, args...)
	wanted, total := l.state(), l.proxy.writes()
	if whole.code != 0 || total == 0 || cmp.Equal(before, wanted) {
		l.t.Errorf("%s: without any fault: %d writes\n%s%s", l.name, total, first, whole)
		return
	}
	now := wanted
	for _, n := range spread(total, l.deed.only) {
		for _, f := range l.faults(n) {
			if !cmp.Equal(now, before) {
				r := l.reset()
				if now = l.state(); !cmp.Equal(now, before) {
					l.t.Errorf("%s: cannot go back: %s%s", l.name, r, cmp.Diff(before, now))
					return
				}
			}
			l.proxy.arm(n, f)
			r := l.c.run("", l.c.egress, args...)
			if l.proxy.writes() < n {
				l.t.Errorf("%s: only %d writes, %d were expected\n%s", l.name, l.proxy.writes(), total, r)
			}
			now = l.state()
			l.judge(fmt.Sprintf("%s: write %d of %d: %s", l.name, n, total, f), r, before, wanted, now)
			l.runs++
		}
	}
	l.reset()
}

// judge compares what is there with what the command says is there.
func (l *lane) judge(where string, r result, before, wanted, now map[string]any) {
	back := strings.Contains(r.stderr, "the cluster is as it was before")
	switch {
	case r.code == 0 && !cmp.Equal(now, wanted):
		l.t.Errorf("%s: says all is done, and it is not:\n%s%s", where, r, cmp.Diff(wanted, now))
	case r.code == 0 && back, r.code != 0 && !back:
		l.t.Errorf("%s: does not say what is true:\n%s\nas before: %v, as wanted: %v", where, r, cmp.Equal(now, before), cmp.Equal(now, wanted))
	case r.code != 0 && !cmp.Equal(now, before):
		l.t.Errorf("%s: says that nothing has changed, and it has:\n%s%s", where, r, cmp.Diff(before, now))
	}
}

// spread chooses some of the numbers from 1 to n: the first two, the last, and one between; all if some is 0.
func spread(n, some int) []int {
	var all []int
	for i := 1; i <= n; i++ {
		if some == 0 || i <= 2 || i == n || i == n/2 {
			all = append(all, i)
		}
	}
	return all
}

// TestWritesSurviveFaults lets each write of each command go wrong in each way that there is, on the real API server.
func TestWritesSurviveFaults(t *testing.T) {
	c := newCluster(t)
	base, transport := upstream(t)
	dir := certificates(t)
	c.faultsWorld()
	began, turns := time.Now(), make(chan struct{}, 6) // most of the time is waiting for the hanging
	var group sync.WaitGroup
	queues := map[string][]*lane{} // by what must not be done at the same time
	for i, d := range deeds() {
		lanes := 1
		if d.faults == 0 {
			lanes = len(allFaults)
		}
		for j := range lanes {
			name := fmt.Sprintf("%s-%d", d.name, j)
			l := &lane{t: t, c: c, proxy: newFaultProxy(t, base, transport), base: base, transport: transport, deed: d, name: name, dir: dir}
			l.faults = func(n int) []fault {
				if d.faults == 0 {
					return allFaults[j : j+1]
				}
				var some []fault
				for k := range d.faults {
					some = append(some, allFaults[(n+i+k*len(allFaults)/d.faults)%len(allFaults)])
				}
				return some
			}
			id := d.who(name).id
			queues[id] = append(queues[id], l)
		}
	}
	var runs sync.Map
	for _, queue := range queues {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			for _, l := range queue {
				l.run()
				runs.Store(l.name, l.runs)
			}
		})
	}
	group.Wait()
	total := 0
	runs.Range(func(_, n any) bool { total += n.(int); return true })
	t.Logf("%d runs in %.0f s", total, time.Since(began).Seconds())
	if total < 150 {
		t.Errorf("only %d runs", total)
	}
}

// faultsWorld makes the namespaces of the lanes, and takes them away.
func (c *cluster) faultsWorld() {
	c.t.Helper()
	text := ""
	for _, ns := range []string{faultsHome, faultsGateway, "faults-sleep", "faults-mtls-server"} {
		text += strings.ReplaceAll(faultsWorld, "NS", ns)
	}
	c.apply(text + faultsService)
	c.t.Cleanup(func() { c.kube("delete", "namespace", "faults-fresh-0", "--ignore-not-found") })
}

// certificates makes files of a CA and a client.
func certificates(t *testing.T) string {
	t.Helper()
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca, err := pki.NewCA("faults", from, until)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: "client", Client: true, From: from.Add(time.Minute), Until: until.Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.crt": ca.CertPEM, "client.crt": pair.CertPEM, "client.key": pair.KeyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
