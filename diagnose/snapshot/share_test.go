package snapshot

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// podOf makes a gateway pod with a chain and a cluster for each host.
func podOf(number int, hosts ...string) Proxy {
	p := Proxy{Pod: fmt.Sprint("pod-", number), IP: fmt.Sprint("10.0.0.", number), Role: AtGateway, Labels: map[string]string{"istio": "egressgateway"}}
	own := admin.Listener{Name: "own", Address: p.IP}
	all := admin.Listener{Name: "0.0.0.0_8443", Address: "0.0.0.0", Port: 8443}
	for _, h := range hosts {
		c := "outbound|443||" + h
		chain := admin.FilterChain{Match: admin.Match{ServerNames: []string{h}}, Filters: []admin.Filter{{Name: "tcp", TCP: &admin.TCPProxy{Cluster: c}}}}
		all.Chains, own.Chains = append(all.Chains, chain), append(own.Chains, chain)
		p.Config.Clusters = append(p.Config.Clusters, admin.Cluster{Name: c, Type: admin.StrictDNS, Endpoints: []admin.Endpoint{{Address: h, Port: 443}}})
		p.Hosts = append(p.Hosts, admin.HostCounters{Cluster: c, Hosts: []admin.HostStatus{{Address: "192.0.2.1", Port: 443, Opened: uint64(number)}}})
	}
	p.Config.Listeners = []admin.Listener{all, own}
	p.Config.Routes = []admin.RouteConfig{{Name: "http.8080", Hosts: []admin.VirtualHost{{Domains: hosts}}}}
	return p
}

// TestShare: what is alike is there once, what is not stays as it is, and nobody can tell by looking.
func TestShare(t *testing.T) {
	t.Parallel()
	pods := []Proxy{podOf(1, "a", "b"), podOf(2, "a", "b"), podOf(3, "a", "c"), podOf(4)}
	var s Sharer
	for i := range pods {
		before, err := json.Marshal(pods[i])
		if err != nil {
			t.Fatal(err)
		}
		s.Share(&pods[i])
		after, err := json.Marshal(pods[i])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Errorf("%s has changed: %s", pods[i].Pod, diff)
		}
	}
	one, two, three := &pods[0].Config, &pods[1].Config, &pods[2].Config
	if &one.Clusters[0] != &two.Clusters[0] || &one.Routes[0] != &two.Routes[0] {
		t.Error("lists that are alike are there twice")
	}
	if &one.Listeners[0] == &two.Listeners[0] || &one.Listeners[0].Chains[0] != &two.Listeners[0].Chains[0] || &one.Listeners[1].Chains[0] != &two.Listeners[1].Chains[0] {
		t.Error("chains that are alike are there twice, or a listener with another address is shared")
	}
	if &one.Clusters[0].Endpoints[0] != &three.Clusters[0].Endpoints[0] || three.Clusters[1].Name != "outbound|443||c" {
		t.Error("a cluster that is alike is there twice, or one that is not is shared")
	}
	if pods[0].Hosts[0].Hosts[0].Opened != 1 || pods[1].Hosts[0].Hosts[0].Opened != 2 {
		t.Error("counters are each pod's own")
	}
}

func TestShareAtOnce(t *testing.T) {
	t.Parallel()
	var s Sharer
	var group sync.WaitGroup
	pods := make([]Proxy, 20)
	for i := range pods {
		pods[i] = podOf(i, "a", "b")
		group.Go(func() { s.Share(&pods[i]) })
	}
	group.Wait()
	for i := range pods {
		if &pods[i].Config.Clusters[0] != &pods[0].Config.Clusters[0] {
			t.Errorf("pod %d has its own", i)
		}
	}
}
