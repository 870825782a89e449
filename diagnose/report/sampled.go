package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// What only a part of the pods has shown is said with it: "pass (5 of 80 pods)".

// sampled is that addition for a hop of a path; empty where all pods were looked at, or none was to be.
func (r *Report) sampled(p *Path, h Hop) string {
	i := slices.IndexFunc(r.Samples, func(s snapshot.Sample) bool {
		if h.Name == egress.AtSidecar {
			return s.Gateway == (egress.GatewayRef{})
		}
		return h.Name == egress.AtGateway && s.Gateway.String() == p.Gateway
	})
	if i < 0 || h.State == check.Skip {
		return ""
	}
	return fmt.Sprintf(" (%d of %d pods)", r.Samples[i].Looked, r.Samples[i].Total)
}

// samples is the line of a drawing that says it.
func (r *Report) samples() string {
	var all []string
	for _, s := range r.Samples {
		all = append(all, clean(s.String()))
	}
	return strings.Join(all, "; ")
}
