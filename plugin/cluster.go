package plugin

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"

	"k8s.io/klog/v2"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// access is what a command may do to the cluster.
type access bool

const (
	readOnly  access = true // the client refuses every write
	readWrite access = false
)

// connect gives a client as the flags say. It contacts nothing yet.
func (t *tool) connect(a access) (*kube.Client, error) {
	return kube.New(t.config, kube.Options{
		QPS:       t.qps,
		Burst:     t.burst,
		ReadOnly:  bool(a),
		UserAgent: fmt.Sprintf("%s/%s (%s/%s)", Program, Version(), runtime.GOOS, runtime.GOARCH),
		Warnings:  t.ErrOut,
	})
}

// declare checks what was declared before the cluster is contacted, puts it into the namespace of the flags or the kubeconfig, and
// gives a client for it.
func (t *tool) declare(d egress.Declaration, a access) (egress.Set, *kube.Client, error) {
	if _, err := egress.ParseSet(d); err != nil {
		return egress.Set{}, nil, err
	}
	client, err := t.connect(a)
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
