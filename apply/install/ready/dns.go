// Package ready is the part of installing that has to look at the cluster: where its DNS is, and when what was installed is there.
// It only reads.
package ready

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Reader is what this package needs of the API server; *kube.Client is one.
type Reader interface {
	kube.Lister
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
}

var (
	services    = kube.Resource{Version: "v1", Resource: "services"}
	podsOf      = kube.Resource{Version: "v1", Resource: "pods"}
	eventsOf    = kube.Resource{Version: "v1", Resource: "events"}
	deployments = kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// dnsServices are where clusters have their DNS: nearly all under the name of the one that CoreDNS took the place of, OpenShift
// under its own.
var dnsServices = []egress.GatewayRef{
	{Namespace: "kube-system", Service: "kube-dns"},
	{Namespace: "kube-system", Service: "coredns"},
	{Namespace: "openshift-dns", Service: "dns-default"},
}

type service struct {
	Spec struct {
		Selector   map[string]string `json:"selector"`
		ClusterIP  string            `json:"clusterIP"`
		ClusterIPs []string          `json:"clusterIPs"`
		Ports      []struct {
			Port     uint16 `json:"port"`
			Protocol string `json:"protocol"`
		} `json:"ports"`
	} `json:"spec"`
}

// Resolver finds the cluster's DNS. That there is none under the usual names is an *egress.InputError.
func Resolver(ctx context.Context, c Reader) (install.Resolver, error) {
	for _, ref := range dnsServices {
		var s service
		err := c.Get(ctx, services, ref.Namespace, ref.Service, &s)
		if errors.Is(err, kube.ErrAbsent) {
			continue
		}
		if err != nil {
			return install.Resolver{}, fmt.Errorf("find the cluster's DNS (name it with --resolver=IP): %w", err)
		}
		at, ok := s.address()
		if !ok {
			continue
		}
		only, err := s.onlyIPv4(ctx, c, ref.Namespace)
		return install.Resolver{Address: at, IPv4Only: only}, err
	}
	return install.Resolver{}, egress.Inputf("the cluster's DNS was not found under its usual names (Service kube-system/kube-dns); name it with --resolver=IP")
}

// IPv4Only says whether the cluster's pods have addresses of IPv4 alone, as far as those of its DNS tell. A cluster whose DNS is
// not found is taken for one, as most are.
func IPv4Only(ctx context.Context, c Reader) (bool, error) {
	r, err := Resolver(ctx, c)
	if err != nil {
		if _, ok := errors.AsType[*egress.InputError](err); ok || errors.Is(err, kube.ErrForbidden) {
			return true, nil
		}
		return false, err
	}
	return r.IPv4Only, nil
}

// address is where the Service answers; a headless one does not.
func (s service) address() (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(s.Spec.ClusterIP)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for _, p := range s.Spec.Ports {
		if p.Protocol == "UDP" && p.Port != 0 {
			return netip.AddrPortFrom(ip, p.Port), true
		}
	}
	return netip.AddrPortFrom(ip, 53), true
}

// onlyIPv4 looks at the pods too: the DNS Service of many dual-stack clusters has one address only. Who may not see the pods goes
// by the Service.
func (s service) onlyIPv4(ctx context.Context, c Reader, namespace string) (bool, error) {
	addresses := append([]string{s.Spec.ClusterIP}, s.Spec.ClusterIPs...)
	if len(s.Spec.Selector) > 0 {
		pods, err := kube.ListOf[pod](ctx, c, podsOf, namespace, kube.ListOptions{Labels: selector(s.Spec.Selector)})
		if err != nil && !errors.Is(err, kube.ErrForbidden) {
			return false, fmt.Errorf("find out the cluster's address families: %w", err)
		}
		for _, p := range pods {
			for _, ip := range p.Status.PodIPs {
				addresses = append(addresses, ip.IP)
			}
		}
	}
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); err == nil && ip.Is6() {
			return false, nil
		}
	}
	return true, nil
}
