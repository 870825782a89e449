package offline

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
)

// standIn makes of what the dumps say about themselves the Pods, and the Services of gateways, that are not among the files. A
// sidecar and a gateway by themselves tell enough: each its name, address and labels, the sidecar how the gateway's Service is called.
func (f *Files) standIn() error {
	for _, e := range f.proxies {
		if f.named["pods. "+e.namespace+"/"+e.pod] != "" {
			continue
		}
		if err := f.put(pods, e.namespace, e.pod, e.podObject()); err != nil {
			return err
		}
	}
	known := map[*envoy][]*service{}
	for _, e := range f.proxies {
		if !e.router {
			continue
		}
		known[e] = f.servicesOf(e)
		for _, s := range known[e] {
			if f.named["services. "+s.namespace+"/"+s.name] != "" {
				continue
			}
			if err := f.put(services, s.namespace, s.name, s.object(e)); err != nil {
				return err
			}
		}
	}
	return f.guessEndpoints(known)
}

// put adds an object of our own making.
func (f *Files) put(key, namespace, name string, o any) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	f.objects[key] = append(f.objects[key], raw)
	f.named[key+" "+namespace+"/"+name] = "a configuration dump"
	return nil
}

type fields = map[string]any

func (e *envoy) podObject() fields {
	role := map[bool]string{true: "router", false: "sidecar"}[e.router]
	m := e.node.Metadata
	metadata := fields{"namespace": e.namespace, "name": e.pod, "labels": m.Labels}
	// the owner is written as an address of the API that ends in KINDs and NAME
	if parts := strings.Split(m.Owner, "/"); len(parts) > 2 {
		kind := strings.TrimSuffix(parts[len(parts)-2], "s")
		metadata["ownerReferences"] = []fields{{"kind": kind, "name": parts[len(parts)-1]}}
	}
	containers := []fields{{"name": "istio-proxy", "args": []string{"proxy", role, "--domain", e.namespace + ".svc." + e.node.domain()}}}
	for c := range strings.SplitSeq(m.Containers, ",") {
		if c != "" {
			containers = append(containers, fields{"name": c})
		}
	}
	return fields{
		"metadata": metadata,
		"spec":     fields{"serviceAccountName": m.ServiceAccount, "containers": containers},
		"status":   fields{"phase": "Running", "podIP": e.node.ip(), "conditions": []fields{{"type": "Ready", "status": "True"}}},
	}
}

// service is one that a sidecar knows.
type service struct {
	namespace, name string
	ports           map[int]int // number → the port that the pods listen on
}

func (s *service) object(e *envoy) fields {
	labels := fields{}
	for _, key := range []string{"istio", "app", "gateway.networking.k8s.io/gateway-name"} {
		if v := e.node.Metadata.Labels[key]; v != "" {
			labels[key] = v
		}
	}
	var ports []fields
	for _, number := range sortedKeys(s.ports) {
		ports = append(ports, fields{"name": fmt.Sprintf("p%d", number), "port": number, "targetPort": s.ports[number], "protocol": "TCP"})
	}
	return fields{"metadata": fields{"namespace": s.namespace, "name": s.name}, "spec": fields{"selector": labels, "ports": ports}}
}

func sortedKeys(m map[int]int) []int {
	var out []int
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// servicesOf finds what sidecars call a gateway: the Service whose endpoints have its address or, where dumps have no endpoints,
// the one of its namespace that is named like its workload, or for egress.
func (f *Files) servicesOf(gateway *envoy) []*service {
	found := map[string]*service{}
	var order []*service
	for _, sidecar := range f.proxies {
		if sidecar.router {
			continue
		}
		known := sidecar.addresses()
		for _, cluster := range sidecar.clusterNames {
			name, ok := trace.ParseCluster(cluster)
			short, isService := strings.CutSuffix(name.Host, ".svc."+gateway.node.domain())
			svc, namespace, two := strings.Cut(short, ".")
			if !ok || !isService || !two || namespace != gateway.namespace {
				continue
			}
			target := gateway.target(name.Port)
			if hosts, listed := known[cluster]; listed && len(hosts) > 0 {
				i := slices.IndexFunc(hosts, func(a socketAddress) bool { return a.Socket.Address == gateway.node.ip() })
				if i < 0 {
					continue
				}
				target = hosts[i].Socket.Port
			} else if svc != gateway.node.Metadata.Workload && !strings.Contains(svc, "egress") {
				continue
			}
			if found[svc] == nil {
				found[svc] = &service{namespace: namespace, name: svc, ports: map[int]int{}}
				order = append(order, found[svc])
			}
			found[svc].ports[name.Port] = target
		}
	}
	return order
}

// target guesses where a gateway listens for a port of its Service: there, or as Istio's charts have it 8000 further up.
func (e *envoy) target(port int) int {
	if slices.Contains(e.listenerPorts, port) {
		return port
	}
	if port < 1024 {
		return port + 8000
	}
	return port
}

// index reads once what is looked for often.
func (e *envoy) index() {
	for _, raw := range e.lists["dynamic_listeners"] {
		var w struct {
			Active struct {
				Listener struct {
					Address socketAddress `json:"address"`
				} `json:"listener"`
			} `json:"active_state"`
		}
		if err := json.Unmarshal(raw, &w); err == nil { // what is malformed is told when it is read as a whole
			e.listenerPorts = append(e.listenerPorts, w.Active.Listener.Address.Socket.Port)
		}
	}
	for _, raw := range e.lists["dynamic_active_clusters"] {
		var w struct {
			Cluster struct {
				Name string `json:"name"`
			} `json:"cluster"`
		}
		if err := json.Unmarshal(raw, &w); err == nil {
			e.clusterNames = append(e.clusterNames, w.Cluster.Name)
		}
	}
}

// addresses are the hosts of each cluster that the proxy has said something of.
func (e *envoy) addresses() map[string][]socketAddress {
	var w struct {
		Clusters []struct {
			Name  string `json:"name"`
			Hosts []struct {
				Address socketAddress `json:"address"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	out := map[string][]socketAddress{}
	if err := json.Unmarshal(e.hosts, &w); err != nil {
		return out // nothing was given; what is malformed is told when it is read
	}
	for _, c := range w.Clusters {
		for _, h := range c.Hosts {
			out[c.Name] = append(out[c.Name], h.Address)
		}
	}
	return out
}

// guessEndpoints gives sidecars whose dumps have no endpoints those that were given: a plain config_dump does not have them.
func (f *Files) guessEndpoints(known map[*envoy][]*service) error {
	for _, sidecar := range f.proxies {
		if sidecar.router || sidecar.hosts != nil {
			continue
		}
		var out statuses
		for gateway, services := range known {
			for _, s := range services {
				for _, cluster := range sidecar.clusterNames {
					if name, ok := trace.ParseCluster(cluster); ok && name.Host == s.name+"."+s.namespace+".svc."+gateway.node.domain() {
						var a socketAddress
						a.Socket.Address, a.Socket.Port = gateway.node.ip(), s.ports[name.Port]
						out.add(cluster, &host{Address: a})
					}
				}
			}
		}
		var err error
		if sidecar.hosts, err = json.Marshal(out); err != nil {
			return err
		}
	}
	return nil
}

func (s *statuses) add(cluster string, h *host) {
	i := slices.IndexFunc(s.Clusters, func(c *status) bool { return c.Name == cluster })
	if i < 0 {
		s.Clusters = append(s.Clusters, &status{Name: cluster})
		i = len(s.Clusters) - 1
	}
	s.Clusters[i].Hosts = append(s.Clusters[i].Hosts, h)
}
