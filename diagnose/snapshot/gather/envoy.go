package gather

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
)

// proxies reads the configuration of the gateways and of the workloads picked.
func (g *gatherer) proxies(ctx context.Context) error {
	gateways, err := g.gatewayPods(ctx)
	if err != nil {
		return err
	}
	workloads, err := g.workloads(ctx)
	if err != nil {
		return err
	}
	all := slices.Concat(gateways, workloads)
	if err := ReadProxies(ctx, g.Client, all, g.o); err != nil {
		return err
	}
	// a pod that went away meanwhile takes no traffic either
	g.s.Proxies = slices.DeleteFunc(all, func(p snapshot.Proxy) bool { return p.State.Kind == snapshot.Absent })
	return nil
}

// ReadProxies reads the real configuration of proxies, several at a time, each within the deadline. What goes wrong with one is
// in its State; an error means that the API server cannot be reached or the context ended.
func ReadProxies(ctx context.Context, c Client, proxies []snapshot.Proxy, o Options) error {
	o = o.withDefaults()
	asker := ask.New(c, o.Via)
	var alike snapshot.Sharer
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(o.Parallel)
	for i := range proxies {
		p := &proxies[i]
		if p.Role == snapshot.NoProxy {
			continue
		}
		group.Go(func() error {
			one, cancel := context.WithTimeout(groupCtx, o.Deadline)
			defer cancel()
			err := (&reader{asker, p}).read(one)
			if err != nil && fatal(groupCtx, err) {
				return err
			}
			p.State = stateOf(err)
			alike.Share(p)
			return nil
		})
	}
	return group.Wait()
}

// reader asks one proxy.
type reader struct {
	asker *ask.Asker
	p     *snapshot.Proxy
}

// lists are asked for one by one, so that nothing is sent that is not needed: no static part, no certificate.
var lists = []string{
	admin.DynamicListeners, admin.DynamicRoutes, admin.DynamicClusters, admin.DynamicWarmingClusters,
}

// names asks for the names of secrets and never for what is in them.
const names = "&mask=name,last_updated"

func (r *reader) read(ctx context.Context) error {
	config := func(resource string) func(io.Reader) error {
		return func(body io.Reader) error { return r.p.Config.Read(body, resource) }
	}
	for _, l := range lists {
		if err := r.ask(ctx, "/config_dump?resource="+l, config(l)); err != nil {
			return err
		}
	}
	err := r.ask(ctx, "/clusters?format=json", func(body io.Reader) (err error) {
		r.p.Hosts, err = admin.ReadHosts(body)
		return err
	})
	if err != nil {
		return err
	}
	secrets := []string{admin.DynamicWarmingSecrets} // what is missing stops a path at a sidecar, too
	if r.p.Role == snapshot.AtGateway {
		secrets = append(secrets, admin.DynamicSecrets)
	}
	for _, l := range secrets {
		if err := r.ask(ctx, "/config_dump?resource="+l+names, config(l)); err != nil {
			return err
		}
	}
	if r.p.Role != snapshot.AtGateway {
		return nil
	}
	if err := r.ask(ctx, "/config_dump?mask=bootstrap.stats_config.stats_matcher", config("")); err != nil {
		return err
	}
	return r.ask(ctx, "/certs", func(body io.Reader) (err error) {
		r.p.Certs, err = admin.ReadCertificates(body)
		return err
	})
}

// ask puts one question and has the reply parsed.
func (r *reader) ask(ctx context.Context, path string, parse func(io.Reader) error) error {
	return question(ctx, r.asker, r.p.Namespace, r.p.Pod, path, func(body io.Reader) error {
		if err := parse(body); err != nil {
			return fmt.Errorf("reply to %s: %w", path, ended(err))
		}
		return nil
	})
}

// ended says of JSON that ends too early that it was cut off, as of any other reply.
func ended(err error) error {
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok && bad.Error() == "unexpected end of JSON input" {
		return fmt.Errorf("%w: %w", err, io.ErrUnexpectedEOF)
	}
	return err
}
