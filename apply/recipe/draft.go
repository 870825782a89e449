package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	clientnetworking "istio.io/client-go/pkg/apis/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// meshGateway is Istio's word for all sidecars.
const meshGateway = "mesh"

// draft collects what the routes of one set need, so that routes of one set share objects.
type draft struct {
	set      egress.Set
	facts    mesh.Facts
	gateway  mesh.Gateway // zero for sets that use none
	mtls     bool
	entries  []*entry // in order of first use
	servers  []*networking.Server
	subsets  []*networking.Subset
	services map[egress.Host]*networking.VirtualService
	order    []egress.Host // keys of services in order of routes
	rules    []Object      // DestinationRules for hosts outside
	secrets  []Object
	filter   filter
}

func newDraft(set egress.Set, facts mesh.Facts) (*draft, error) {
	if facts.Networking == "" {
		return nil, fmt.Errorf("build objects of set %s: the cluster is not known to serve any version of networking.istio.io; is Istio installed?", set)
	}
	d := &draft{set: set, facts: facts, services: map[egress.Host]*networking.VirtualService{}}
	if set.LegacyCerts && !facts.Version.IsZero() && facts.Version.AtLeast(1, 5) {
		return nil, egress.Inputf("Istio %s no longer mounts /etc/certs (1.4 was the last that did); leave --legacy-certs out", facts.Version)
	}
	if len(set.ExportTo) > 0 && !slices.Contains(set.ExportTo, "*") && d.older(7) {
		return nil, egress.Inputf("exporting to single namespaces needs Istio 1.7, and this is %s; leave --export-to out", facts.Version)
	}
	if set.Direct() {
		return d, nil
	}
	gw, ok := facts.Gateway(set.Gateway)
	if !ok {
		return nil, egress.Inputf("gateway %s was not found; gateways are: %s", orNone(set.Gateway.String()), orNone(gatewayList(facts)))
	}
	if len(gw.Selector) == 0 {
		return nil, egress.Inputf("gateway %s has no labels by which a Gateway could select its pods, and an empty selector would take every workload", set.Gateway)
	}
	d.gateway, d.mtls = gw, set.MTLS == egress.MTLSOn || set.MTLS == egress.MTLSAuto && facts.MTLS.On
	return d, nil
}

// older says that Istio is known to be older than minor release 1.x.
func (d *draft) older(minor int) bool {
	return !d.facts.Version.IsZero() && !d.facts.Version.AtLeast(1, minor)
}

func gatewayList(facts mesh.Facts) string {
	names := make([]string, 0, len(facts.Gateways))
	for _, g := range facts.Gateways {
		names = append(names, g.Ref().String())
	}
	return strings.Join(names, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// serve opens a port of the gateway for a host. The number is that of the gateway's Service, which Istio maps to the
// pod's own. Servers that end Istio's TLS serve one host each, because the tcp routes behind them know no SNI: Istio
// pairs route and server by the host. Others share one server per port.
func (d *draft) serve(h egress.Host, number uint32, name, protocol string, tls *networking.ServerTLSSettings) error {
	if _, ok := d.gateway.Target(int(number)); !ok {
		return egress.Inputf("gateway %s has no port %d (its Service has %s); add the port to the Service or name another gateway",
			d.set.Gateway, number, orNone(portList(d.gateway)))
	}
	if d.mtls {
		name += "-" + labelOf(h, maxLabelName-len(name)-1)
	} else {
		for _, s := range d.servers {
			if s.Port.Number == number {
				s.Hosts = append(s.Hosts, string(h))
				return nil
			}
		}
	}
	d.servers = append(d.servers, &networking.Server{
		Port:  &networking.Port{Number: number, Name: name, Protocol: protocol},
		Hosts: []string{string(h)},
		Tls:   tls,
	})
	return nil
}

func portList(gw mesh.Gateway) string {
	numbers := make([]string, 0, len(gw.Ports))
	for _, p := range gw.Ports {
		numbers = append(numbers, fmt.Sprint(p.Number))
	}
	return strings.Join(numbers, ", ")
}

// routesOf is the VirtualService of a host, bound to all sidecars and to the set's Gateway if it has one.
func (d *draft) routesOf(h egress.Host) *networking.VirtualService {
	vs := d.services[h]
	if vs == nil {
		vs = &networking.VirtualService{Hosts: []string{string(h)}}
		if !d.set.Direct() {
			vs.Gateways = []string{meshGateway, d.set.ParentName()}
		}
		d.services[h] = vs
		d.order = append(d.order, h)
	}
	return vs
}

// toGateway is the first leg: from the sidecar to the gateway's Service. With Istio mTLS it goes by a subset that sends as
// SNI what the gateway's server expects.
func (d *draft) toGateway(h egress.Host, number uint32) *networking.Destination {
	dest := &networking.Destination{
		Host: d.gateway.Host(d.facts.ClusterDomain),
		Port: &networking.PortSelector{Number: number},
	}
	if d.mtls {
		dest.Subset = d.subset(h)
	}
	return dest
}

// toOutside is the second leg: from the gateway to the host itself.
func toOutside(h egress.Host, number uint32) *networking.Destination {
	return &networking.Destination{Host: string(h), Port: &networking.PortSelector{Number: number}}
}

// subset gives the name of the host's subset of the gateway's Service. Its TLS settings hold for every port of it.
func (d *draft) subset(h egress.Host) string {
	name := labelOf(h, maxLabelName)
	for _, s := range d.subsets {
		if s.Name == name {
			return name
		}
	}
	d.subsets = append(d.subsets, &networking.Subset{
		Name:          name,
		TrafficPolicy: &networking.TrafficPolicy{Tls: d.clientTLS(d.outerName(h))},
	})
	return name
}

// outerName is the SNI of Istio's own TLS from sidecar to gateway, which has to fit the gateway's server. A wildcard is no server
// name, so that some name below it stands for all.
func (d *draft) outerName(h egress.Host) string {
	switch {
	case !h.IsWildcard():
		return string(h)
	case d.set.CommonHost != "" && h.Covers(d.set.CommonHost):
		return string(d.set.CommonHost)
	default:
		return "placeholder." + h.Domain()
	}
}

// objects assembles the draft in the order of writing.
func (d *draft) objects() ([]Object, error) {
	if err := d.unambiguous(); err != nil {
		return nil, err
	}
	home := d.set.Namespace
	objs := append(slices.Clone(d.secrets), d.serviceEntries()...)
	if len(d.servers) > 0 {
		objs = append(objs, &clientnetworking.Gateway{
			TypeMeta: d.kind("Gateway"), ObjectMeta: d.meta(home, d.set.ParentName()),
			Spec: networking.Gateway{Selector: maps.Clone(d.gateway.Selector), Servers: d.servers},
		})
	}
	if len(d.subsets) > 0 {
		// Istio looks a rule up in the client's namespace, then the Service's, then the root namespace: beside the Service
		// it is found by the sidecars of every namespace. A set for its own namespace alone has it there.
		at := d.gateway.Namespace
		if d.set.Private() {
			at = home
		}
		objs = append(objs, &clientnetworking.DestinationRule{
			TypeMeta: d.kind("DestinationRule"), ObjectMeta: d.meta(at, awayFromHome(d.set, at)),
			Spec: networking.DestinationRule{
				Host: d.gateway.Host(d.facts.ClusterDomain), Subsets: d.subsets,
				ExportTo: d.exportTo(d.facts.Config.DefaultDestinationRuleExportTo, at),
			},
		})
	}
	objs = append(objs, d.rules...)
	if !d.filter.empty() {
		objs = append(objs, d.filter.object(d))
	}
	for _, h := range d.order {
		vs := &clientnetworking.VirtualService{TypeMeta: d.kind("VirtualService"), ObjectMeta: d.meta(home, hostObject(d.set, h))}
		d.services[h].DeepCopyInto(&vs.Spec)
		vs.Spec.ExportTo = d.exportTo(d.facts.Config.DefaultVirtualServiceExportTo, home)
		objs = append(objs, vs)
	}
	return objs, nil
}

// unambiguous holds what names promise: one host, one subset, one port name. Hashes make a breach all but impossible; if one
// comes, traffic of two hosts would be mixed, so it must not pass in silence.
func (d *draft) unambiguous() error {
	sni := map[string]string{}
	for _, s := range d.subsets {
		sni[s.Name] = s.TrafficPolicy.Tls.Sni
	}
	for _, h := range d.order {
		if got, ok := sni[labelOf(h, maxLabelName)]; ok && got != d.outerName(h) {
			return fmt.Errorf("build objects of set %s: hosts %s and %s would share one subset; put them in two sets", d.set, got, h)
		}
	}
	seen := map[string]string{}
	for _, s := range d.servers {
		if other, twice := seen[s.Port.Name]; twice {
			return fmt.Errorf("build objects of set %s: hosts %s and %s would share one port name; put them in two sets", d.set, other, s.Hosts[0])
		}
		seen[s.Port.Name] = s.Hosts[0]
	}
	return nil
}

func (d *draft) kind(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: Group + "/" + d.facts.Networking, Kind: kind}
}

// meta is the one place where members get their labels of ownership.
func (d *draft) meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name,
		Labels: map[string]string{egress.LabelManagedBy: egress.ManagedBy, egress.LabelPartOf: d.set.ApplySetID()},
	}
}
