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

	commonHost  string
	credential  string
	caSecret    string
	caFile      string
	exportTo    []string
	legacyCerts bool
	selector    string
}

// maxFile is more than DecodeDeclaration takes, in bytes, so that it is it who says that a file is too large.
const maxFile = 2 << 20

func (d *declared) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&d.domains, "domains", nil, "Hosts outside the mesh: edition.cnn.com, *.wikipedia.org; separated by commas")
	f.StringVar(&d.name, "name", "", "Name of the set (default: the first host with dashes)")
	f.StringVar(&d.mode, "mode", string(egress.Auto), "How they leave; auto: exact hosts by passthrough on port 443 and by http on port 80, wildcards by sni-dynamic")
	f.StringVar(&d.gateway, "gateway", "", "Egress gateway as NAMESPACE/SERVICE (default: the mesh's only one)")
	f.StringVar(&d.mtls, "mtls", string(egress.MTLSAuto), "Istio mTLS from sidecar to gateway: auto (as the mesh does), on or off")
	f.StringVar(&d.commonHost, "common-host", "", "The host that serves all of them, for mode common-host")
	f.StringVar(&d.credential, "credential", "", "Secret with the client certificate in the gateway's namespace, for mode mtls-origination")
	f.StringVar(&d.caSecret, "ca-secret", "", "Secret with the servers' CA (ca.crt) in the gateway's namespace, for mode tls-origination (default: the system's CAs)")
	f.StringVar(&d.caFile, "ca-file", "", "The servers' CA as a PEM file, of which such a Secret is made")
	f.StringSliceVar(&d.exportTo, "export-to", nil, "Namespaces whose workloads use it; . is the set's own, * all (default: as the mesh does)")
	f.BoolVar(&d.legacyCerts, "legacy-certs", false, "Certificates of Istio up to 1.4 in /etc/certs instead of ISTIO_MUTUAL")
	f.StringVar(&d.selector, "gateway-selector", "", "Labels of the gateway's pods, where nobody may or can look (default: as Istio's charts have it)")
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
		ca, err := d.authority(t)
		return egress.Declaration{
			Name: d.name, Domains: d.domains, Mode: d.mode, Gateway: d.gateway, MTLS: d.mtls,
			CommonHost: d.commonHost, Credential: d.credential, CASecret: d.caSecret, CA: ca, ExportTo: d.exportTo, LegacyCerts: d.legacyCerts,
		}, err
	}
	for _, flag := range []string{
		"domains", "name", "mode", "gateway", "mtls", "common-host", "credential", "ca-secret", "ca-file", "export-to", "legacy-certs",
	} {
		if cmd.Flags().Changed(flag) {
			return egress.Declaration{}, usagef(cmd, "choose one: --%s or -f, where the file says it", flag)
		}
	}
	text, err := t.read(d.file)
	if err != nil {
		return egress.Declaration{}, err
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

// authority is the CA of --ca-file; empty if there is none.
func (d *declared) authority(t *tool) (string, error) {
	if d.caFile == "" {
		return "", nil
	}
	text, err := t.read(d.caFile)
	return string(text), err
}

// read gives a file's or stdin's text, up to maxFile.
func (t *tool) read(file string) ([]byte, error) {
	in, done, err := t.open(file)
	if err != nil {
		return nil, err
	}
	defer done()
	text, err := io.ReadAll(io.LimitReader(in, maxFile))
	if err != nil {
		return nil, egress.Inputf("%s: %v", file, err)
	}
	return text, nil
}
