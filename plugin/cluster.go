package plugin

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// connect gives a client that may ask what the table of rights has for a command, and nothing else: a command that only reads cannot
// write. It contacts nothing yet.
func (t *tool) connect(command string) (*kube.Client, error) { return t.client(command, false) }

// connectReading is connect for a command that could write, and is not to this time.
func (t *tool) connectReading(command string) (*kube.Client, error) { return t.client(command, true) }

func (t *tool) client(command string, onlyReads bool) (*kube.Client, error) {
	c, ok := kube.FindCommand(command)
	if !ok {
		return nil, fmt.Errorf("the table of rights does not have %q; please report this", command)
	}
	client, err := kube.New(t.config, kube.Options{
		QPS:       t.qps,
		Burst:     t.burst,
		ReadOnly:  onlyReads,
		Command:   &c,
		UserAgent: fmt.Sprintf("%s/%s (%s/%s)", Program, Version(), runtime.GOOS, runtime.GOARCH),
		Warnings:  t.ErrOut,
	})
	if err == nil {
		t.clients = append(t.clients, client)
	}
	return client, err
}

// tellRefused has every command under c say, when it is done, what it could not see for want of a right. The door to the API server
// knows, so that no command can forget it: what may not be seen is not to be taken for absent.
func (t *tool) tellRefused(c *cobra.Command) {
	for _, sub := range c.Commands() {
		t.tellRefused(sub)
	}
	run := c.RunE
	if run == nil {
		return
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if refused := t.refused(err); len(refused) > 0 {
			command := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().CommandPath()+" ")
			t.note("Not seen, for want of the right to %s; '%s rbac %s' prints what it takes", strings.Join(byVerb(refused), "; "), t.name, command)
		}
		return err
	}
}

// refused are the rights that were missing, but for those that the error tells of.
func (t *tool) refused(err error) []string {
	var all []string
	for _, c := range t.clients {
		all = append(all, c.Refused()...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	said := ""
	if err != nil {
		said = err.Error()
	}
	return slices.DeleteFunc(all, func(right string) bool {
		// by exec Envoys are asked only where ports may not be forwarded, which is the lesser right
		lesser := strings.Replace(right, "pods/exec", "pods/portforward", 1)
		return strings.Contains(said, serverWords(right)) || strings.Contains(said, right) || lesser != right && slices.Contains(all, lesser)
	})
}

// byVerb puts rights together that are alike but for the resource: "list pods and services in all namespaces".
func byVerb(rights []string) []string {
	type kind struct{ verb, where string }
	var order []kind
	resources := map[kind][]string{}
	for _, right := range rights {
		verb, rest, _ := strings.Cut(right, " ")
		resource, where, _ := strings.Cut(rest, " ")
		k := kind{verb, where}
		if resources[k] == nil {
			order = append(order, k)
		}
		resources[k] = append(resources[k], resource)
	}
	grouped := make([]string, 0, len(order))
	for _, k := range order {
		words := resources[k]
		last := len(words) - 1
		line := words[last]
		if last > 0 {
			line = strings.Join(words[:last], ", ") + " and " + line
		}
		grouped = append(grouped, k.verb+" "+line+" "+k.where)
	}
	return grouped
}

// serverWords is how the API server tells of a missing right: "list deployments.apps in namespace shop" as `list resource "deployments"`.
func serverWords(right string) string {
	verb, rest, _ := strings.Cut(right, " ")
	resource, _, _ := strings.Cut(rest, " ")
	resource, sub, below := strings.Cut(resource, "/")
	resource, _, _ = strings.Cut(resource, ".")
	if below {
		resource += "/" + sub
	}
	return verb + " resource " + strconv.Quote(resource)
}

// declare checks what was declared before the cluster is contacted, puts it into the namespace of the flags or the kubeconfig, and
// gives a client for it.
func (t *tool) declare(d egress.Declaration, command string) (egress.Set, *kube.Client, error) {
	if _, err := egress.ParseSet(d); err != nil {
		return egress.Set{}, nil, err
	}
	client, err := t.connect(command)
	if err != nil {
		return egress.Set{}, nil, err
	}
	if d.Namespace == "" {
		d.Namespace = client.Namespace()
	}
	set, err := egress.ParseSet(d)
	if err != nil {
		client.Close()
		return egress.Set{}, nil, err
	}
	return set, client, nil
}

// narrate has the libraries below tell what they do on w as far as -v asks: at 0 nothing, since every error reaches the user as an
// error. It sets what klog keeps for the whole process, so it is called once, by Run.
func narrate(w io.Writer, verbose int) error {
	if verbose <= 0 {
		klog.SetSlogLogger(slog.New(slog.DiscardHandler))
		return nil
	}
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	if err := flags.Set("v", strconv.Itoa(verbose)); err != nil {
		return fmt.Errorf("-v %d: %w", verbose, err)
	}
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.Level(-verbose)})))
	return nil
}
