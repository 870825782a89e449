package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/apply/pki"
)

// deed is one command that writes. In its arguments NAME is the lane's own and DIR a directory with certificates.
type deed struct {
	name   string
	before []string // brings the cluster to where the command begins
	args   []string
	who    func(name string) identity
	faults int  // how many kinds of faults each write is tried with; 0 is all
	keeps  bool // takes nothing back
	only   int  // of the writes only so many, spread over all of them; 0 is all
}

const (
	faultsHome    = "faults"    // of sets and gateways
	faultsGateway = "faults-gw" // of a gateway that has no pods, so that no Envoy is troubled
)

// faultsNamespace is what the lanes need to be there. No pod ever starts in it.
const faultsNamespace = `
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
		{name: "more", before: one, args: many, who: ofSet, faults: 3},
		{name: "fewer", before: many, args: one, who: ofSet, faults: 3},
		{name: "kept", before: one, args: append(slices.Clone(many), "--no-rollback"), who: ofSet, keeps: true, faults: 1},
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
			l.faults = func(n int) []mishap {
				if d.faults == 0 {
					return allFaults[j : j+1]
				}
				var some []mishap
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
		text += strings.ReplaceAll(faultsNamespace, "NS", ns)
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
