// Package discover finds out from a cluster what mesh.Facts says. It only reads.
package discover

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// Reader is what discovery needs of a kube.Client.
type Reader interface {
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
	List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error
	ServedVersions(ctx context.Context, group string) ([]string, error)
	PodGet(ctx context.Context, namespace, pod string, port int, path string) ([]byte, error)
	EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error)
}

// Istio's own defaults (MeshConfig, and istiod's --domain).
const (
	defaultRoot    = "istio-system"
	defaultDomain  = "cluster.local"
	groupNetwork   = "networking.istio.io"
	groupSecurity  = "security.istio.io"
	parallelReads  = 8
	kindForbidden  = "forbidden"
	kindAbsent     = "absent"
	kindTimeout    = "timeout"
	kindFailed     = "failed"
	policyAllowAny = "ALLOW_ANY"
)

// Discover reads what this cluster is. A source that cannot be read becomes a line of Facts.Unread; an error means that
// there is nothing to say at all: the API server cannot be reached, does not know the caller, or the context ended.
func Discover(ctx context.Context, c Reader) (mesh.Facts, error) {
	f := &finder{Reader: c}
	facts := mesh.Facts{RootNamespace: defaultRoot, TrustDomain: defaultDomain, ClusterDomain: defaultDomain}

	var planes []controlPlane
	var gateways []found
	var security string
	first, readCtx := errgroup.WithContext(ctx)
	first.Go(func() (err error) { facts.Networking, err = f.networking(readCtx); return err })
	first.Go(func() (err error) { planes, err = f.controlPlanes(readCtx); return err })
	first.Go(func() (err error) { gateways, err = f.gateways(readCtx); return err })
	first.Go(func() (err error) { security, err = f.security(readCtx); return err })
	if err := first.Wait(); err != nil {
		return mesh.Facts{}, err
	}
	for _, g := range gateways {
		facts.Gateways = append(facts.Gateways, g.gateway)
	}
	fallback, err := f.versions(ctx, planes, gateways)
	if err != nil {
		return mesh.Facts{}, err
	}
	for _, p := range planes {
		facts.Revisions = append(facts.Revisions, p.revision)
	}
	plane := chief(planes)
	plane.revision.Version = cmp.Or(plane.revision.Version, fallback)
	facts.Version = plane.revision.Version
	facts.ClusterDomain = cmp.Or(plane.domain, domainOfGateways(gateways), defaultDomain)

	config, err := f.meshConfig(ctx, plane)
	if err != nil {
		return mesh.Facts{}, err
	}
	facts.RootNamespace = cmp.Or(config.rootNamespace, defaultRoot)
	facts.TrustDomain = cmp.Or(config.trustDomain, defaultDomain)
	facts.Config = config.MeshConfig
	if facts.MTLS, err = f.mtls(ctx, facts, security, plane, config); err != nil {
		return mesh.Facts{}, err
	}
	facts.Unread = f.sorted()
	return facts, nil
}

// finder is one discovery: the cluster, and what could not be read of it.
type finder struct {
	Reader
	mu     sync.Mutex
	unread []mesh.Unread
}

func (f *finder) note(source, kind, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := mesh.Unread{Source: source, Kind: kind, Detail: detail}
	if !slices.Contains(f.unread, u) {
		f.unread = append(f.unread, u)
	}
}

// forget drops what was noted on the way to something that was found in another way.
func (f *finder) forget(prefix string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unread = slices.DeleteFunc(f.unread, func(u mesh.Unread) bool { return strings.HasPrefix(u.Source, prefix) })
}

func (f *finder) sorted() []mesh.Unread {
	egress.SortFunc(f.unread, func(a, b mesh.Unread) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Detail, b.Detail))
	})
	return f.unread
}

// soften turns the failure of one source into a line of Unread. What concerns every source stays an error.
func (f *finder) soften(ctx context.Context, source string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, kube.ErrUnreachable) || errors.Is(err, kube.ErrUnauthorized) {
		return err
	}
	kind := kindFailed
	switch {
	case errors.Is(err, kube.ErrForbidden):
		kind = kindForbidden
	case errors.Is(err, kube.ErrAbsent):
		kind = kindAbsent
	case errors.Is(err, kube.ErrTimeout):
		kind = kindTimeout
	}
	f.note(source, kind, err.Error())
	return nil
}

// networking is the newest version of Istio's networking API that the cluster serves; empty if there is none.
func (f *finder) networking(ctx context.Context) (string, error) {
	versions, err := f.ServedVersions(ctx, groupNetwork)
	if err != nil {
		return "", f.soften(ctx, "API group "+groupNetwork, err)
	}
	for _, known := range []string{"v1", "v1beta1", "v1alpha3"} {
		if slices.Contains(versions, known) {
			return known, nil
		}
	}
	f.note("API group "+groupNetwork, kindAbsent, fmt.Sprintf("the cluster serves %v, none of v1, v1beta1 and v1alpha3", versions))
	return "", nil
}
