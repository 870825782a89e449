package plugin

import (
	"io"

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
	file    string
}

// maxFile is more than DecodeDeclaration takes, in bytes, so that it is it who says that a file is too large.
const maxFile = 2 << 20

func (d *declared) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&d.domains, "domains", nil, "Hosts outside the mesh: edition.cnn.com, *.wikipedia.org; separated by commas")
	f.StringVar(&d.name, "name", "", "Name of the set (default: the first host with dashes)")
	f.StringVar(&d.mode, "mode", string(egress.Auto), "How they leave; auto: TLS by passthrough on port 443 and HTTP by http on port 80 for exact hosts")
	f.StringVar(&d.gateway, "gateway", "", "Egress gateway as NAMESPACE/SERVICE (default: the mesh's only one)")
	f.StringVar(&d.mtls, "mtls", string(egress.MTLSAuto), "Istio mTLS from sidecar to gateway: auto (as the mesh does), on or off")
	f.StringVarP(&d.file, "filename", "f", "", "Take all of this from a YAML document of kind Set instead; - is stdin")
	modes := make([]string, 0, len(egress.Modes()))
	for _, m := range egress.Modes() {
		modes = append(modes, string(m))
	}
	completes(cmd, "mode", modes...)
	completes(cmd, "mtls", string(egress.MTLSAuto), string(egress.MTLSOn), string(egress.MTLSOff))
}

// declaration is what the flags say, or the file.
func (d *declared) declaration(t *tool, cmd *cobra.Command) (egress.Declaration, error) {
	if d.file == "" {
		return egress.Declaration{Name: d.name, Domains: d.domains, Mode: d.mode, Gateway: d.gateway, MTLS: d.mtls}, nil
	}
	for _, flag := range []string{"domains", "name", "mode", "gateway", "mtls"} {
		if cmd.Flags().Changed(flag) {
			return egress.Declaration{}, usagef(cmd, "choose one: --%s or -f, where the file says it", flag)
		}
	}
	in, done, err := t.open(d.file)
	if err != nil {
		return egress.Declaration{}, err
	}
	defer done()
	text, err := io.ReadAll(io.LimitReader(in, maxFile))
	if err != nil {
		return egress.Declaration{}, egress.Inputf("%s: %v", d.file, err)
	}
	got, err := egress.DecodeDeclaration(text)
	if err != nil {
		return egress.Declaration{}, egress.Inputf("%s: %v", d.file, err)
	}
	if ns := *t.config.Namespace; ns != "" && got.Namespace != "" && ns != got.Namespace {
		return egress.Declaration{}, egress.Inputf("%s is for namespace %s, but -n says %s; leave one of them out", d.file, got.Namespace, ns)
	}
	return got, nil
}
