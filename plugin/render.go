package plugin

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// What render assumes where no flag says otherwise: Istio's own chart of its newest version.
const (
	assumedVersion  = "1.31"
	assumedGateway  = "istio-system/istio-egressgateway"
	assumedSelector = "istio=egressgateway"
	assumedAccount  = "-service-account" // after the name of the gateway's Service
	assumedDomain   = "cluster.local"    // trust domain and cluster domain
	assumedRoot     = "istio-system"
	assumedProxy    = "sni-proxy" // the container's name in the documents
	assumedSNIPort  = 18443       // of that container, as 'gateway install' has it
	lastLegacy      = "1.4"       // the last Istio with certificates in /etc/certs
)

type render struct {
	tool     *tool
	declared declared
	output   *choice
	version  string

	folder    string
	overwrite bool
}

func newRender(t *tool) *cobra.Command {
	r := &render{tool: t}
	cmd := &cobra.Command{
		Use:   "render --domains=HOST[,HOST...] | -f FILE",
		Short: "Print the objects that enable would apply, without any cluster",
		Long: "Print the objects that enable would apply, without any cluster. What enable finds out from the mesh is assumed to be " +
			"as Istio's own chart has it, unless flags say otherwise; --mtls=auto means on here",
		Example: t.examples(
			"the configuration of one host for kubectl apply", "render --domains=edition.cnn.com | kubectl apply -f -",
			"a file for each object, for GitOps", "render -f set.yaml --output-dir=egress",
			"for an older Istio", "render --domains=edition.cnn.com --istio-version=1.20",
			"through a gateway of one's own", "render --domains=a.example.com --gateway=team/egress --gateway-selector=app=egress"),
		GroupID: groupWrite,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	r.declared.flags(cmd)
	r.output = choose(cmd, "output", "o", "How the objects are printed", "yaml", "json", "name")
	f := cmd.Flags()
	f.StringVar(&r.version, "istio-version", assumedVersion, "Istio's version, which decides about the API version of the objects")
	f.StringVar(&r.folder, "output-dir", "", "Write a file for each object into this folder instead; files of the set that it no longer needs are deleted")
	f.BoolVar(&r.overwrite, "overwrite", false, "With --output-dir: write over files that render did not make for this set")
	return cmd
}

func (r *render) run(cmd *cobra.Command) error {
	switch {
	case r.folder == "" && r.overwrite:
		return usagef(cmd, "--overwrite goes with --output-dir")
	case r.folder != "" && r.output.value != "yaml":
		return usagef(cmd, "--output-dir writes YAML; leave -o %s out", r.output.value)
	}
	d, err := r.declared.declaration(r.tool, cmd)
	if err != nil {
		return err
	}
	if ns := *r.tool.config.Namespace; ns != "" {
		d.Namespace = ns
	}
	if d.Gateway == "" && d.Mode != string(egress.Direct) {
		d.Gateway = assumedGateway
	}
	set, err := egress.ParseSet(d)
	if err != nil {
		return err
	}
	version := r.version
	if set.LegacyCerts && !cmd.Flags().Changed("istio-version") {
		version = lastLegacy
	}
	facts, err := assumed(set.Gateway, version, cmp.Or(r.declared.selector, assumedSelector))
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	objs, err := recipe.Render(set.Resolved(set.Gateway, set.MTLS != egress.MTLSOff), facts)
	if err != nil {
		return err
	}
	if r.folder == "" {
		return printObjects(r.tool.Out, r.output.value, objs)
	}
	changes, err := planFiles(r.folder, set, objs, r.overwrite)
	if err != nil {
		return err
	}
	return r.tool.writeFiles(r.folder, changes)
}

// assumed are the facts of a mesh that nobody looked at.
func assumed(gateway egress.GatewayRef, version, selector string) (mesh.Facts, error) {
	v, err := mesh.ParseVersion(version)
	if err != nil {
		return mesh.Facts{}, fmt.Errorf("--istio-version: %w", err)
	}
	known, err := assumedGatewayAt(gateway, selector)
	if err != nil {
		return mesh.Facts{}, err
	}
	known.SNIProxy = &mesh.SNIProxy{Container: assumedProxy, Port: assumedSNIPort}
	return mesh.Facts{
		Version:       v,
		RootNamespace: assumedRoot,
		TrustDomain:   assumedDomain,
		ClusterDomain: assumedDomain,
		Networking:    networking(v),
		Gateways:      []mesh.Gateway{known},
		MTLS:          mesh.MTLS{On: true, Reason: "assumed"},
	}, nil
}

// networking is the newest version of networking.istio.io that an Istio serves: v1beta1 came with 1.5, v1 with 1.22.
func networking(v mesh.Version) string {
	switch {
	case v.AtLeast(1, 22):
		return "v1"
	case v.AtLeast(1, 5):
		return "v1beta1"
	default:
		return "v1alpha3"
	}
}
