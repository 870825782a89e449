package plugin

import (
	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// declared are the flags that make a set, the same for every command that takes one.
type declared struct {
	domains []string
	name    string
	mode    string
	gateway string
	mtls    string
}

func (d *declared) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&d.domains, "domains", nil, "Hosts outside the mesh: edition.cnn.com, *.wikipedia.org; separated by commas")
	f.StringVar(&d.name, "name", "", "Name of the set (default: the first host with dashes)")
	f.StringVar(&d.mode, "mode", string(egress.Auto), "How they leave; auto: TLS by passthrough on port 443 and HTTP by http on port 80 for exact hosts")
	f.StringVar(&d.gateway, "gateway", "", "Egress gateway as NAMESPACE/SERVICE (default: the mesh's only one)")
	f.StringVar(&d.mtls, "mtls", string(egress.MTLSAuto), "Istio mTLS from sidecar to gateway: auto (as the mesh does), on or off")
	modes := make([]string, 0, len(egress.Modes()))
	for _, m := range egress.Modes() {
		modes = append(modes, string(m))
	}
	completes(cmd, "mode", modes...)
	completes(cmd, "mtls", string(egress.MTLSAuto), string(egress.MTLSOn), string(egress.MTLSOff))
}

func (d *declared) declaration() egress.Declaration {
	return egress.Declaration{Name: d.name, Domains: d.domains, Mode: d.mode, Gateway: d.gateway, MTLS: d.mtls}
}
