package gather

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// named finds the pod that From names.
func (g *gatherer) named(ctx context.Context, from string) (*pod, error) {
	namespace, name := g.o.Namespace, from
	if first, rest, ok := strings.Cut(from, "/"); ok {
		name = rest
		if !isKind(first) {
			namespace = first
		}
	}
	if namespace == "" {
		namespace = "default"
	}
	var found *pod
	err := g.List(ctx, podsResource, namespace, kube.ListOptions{Restart: func() { found = nil }}, func(raw json.RawMessage) error {
		var p pod
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		_, owner, _ := strings.Cut(p.owner(), "/")
		if p.Metadata.Name == name || owner == name && p.ready() && (found == nil || p.Metadata.Name < found.Metadata.Name) {
			found = &p
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find workload %s: %w", from, err)
	}
	if found == nil {
		return nil, egress.Inputf("%s names no ready pod in namespace %s, nor what made one; give NAMESPACE/POD or NAMESPACE/DEPLOYMENT", from, namespace)
	}
	g.state(snapshot.Pods, snapshot.State{Kind: snapshot.Read})
	return found, nil
}

func isKind(s string) bool {
	kinds := []string{
		"pod", "pods", "po", "deploy", "deployment", "deployments", "sts", "statefulset", "statefulsets", "ds", "daemonset", "daemonsets",
		"job", "jobs", "rs", "replicaset", "replicasets",
	}
	return slices.Contains(kinds, s)
}
