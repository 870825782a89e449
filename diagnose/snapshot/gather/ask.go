package gather

import (
	"context"
	"io"

	"github.com/kubectl-egress/kubectl-egress/stats/ask"
)

// Ask puts one question to the admin interface of a pod's Envoy and has the reply parsed: through a port-forward or, where that is
// forbidden, by a command in the pod. parse reads a reply's JSON to its end.
func Ask(ctx context.Context, c Client, namespace, pod, path string, parse func(io.Reader) error) error {
	return question(ctx, ask.New(c, ask.Auto), namespace, pod, path, parse)
}

func question(ctx context.Context, a *ask.Asker, namespace, pod, path string, parse func(io.Reader) error) error {
	_, err := ask.Read(ctx, a, namespace, pod, path, func(r io.Reader) (struct{}, error) { return struct{}{}, parse(r) })
	return err
}
