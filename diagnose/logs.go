package diagnose

import (
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// GatewayLogs are gateways as far as their logs go.
func GatewayLogs(gateways []mesh.Gateway) []logstream.Gateway {
	all := make([]logstream.Gateway, 0, len(gateways))
	for _, g := range gateways {
		one := logstream.Gateway{Namespace: g.Namespace, Service: g.Service, Selector: g.Selector}
		if g.SNIProxy != nil {
			one.SNIProxy = g.SNIProxy.Container
		}
		all = append(all, one)
	}
	return all
}
