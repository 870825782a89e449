package plugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// newSample is the command that the commands about samples are under.
func newSample(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sample",
		Short: "Install and delete the documents' test client and mutual TLS server",
		Long: "Install and delete what Istio's documents try their configurations with: sleep, a client that can be told to curl, and mtls-server, " +
			"an nginx outside the mesh that demands client certificates",
		Example: t.examples(
			"a client in this namespace", "sample install sleep",
			"take it away again", "sample delete sleep"),
		GroupID: groupWrite,
		Args:    t.knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddGroup(&cobra.Group{ID: groupOnly, Title: "Commands"})
	cmd.AddCommand(newSampleInstall(t), newSampleDelete(t))
	return cmd
}

// sampleArgument reads the name of a sample.
func sampleArgument(cmd *cobra.Command, args []string) (string, error) {
	names := []string{install.SampleSleep, install.SampleMTLSServer}
	if len(args) != 1 {
		return "", usagef(cmd, "name one sample: %s", strings.Join(names, " or "))
	}
	for _, n := range names {
		if args[0] == n {
			return n, nil
		}
	}
	if near := egress.Nearest(args[0], names); near != "" {
		return "", usagef(cmd, "there is no sample %q; did you mean %q?", args[0], near)
	}
	return "", usagef(cmd, "there is no sample %q; there are %s", args[0], strings.Join(names, " and "))
}

// completeSamples offers the samples.
func completeSamples(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{
		cobra.CompletionWithDesc(install.SampleSleep, "a client that can be told to curl"),
		cobra.CompletionWithDesc(install.SampleMTLSServer, "an nginx outside the mesh that demands client certificates"),
	}, cobra.ShellCompDirectiveNoFileComp
}

// sampleRef is where a sample is: the client in the namespace of the flags or the kubeconfig, the server in the document's unless -n says
// otherwise.
func (t *tool) sampleRef(client *kube.Client, sample string) egress.GatewayRef {
	ref := egress.GatewayRef{Namespace: client.Namespace(), Service: sample}
	if sample == install.SampleMTLSServer && *t.config.Namespace == "" {
		ref.Namespace = install.DefaultServerNamespace
	}
	return ref
}

type sampleInstall struct {
	installing
	sample    string
	image     string
	revision  string
	clientDir string
}

func newSampleInstall(t *tool) *cobra.Command {
	s := &sampleInstall{installing: installing{tool: t}}
	cmd := &cobra.Command{
		Use:   "install sleep|mtls-server",
		Short: "Install a sample",
		Long: "Install a sample. sleep comes to the namespace of -n, with a sidecar. mtls-server comes to namespace " + install.DefaultServerNamespace +
			" or that of -n, without one, with certificates made for it; the client's are kept in its Secret " + install.ClientPair +
			" and written to files with --client-dir, from which 'credential create' makes a gateway's credential",
		Example: t.examples(
			"a client in this namespace", "sample install sleep",
			"a server that demands certificates, and the files to make a credential of", "sample install mtls-server --client-dir=certs"),
		GroupID: groupOnly,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if s.sample, err = sampleArgument(cmd, args); err != nil {
				return err
			}
			if flag := map[string]string{install.SampleSleep: "client-dir", install.SampleMTLSServer: "revision"}[s.sample]; cmd.Flags().Changed(flag) {
				return usagef(cmd, "--%s is not about %s", flag, s.sample)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.image, "image", "", "Image (default: "+install.DefaultSleepImage+" for sleep, "+install.DefaultMTLSServerImage+" for mtls-server)")
	f.StringVar(&s.clientDir, "client-dir", "", "mtls-server: directory for the client's certificate and key and the CA's certificate")
	f.StringVar(&s.revision, "revision", "", "sleep: revision of Istio whose sidecar it gets (default: the mesh's default)")
	s.flags(cmd)
	cmd.ValidArgsFunction = completeSamples
	return cmd
}

func (s *sampleInstall) run(ctx context.Context) error {
	client, err := s.tool.connect("sample install")
	if err != nil {
		return err
	}
	defer client.Close()
	ref := s.tool.sampleRef(client, s.sample)
	if s.sample == install.SampleMTLSServer {
		return s.server(ctx, client, ref)
	}
	objs := install.Sleep{Namespace: ref.Namespace, Image: s.image, Revision: s.revision}.Objects()
	stands, err := s.put(ctx, client, apply.NewBundle(install.KindSample, ref.Namespace, s.sample, nil, objs))
	if err != nil || !stands {
		return err
	}
	use := fmt.Sprintf("kubectl exec -n %s deploy/%s -c %[2]s -- curl -sSI https://edition.cnn.com", ref.Namespace, s.sample)
	if !s.wait {
		s.tool.note("Not waited until it is ready. Use it then: %s", use)
		return nil
	}
	_, took, err := s.rolledOut(ctx, client, ref, 1, "sample "+s.sample)
	if err != nil {
		return err
	}
	if err := s.inMesh(ctx, client, ref); err != nil {
		return err
	}
	s.tool.note("ready (%.1f s). Use it: %s", took.Seconds(), use)
	return nil
}

// inMesh says so if the client has no sidecar: what it sends then tells nothing about the mesh.
func (s *sampleInstall) inMesh(ctx context.Context, client *kube.Client, ref egress.GatewayRef) error {
	type container struct{ Name string }
	type pod struct {
		Metadata struct{ Name string }
		Spec     struct{ InitContainers, Containers []container }
	}
	pods, err := kube.ListOf[pod](ctx, client, kube.Resource{Version: "v1", Resource: "pods"}, ref.Namespace, kube.ListOptions{Labels: "app=" + ref.Service})
	if err != nil {
		return fmt.Errorf("find out whether sample %s has a sidecar: %w", s.sample, err)
	}
	for _, p := range pods {
		has := false
		for _, c := range append(p.Spec.InitContainers, p.Spec.Containers...) {
			has = has || c.Name == "istio-proxy" // an init container where Istio uses native sidecars
		}
		if !has {
			s.tool.note("pod %s has no sidecar, so it is not in the mesh: is an istiod of its revision running, and has namespace %s no label istio-injection=disabled?",
				p.Metadata.Name, ref.Namespace)
		}
	}
	return nil
}

type sampleDelete struct {
	removing
	sample string
}

func newSampleDelete(t *tool) *cobra.Command {
	s := &sampleDelete{removing: removing{tool: t}}
	cmd := &cobra.Command{
		Use:     "delete sleep|mtls-server",
		Short:   "Delete a sample, exactly what was put there for it",
		Example: t.examples("the client of this namespace", "sample delete sleep", "the server, in a script", "sample delete mtls-server --yes"),
		GroupID: groupOnly,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if s.sample, err = sampleArgument(cmd, args); err != nil {
				return err
			}
			return s.askable(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	cmd.Flags().SortFlags = false
	s.flags(cmd)
	cmd.ValidArgsFunction = completeSamples
	return cmd
}

func (s *sampleDelete) run(ctx context.Context) error {
	client, err := s.tool.connect("sample delete")
	if err != nil {
		return err
	}
	defer client.Close()
	ref := s.tool.sampleRef(client, s.sample)
	plan, err := s.plan(ctx, client, install.KindSample, ref)
	if err != nil {
		return err
	}
	selected := install.SampleLabels(s.sample)
	if err := s.seesPods(ctx, client, ref.Namespace, selected); err != nil {
		return err
	}
	gone, err := s.take(ctx, plan, ref.Namespace)
	if err != nil || !gone {
		return err
	}
	return s.podsGone(ctx, client, "sample "+s.sample, ref.Namespace, selected)
}
