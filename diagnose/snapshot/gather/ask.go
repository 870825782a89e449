package gather

import (
	"context"
	"io"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// Ask puts one question to the admin interface of a pod's Envoy and has the reply parsed: through a port-forward or, where that is
// forbidden, by the agent in the pod. parse reads a reply's JSON to its end.
func Ask(ctx context.Context, c Client, namespace, pod, path string, parse func(io.Reader) error) error {
	return (&reader{Client: c, p: &snapshot.Proxy{Namespace: namespace, Pod: pod}}).ask(ctx, path, parse)
}
